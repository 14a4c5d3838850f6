//! What disturbs the network: rules that begin and end, processes and machines that stop.
//!
//! Next: `host/mod.rs`, where inputs reach their machine.

use super::connection::{Segment, ServerEnd};
use super::rule::Rule;
use crate::history::{Touched, What, Why};
use crate::plan::LinkFault;
use crate::world::{Happening, World};
use ktrial_core::NodeId;
use ktrial_core::message::Api;
use std::collections::BTreeMap;

impl World {
    /// Begins a fault of the links from one group of nodes to another.
    pub(crate) fn add_rule(
        &mut self,
        step: usize,
        (from, to): (&[NodeId], &[NodeId]),
        both_ways: bool,
        (fault, api): (LinkFault, Vec<Api>),
    ) {
        let members = |group: &[NodeId]| self.nodes.iter().map(|n| group.contains(&n.id)).collect();
        let rule = Rule {
            step,
            from: members(from),
            to: members(to),
            both_ways,
            api,
            fault,
            touched: 0,
        };
        self.links.add(rule);
    }

    /// Ends the rules of a step, or all; what they held goes on.
    pub(crate) fn end_link_faults(&mut self, step: Option<usize>) {
        if self.tell_rules(step) {
            self.release_held();
        }
    }

    /// Takes rules away and tells what they touched. Tells whether there were any.
    fn tell_rules(&mut self, step: Option<usize>) -> bool {
        let ended = self.links.end(step);
        for rule in &ended {
            let what = What::FaultEffect {
                step: rule.step,
                touched: rule.touched,
                of: Touched::Messages,
            };
            self.record(None, what);
        }
        !ended.is_empty()
    }

    /// Sends on what was held and now can pass.
    pub(crate) fn release_held(&mut self) {
        let mut held = std::mem::take(&mut self.held);
        held.sort_by_key(|segment| (segment.connection, segment.direction, segment.number));
        // One timer of TCP per direction of a connection: what comes after the first follows at once.
        let mut delays = BTreeMap::new();
        for segment in held {
            let key = (segment.connection, segment.direction);
            let connection = self.connections.at(segment.connection);
            let (from, to) = connection.ends(segment.direction);
            if !self.nodes[to].powered || self.links.is_cut(from, to, segment.payload.api()) {
                // Those behind it must wait too: they are found held in `depart`.
                self.held.push(segment);
                continue;
            }
            let blocked = self
                .held
                .last()
                .is_some_and(|last| (last.connection, last.direction) == key);
            if blocked {
                self.held.push(segment);
                continue;
            }
            connection.lane(segment.direction).held -= 1;
            let links = &mut self.links;
            let delay = *delays
                .entry(key)
                .or_insert_with(|| links.retransmission(from, to));
            self.resend(segment, delay);
        }
    }

    /// Departs regardless of others of its direction that are still in the list of the held.
    fn resend(&mut self, segment: Segment, delay: std::time::Duration) {
        let connection = self.connections.at(segment.connection);
        let lane = connection.lane(segment.direction);
        let behind = std::mem::take(&mut lane.held);
        let (slot, direction) = (segment.connection, segment.direction);
        let not_before = self.now + delay;
        self.depart(segment, not_before);
        self.connections.at(slot).lane(direction).held += behind;
    }

    /// The process of a node is gone. Its kernel tells the other ends, if the machine is up.
    pub(crate) fn disconnect_all(&mut self, node: usize) {
        let tell = self.nodes[node].powered;
        for slot in self.connections.slots() {
            let connection = self.connections.at(slot);
            if connection.client == node {
                self.close_client_end(slot, Why::SenderStopped, tell);
            }
            let connection = self.connections.at(slot);
            if connection.server == node && matches!(connection.server_end, ServerEnd::Open(_)) {
                self.close_server_end(slot, tell);
            }
        }
        if !tell {
            self.forget_held_of(node);
        }
    }

    /// The machine's memory is gone, and with it what TCP would have tried to send again.
    fn forget_held_of(&mut self, node: usize) {
        let held = std::mem::take(&mut self.held);
        for segment in held {
            let slot = segment.connection;
            let connection = self.connections.at(slot);
            if connection.ends(segment.direction).0 != node {
                self.held.push(segment);
                continue;
            }
            connection.under_way -= 1;
            let lane = connection.lane(segment.direction);
            lane.held -= 1;
            lane.lose_from(segment.number);
            self.lost(&segment, Why::SenderStopped);
            self.connections.tidy(slot);
        }
    }

    /// The trial ends: what is held was cut off until then. Returns how many messages are under way.
    pub(crate) fn close_network(&mut self) -> u64 {
        self.tell_rules(None);
        for segment in std::mem::take(&mut self.held) {
            let to = self
                .connections
                .at(segment.connection)
                .ends(segment.direction)
                .1;
            let why = if self.nodes[to].powered {
                Why::Cut
            } else {
                Why::ReceiverDown
            };
            self.lost(&segment, why);
        }
        let waiting: usize = self
            .connections
            .slots()
            .map(|slot| self.connections.at(slot).waiting.len())
            .sum();
        let arriving = self.agenda.iter().filter(|happening| {
            matches!(happening, Happening::Arrive(segment) | Happening::Read(segment)
                if segment.payload.api().is_some())
        });
        u64::try_from(waiting + arriving.count()).unwrap_or(u64::MAX)
    }
}
