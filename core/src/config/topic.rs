//! Settings of a topic. A broker's setting of the same meaning (`log.` + key, with Kafka's
//! exceptions) is the default for all topics.

use super::{ConfigError, Value, settings};
use std::time::Duration;

/// Whether a record keeps the producer's time or takes the broker's (KIP-32).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The broker's, at append.
    LogAppendTime,
}

impl Value for TimestampType {
    fn parse(_key: &str, text: &str) -> Result<Self, String> {
        match text {
            "CreateTime" => Ok(Self::CreateTime),
            "LogAppendTime" => Ok(Self::LogAppendTime),
            _ => Err("CreateTime or LogAppendTime".to_owned()),
        }
    }

    fn print(&self, _key: &str) -> String {
        format!("{self:?}")
    }
}

settings! {
    /// A topic's settings.
    ///
    /// Simplified: retention and compaction come with a later piece, so their keys are not known here.
    TopicConfig {
        /// A log is rolled to a new segment file at this size, in bytes.
        segment_bytes: u64 = "segment.bytes", "1073741824";
        /// A log is rolled when its first record is older than this.
        segment_ms: Duration = "segment.ms", "604800000";
        /// Largest size of an offset index, in bytes.
        segment_index_bytes: u64 = "segment.index.bytes", "10485760";
        /// Bytes between two entries of the offset index.
        index_interval_bytes: u64 = "index.interval.bytes", "4096";
        /// Force the log to disk after this many records. Kafka leaves it to replication.
        flush_messages: u64 = "flush.messages", "9223372036854775807";
        /// Force the log to disk after this time.
        flush_ms: Duration = "flush.ms", "9223372036854775807";
        /// Largest record batch, in bytes.
        max_message_bytes: u64 = "max.message.bytes", "1048588";
        /// With acks=all a produce needs this many members in the ISR.
        min_insync_replicas: u32 = "min.insync.replicas", "1";
        /// May a replica outside ISR and ELR be elected, at the price of losing records?
        unclean_leader_election_enable: bool = "unclean.leader.election.enable", "false";
        /// Whose time a record carries.
        message_timestamp_type: TimestampType = "message.timestamp.type", "CreateTime";
        /// How far a record's time may be behind the broker's clock.
        message_timestamp_before_max_ms: Duration = "message.timestamp.before.max.ms", "9223372036854775807";
        /// How far a record's time may be ahead of the broker's clock.
        message_timestamp_after_max_ms: Duration = "message.timestamp.after.max.ms", "3600000";
    }
    validate |config| {
        if config.min_insync_replicas == 0 {
            return Err(ConfigError::Conflict("`min.insync.replicas` must be at least 1".to_owned()));
        }
        if config.segment_bytes < 1_024 || config.segment_bytes > 1 << 31 {
            return Err(ConfigError::Conflict(
                "`segment.bytes` must be between 1024 and 2147483648".to_owned(),
            ));
        }
        Ok(())
    };
}
