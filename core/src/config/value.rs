//! How a setting is read from and printed as text.

use super::ConfigError;
use std::time::Duration;

/// Kafka's "Long.MAX" for times: never.
const NEVER: Duration = Duration::MAX;

/// A type that a setting can have. `key` tells the unit of a duration by its last part.
pub trait Value: Sized {
    /// Reads `text`, or says what was expected.
    ///
    /// # Errors
    /// What a right value looks like.
    fn parse(key: &str, text: &str) -> Result<Self, String>;

    /// The text that `parse` reads.
    fn print(&self, key: &str) -> String;
}

macro_rules! whole_number {
    ($($type:ty: $expected:literal),* $(,)?) => { $(
        impl Value for $type {
            fn parse(_key: &str, text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| $expected.to_owned())
            }

            fn print(&self, _key: &str) -> String {
                self.to_string()
            }
        }
    )* };
}
whole_number! {
    u64: "a whole number, 0 or more",
    u32: "a whole number, 0 or more",
    usize: "a whole number, 0 or more",
    i64: "a whole number",
    i32: "a whole number",
}

impl Value for bool {
    fn parse(_key: &str, text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "true or false".to_owned())
    }

    fn print(&self, _key: &str) -> String {
        self.to_string()
    }
}

/// Separated by commas.
impl Value for Vec<String> {
    fn parse(_key: &str, text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(|part| part.trim().to_owned());
        let parts: Self = parts.collect();
        if parts.iter().any(String::is_empty) {
            return Err("names with commas between them".to_owned());
        }
        Ok(parts)
    }

    fn print(&self, _key: &str) -> String {
        self.join(",")
    }
}

impl Value for String {
    fn parse(_key: &str, text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn print(&self, _key: &str) -> String {
        self.clone()
    }
}

/// Milliseconds in a unit, with the unit's name.
fn unit(key: &str) -> (u64, &'static str) {
    match key.rsplit('.').next() {
        Some("seconds") => (1_000, "seconds"),
        Some("minutes") => (60_000, "minutes"),
        Some("hours") => (3_600_000, "hours"),
        _ => (1, "milliseconds"),
    }
}

/// `Long.MAX` (9223372036854775807) reads as never.
impl Value for Duration {
    fn parse(key: &str, text: &str) -> Result<Self, String> {
        let (millis, name) = unit(key);
        match text.parse::<i64>() {
            Ok(i64::MAX) => Ok(NEVER),
            Ok(number) => u64::try_from(number)
                .ok()
                .and_then(|n| n.checked_mul(millis))
                .map(Self::from_millis)
                .ok_or_else(|| format!("a whole number of {name}, 0 or more")),
            Err(_) => Err(format!("a whole number of {name}")),
        }
    }

    fn print(&self, key: &str) -> String {
        if *self == NEVER {
            return i64::MAX.to_string();
        }
        (self.as_millis() / u128::from(unit(key).0)).to_string()
    }
}

/// Reads a setting, with its key in the error.
pub(super) fn parse<V: Value>(key: &str, text: &str) -> Result<V, ConfigError> {
    V::parse(key, text.trim()).map_err(|expected| ConfigError::InvalidValue {
        key: key.to_owned(),
        value: text.to_owned(),
        expected,
    })
}

/// Prints a setting.
pub(super) fn print<V: Value>(key: &str, value: &V) -> String {
    value.print(key)
}

/// The default of a row of a settings table.
#[expect(
    clippy::expect_used,
    reason = "the texts are literals, and a test reads every one"
)]
pub(super) fn default_value<V: Value>(key: &str, text: &str) -> V {
    V::parse(key, text).expect("the default of a settings table is a value of its type")
}
