//! Settings under Kafka's own dotted keys, with Kafka's defaults.
//!
//! Each struct below is a table: one line per key with its type, default and meaning. The same table
//! makes the typed field, the parser, the list of known keys and the text of the effective value, so
//! they cannot drift apart. Defaults are those of Apache Kafka 4.3
//! (`ProducerConfig`, `ConsumerConfig`, `TopicConfig`, `ReplicationConfigs`, `KRaftConfigs`, ...).
//!
//! Next: `rules.rs`, for behaviour that depends on the release rather than on a setting.

mod broker;
mod client;
mod topic;
mod value;
mod zookeeper;

pub use broker::{BrokerConfig, ControllerConfig, ReplicaSelector};
pub use client::{Acks, AutoOffsetReset, ConsumerConfig, ProducerConfig};
pub use topic::{TimestampType, TopicConfig};
pub use value::Value;
pub use zookeeper::ZooKeeperConfig;

use std::collections::BTreeMap;

/// Settings as written by a person: dotted key to text.
pub type Settings = BTreeMap<String, String>;

/// A setting that cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No setting of this kind has that key.
    #[error("unknown setting `{key}`")]
    UnknownKey {
        /// The key as given.
        key: String,
    },
    /// The text is not a value of the key's type.
    #[error("`{key}` cannot be `{value}`: expected {expected}")]
    InvalidValue {
        /// The key.
        key: String,
        /// The text as given.
        value: String,
        /// What would be right.
        expected: String,
    },
    /// Two settings exclude each other.
    #[error("{0}")]
    Conflict(String),
}

/// What all settings structs offer.
pub trait Config: Default + Clone {
    /// Every key with its default and meaning, in the order of the table.
    const KEYS: &'static [KeyInfo];

    /// Sets `key` to what `value` says.
    ///
    /// # Errors
    /// The key is unknown, or the text is not a value of its type.
    fn set(&mut self, key: &str, value: &str) -> Result<(), ConfigError>;

    /// The effective value of `key` as text, or `None` for an unknown key.
    fn get(&self, key: &str) -> Option<String>;

    /// Checks what settings demand of each other.
    ///
    /// # Errors
    /// Two settings exclude each other.
    fn validate(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    /// The defaults, changed by `settings`.
    ///
    /// # Errors
    /// The first setting that cannot be taken.
    fn from_settings(settings: &Settings) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for (key, value) in settings {
            config.set(key, value)?;
        }
        config.validate()?;
        Ok(config)
    }
}

/// One row of a settings table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Kafka's dotted key.
    pub key: &'static str,
    /// What the setting means.
    pub meaning: &'static str,
}

/// Declares a settings struct from its table. Durations are written in the unit that their key
/// names; a default is written as the text a person would set.
macro_rules! settings {
    (
        $(#[$doc:meta])*
        $name:ident { $(
            $(#[doc = $meaning:literal])+
            $field:ident: $type:ty = $key:literal, $default:literal;
        )* }
        $(validate $validate:expr;)?
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name { $(
            #[doc = concat!("`", $key, "`, default `", $default, "`. ", $($meaning),+)]
            pub $field: $type,
        )* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $crate::config::value::default_value::<$type>($key, $default),)* }
            }
        }

        impl $crate::config::Config for $name {
            const KEYS: &'static [$crate::config::KeyInfo] = &[$(
                $crate::config::KeyInfo { key: $key, meaning: concat!($($meaning),+) },
            )*];

            fn set(&mut self, key: &str, value: &str) -> Result<(), $crate::config::ConfigError> {
                match key {
                    $($key => self.$field = $crate::config::value::parse(key, value)?,)*
                    _ => return Err($crate::config::ConfigError::UnknownKey { key: key.to_owned() }),
                }
                Ok(())
            }

            fn get(&self, key: &str) -> Option<String> {
                match key {
                    $($key => Some($crate::config::value::print(key, &self.$field)),)*
                    _ => None,
                }
            }

            $(fn validate(&self) -> Result<(), $crate::config::ConfigError> {
                let check: fn(&Self) -> Result<(), $crate::config::ConfigError> = $validate;
                check(self)
            })?
        }
    };
}
use settings;

#[cfg(test)]
mod tests {
    use super::*;

    /// Every default can be printed and read again, and is the value of `default()`.
    fn check<C: Config + PartialEq + std::fmt::Debug>() {
        let mut again = C::default();
        for info in C::KEYS {
            let text = again.get(info.key).unwrap();
            again.set(info.key, &text).unwrap();
        }
        assert_eq!(again, C::default());
        again.validate().unwrap();
    }

    #[test]
    fn defaults_survive_the_way_through_text() {
        check::<BrokerConfig>();
        check::<ControllerConfig>();
        check::<ZooKeeperConfig>();
        check::<TopicConfig>();
        check::<ProducerConfig>();
        check::<ConsumerConfig>();
    }

    #[test]
    fn mistakes_are_told() {
        let mut config = ProducerConfig::default();
        assert_eq!(
            config.set("acks", "2").unwrap_err().to_string(),
            "`acks` cannot be `2`: expected 0, 1 or all"
        );
        assert_eq!(
            config.set("linger.ms", "5ms").unwrap_err().to_string(),
            "`linger.ms` cannot be `5ms`: expected a whole number of milliseconds"
        );
        assert_eq!(
            config.set("linger", "5").unwrap_err().to_string(),
            "unknown setting `linger`"
        );
    }

    #[test]
    fn durations_are_in_the_unit_of_their_key() {
        let mut config = BrokerConfig::default();
        config.set("replica.lag.time.max.ms", "1500").unwrap();
        assert_eq!(
            config.replica_lag_time_max,
            std::time::Duration::from_millis(1500)
        );
        assert_eq!(config.get("replica.lag.time.max.ms").unwrap(), "1500");
    }
}
