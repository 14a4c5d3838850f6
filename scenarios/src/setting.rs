//! Where a setting belongs. In a scenario's own tables that is clear from the table; in `[matrix]`
//! and behind `--set` it is found out from the key:
//!
//! - `kafka.release` and `rules.<switch>`: the generation of Kafka's rules;
//! - a key with a place in front, `brokers.b1.`, `topics.orders.`, `producers.`, ...: only there;
//! - any other key: everywhere it is known. A topic setting becomes the default of all topics, and
//!   the value of each topic that has a value of its own.

use crate::suggest;
use ktrial_core::config::{
    BrokerConfig, Config, ConfigError, ConsumerConfig, ControllerConfig, KeyInfo, ProducerConfig,
    Settings, TopicConfig,
};
use ktrial_core::planted::Bug;
use ktrial_core::rules::SWITCHES;
use ktrial_core::{BrokerId, Rules};
use ktrial_sim::plan::Plan;

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
    fn prefix(self) -> &'static str {
        match self {
            Self::Broker => "brokers",
            Self::Controller => "controllers",
            Self::Topic => "topics",
            Self::Producer => "producers",
            Self::Consumer => "consumers",
        }
    }

    fn is_client(self) -> bool {
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

/// Where a setting goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `kafka.release`.
    Release,
    /// A switch of the rules.
    Rule(String),
    /// Settings of nodes, topics or clients.
    Places {
        /// Of these kinds.
        kinds: Vec<Kind>,
        /// Only of the one with this name.
        name: Option<String>,
        /// The key there.
        key: String,
    },
}

/// A setting that goes nowhere: why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nowhere {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// A whole key behind `--set` or in `[matrix]`.
///
/// # Errors
/// Nothing in the plan takes that key.
pub fn target(key: &str, plan: &Plan) -> Result<Target, Nowhere> {
    if key == "kafka.release" {
        return Ok(Target::Release);
    }
    if let Some(switch) = key.strip_prefix("rules.") {
        return rule(switch);
    }
    for kind in KINDS {
        let rest = key
            .strip_prefix(kind.prefix())
            .and_then(|rest| rest.strip_prefix('.'));
        if let Some(rest) = rest {
            return placed(kind, rest, plan);
        }
    }
    let bare = without_synonym(key);
    let kinds: Vec<Kind> = KINDS.into_iter().filter(|kind| kind.knows(bare)).collect();
    let clients = kinds.iter().filter(|kind| kind.is_client()).count();
    if kinds.is_empty() {
        return Err(Nowhere {
            message: format!("unknown setting `{key}`"),
            help: suggest::help(key, &all_keys()),
        });
    }
    if clients > 0 && clients < kinds.len() {
        let choices: Vec<String> = kinds
            .iter()
            .map(|kind| format!("{}.{key}", kind.prefix()))
            .collect();
        return Err(Nowhere {
            message: format!("`{key}` is a setting of servers and of clients"),
            help: Some(format!("say which: {}", suggest::list(&choices))),
        });
    }
    Ok(Target::Places {
        kinds,
        name: None,
        key: bare.to_owned(),
    })
}

fn rule(switch: &str) -> Result<Target, Nowhere> {
    if Rules::default().get(switch).is_some() {
        return Ok(Target::Rule(switch.to_owned()));
    }
    Err(Nowhere {
        message: format!("unknown rule `{switch}`"),
        help: suggest::help(switch, &rule_names()),
    })
}

/// Names of all switches of the rules.
pub fn rule_names() -> Vec<&'static str> {
    let switches = SWITCHES.iter().map(|switch| switch.key);
    ["truncation", "planted"]
        .into_iter()
        .chain(switches)
        .collect()
}

fn all_keys() -> Vec<&'static str> {
    let keys = KINDS.iter().flat_map(|kind| kind.keys());
    let mut keys: Vec<&str> = keys.map(|info| info.key).collect();
    keys.push("kafka.release");
    keys
}

/// Names that a plan has for nodes, topics or clients of a kind.
fn names(kind: Kind, plan: &Plan) -> Vec<String> {
    match kind {
        Kind::Broker => plan.brokers.iter().map(|b| format!("b{}", b.id)).collect(),
        Kind::Controller => Vec::new(),
        Kind::Topic => plan.topics.iter().map(|t| t.topic.to_string()).collect(),
        Kind::Producer => plan.producers.iter().map(|p| p.name.clone()).collect(),
        Kind::Consumer => plan.consumers.iter().map(|c| c.name.clone()).collect(),
    }
}

