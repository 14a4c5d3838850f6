//! Who an action is about: a node by its name, or a role that is filled in when the action begins.
//!
//! | text | who |
//! |---|---|
//! | `b1`, `c3000`, `k0` | that node |
//! | `leader(orders-0)` | the committed leader |
//! | `followers(orders-0)` | the ISR without the leader |
//! | `last-in-isr(orders-0)` | the only member of the ISR, if it has just one |
//! | `out-of-isr(orders-0)` | the replicas outside the ISR |
//! | `controller` | the active controller |
//! | `standby-controllers` | the other controllers |
//! | `rest` | of two groups: everybody who is not in the other one |
//!
//! What is drawn at random (a random replica) is drawn when the plan is made, so that a plan says who.
//!
//! Next: `fault.rs`.

use ktrial_core::{NodeId, TopicPartition};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Who an action is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Target {
    /// This node.
    Node(NodeId),
    /// The committed leader of a partition.
    Leader(TopicPartition),
    /// The members of its ISR but for the leader.
    Followers(TopicPartition),
    /// The only member of its ISR, if there is just one.
    LastInIsr(TopicPartition),
    /// Its replicas outside the ISR.
    OutOfIsr(TopicPartition),
    /// The active controller.
    Controller,
    /// The controllers that are not the active one.
    StandbyControllers,
    /// Of two groups: every node that is not in the other one.
    Rest,
}

impl Target {
    /// The node, if it is named.
    pub fn node(&self) -> Option<NodeId> {
        match self {
            Self::Node(node) => Some(*node),
            _ => None,
        }
    }

    /// The partition that the role is about.
    pub fn partition(&self) -> Option<&TopicPartition> {
        match self {
            Self::Leader(partition)
            | Self::Followers(partition)
            | Self::LastInIsr(partition)
            | Self::OutOfIsr(partition) => Some(partition),
            Self::Node(_) | Self::Controller | Self::StandbyControllers | Self::Rest => None,
        }
    }
}

impl From<NodeId> for Target {
    fn from(node: NodeId) -> Self {
        Self::Node(node)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => node.fmt(f),
            Self::Leader(partition) => write!(f, "leader({partition})"),
            Self::Followers(partition) => write!(f, "followers({partition})"),
            Self::LastInIsr(partition) => write!(f, "last-in-isr({partition})"),
            Self::OutOfIsr(partition) => write!(f, "out-of-isr({partition})"),
            Self::Controller => f.write_str("controller"),
            Self::StandbyControllers => f.write_str("standby-controllers"),
            Self::Rest => f.write_str("rest"),
        }
    }
}

/// A text that names nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` names nobody: expected a node such as `b1`, or `leader(TOPIC-N)`, `followers(TOPIC-N)`, \
     `last-in-isr(TOPIC-N)`, `out-of-isr(TOPIC-N)`, `controller`, `standby-controllers` or `rest`"
)]
pub struct NoTarget(pub String);

impl FromStr for Target {
    type Err = NoTarget;

    fn from_str(text: &str) -> Result<Self, NoTarget> {
        let no_target = || NoTarget(text.to_owned());
        match text {
            "controller" => return Ok(Self::Controller),
            "standby-controllers" => return Ok(Self::StandbyControllers),
            "rest" => return Ok(Self::Rest),
            _ => {}
        }
        let Some((role, rest)) = text.split_once('(') else {
            return text.parse().map(Self::Node).map_err(|_| no_target());
        };
        let partition = rest.strip_suffix(')').ok_or_else(no_target)?;
        let partition = partition.parse().map_err(|_| no_target())?;
        match role {
            "leader" => Ok(Self::Leader(partition)),
            "followers" => Ok(Self::Followers(partition)),
            "last-in-isr" => Ok(Self::LastInIsr(partition)),
            "out-of-isr" => Ok(Self::OutOfIsr(partition)),
            _ => Err(no_target()),
        }
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

impl TryFrom<String> for Target {
    type Error = NoTarget;

    fn try_from(text: String) -> Result<Self, NoTarget> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_told_as_they_are_read() {
        for text in [
            "b1",
            "c3000",
            "k0",
            "leader(orders-0)",
            "followers(a-b-12)",
            "last-in-isr(orders-0)",
            "out-of-isr(orders-0)",
            "controller",
            "standby-controllers",
            "rest",
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "leader",
            "leader()",
            "leader(orders)",
            "chief(orders-0)",
            "x1",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
