//! Settings of brokers and controllers.

use super::value::Value;
use super::{ConfigError, settings};
use std::time::Duration;

settings! {
    /// A broker's settings. Topic defaults that a broker carries (`log.segment.bytes`, ...) are set
    /// as cluster-wide topic defaults in the scenario.
    ///
    /// Simplified: topics are never created by a client's mere asking (`auto.create.topics.enable`).
    BrokerConfig {
        /// A follower that has not caught up for this long leaves the ISR.
        replica_lag_time_max: Duration = "replica.lag.time.max.ms", "30000";
        /// A follower's fetch asks for at most this many bytes per partition.
        replica_fetch_max_bytes: usize = "replica.fetch.max.bytes", "1048576";
        /// A follower's fetch waits at most this long for data.
        replica_fetch_wait_max: Duration = "replica.fetch.wait.max.ms", "500";
        /// A follower's fetch waits for this many bytes.
        replica_fetch_min_bytes: usize = "replica.fetch.min.bytes", "1";
        /// The rack that it stands in; replicas are spread over racks. Empty = not known.
        broker_rack: String = "broker.rack", "";
        /// Who tells consumers which replica to read from; empty = nobody, they read from leaders.
        replica_selector: ReplicaSelector = "replica.selector.class", "";
        /// A follower waits this long after a failed fetch.
        replica_fetch_backoff: Duration = "replica.fetch.backoff.ms", "1000";
        /// A follower's fetch asks for at most this many bytes in all.
        replica_fetch_response_max_bytes: usize = "replica.fetch.response.max.bytes", "10485760";
        /// Timeout of a follower's fetch.
        replica_socket_timeout: Duration = "replica.socket.timeout.ms", "30000";
        /// The high watermarks are written to disk this often.
        replica_high_watermark_checkpoint_interval: Duration = "replica.high.watermark.checkpoint.interval.ms", "5000";
        /// A fetch response holds at most this many bytes.
        fetch_max_bytes: usize = "fetch.max.bytes", "57671680";
        /// So many fetch sessions are kept.
        max_incremental_fetch_session_cache_slots: usize = "max.incremental.fetch.session.cache.slots", "1000";
        /// Its log directories, the first of them `data`, where the metadata log is.
        log_dirs: Vec<String> = "log.dirs", "data";
        /// A broker that cannot tell the controller for this long of a log directory that it has lost stops.
        log_dir_failure_timeout: Duration = "log.dir.failure.timeout.ms", "30000";
        /// The recovery points are written to disk this often.
        log_flush_offset_checkpoint_interval: Duration = "log.flush.offset.checkpoint.interval.ms", "60000";
        /// Logs are looked at this often for `flush.ms`.
        log_flush_scheduler_interval: Duration = "log.flush.scheduler.interval.ms", "9223372036854775807";
        /// The log's own timers start this long after the broker.
        log_initial_task_delay: Duration = "log.initial.task.delay.ms", "30000";
        /// A heartbeat to the controller this often.
        broker_heartbeat_interval: Duration = "broker.heartbeat.interval.ms", "2000";
        /// With ZooKeeper: the broker is taken for dead if nothing is heard of it for this long.
        zookeeper_session_timeout: Duration = "zookeeper.session.timeout.ms", "18000";
        /// A broker that cannot register for this long stops.
        initial_broker_registration_timeout: Duration = "initial.broker.registration.timeout.ms", "60000";
        /// Timeout of a request to the controller.
        controller_socket_timeout: Duration = "controller.socket.timeout.ms", "30000";
        /// Request handler threads.
        num_io_threads: usize = "num.io.threads", "8";
        /// Replica fetcher threads per source broker.
        num_replica_fetchers: u32 = "num.replica.fetchers", "1";
        /// On a controlled stop, hand over leaderships first.
        controlled_shutdown_enable: bool = "controlled.shutdown.enable", "true";
        /// A snapshot of the metadata is made after so many bytes of committed records.
        snapshot_bytes: u64 = "metadata.log.max.record.bytes.between.snapshots", "20971520";
        /// A snapshot of the metadata is made after this time, if there is anything new; 0 = never by time.
        snapshot_interval: Duration = "metadata.log.max.snapshot.interval.ms", "3600000";
        /// The metadata log and its snapshots are cut to this size, from the beginning; the newest
        /// snapshot and what comes after it stay.
        metadata_retention_bytes: i64 = "metadata.max.retention.bytes", "104857600";
        /// A segment of the metadata log is at most this large.
        metadata_segment_bytes: u64 = "metadata.log.segment.bytes", "1073741824";
        /// First wait before a connection is tried again.
        reconnect_backoff: Duration = "reconnect.backoff.ms", "50";
        /// Longest wait before a connection is tried again.
        reconnect_backoff_max: Duration = "reconnect.backoff.max.ms", "1000";
    }
    validate |config| {
        if config.num_io_threads == 0 {
            return Err(ConfigError::Conflict("`num.io.threads` must be at least 1".to_owned()));
        }
        check_log_dirs(&config.log_dirs)?;
        if config.num_replica_fetchers != 1 {
            return Err(ConfigError::Conflict(
                "`num.replica.fetchers` other than 1 is not simulated yet".to_owned(),
            ));
        }
        if config.replica_fetch_wait_max > config.replica_lag_time_max {
            return Err(ConfigError::Conflict(
                "`replica.fetch.wait.max.ms` must not exceed `replica.lag.time.max.ms`: followers would \
                 leave and join the ISR without end"
                    .to_owned(),
            ));
        }
        Ok(())
    };
}

