//! Settings other than Kafka's defaults: each one is left alone or drawn from a few values that make a
//! difference within a short trial.
//!
//! Next: `workload.rs`.

use super::dice::Dice;
use super::fault::SECOND;
use super::profile::Profile;
use ktrial_core::config::Settings;
use ktrial_core::message::Placement;
use ktrial_sim::plan::Plan;

/// A setting and the values that it is drawn from.
type Choice = (&'static str, &'static [&'static str]);

const BROKER: &[Choice] = &[
    ("replica.lag.time.max.ms", &["1500", "3000", "10000"]),
    ("replica.fetch.wait.max.ms", &["10", "100", "1000"]),
    ("replica.fetch.max.bytes", &["200", "2000"]),
    ("replica.fetch.backoff.ms", &["100", "3000"]),
    ("replica.socket.timeout.ms", &["2000", "5000"]),
    (
        "replica.high.watermark.checkpoint.interval.ms",
        &["500", "60000"],
    ),
    ("log.initial.task.delay.ms", &["100", "5000"]),
    (
        "log.flush.offset.checkpoint.interval.ms",
        &["1000", "10000"],
    ),
    ("broker.heartbeat.interval.ms", &["500", "1000"]),
    ("controlled.shutdown.enable", &["false"]),
    ("num.io.threads", &["1", "2"]),
];
const CONTROLLER: &[Choice] = &[
    ("broker.session.timeout.ms", &["3000", "6000", "18000"]),
    ("unclean.leader.election.interval.ms", &["5000", "30000"]),
    ("auto.leader.rebalance.enable", &["false"]),
    ("leader.imbalance.check.interval.seconds", &["5", "20"]),
    ("controller.quorum.append.linger.ms", &["0", "100"]),
];
const TOPIC: &[Choice] = &[
    ("segment.bytes", &["1024", "2048"]),
    ("index.interval.bytes", &["1", "200"]),
    ("flush.messages", &["1", "5"]),
];
const PRODUCER: &[Choice] = &[
    ("retries", &["0", "3"]),
    ("max.in.flight.requests.per.connection", &["1", "2"]),
    ("linger.ms", &["0", "50"]),
    ("batch.size", &["1", "150", "500"]),
    ("retry.backoff.ms", &["10", "500"]),
    ("metadata.max.age.ms", &["2000", "20000"]),
];
const CONSUMER: &[Choice] = &[
    ("fetch.max.wait.ms", &["20", "2000"]),
    ("max.partition.fetch.bytes", &["150", "1000"]),
    ("max.poll.records", &["1", "7"]),
    ("request.timeout.ms", &["3000", "10000"]),
];
/// `request.timeout.ms` and `delivery.timeout.ms`, which must fit each other.
const TIMEOUTS: [(&str, &str); 4] = [
    ("1000", "5000"),
    ("2000", "20000"),
    ("5000", "10000"),
    ("10000", "60000"),
];

/// Draws all settings.
pub(super) fn draw(dice: &mut Dice, profile: Profile, plan: &mut Plan) {
    let percent = profile.settings();
    let cluster = some(dice, percent, BROKER);
    for broker in &mut plan.brokers {
        broker.config = cluster.clone();
    }
    let quorum = some(dice, percent, CONTROLLER);
    for controller in &mut plan.controllers {
        controller.config = quorum.clone();
    }
    if profile.is_model() {
        quick(plan);
        if profile == Profile::Rejoin {
            rejoin(dice, plan);
        }
    } else {
        plan.topic_defaults = some(dice, percent, TOPIC);
        promises(dice, plan);
    }
    for producer in &mut plan.producers {
        producer.config = some(dice, percent, PRODUCER);
        let acks = dice.pick(&["all", "all", "all", "all", "all", "all", "1", "1", "0"]);
        producer.config.insert("acks".to_owned(), acks.to_owned());
        if profile.is_model() {
            // What a specification calls a record is a batch, and its leaders do not wait for each other.
            let acks = dice.pick(&["all", "1"]);
            producer.config.insert("acks".to_owned(), acks.to_owned());
            let one = "1".to_owned();
            producer.config.insert("batch.size".to_owned(), one);
        }
        if dice.percent(percent.saturating_mul(2)) {
            let (request, delivery) = dice.pick(&TIMEOUTS);
            let config = &mut producer.config;
            config.insert("request.timeout.ms".to_owned(), request.to_owned());
            config.insert("delivery.timeout.ms".to_owned(), delivery.to_owned());
        }
    }
    for consumer in &mut plan.consumers {
        consumer.config.extend(some(dice, percent, CONSUMER));
    }
}

/// Now and then brokers and consumers stand in two racks, and consumers read from the nearest replica;
/// now and then brokers have a second log directory.
pub(super) fn racks(dice: &mut Dice, plan: &mut Plan) {
    const SELECTOR: &str = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
    let set = |settings: &mut Settings, key: &str, value: &str| {
        settings.insert(key.to_owned(), value.to_owned());
    };
    let (near, several) = (dice.percent(25), dice.percent(15));
    let directories = format!("data,{SECOND}");
    for broker in &mut plan.brokers {
        if near {
            set(&mut broker.config, "replica.selector.class", SELECTOR);
            set(&mut broker.config, "broker.rack", dice.pick(&["r1", "r2"]));
        }
        if several {
            set(&mut broker.config, "log.dirs", &directories);
        }
    }
    for consumer in plan.consumers.iter_mut().filter(|_| near) {
        set(
            &mut consumer.config,
            "client.rack",
            dice.pick(&["r1", "r2"]),
        );
    }
}

/// A dead broker is soon missed. What is promised stays the same: elections are clean, one copy is enough.
fn quick(plan: &mut Plan) {
    for broker in &mut plan.brokers {
        let key = "broker.heartbeat.interval.ms".to_owned();
        broker.config.insert(key, "500".to_owned());
        let key = "replica.fetch.backoff.ms".to_owned();
        broker.config.insert(key, "100".to_owned());
    }
    for controller in &mut plan.controllers {
        let key = "broker.session.timeout.ms".to_owned();
        controller.config.insert(key, "3000".to_owned());
        let key = "auto.leader.rebalance.enable".to_owned();
        controller.config.insert(key, "false".to_owned());
    }
}

/// Who falls behind is soon out of the ISR, and comes back to it a few batches at a time. What one replica
/// loses with its power is no excuse.
fn rejoin(dice: &mut Dice, plan: &mut Plan) {
    let bytes = dice.pick(&["200", "1000"]);
    let max = dice.pick(&["1500", "3000"]);
    let key = "min.insync.replicas".to_owned();
    plan.topic_defaults.insert(key, "2".to_owned());
    for broker in &mut plan.brokers {
        let config = &mut broker.config;
        config.insert("replica.fetch.max.bytes".to_owned(), bytes.to_owned());
        config.insert("replica.lag.time.max.ms".to_owned(), max.to_owned());
        config.remove("replica.fetch.wait.max.ms");
    }
}

/// What decides how much is promised.
fn promises(dice: &mut Dice, plan: &mut Plan) {
    if dice.percent(25) {
        let key = "unclean.leader.election.enable".to_owned();
        plan.topic_defaults.insert(key, "true".to_owned());
    }
    for topic in &mut plan.topics {
        let Placement::Manual(placed) = &topic.placement else {
            continue;
        };
        let copies = placed.iter().map(Vec::len).min().unwrap_or(1);
        if copies > 1 && dice.percent(60) {
            let min = dice.count(1..=copies.min(3));
            let min = if dice.percent(60) { 2.min(copies) } else { min };
            let key = "min.insync.replicas".to_owned();
            topic.configs.insert(key, min.to_string());
        }
    }
}

fn some(dice: &mut Dice, percent: u64, choices: &[Choice]) -> Settings {
    let mut settings = Settings::new();
    for (key, values) in choices {
        if dice.percent(percent) {
            settings.insert((*key).to_owned(), dice.pick(values).to_owned());
        }
    }
    // A follower that waits longer than it may lag would leave and join the ISR without end.
    if settings.get("replica.lag.time.max.ms").map(String::as_str) == Some("1500")
        && settings
            .get("replica.fetch.wait.max.ms")
            .map(String::as_str)
            == Some("1000")
    {
        settings.remove("replica.fetch.wait.max.ms");
    }
    settings
}
