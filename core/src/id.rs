//! Names of things: nodes, topics, partitions, connections. Two identities of different kinds are
//! different types, so that they cannot be mistaken for each other.

use crate::zookeeper::ZooKeeperId;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}
pub(crate) use number;

number! {
    /// `node.id` of a broker.
    BrokerId(i32)
}
number! {
    /// `node.id` of a controller. Brokers and controllers share one range of numbers in Kafka.
    ControllerId(i32)
}
number! {
    /// A client program of the trial (a producer or a consumer), numbered in the order of the plan.
    ClientId(u32)
}
number! {
    /// Pairs a response with its request on one connection.
    CorrelationId(u32)
}
number! {
    /// One start of one process: rises by one at each restart of the node. Stands for the random
    /// incarnation UUID that a KRaft broker draws at start (KIP-500, `BrokerLifecycleManager`).
    Incarnation(u32)
}
number! {
    /// An operation that an application asked of a client (one `send`, one `poll`), unique in a trial.
    OperationId(u64)
}

/// One process of the cluster, or a client of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeId {
    /// A controller of the metadata quorum.
    Controller(ControllerId),
    /// A broker.
    Broker(BrokerId),
    /// A producer or consumer.
    Client(ClientId),
    /// A server of the ZooKeeper ensemble.
    ZooKeeper(ZooKeeperId),
}

impl NodeId {
    /// The broker's id, if this node is a broker.
    pub fn broker(self) -> Option<BrokerId> {
        match self {
            Self::Broker(id) => Some(id),
            Self::Controller(_) | Self::Client(_) | Self::ZooKeeper(_) => None,
        }
    }
}

/// `b1`, `c3000`, `k0`, `z1`: a letter for the kind, then the number.
impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Controller(id) => write!(f, "c{id}"),
            Self::Broker(id) => write!(f, "b{id}"),
            Self::Client(id) => write!(f, "k{id}"),
            Self::ZooKeeper(id) => write!(f, "z{id}"),
        }
    }
}

/// A text that does not name what was expected of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct ParseIdError {
    text: String,
    expected: &'static str,
}

impl FromStr for NodeId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let error = || ParseIdError {
            text: text.to_owned(),
            expected: "a node such as `b1`, `c3000` or `k0`",
        };
        let (kind, number) = text.split_at_checked(1).ok_or_else(error)?;
        let parsed = match kind {
            "c" => number
                .parse()
                .ok()
                .map(|n| Self::Controller(ControllerId(n))),
            "b" => number.parse().ok().map(|n| Self::Broker(BrokerId(n))),
            "k" => number.parse().ok().map(|n| Self::Client(ClientId(n))),
            "z" => number.parse().ok().map(|n| Self::ZooKeeper(ZooKeeperId(n))),
            _ => None,
        };
        parsed.ok_or_else(error)
    }
}

/// Serialises through `Display` and `FromStr`, so that it can be a JSON key too.
macro_rules! serde_as_text {
    ($name:ty) => {
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
serde_as_text!(NodeId);
serde_as_text!(TopicPartition);
serde_as_text!(TopicId);

/// The name of a topic. Cheap to clone.
pub type TopicName = Arc<str>;

/// The identity of a topic, which a topic created later under the same name does not share (KIP-516).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub u128);

const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Kafka's own text form of a UUID: base64url without padding, 22 characters.
/// Source: `org.apache.kafka.common.Uuid.toString`.
impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for position in 0..22_u32 {
            // 128 bits are 21 digits of 6 bits and one of 2, which stands in its high bits.
            let shifted = if position < 21 {
                self.0 >> (122 - 6 * position)
            } else {
                self.0 << 4
            };
            let digit = usize::try_from(shifted & 63).unwrap_or(0);
            write!(f, "{}", char::from(BASE64URL[digit]))?;
        }
        Ok(())
    }
}

impl FromStr for TopicId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let value = |digit: u8| {
            let position = BASE64URL.iter().position(|known| *known == digit)?;
            u128::try_from(position).ok()
        };
        let (first, last) = text.as_bytes().split_at_checked(21).unwrap_or_default();
        let first = first
            .iter()
            .try_fold(0, |sum, digit| Some(sum << 6 | value(*digit)?));
        let last = if let [last] = last {
            value(*last)
        } else {
            None
        };
        let parsed = first.zip(last).filter(|(_, last)| last & 15 == 0);
        parsed
            .map(|(first, last)| Self(first << 2 | last >> 4))
            .ok_or_else(|| ParseIdError {
                text: text.to_owned(),
                expected: "a topic id such as `AAAAAAAAAAAAAAAAAAAAAQ`",
            })
    }
}

/// A partition of a topic by name: how files, logs and people call it (`orders-0`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: TopicName,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Partition `partition` of `topic`.
    pub fn new(topic: impl Into<TopicName>, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

impl FromStr for TopicPartition {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let parsed = text.rsplit_once('-').and_then(|(topic, number)| {
            let partition = number.parse().ok().filter(|n| *n >= 0)?;
            (!topic.is_empty()).then(|| Self::new(topic, partition))
        });
        parsed.ok_or_else(|| ParseIdError {
            text: text.to_owned(),
            expected: "a partition such as `orders-0`",
        })
    }
}

/// A partition with the identity of its topic, as modern requests carry it (KIP-516).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TopicIdPartition {
    /// Which topic of that name.
    pub topic_id: TopicId,
    /// The partition by name.
    pub partition: TopicPartition,
}

/// One connection, named by the process that opened it. A retry opens a new one, and bytes of an old
/// one may still arrive: the names are never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnectionId {
    /// The node that opened it.
    pub client: NodeId,
    /// The process of that node that opened it.
    pub incarnation: Incarnation,
    /// Counts that process's connections, from 0.
    pub number: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_the_way_through_text() {
        for text in ["b1", "c3000", "k0", "z1", "b-1"] {
            assert_eq!(text.parse::<NodeId>().unwrap().to_string(), text);
        }
        for text in ["", "b", "x1", "1", "é1"] {
            assert!(text.parse::<NodeId>().is_err(), "{text}");
        }
        let partition: TopicPartition = "a-b-7".parse().unwrap();
        assert_eq!(partition, TopicPartition::new("a-b", 7));
        for text in ["orders", "orders-", "-1", ""] {
            assert!(text.parse::<TopicPartition>().is_err(), "{text}");
        }
    }

    #[test]
    fn topic_ids_print_as_kafka_prints_them() {
        // `Uuid.ONE_UUID` and `Uuid.METADATA_TOPIC_ID` in Kafka's own tests.
        assert_eq!(TopicId(1).to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(TopicId(0).to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(TopicId(u128::MAX).to_string(), "_____________________w");
        for id in [
            0,
            1,
            7 << 64,
            u128::MAX,
            0x0123_4567_89ab_cdef_0123_4567_89ab_cdef,
        ] {
            assert_eq!(TopicId(id).to_string().parse(), Ok(TopicId(id)));
        }
        for text in [
            "",
            "A",
            "AAAAAAAAAAAAAAAAAAAAAB",
            "AAAAAAAAAAAAAAAAAAAAA=",
            "AAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert!(text.parse::<TopicId>().is_err(), "{text}");
        }
    }
}
