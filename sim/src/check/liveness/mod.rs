//! What must not stand still for ever, asked at the end of a trial that nothing disturbs any more.
//!
//! | check | what must come about | file |
//! |---|---|---|
//! | `stuck_partition` | a partition that somebody may lead has a leader, and one that is there | `partition.rs` |
//! | `stuck_broker` | a broker that runs is registered and unfenced | `broker.rs` |
//! | `stuck_replica` | a replica that runs catches up with its leader and joins the ISR | `replica.rs` |
//! | `stuck_producer` | a send ends by its delivery timeout, and where the partition serves long before | `producer.rs` |
//! | `stuck_consumer` | a consumer gets on to the high watermark | `consumer.rs` |
//! | `no_progress` | a recovered cluster comes to rest | `progress.rs` |
//!
//! Unavailability that is right is no finding: a partition without an eligible replica alive, too few
//! members of the ISR for acks=all, a process that is down, frozen or stopping, a disk that breaks its
//! word.
//!
//! Source: TLA+ kip-966, `EventuallyRuns`, `EventuallyUnfenced`, `EventuallyMetadataConverges`,
//! `EventuallyWriteIsAcceptedOrRejected`; Jepsen's final reads.
//!
//! Next: `partition.rs`.

mod broker;
mod consumer;
mod directory;
mod partition;
mod producer;
mod progress;
mod replica;

use super::client::Case;
use super::findings::Findings;
use crate::history::{EndReason, Record};
use crate::view::{ProcessState, Role};
use ktrial_core::{BrokerId, NodeId, TopicPartition};
use std::time::Duration;

/// So long the longest silence of a healthy cluster can be: a request whose answer was lost with a
/// connection is given up after 30 s, and its repetition may meet the same fate once.
const PATIENCE: Duration = Duration::from_secs(65);

/// Runs the checks.
pub(super) fn check(case: &Case<'_>, record: &Record, findings: &mut Findings) {
    producer::check(case, findings);
    progress::check(case, findings);
    if !demanded(case) {
        return;
    }
    partition::check(case, record, findings);
    broker::check(case, record, findings);
    replica::check(case, findings);
    consumer::check(case, record, findings);
}

/// Whether progress may be demanded: the trial came to rest, or its time was over long after its plan
/// had everything mended; nothing is wrong with links, disks and clocks; and the controllers run.
pub(super) fn demanded(case: &Case<'_>) -> bool {
    let history = case.history;
    let came_to_rest = match history.ended {
        Some((_, EndReason::Settled)) => true,
        Some((at, EndReason::TimeLimit)) => {
            let mended = history.steps_done.filter(|_| case.plan.recovery.is_some());
            mended.is_some_and(|mended| at.since(mended) > PATIENCE)
        }
        _ => false,
    };
    let ensemble = case.plan.zookeeper.as_ref();
    let controllers: Vec<NodeId> = match ensemble {
        Some(ensemble) => ensemble
            .servers
            .iter()
            .copied()
            .map(NodeId::ZooKeeper)
            .collect(),
        None => {
            let controllers = case.plan.controllers.iter();
            controllers.map(|one| NodeId::Controller(one.id)).collect()
        }
    };
    came_to_rest
        && history.undisturbed()
        && controllers.iter().all(|controller| runs(case, *controller))
}

/// So long nothing has changed at the end that any other wait of the cluster is over.
pub(super) fn long_at_rest(case: &Case<'_>) -> bool {
    let end = case.history.ended.map(|(at, _)| at).unwrap_or_default();
    let change = case
        .view
        .last_change()
        .max(case.history.steps_done.unwrap_or_default());
    end.since(change) > PATIENCE
}

/// Its process is there and not frozen or stopping. (A client whose start was never told runs.)
fn runs(case: &Case<'_>, node: NodeId) -> bool {
    let process = case.view.process_of(node);
    process.map_or(node.broker().is_none(), |process| {
        process.state == ProcessState::Running
    })
}

/// The broker runs, and the controller lets it serve.
fn is_healthy(case: &Case<'_>, broker: BrokerId) -> bool {
    let registration = case.view.registration(broker);
    let active = registration.is_some_and(|one| !one.fenced && !one.in_controlled_shutdown);
    let registered = case.view.process_of(NodeId::Broker(broker));
    active
        && registered.is_some_and(|process| process.registered)
        && runs(case, NodeId::Broker(broker))
}

/// Whether the partition's leader is there and leads.
pub(super) fn serves(case: &Case<'_>, partition: &TopicPartition) -> bool {
    let state = case.view.partition(partition);
    let committed = state.and_then(|state| state.committed.as_ref());
    let Some((committed, leader)) = committed.and_then(|c| Some((c, c.leader?))) else {
        return false;
    };
    let replica = state.and_then(|state| state.replicas.get(&leader));
    let leads = replica.is_some_and(|one| one.role == Role::Leader(committed.leader_epoch));
    leads && is_healthy(case, leader)
}