fn placed(kind: Kind, rest: &str, plan: &Plan) -> Result<Target, Nowhere> {
    let names = names(kind, plan);
    let named = names
        .iter()
        .filter_map(|name| Some((name, rest.strip_prefix(name.as_str())?.strip_prefix('.')?)))
        .find(|(_, key)| kind.knows(key));
    let (name, key) = match named {
        Some((name, key)) => (Some(name.clone()), key),
        None => (None, rest),
    };
    if kind.knows(key) {
        return Ok(Target::Places {
            kinds: vec![kind],
            name,
            key: key.to_owned(),
        });
    }
    let mut dots = rest.match_indices('.').map(|(at, _)| at);
    if let Some(at) = dots.find(|at| kind.knows(&rest[at + 1..])) {
        let name = &rest[..at];
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        return Err(Nowhere {
            message: format!("the scenario has no `{name}` among its {}", kind.prefix()),
            help: suggest::help(name, &names),
        });
    }
    let mut known: Vec<&str> = kind.keys().iter().map(|info| info.key).collect();
    known.extend(names.iter().map(String::as_str));
    Err(Nowhere {
        message: format!("`{rest}` is no setting of {}", kind.prefix()),
        help: suggest::help(rest, &known),
    })
}

impl Target {
    /// Checks a value for it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, value: &str) -> Result<(), String> {
        match self {
            Self::Release => Rules::kafka(value)
                .map(drop)
                .map_err(|error| error.to_string()),
            Self::Rule(switch) => Rules::default().set(switch, value).map_err(|error| {
                let bugs: Vec<&str> = Bug::ALL.iter().map(|bug| bug.name()).collect();
                let help = suggest::help(value, &bugs).filter(|_| switch == "planted");
                help.map_or_else(|| error.to_string(), |help| format!("{error}; {help}"))
            }),
            Self::Places { kinds, key, .. } => kinds
                .iter()
                .try_for_each(|kind| kind.check(key, value))
                .map_err(|error| error.to_string()),
        }
    }

    /// Puts a value into the plan. The release and the rules are not settings: the caller puts those
    /// in before.
    pub fn apply(&self, plan: &mut Plan, value: &str) {
        if let Self::Places { kinds, name, key } = self {
            for kind in kinds {
                put(plan, *kind, name.as_deref(), key, value);
            }
        }
    }

    /// Puts a value where there is none yet.
    pub fn fill(&self, plan: &mut Plan, value: &str) {
        let Self::Places { kinds, key, .. } = self else {
            return;
        };
        let fill = |settings: &mut Settings| {
            settings
                .entry(key.clone())
                .or_insert_with(|| value.to_owned());
        };
        for kind in kinds {
            match kind {
                Kind::Broker => plan.brokers.iter_mut().for_each(|b| fill(&mut b.config)),
                Kind::Controller => plan
                    .controllers
                    .iter_mut()
                    .for_each(|c| fill(&mut c.config)),
                Kind::Topic => fill(&mut plan.topic_defaults),
                Kind::Producer => plan.producers.iter_mut().for_each(|p| fill(&mut p.config)),
                Kind::Consumer => plan.consumers.iter_mut().for_each(|c| fill(&mut c.config)),
            }
        }
    }
}

fn put(plan: &mut Plan, kind: Kind, name: Option<&str>, key: &str, value: &str) {
    let meant = |candidate: &str| name.is_none_or(|name| name == candidate);
    let insert = |settings: &mut Settings| {
        settings.insert(key.to_owned(), value.to_owned());
    };
    match kind {
        Kind::Broker => {
            let of = |id: BrokerId| meant(&format!("b{id}"));
            let brokers = plan.brokers.iter_mut().filter(|broker| of(broker.id));
            brokers.for_each(|broker| insert(&mut broker.config));
        }
        Kind::Controller => {
            let controllers = plan.controllers.iter_mut();
            controllers.for_each(|controller| insert(&mut controller.config));
        }
        Kind::Topic => {
            if name.is_none() {
                insert(&mut plan.topic_defaults);
            }
            let topics = plan.topics.iter_mut().filter(|topic| meant(&topic.topic));
            topics
                .filter(|topic| name.is_some() || topic.configs.contains_key(key))
                .for_each(|topic| insert(&mut topic.configs));
        }
        Kind::Producer => {
            let producers = plan.producers.iter_mut().filter(|p| meant(&p.name));
            producers.for_each(|producer| insert(&mut producer.config));
        }
        Kind::Consumer => {
            let consumers = plan.consumers.iter_mut().filter(|c| meant(&c.name));
            consumers.for_each(|consumer| insert(&mut consumer.config));
        }
    }
}
