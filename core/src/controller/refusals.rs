//! Which parts of a response are refusals, for the history.
//!
//! Next: `mod.rs`.

use crate::error::ErrorCode;
use crate::event::Event;
use crate::id::{NodeId, TopicPartition};
use crate::machine::Effects;
use crate::message::Response;

/// Reports each refusal in `response` to `from`.
pub(super) fn observe(response: &Response, from: NodeId, out: &mut Effects) {
    let mut refuse = |partition: Option<&TopicPartition>, error: ErrorCode| {
        if !error.is_none() {
            let api = response.api();
            let partition = partition.cloned();
            out.observe(Event::Refused {
                api,
                partition,
                from,
                error,
            });
        }
    };
    match response {
        Response::Fetch(response) => {
            for part in &response.partitions {
                refuse(Some(&part.partition.partition), part.error);
            }
        }
        Response::CreateTopics(response) => {
            response
                .topics
                .iter()
                .for_each(|topic| refuse(None, topic.error));
        }
        Response::ElectLeaders(response) => {
            for (partition, error) in &response.partitions {
                refuse(Some(partition), *error);
            }
        }
        Response::IncrementalAlterConfigs(response) => {
            let resources = response.resources.iter();
            resources.for_each(|(_, error, _)| refuse(None, *error));
        }
        Response::AlterPartition(response) => {
            refuse(None, response.error);
            for part in &response.partitions {
                refuse(Some(&part.partition.partition), part.error);
            }
        }
        Response::BrokerRegistration(response) => refuse(None, response.error),
        Response::BrokerHeartbeat(response) => refuse(None, response.error),
        Response::Produce(_)
        | Response::ListOffsets(_)
        | Response::Metadata(_)
        | Response::OffsetForLeaderEpoch(_)
        | Response::ZooKeeper(_)
        | Response::ZooKeeperPeer(_) => {}
    }
}
