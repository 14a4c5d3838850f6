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

/// Reads a time, in microseconds. `None` if it is none, finer than a microsecond, or longer than ten
/// years.
pub(crate) fn micros(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut total = 0_u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number = &rest[..digits];
        let after = &rest[digits..];
        let letters = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == &after[..letters])?;
        total = total.checked_add(times(number, *unit)?)?;
        rest = after[letters..].trim_start();
    }
    (total <= 10 * 365 * 24 * 3_600_000_000).then_some(total)
}

/// A number, perhaps with a fraction, of units of so many microseconds.
fn times(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (whole, fraction),
        None => (number, "0"),
    };
    let digits = u32::try_from(fraction.len()).ok()?;
    let of = 10_u64.checked_pow(digits)?;
    let part = fraction.parse::<u64>().ok()?.checked_mul(unit)?;
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    part.is_multiple_of(of)
        .then_some(whole.checked_add(part / of)?)
}

/// Reads a time of whole milliseconds.
pub(crate) fn millis(text: &str) -> Option<u64> {
    micros(text)
        .filter(|micros| micros.is_multiple_of(1_000))
        .map(|micros| micros / 1_000)
}

/// Milliseconds as people write them.
pub(crate) fn show_millis(ms: u64) -> String {
    match ms {
        ms if ms > 0 && ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        0 => "0s".to_owned(),
        ms if ms >= 1_000 => thousandths(ms, "s"),
        ms => format!("{ms}ms"),
    }
}

/// Microseconds as people write them.
pub(crate) fn show_micros(us: u64) -> String {
    match us {
        us if us.is_multiple_of(1_000) => show_millis(us / 1_000),
        us if us > 1_000 => thousandths(us, "ms"),
        us => format!("{us}us"),
    }
}

/// Thousandths of a unit.
fn thousandths(number: u64, unit: &str) -> String {
    let text = format!("{}.{:03}", number / 1_000, number % 1_000);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{unit}")
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
            ("1.5s", Some(1_500_000)),
            ("0.25ms", Some(250)),
            ("1.5us", None),
            (".5s", None),
            ("1.s", None),
            ("1.2.3s", None),
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
        assert_eq!(show_millis(1_500), "1.5s");
        assert_eq!(show_millis(1_005), "1.005s");
        assert_eq!(show_millis(20), "20ms");
        assert_eq!(show_millis(100_000), "100s");
        assert_eq!(show_micros(1_500), "1.5ms");
        assert_eq!(show_micros(200), "200us");
        assert_eq!(show_micros(2_000_000), "2s");
    }
}
