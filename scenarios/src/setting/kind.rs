//! Whose settings there are, and which settings each of them knows.
//!
//! Next: `target.rs`.

use ktrial_core::config::{
    BrokerConfig, Config, ConfigError, ConsumerConfig, ControllerConfig, KeyInfo, ProducerConfig,
    Settings, TopicConfig,
};

/// Whose settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A broker's.
    Broker,
    /// A controller's.
    Controller,
    /// A topic's.
    Topic,
    /// A producer's.
    Producer,
    /// A consumer's.
    Consumer,
}

/// All kinds, servers first.
pub const KINDS: [Kind; 5] = [
    Kind::Broker,
    Kind::Controller,
    Kind::Topic,
    Kind::Producer,
    Kind::Consumer,
];

impl Kind {
    /// Its name in front of a key.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Broker => "brokers",
            Self::Controller => "controllers",
            Self::Topic => "topics",
            Self::Producer => "producers",
            Self::Consumer => "consumers",
        }
    }

    pub(super) fn is_client(self) -> bool {
        matches!(self, Self::Producer | Self::Consumer)
    }

    /// The settings it knows.
    pub fn keys(self) -> &'static [KeyInfo] {
        match self {
            Self::Broker => BrokerConfig::KEYS,
            Self::Controller => ControllerConfig::KEYS,
            Self::Topic => TopicConfig::KEYS,
            Self::Producer => ProducerConfig::KEYS,
            Self::Consumer => ConsumerConfig::KEYS,
        }
    }

    /// Whether it knows a setting.
    pub fn knows(self, key: &str) -> bool {
        self.keys().iter().any(|info| info.key == key)
    }

    /// Checks one value by itself.
    ///
    /// # Errors
    /// The key is unknown, or the text is not a value of its type.
    pub fn check(self, key: &str, value: &str) -> Result<(), ConfigError> {
        match self {
            Self::Broker => BrokerConfig::default().set(key, value),
            Self::Controller => ControllerConfig::default().set(key, value),
            Self::Topic => TopicConfig::default().set(key, value),
            Self::Producer => ProducerConfig::default().set(key, value),
            Self::Consumer => ConsumerConfig::default().set(key, value),
        }
    }

    /// Checks all settings of one owner together.
    ///
    /// # Errors
    /// A setting cannot be taken, or two exclude each other.
    pub fn check_all(self, settings: &Settings) -> Result<(), ConfigError> {
        match self {
            Self::Broker => BrokerConfig::from_settings(settings).map(drop),
            Self::Controller => ControllerConfig::from_settings(settings).map(drop),
            Self::Topic => TopicConfig::from_settings(settings).map(drop),
            Self::Producer => ProducerConfig::from_settings(settings).map(drop),
            Self::Consumer => ConsumerConfig::from_settings(settings).map(drop),
        }
    }
}

/// The topic setting behind a broker's name for its default.
/// Source: `ServerTopicConfigSynonyms`.
pub fn without_synonym(key: &str) -> &str {
    match key {
        "log.segment.bytes" => "segment.bytes",
        "log.roll.ms" => "segment.ms",
        "log.index.size.max.bytes" => "segment.index.bytes",
        "log.index.interval.bytes" => "index.interval.bytes",
        "log.flush.interval.messages" => "flush.messages",
        "log.flush.interval.ms" => "flush.ms",
        "message.max.bytes" => "max.message.bytes",
        "log.message.timestamp.type" => "message.timestamp.type",
        "log.message.timestamp.before.max.ms" => "message.timestamp.before.max.ms",
        "log.message.timestamp.after.max.ms" => "message.timestamp.after.max.ms",
        other => other,
    }
}
