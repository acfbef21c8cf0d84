//! Durations and sizes as text: `"22s"`, `"1.5m"`, `"4MB"`.
use std::time::Duration;

/// Reads a duration: a number and one of `ms`, `s`, `m`, `h`, `d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let scale = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        "" => return Err(format!("{text:?} has no unit: write \"{}s\" for seconds", text.trim())),
        other => return Err(format!("unknown unit {other:?}: use ms, s, m, h or d")),
    };
    let number: f64 = number.parse().map_err(|_| format!("{text:?} is not a duration like \"22s\""))?;
    Duration::try_from_secs_f64(number * scale).map_err(|_| format!("{text:?} is out of range"))
}

/// Reads a size in bytes: a whole number and one of `B`, `KB`, `MB`, `GB` (powers of 1024; `KiB` and so on mean the same).
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let (number, unit) = split(text);
    let scale: usize = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return Err(format!("unknown unit {unit:?}: use B, KB, MB or GB")),
    };
    let number: usize = number.parse().map_err(|_| format!("{text:?} is not a size like \"4MB\""))?;
    number.checked_mul(scale).ok_or_else(|| format!("{text:?} is out of range"))
}

/// The number in front and the unit behind it.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_unit() {
        for (text, expected) in [
            ("22s", Duration::from_secs(22)),
            ("500ms", Duration::from_millis(500)),
            ("1.5m", Duration::from_secs(90)),
            ("2 h", Duration::from_secs(7_200)),
            ("1d", Duration::from_secs(86_400)),
            ("0s", Duration::ZERO),
        ] {
            assert_eq!(duration(text), Ok(expected), "{text}");
        }
        for text in ["", "s", "22", "-1s", "1.2.3s", "22 parsecs", "99999999999999999999d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, expected) in [("4MB", 4 << 20), ("16", 16), ("1KiB", 1024), ("2 gb", 2 << 30), ("7B", 7)] {
            assert_eq!(size(text), Ok(expected), "{text}");
        }
        for text in ["", "MB", "1.5MB", "-1", "4XB", "99999999999999999999"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
