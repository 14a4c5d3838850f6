//! Each level with an outcome that it lets pass and near misses that it does not; reasons; the table;
//! and simulated cells held against each other.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

mod levels;
mod reasons;
mod simulated;
mod table;

use super::outcome::{End, Outcome, Replica, State};
use ktrial_core::{BrokerId, EpochOffset, LeaderEpoch, Offset, TopicPartition};
use ktrial_sim::history::FinalRecord;
use ktrial_sim::verdict::Class;

fn orders() -> TopicPartition {
    TopicPartition::new("orders", 0)
}

fn ids(text: &str) -> Vec<BrokerId> {
    let list = text.split_whitespace();
    list.map(|id| BrokerId(id.parse().unwrap())).collect()
}

/// `leader epoch | isr | elr | last known elr`, with leader `-` for none and `!` while recovering.
fn state(text: &str) -> State {
    let parts: Vec<&str> = text.split('|').map(str::trim).collect();
    let (leader, epoch) = parts[0].split_once(' ').unwrap();
    let list = |index: usize| ids(parts.get(index).unwrap_or(&""));
    State {
        leader: leader.parse().ok().map(BrokerId),
        leader_epoch: LeaderEpoch(epoch.trim_end_matches('!').parse().unwrap()),
        isr: list(1),
        elr: list(2),
        last_known_elr: list(3),
        recovering: epoch.ends_with('!'),
        after: None,
    }
}

/// Values with their epochs, and the checkpoint: `A0 B0 D2`, `0,0 2,2`.
fn replica(records: &str, checkpoint: &str) -> Replica {
    let records = records.split_whitespace().zip(0..).map(|(text, offset)| {
        let (value, epoch) = text.split_at(1);
        FinalRecord {
            offset: Offset(offset),
            epoch: LeaderEpoch(epoch.parse().unwrap()),
            value: value.to_owned(),
        }
    });
    let entries = checkpoint.split_whitespace().map(|text| {
        let (epoch, offset) = text.split_once(',').unwrap();
        EpochOffset {
            epoch: LeaderEpoch(epoch.parse().unwrap()),
            offset: Offset(offset.parse().unwrap()),
        }
    });
    Replica {
        records: records.collect(),
        checkpoint: entries.collect(),
        damage: None,
    }
}

/// An outcome in which every record was acknowledged and both brokers hold the same.
fn outcome(place: &str, records: &str, checkpoint: &str, states: &[&str]) -> Outcome {
    let held = replica(records, checkpoint);
    let sends = held
        .records
        .iter()
        .map(|record| (record.value.clone(), End::Acknowledged(Some(record.offset))));
    Outcome {
        place: place.to_owned(),
        verdict: Class::Kept,
        findings: [].into(),
        lost: [].into(),
        duplicated: [].into(),
        sends: sends.collect(),
        replicas: [(
            orders(),
            ids("1 2")
                .into_iter()
                .map(|id| (id, held.clone()))
                .collect(),
        )]
        .into(),
        states: [(orders(), states.iter().map(|text| state(text)).collect())].into(),
    }
}

impl Outcome {
    /// The same on a real cluster.
    fn on(mut self, place: &str) -> Self {
        self.place = place.to_owned();
        self
    }

    fn states_mut(&mut self) -> &mut Vec<State> {
        self.states.get_mut(&orders()).unwrap()
    }

    fn replica_mut(&mut self, broker: i32) -> &mut Replica {
        self.replicas
            .get_mut(&orders())
            .unwrap()
            .get_mut(&BrokerId(broker))
            .unwrap()
    }
}
