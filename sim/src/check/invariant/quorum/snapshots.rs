//! Snapshots of the metadata log.
//!
//! - `quorum_snapshot_equals_state`: everything below an offset adds up to one state of the cluster, whoever
//!   made a snapshot of it, started from one, or has read every record.
//! - `quorum_snapshot_at_log_start`: where a log begins, a snapshot ends that its owner has.
//! - `quorum_leader_never_loads_snapshot`: an active controller knows everything already.
//!
//! Source: KIP-630; Kafka's simulation `SnapshotAtLogStart`, `LeaderNeverLoadSnapshot`, and the part of
//! `ConsistentCommittedData` that reads snapshots.
//! False positives avoided: a disk that rots or was wiped excuses what follows; a controller that leads but
//! is not active yet may well load one.

use super::Report;
use ktrial_core::{Event, NodeId, Offset};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct Snapshots {
    /// The checksum of the state at each offset, and who told it first.
    states: BTreeMap<Offset, (u32, NodeId)>,
    /// Where the snapshots end that each node has made or fetched.
    of_node: BTreeMap<NodeId, BTreeSet<Offset>>,
    /// Controllers that are active.
    active: BTreeSet<NodeId>,
}

impl Snapshots {
    pub(super) fn check(&mut self, node: NodeId, event: &Event, report: &mut Report<'_>) {
        match event {
            Event::QuorumSnapshot { offset, crc, .. } => {
                self.of_node.entry(node).or_default().insert(*offset);
                self.same_state(node, *offset, *crc, report);
            }
            Event::QuorumState { offset, crc } => self.same_state(node, *offset, *crc, report),
            Event::QuorumSnapshotFetched { offset, .. } => {
                self.of_node.entry(node).or_default().insert(*offset);
            }
            Event::QuorumSnapshotLoaded { offset, crc } => {
                self.same_state(node, *offset, *crc, report);
                if self.active.contains(&node) {
                    let what = format!(
                        "{node} is the active controller and loads the snapshot that ends at {offset}"
                    );
                    report.broken("quorum_leader_never_loads_snapshot", what);
                }
            }
            Event::QuorumLogStart { offset } => {
                let known = self.of_node.get(&node);
                if known.is_none_or(|known| !known.contains(offset)) {
                    let what = format!(
                        "the metadata log of {node} begins at {offset}, and no snapshot of it ends there"
                    );
                    report.broken("quorum_snapshot_at_log_start", what);
                }
            }
            Event::ControllerActivated { .. } => {
                self.active.insert(node);
            }
            Event::QuorumRole { .. } => self.stopped(node),
            _ => {}
        }
    }

    /// The process is gone, or leads no more.
    pub(super) fn stopped(&mut self, node: NodeId) {
        self.active.remove(&node);
    }

    fn same_state(&mut self, node: NodeId, offset: Offset, crc: u32, report: &mut Report<'_>) {
        let (known, by) = *self.states.entry(offset).or_insert((crc, node));
        if known != crc {
            let what = format!(
                "what {node} knows of the cluster at offset {offset} of the metadata log is not what {by} knows"
            );
            report.broken("quorum_snapshot_equals_state", what);
        }
    }
}
