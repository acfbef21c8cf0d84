//! Date and time texts (RFC 3339), as tag 0 marks them.

/// Unix seconds of `2016-10-11T13:50:13+02:00`; a fraction of a second is dropped. `None` if it is no such text.
pub(super) fn unix_seconds(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| {
        let digits = bytes.get(from..to)?;
        digits.iter().try_fold(0, |n, byte| byte.is_ascii_digit().then(|| n * 10 + i64::from(byte - b'0')))
    };
    let separated = |at: usize, expected: &[u8]| bytes.get(at).is_some_and(|byte| expected.contains(byte));
    let layout =
        separated(4, b"-") && separated(7, b"-") && separated(10, b"Tt ") && separated(13, b":") && separated(16, b":");
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !layout || !(1..=12).contains(&month) || !(1..=days_of(year, month)).contains(&day) {
        return None;
    }
    // 60: a leap second.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut at = 19;
    if separated(at, b".") {
        let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        at += 1 + digits;
        if digits == 0 {
            return None;
        }
    }
    let offset = match &bytes[at..] {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let (hours, minutes) = (number(at + 1, at + 3)?, number(at + 4, at + 6)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if *sign == b'+' { 60 } else { -60 }
        }
        _ => return None,
    };
    Some(days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let whole_years = before * 365 + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    let whole_months: i64 = (1..month).map(|month| days_of(year, month)).sum();
    // 719,162 days lie before 1970 in this reckoning.
    whole_years + whole_months + day - 1 - 719_162
}

#[cfg(test)]
mod tests {
    use super::unix_seconds;

    #[test]
    fn dates_become_unix_seconds() {
        let cases = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2016-10-11T11:50:13Z", Some(1_476_186_613)),
            ("2016-10-11T13:50:13+02:00", Some(1_476_186_613)),
            ("2016-10-11T07:20:13.25-04:30", Some(1_476_186_613)),
            ("2000-02-29T00:00:00Z", Some(951_782_400)),
            ("1969-12-31T23:59:59Z", Some(-1)),
            ("2024-12-31T23:59:59z", Some(1_735_689_599)),
            ("0000-01-01T00:00:00Z", Some(-62_167_219_200)),
            ("1900-02-29T00:00:00Z", None),
            ("2016-13-11T11:50:13Z", None),
            ("2016-10-11T24:00:00Z", None),
            ("2016-10-11T11:50:13", None),
            ("2016-10-11T11:50:13.Z", None),
            ("2016-10-11T11:50:13+0200", None),
            ("2016-10-11", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(unix_seconds(text), expected, "{text}");
        }
    }
}
