//! When partitions had no leader, as the controller wrote it, and whose return would have ended it.

use super::{brokers, eligible};
use crate::check::moment::Moment;
use crate::plan::Plan;
use crate::verdict::Outage;
use crate::view::View;
use ktrial_core::{BrokerId, Event, NodeId, TopicPartition};
use std::collections::BTreeMap;

/// Follows the leaderships.
#[derive(Default)]
pub(in crate::check) struct Outages {
    list: Vec<Outage>,
    partitions: BTreeMap<TopicPartition, Leadership>,
}

#[derive(Default)]
struct Leadership {
    last_leader: Option<BrokerId>,
    /// The outage that lasts, by its place in the list.
    open: Option<usize>,
}

impl Outages {
    pub(in crate::check) fn observe(&mut self, plan: &Plan, moment: &Moment<'_>) {
        let (Some(Event::MetadataWritten { .. }), Some((name, partition))) =
            (moment.event(), moment.partition)
        else {
            return;
        };
        let Some(committed) = &partition.committed else {
            return;
        };
        if !self.partitions.contains_key(name) {
            self.partitions.insert(name.clone(), Leadership::default());
        }
        let Some(leadership) = self.partitions.get_mut(name) else {
            return;
        };
        let now = moment.at().as_millis();
        if let Some(leader) = committed.leader {
            leadership.last_leader = Some(leader);
            let open = leadership.open.take();
            if let Some(outage) = open.and_then(|index| self.list.get_mut(index)) {
                outage.to_ms = Some(now);
            }
            return;
        }
        let index = *leadership.open.get_or_insert_with(|| {
            self.list.push(Outage {
                topic: name.topic.clone(),
                partition: name.partition,
                from_ms: now,
                to_ms: None,
                waiting_for: Vec::new(),
                why: String::new(),
            });
            self.list.len() - 1
        });
        if let Some(outage) = self.list.get_mut(index) {
            let last = leadership.last_leader;
            let (waiting_for, why) = waiting(plan, moment.view, name, last);
            // A broker that returns unclean leaves the ELR just before it leads as the last known
            // leader: the outage waited for it all the same.
            if outage.why.is_empty() || outage.waiting_for != waiting_for {
                (outage.waiting_for, outage.why) = (waiting_for, why);
            }
        }
    }

    /// In the order in which they began.
    pub(in crate::check) fn finish(self) -> Vec<Outage> {
        self.list
    }
}

/// Whom a partition without leader waits for, and why.
fn waiting(
    plan: &Plan,
    view: &View,
    partition: &TopicPartition,
    last_leader: Option<BrokerId>,
) -> (Vec<BrokerId>, String) {
    let state = view.partition(partition);
    let Some(committed) = state.and_then(|state| state.committed.as_ref()) else {
        return (Vec::new(), String::new());
    };
    if view.settings().unclean(&partition.topic) {
        let any = committed.replicas.clone();
        let why =
            "no replica is alive; as unclean election is on, any of them may lead when it is back";
        return (any, why.to_owned());
    }
    let eligible = eligible(plan, view, partition);
    let sets = if plan.has_elr() { "ISR or ELR" } else { "ISR" };
    let none = committed.isr.is_empty() && committed.elr.is_empty();
    let alive = if none { "left" } else { "alive" };
    let mut why = format!("no replica of the {sets} is {alive} and unclean election is off");
    if let Some(away) = committed.moved_away_in_elr() {
        let blocks = format!(": broker {away}, which was moved away, is still in the ELR");
        why.push_str(&blocks);
    } else if eligible.is_empty() {
        why.push_str(": nobody may lead");
    } else {
        why.push_str(": waiting for ");
        why.push_str(&brokers(&eligible, "or"));
        if eligible.first() == last_leader.as_ref() && eligible.len() == 1 {
            why.push_str(", the last leader");
        }
    }
    (eligible, why)
}

/// A partition that nobody leads although somebody may: who.
pub(in crate::check) fn could_lead(
    plan: &Plan,
    view: &View,
    partition: &TopicPartition,
) -> Option<BrokerId> {
    let mut eligible = eligible(plan, view, partition).into_iter();
    let state = view.partition(partition);
    let is_lost = |broker: &BrokerId| {
        let replica = state.and_then(|state| state.replicas.get(broker));
        replica.is_some_and(|replica| replica.offline)
    };
    eligible.find(|broker| {
        let process = view.process_of(NodeId::Broker(*broker));
        let registration = view.registration(*broker);
        !is_lost(broker)
            && process.is_some_and(|process| process.registered)
            && registration.is_some_and(|broker| !broker.fenced && !broker.in_controlled_shutdown)
    })
}
