//! Times as people write them: `250ms`, `5s`, `1m30s`.

/// Units and their length in microseconds.
const UNITS: &[(&str, u64)] = &[
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
];

/// What a right time looks like.
pub(crate) const EXPECTED: &str =
    "a time such as \"250ms\", \"5s\" or \"1m30s\" (units: us, ms, s, m, h)";

/// Reads a time, in microseconds. `None` if it is none, or longer than ten years.
pub(crate) fn micros(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut total = 0_u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let after = &rest[digits..];
        let letters = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == &after[..letters])?;
        total = total.checked_add(number.checked_mul(*unit)?)?;
        rest = after[letters..].trim_start();
    }
    (total <= 10 * 365 * 24 * 3_600_000_000).then_some(total)
}

/// Reads a time of whole milliseconds.
pub(crate) fn millis(text: &str) -> Option<u64> {
    micros(text)
        .filter(|micros| micros % 1_000 == 0)
        .map(|micros| micros / 1_000)
}

/// Milliseconds as people write them.
pub(crate) fn show_millis(ms: u64) -> String {
    match ms {
        ms if ms > 0 && ms % 60_000 == 0 => format!("{}m", ms / 60_000),
        ms if ms % 1_000 == 0 => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, expected) in [
            ("250ms", Some(250_000)),
            ("5s", Some(5_000_000)),
            ("1m30s", Some(90_000_000)),
            ("1m 30s", Some(90_000_000)),
            ("200us", Some(200)),
            ("0s", Some(0)),
            ("", None),
            ("5", None),
            ("s", None),
            ("5 s", None),
            ("1.5s", None),
            ("-1s", None),
            ("2months", None),
            ("99999999999999999999s", None),
            ("99999999h", None),
        ] {
            assert_eq!(micros(text), expected, "{text}");
        }
        assert_eq!(millis("1500us"), None);
        assert_eq!(show_millis(90_000), "90s");
        assert_eq!(show_millis(120_000), "2m");
        assert_eq!(show_millis(1_500), "1500ms");
    }
}
