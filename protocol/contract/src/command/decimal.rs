//! Decimal numbers of any length as text, without a detour over binary floating point.

/// `-digits × 10^exponent`, without leading or trailing zeros; zero has no digits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// Digits with optional sign, point and exponent, as JSON writes numbers; a plus sign, leading zeros and a missing digit
    /// before or after the point are tolerated. `None`: anything else.
    pub(crate) fn parse(text: &str) -> Option<Decimal> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let all = format!("{whole}{fraction}");
        let kept = all.trim_end_matches('0');
        let digits = kept.trim_start_matches('0').to_owned();
        let dropped = i64::try_from(all.len() - kept.len()).ok()?;
        let exponent = exponent.saturating_sub(i64::try_from(fraction.len()).ok()?).saturating_add(dropped);
        Some(if digits.is_empty() {
            Decimal { negative: false, digits, exponent: 0 }
        } else {
            Decimal { negative, digits, exponent }
        })
    }

    /// It has a fractional part.
    pub(crate) fn has_fraction(&self) -> bool {
        self.exponent < 0
    }

    /// As an integer; `None` with a fraction, or out of the range of 64 bit.
    pub(crate) fn to_integer(&self) -> Option<i128> {
        let zeros = usize::try_from(self.exponent).ok()?;
        if self.digits.len().checked_add(zeros)? > 20 {
            return None;
        }
        let magnitude: i128 = if self.digits.is_empty() { 0 } else { self.digits.parse().ok()? };
        let scaled = magnitude * 10i128.pow(u32::try_from(zeros).ok()?);
        Some(if self.negative { -scaled } else { scaled })
    }

    /// The shortest text without exponent; `None` if that were longer than `longest`.
    pub(crate) fn plain(&self, longest: usize) -> Option<String> {
        if self.digits.is_empty() {
            return Some("0".into());
        }
        let magnitude = usize::try_from(self.exponent.unsigned_abs()).ok()?;
        if self.digits.len().checked_add(magnitude)? > longest {
            return None;
        }
        let sign = if self.negative { "-" } else { "" };
        Some(if self.exponent >= 0 {
            format!("{sign}{}{}", self.digits, "0".repeat(magnitude))
        } else if magnitude < self.digits.len() {
            let (whole, fraction) = self.digits.split_at(self.digits.len() - magnitude);
            format!("{sign}{whole}.{fraction}")
        } else {
            format!("{sign}0.{}{}", "0".repeat(magnitude - self.digits.len()), self.digits)
        })
    }
}

/// Saturates: what is that large or small is out of every range anyway.
fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    const LIMIT: i64 = i64::MAX / 4;
    let magnitude = digits.parse::<i64>().unwrap_or(LIMIT).min(LIMIT);
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_shortest_and_has_no_exponent() {
        let cases = [
            ("10", Some("10")),
            ("10.0", Some("10")),
            ("1.0e1", Some("10")),
            ("42.50", Some("42.5")),
            ("-10.5", Some("-10.5")),
            ("0.000001", Some("0.000001")),
            ("1e-6", Some("0.000001")),
            ("-0.0", Some("0")),
            ("0e99999999999999999999", Some("0")),
            ("+007", Some("7")),
            ("12345678901234567890.125", Some("12345678901234567890.125")),
            (".5", Some("0.5")),
            ("1e400", None),
            ("1e-99999999999999999999", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Decimal::parse(text).unwrap().plain(60).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in
            ["", "-", ".", "1.2.3", "e5", "1e", "1e+", "0x10", "NaN", "inf", " 1", "1 ", "1_000", "--1", "1e1.5"]
        {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn integers_keep_64_bits() {
        let cases = [
            ("0", Some(0)),
            ("1e3", Some(1000)),
            ("1.50e1", Some(15)),
            ("-9223372036854775808", Some(i128::from(i64::MIN))),
            ("18446744073709551615", Some(i128::from(u64::MAX))),
            ("1.5", None),
            ("1e30", None),
            ("100000000000000000000000000000000000000000000000000", None),
            ("0.0000000000000000000000000000000000000", Some(0)),
        ];
        for (text, expected) in cases {
            assert_eq!(Decimal::parse(text).unwrap().to_integer(), expected, "{text}");
        }
    }
}
