//! Settings of producers and consumers.

use super::{ConfigError, Value, settings};
use std::time::Duration;

/// How many replicas must have a record before it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// None: the producer does not even wait for a response.
    None,
    /// The leader.
    Leader,
    /// Every member of the ISR.
    All,
}

impl Acks {
    /// The number on the wire: 0, 1, -1.
    pub fn code(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

impl Value for Acks {
    fn parse(_key: &str, text: &str) -> Result<Self, String> {
        match text {
            "0" => Ok(Self::None),
            "1" => Ok(Self::Leader),
            "all" | "-1" => Ok(Self::All),
            _ => Err("0, 1 or all".to_owned()),
        }
    }

    fn print(&self, _key: &str) -> String {
        match self {
            Self::None => "0",
            Self::Leader => "1",
            Self::All => "all",
        }
        .to_owned()
    }
}

/// Where a consumer starts without a position, or when its position is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoOffsetReset {
    /// At the log's start.
    Earliest,
    /// At the log's end.
    Latest,
    /// Nowhere: the application gets an error.
    None,
}

impl Value for AutoOffsetReset {
    fn parse(_key: &str, text: &str) -> Result<Self, String> {
        match text {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            "none" => Ok(Self::None),
            _ => Err("earliest, latest or none".to_owned()),
        }
    }

    fn print(&self, _key: &str) -> String {
        format!("{self:?}").to_lowercase()
    }
}

settings! {
    /// A producer's settings.
    ///
    /// Simplified: idempotence and transactions come with a later piece; until then
    /// `enable.idempotence` is false (Kafka's default is true), so a retry may write a record twice
    /// and may reorder records when more than one request is in flight.
    ProducerConfig {
        /// Who must have a record before it is acknowledged.
        acks: Acks = "acks", "all";
        /// A batch waits this long for more records.
        linger: Duration = "linger.ms", "5";
        /// A batch is closed at this size, in bytes.
        batch_size: usize = "batch.size", "16384";
        /// Memory for records that wait to be sent, in bytes.
        buffer_memory: usize = "buffer.memory", "33554432";
        /// Largest request, in bytes.
        max_request_size: usize = "max.request.size", "1048576";
        /// A send waits this long for metadata or memory.
        max_block: Duration = "max.block.ms", "60000";
        /// How often a failed batch is sent again.
        retries: u32 = "retries", "2147483647";
        /// Requests that may wait for a response per broker.
        max_in_flight_requests_per_connection: usize = "max.in.flight.requests.per.connection", "5";
        /// A record that is not acknowledged after this time has failed, outcome unknown.
        delivery_timeout: Duration = "delivery.timeout.ms", "120000";
        /// Timeout of one request.
        request_timeout: Duration = "request.timeout.ms", "30000";
        /// First wait before a retry; doubles, with 20 % jitter.
        retry_backoff: Duration = "retry.backoff.ms", "100";
        /// Longest wait before a retry.
        retry_backoff_max: Duration = "retry.backoff.max.ms", "1000";
        /// First wait before a connection is tried again; doubles, with 20 % jitter.
        reconnect_backoff: Duration = "reconnect.backoff.ms", "50";
        /// Longest wait before a connection is tried again.
        reconnect_backoff_max: Duration = "reconnect.backoff.max.ms", "1000";
        /// First limit on the time that a connection takes to open; doubles, with 20 % jitter.
        socket_connection_setup_timeout: Duration = "socket.connection.setup.timeout.ms", "10000";
        /// Longest limit on it.
        socket_connection_setup_timeout_max: Duration = "socket.connection.setup.timeout.max.ms", "30000";
        /// Metadata is asked again after this time.
        metadata_max_age: Duration = "metadata.max.age.ms", "300000";
        /// Write each record once, whatever is retried (KIP-98). Only false is simulated yet.
        enable_idempotence: bool = "enable.idempotence", "false";
    }
    validate |config| {
        if config.enable_idempotence {
            return Err(ConfigError::Conflict(
                "`enable.idempotence` = true is not simulated yet: leave it out or set it to false"
                    .to_owned(),
            ));
        }
        if config.max_in_flight_requests_per_connection == 0 {
            return Err(ConfigError::Conflict(
                "`max.in.flight.requests.per.connection` must be at least 1".to_owned(),
            ));
        }
        if config.delivery_timeout < config.linger.saturating_add(config.request_timeout) {
            return Err(ConfigError::Conflict(
                "`delivery.timeout.ms` must be at least `linger.ms` + `request.timeout.ms`".to_owned(),
            ));
        }
        Ok(())
    };
}

settings! {
    /// A consumer's settings.
    ///
    /// Simplified: groups come with a later piece; partitions are assigned by the scenario.
    ConsumerConfig {
        /// A fetch waits for this many bytes.
        fetch_min_bytes: usize = "fetch.min.bytes", "1";
        /// A fetch asks for at most this many bytes in all.
        fetch_max_bytes: usize = "fetch.max.bytes", "52428800";
        /// A fetch waits at most this long.
        fetch_max_wait: Duration = "fetch.max.wait.ms", "500";
        /// A fetch asks for at most this many bytes per partition.
        max_partition_fetch_bytes: usize = "max.partition.fetch.bytes", "1048576";
        /// A poll hands over at most this many records.
        max_poll_records: usize = "max.poll.records", "500";
        /// Where to start without a position, or when it is gone.
        auto_offset_reset: AutoOffsetReset = "auto.offset.reset", "latest";
        /// The rack that it stands in: it may read from a follower there. Empty = not known.
        client_rack: String = "client.rack", "";
        /// Verify the CRC of each batch.
        check_crcs: bool = "check.crcs", "true";
        /// Timeout of one request.
        request_timeout: Duration = "request.timeout.ms", "30000";
        /// First wait before a retry; doubles, with 20 % jitter.
        retry_backoff: Duration = "retry.backoff.ms", "100";
        /// Longest wait before a retry.
        retry_backoff_max: Duration = "retry.backoff.max.ms", "1000";
        /// First wait before a connection is tried again; doubles, with 20 % jitter.
        reconnect_backoff: Duration = "reconnect.backoff.ms", "50";
        /// Longest wait before a connection is tried again.
        reconnect_backoff_max: Duration = "reconnect.backoff.max.ms", "1000";
        /// First limit on the time that a connection takes to open; doubles, with 20 % jitter.
        socket_connection_setup_timeout: Duration = "socket.connection.setup.timeout.ms", "10000";
        /// Longest limit on it.
        socket_connection_setup_timeout_max: Duration = "socket.connection.setup.timeout.max.ms", "30000";
        /// Metadata is asked again after this time.
        metadata_max_age: Duration = "metadata.max.age.ms", "300000";
    }
}