settings! {
    /// A controller's settings.
    ControllerConfig {
        /// A broker without a heartbeat for this long is fenced.
        broker_session_timeout: Duration = "broker.session.timeout.ms", "9000";
        /// Controller records are gathered for this long before they are written.
        append_linger: Duration = "controller.quorum.append.linger.ms", "25";
        /// A voter without a leader looks for votes after this, up to twice as long.
        election_timeout: Duration = "controller.quorum.election.timeout.ms", "1000";
        /// A voter that cannot fetch for this long looks for votes; a leader whom no majority fetches
        /// from for 1.5 times as long resigns.
        fetch_timeout: Duration = "controller.quorum.fetch.timeout.ms", "2000";
        /// Timeout of a request to another voter.
        quorum_request_timeout: Duration = "controller.quorum.request.timeout.ms", "2000";
        /// A voter waits this long after a failed request.
        quorum_retry_backoff: Duration = "controller.quorum.retry.backoff.ms", "20";
        /// A fetch of a voter asks for at most this many bytes, but gets one batch in any case.
        quorum_fetch_max_bytes: usize = "controller.quorum.fetch.max.bytes", "1048576";
        /// The longest wait of a successor before it looks for votes when its leader has resigned.
        election_backoff_max: Duration = "controller.quorum.election.backoff.max.ms", "1000";
        /// The active controller writes a NoOpRecord when idle for this long.
        metadata_max_idle_interval: Duration = "metadata.max.idle.interval.ms", "500";
        /// A snapshot of the metadata is made after so many bytes of committed records.
        snapshot_bytes: u64 = "metadata.log.max.record.bytes.between.snapshots", "20971520";
        /// A snapshot of the metadata is made after this time, if there is anything new; 0 = never by time.
        snapshot_interval: Duration = "metadata.log.max.snapshot.interval.ms", "3600000";
        /// The metadata log and its snapshots are cut to this size, from the beginning; the newest
        /// snapshot and what comes after it stay.
        metadata_retention_bytes: i64 = "metadata.max.retention.bytes", "104857600";
        /// A segment of the metadata log is at most this large.
        metadata_segment_bytes: u64 = "metadata.log.segment.bytes", "1073741824";
        /// Partitions without leader are looked at this often for unclean election.
        unclean_leader_election_interval: Duration = "unclean.leader.election.interval.ms", "300000";
        /// Partitions of a topic that is created without a number.
        num_partitions: i32 = "num.partitions", "1";
        /// Replicas of a topic that is created without a number.
        default_replication_factor: i32 = "default.replication.factor", "1";
        /// Give leadership back to the first replica when it is in the ISR.
        auto_leader_rebalance_enable: bool = "auto.leader.rebalance.enable", "true";
        /// How often leaderships are balanced.
        leader_imbalance_check_interval: Duration = "leader.imbalance.check.interval.seconds", "300";
    }
}

/// The metadata log and the tools look for `data`; the others are names beside it.
fn check_log_dirs(names: &[String]) -> Result<(), ConfigError> {
    let odd = |name: &String| name.contains('/') || name.starts_with('.');
    let twice = |(at, name): (usize, &String)| names.iter().skip(at + 1).any(|one| one == name);
    if names.first().is_none_or(|first| first != "data")
        || names.iter().any(odd)
        || names.iter().enumerate().any(twice)
    {
        let rule = "`log.dirs` must be `data`, or `data` and other plain names after it, each once";
        return Err(ConfigError::Conflict(rule.to_owned()));
    }
    Ok(())
}

/// `replica.selector.class` (KIP-392).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplicaSelector {
    /// None: consumers read from leaders.
    #[default]
    None,
    /// `RackAwareReplicaSelector`: a replica in the consumer's own rack.
    RackAware,
}

const RACK_AWARE: &str = "org.apache.kafka.common.replica.RackAwareReplicaSelector";

impl Value for ReplicaSelector {
    fn parse(_key: &str, text: &str) -> Result<Self, String> {
        match text {
            "" => Ok(Self::None),
            RACK_AWARE => Ok(Self::RackAware),
            _ => Err(format!("nothing, or {RACK_AWARE}")),
        }
    }

    fn print(&self, _key: &str) -> String {
        match self {
            Self::None => String::new(),
            Self::RackAware => RACK_AWARE.to_owned(),
        }
    }
}
