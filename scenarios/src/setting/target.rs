//! Finds out where a setting goes, from its whole key.
//!
//! Next: `put.rs`.

use super::kind::{KINDS, Kind, without_synonym};
use crate::suggest;
use ktrial_core::Rules;
use ktrial_core::config::{Config, ZooKeeperConfig};
use ktrial_core::rules::SWITCHES;
use ktrial_sim::plan::Plan;

/// Where a setting goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `kafka.release`.
    Release,
    /// A switch of the rules.
    Rule(String),
    /// `zookeeper.servers`, or a setting of the ensemble's servers.
    Ensemble(String),
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
    if let Some(key) = key
        .strip_prefix("zookeeper.")
        .filter(|key| is_ensemble(key))
    {
        return Ok(Target::Ensemble(key.to_owned()));
    }
    if key.starts_with('$') {
        return Err(Nowhere {
            message: format!("`{key}` is a variable: only a scenario file has them"),
            help: Some("in a plan they are filled in".to_owned()),
        });
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

/// How many servers the ensemble has: with 1 or more, the cluster is one with ZooKeeper.
pub(super) const SERVERS: &str = "servers";

/// Whether the ensemble knows this setting.
fn is_ensemble(key: &str) -> bool {
    key == SERVERS || ZooKeeperConfig::KEYS.iter().any(|info| info.key == key)
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
    keys.extend(["kafka.release", "zookeeper.servers"]);
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
