//! Kafka's settings of clients as librdkafka's.
//!
//! Most have the same name. Those that librdkafka does not have are left out and told; where its default
//! is another one than the Java client's, the Java client's is set, so that a scenario without settings
//! means the same on both.
//!
//! Source: librdkafka's table of configuration properties; `ProducerConfig`, `ConsumerConfig`.

use crate::failure::Failure;
use ktrial_core::config::Settings;
use rdkafka::ClientConfig;

/// The Java producer's defaults that librdkafka's differ from.
const PRODUCER: [(&str, &str); 7] = [
    ("delivery.timeout.ms", "120000"),
    ("request.timeout.ms", "30000"),
    ("max.in.flight.requests.per.connection", "5"),
    ("batch.size", "16384"),
    // The same keys go to the same partitions.
    ("partitioner", "murmur2_random"),
    // As simulated, until the simulated producer has it.
    ("enable.idempotence", "false"),
    ("acks", "all"),
];
/// Those of both.
const COMMON: [(&str, &str); 4] = [
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "1000"),
    // A broker that refuses a connection is not the news here.
    ("log_level", "0"),
    ("topic.metadata.refresh.fast.interval.ms", "100"),
];
/// Settings of the Java clients that librdkafka does not have, and what it means there.
const UNKNOWN: [&str; 6] = [
    "buffer.memory",
    "max.block.ms",
    "max.poll.records",
    "max.request.size",
    "socket.connection.setup.timeout.max.ms",
    "request.timeout.ms",
];

/// A producer's settings.
pub(super) fn producer(settings: &Settings, bootstrap: &str) -> ClientConfig {
    let mut config = common(bootstrap);
    for (key, value) in PRODUCER {
        config.set(key, value);
    }
    for (key, value) in settings {
        if !UNKNOWN[..5].contains(&key.as_str()) {
            config.set(key, value);
        }
    }
    config
}

/// A consumer's settings.
pub(super) fn consumer(settings: &Settings, bootstrap: &str) -> ClientConfig {
    let mut config = common(bootstrap);
    // It has no group: partitions are assigned, positions are not committed.
    config
        .set("group.id", "ktrial")
        .set("enable.auto.commit", "false");
    for (key, value) in settings {
        match key.as_str() {
            "fetch.max.wait.ms" => config.set("fetch.wait.max.ms", value),
            key if UNKNOWN.contains(&key) => &mut config,
            key => config.set(key, value),
        };
    }
    config
}

/// What every client has.
pub(super) fn common(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    for (key, value) in COMMON {
        config.set(key, value);
    }
    config
}

/// The settings of a plan's clients that librdkafka does not have: `producer p1: max.block.ms`.
pub fn left_out<'a>(who: &str, settings: &'a Settings) -> impl Iterator<Item = String> + use<'a> {
    let who = who.to_owned();
    let unknown = settings
        .keys()
        .filter(|key| UNKNOWN[..5].contains(&key.as_str()));
    unknown.map(move |key| format!("{who}: librdkafka has no `{key}`"))
}

/// A client that librdkafka cannot make.
pub(super) fn refused(who: &str, error: &rdkafka::error::KafkaError) -> Failure {
    Failure::Rig(format!("librdkafka cannot make {who}: {error}"))
}
