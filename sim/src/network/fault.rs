//! What disturbs the network: rules that begin and end, processes and machines that stop.
//!
//! Next: `host/mod.rs`, where inputs reach their machine.

use super::connection::{Direction, Segment, ServerEnd};
use super::rule::Rule;
use crate::history::{Touched, What, Why};
use crate::plan::LinkFault;
use crate::world::{Happening, World};
use ktrial_core::NodeId;
use ktrial_core::message::Api;

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
        let mut rule = Rule {
            step,
            from: members(from),
            to: members(to),
            both_ways,
            api,
            fault,
            touched: 0,
        };
        rule.touched = self.held_already(&rule);
        self.links.add(rule);
    }

    /// How much of what is held already a new cut holds too.
    fn held_already(&mut self, rule: &Rule) -> u64 {
        let mut count = 0;
        for slot in self.connections.slots() {
            let connection = self.connections.at(slot);
            for direction in [Direction::Up, Direction::Down] {
                let (from, to) = connection.ends(direction);
                if rule.concerns(from, to) {
                    let held = connection.lane(direction).held.iter();
                    count += held.filter(|s| rule.cuts(s.payload.api())).count();
                }
            }
        }
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    /// Ends the rules of a step, or all; what they held goes on.
    pub(crate) fn end_link_faults(&mut self, step: Option<usize>) {
        let ended = self.tell_rules(step);
        if ended.is_empty() {
            return;
        }
        self.release_held();
        let limits = |rule: &&Rule| matches!(rule.fault, LinkFault::Throttle { .. });
        let limits: Vec<&Rule> = ended.iter().filter(limits).collect();
        for link in self.links.busy() {
            if limits.iter().any(|rule| rule.concerns(link.0, link.1)) {
                self.put_on_wire(link);
            }
        }
    }

    /// Takes rules away and tells what they touched.
    fn tell_rules(&mut self, step: Option<usize>) -> Vec<Rule> {
        let ended = self.links.end(step);
        for rule in &ended {
            let what = What::FaultEffect {
                step: rule.step,
                touched: rule.touched,
                of: Touched::Messages,
            };
            self.record(None, what);
        }
        ended
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
            self.forget_queued_of(node);
            self.forget_held_of(node);
        }
    }

    /// The trial ends: what is held was cut off until then. Returns how many messages are under way.
    pub(crate) fn close_network(&mut self) -> u64 {
        self.tell_rules(None);
        let mut under_way = 0;
        for slot in self.connections.slots() {
            under_way += self.connections.at(slot).waiting.len();
            for direction in [Direction::Up, Direction::Down] {
                under_way += self.close_lane(slot, direction);
            }
        }
        for link in self.links.busy() {
            under_way += self.links.wire(link).messages();
        }
        let arriving = self.agenda.iter().filter(|happening| {
            matches!(happening, Happening::Arrive(segment) | Happening::Read(segment)
                if segment.payload.api().is_some())
        });
        u64::try_from(under_way + arriving.count()).unwrap_or(u64::MAX)
    }

    /// As [`Self::close_network`], for one direction of a connection.
    fn close_lane(&mut self, slot: usize, direction: Direction) -> usize {
        let connection = self.connections.at(slot);
        let to = connection.ends(direction).1;
        let lane = connection.lane(direction);
        let is_message = |segment: &&Segment| segment.payload.api().is_some();
        let early = lane.early.values().filter(is_message).count();
        if lane.resend_at.is_some() {
            return early + lane.held.iter().filter(is_message).count();
        }
        let why = if self.nodes[to].powered {
            Why::Cut
        } else {
            Why::ReceiverDown
        };
        for segment in std::mem::take(&mut lane.held) {
            self.lost(&segment, why);
        }
        early
    }
}
