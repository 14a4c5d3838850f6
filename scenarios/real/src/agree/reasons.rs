//! Known reasons why a release differs from the simulator, as data.
//!
//! Rule: a reason covers a kind of difference if it is about this target and about that kind, and if what
//! it claims can be seen in the two outcomes: with that one thing taken away, nothing of the kind is left.
//! So a reason hides no other difference of the same kind. What no reason covers is *unexplained*.
//!
//! | what a reason is | what follows |
//! |---|---|
//! | waits for a later piece of the simulator | it stays in the table until that piece is there |
//! | the way of that release | it stays: ktrial does not imitate it, and the reason says why |
//!
//! A release that differs by a rule of its KRaft controller has a switch in core (`core/src/rules.rs`)
//! and no reason here.
//! Next: `table.rs`.

use super::difference::{Difference, Kind};
use super::level::without_epochs;
use super::outcome::{Outcome, Replica, State};
use super::timing;
use crate::kafka::{Mode, Target};
use ktrial_core::{BrokerId, TopicPartition};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A known reason.
pub struct Reason {
    /// Its name.
    pub id: &'static str,
    /// What that release does, in a sentence.
    pub says: &'static str,
    /// Where that is to be read: KIP, JIRA, file and function.
    pub source: &'static str,
    /// The piece of the simulator that is missing; `None` = ktrial will not imitate it.
    pub waits_for: Option<&'static str>,
    /// The kinds of differences that it can cover.
    pub kinds: &'static [Kind],
    /// Whether it is about this target.
    about: fn(&Target) -> bool,
    /// Whether it alone makes the difference of that kind: simulated, real.
    shows: fn(Kind, &Outcome, &Outcome) -> bool,
}

/// A reason as it stands in the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Because {
    /// Its name.
    pub id: String,
    /// What that release does.
    pub says: String,
    /// Where that is to be read.
    pub source: String,
    /// The piece of the simulator that it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
}

const ZOOKEEPER: Option<&str> = Some("the ZooKeeper controller");

/// Every known reason; where several cover a difference, the first is told: the narrow ones come first.
pub const REASONS: &[Reason] = &[
    Reason {
        id: "zookeeper_shrink_raises_epoch",
        says: "In ZooKeeper mode the controller takes a broker that is down or stopping out of the ISR \
               with a new leader epoch, so each death begins one, also where the leader stays.",
        source: "KafkaController.removeReplicaFromIsr up to 0.11, \
                 ReplicaStateMachine.doRemoveReplicasFromIsr from 1.1 on",
        waits_for: ZOOKEEPER,
        kinds: &[Kind::Epochs, Kind::Checkpoints, Kind::States],
        about: zookeeper,
        shows: |kind, simulated, real| {
            shrinks(real).any(|raised| raised)
                && !shrinks(simulated).any(|raised| raised)
                && epochs_alone(kind, simulated, real)
        },
    },
    Reason {
        id: "zookeeper_leader_shrinks_without_epoch",
        says: "In ZooKeeper mode only the controller raises the leader epoch of an ISR that shrinks; a \
               leader that drops a slow follower writes the new ISR under its own epoch. The KRaft \
               controller before 3.6, which is simulated, raises it at every shrink.",
        source: "Partition.shrinkIsr, ReplicationUtils.updateLeaderAndIsr; KAFKA-15021",
        waits_for: ZOOKEEPER,
        kinds: &[Kind::Epochs, Kind::Checkpoints, Kind::States],
        about: zookeeper,
        shows: |kind, simulated, real| {
            shrinks(real).any(|raised| !raised)
                && shrinks(simulated).any(|raised| raised)
                && epochs_alone(kind, simulated, real)
        },
    },
    Reason {
        id: "zookeeper_last_member_leaves_if_unclean",
        says: "The controller of these releases lets the last member go from the ISR if unclean \
               election is enabled; from 1.1 on it stays in it whatever the setting.",
        source: "KafkaController.removeReplicaFromIsr (0.10.2.2, 0.11.0.3); \
                 ReplicaStateMachine.doRemoveReplicasFromIsr (1.1.1)",
        waits_for: ZOOKEEPER,
        kinds: &[Kind::States],
        about: |target| zookeeper(target) && !target.release.at_least("1.1"),
        shows: |_, simulated, real| {
            let emptied = |state: &State| state.leader.is_none() && state.isr.is_empty();
            states(real).any(emptied)
                && !states(simulated).any(emptied)
                && alike(simulated, real, leaderless_emptied)
        },
    },
    Reason {
        id: "no_leader_epochs_in_logs",
        says: "Before 0.11 a record carries no leader epoch and no broker keeps a leader epoch \
               checkpoint: followers truncate to their high watermark. Simulated logs always have \
               both; the rule of truncation is the old one.",
        source: "KIP-101, KIP-98 (message format v2); ReplicaManager.makeFollowers (0.10.2.2)",
        waits_for: None,
        kinds: &[Kind::Epochs, Kind::Checkpoints],
        about: |target| !target.release.at_least("0.11"),
        shows: |_, _, real| replicas(real).all(|replica| replica.checkpoint.is_empty()),
    },
    Reason {
        id: "zookeeper_controller_among_brokers",
        says: "In ZooKeeper mode one of the brokers is the controller, and goes down with them. Who comes \
               after it does not take those out of the ISR that died before; the leader does, after \
               replica.lag.time.max.ms and under its own epoch. While no broker runs, nobody writes that \
               nobody leads. And each new controller gives leaderships back to the preferred leaders 5 s \
               after it took over; KRaft's looks for them only every 300 s. Of replicas that parted, that \
               of who leads at the end counts, and so the verdict may be another one.",
        source: "KafkaController.onControllerFailover (scheduleAutoLeaderRebalanceTask), \
                 ReplicaStateMachine.startup, Partition.shrinkIsr",
        waits_for: ZOOKEEPER,
        kinds: &[
            Kind::Verdict,
            Kind::Lost,
            Kind::Epochs,
            Kind::Checkpoints,
            Kind::States,
        ],
        about: zookeeper,
        shows: |kind, simulated, real| {
            let fit = |outcome| replicas(outcome).all(Replica::is_consistent);
            let covered = match kind {
                Kind::States => true,
                Kind::Verdict | Kind::Lost => {
                    same_held(simulated, real) && !same_last_leader(simulated, real)
                }
                _ => fit(simulated) && fit(real),
            };
            covered && alike(simulated, real, led_without_epochs)
        },
    },
];

impl Because {
    /// The reason of this name; a table may know others than this program does.
    pub fn of(id: &str) -> Option<Self> {
        REASONS
            .iter()
            .find(|reason| reason.id == id)
            .map(Self::from)
    }
}

/// The names of the reasons that cover these differences, and the kinds that none covers.
pub fn explain(
    target: &Target,
    simulated: &Outcome,
    real: &Outcome,
    differences: &[&Difference],
) -> (Vec<String>, Vec<Kind>) {
    let mut reasons: Vec<String> = Vec::new();
    let mut unexplained = Vec::new();
    for difference in differences {
        let kind = difference.kind;
        let covers = |reason: &&Reason| {
            reason.kinds.contains(&kind)
                && (reason.about)(target)
                && (reason.shows)(kind, simulated, real)
        };
        let Some(reason) = REASONS.iter().find(covers) else {
            unexplained.push(kind);
            continue;
        };
        if !reasons.iter().any(|known| known == reason.id) {
            reasons.push(reason.id.to_owned());
        }
    }
    (reasons, unexplained)
}

impl From<&Reason> for Because {
    fn from(reason: &Reason) -> Self {
        Self {
            id: reason.id.to_owned(),
            says: reason.says.to_owned(),
            source: reason.source.to_owned(),
            waits_for: reason.waits_for.map(str::to_owned),
        }
    }
}

fn zookeeper(target: &Target) -> bool {
    target.mode == Mode::ZooKeeper
}

fn states(outcome: &Outcome) -> impl Iterator<Item = &State> {
    outcome.states.values().flatten()
}

fn replicas(outcome: &Outcome) -> impl Iterator<Item = &Replica> {
    outcome
        .replicas
        .values()
        .flat_map(|replicas| replicas.values())
}

/// For each time that the ISR lost a member and the leader stayed: whether the epoch was raised.
fn shrinks(outcome: &Outcome) -> impl Iterator<Item = bool> {
    let pairs = outcome
        .states
        .values()
        .flat_map(|states| states.iter().zip(states.iter().skip(1)));
    let stays = pairs.filter(|(before, after)| {
        let shrank = before.isr.iter().any(|broker| !after.isr.contains(broker));
        shrank && before.leader.is_some() && before.leader == after.leader
    });
    stays.map(|(before, after)| after.leader_epoch > before.leader_epoch)
}

/// Without leader epochs nothing of this kind differs; and on each side the checkpoints fit the records.
fn epochs_alone(kind: Kind, simulated: &Outcome, real: &Outcome) -> bool {
    let states = || alike(simulated, real, without_epochs);
    let fit = |outcome| replicas(outcome).all(Replica::is_consistent);
    states() && (kind == Kind::States || fit(simulated) && fit(real))
}

/// Whether every replica holds the same values on both sides.
fn same_held(simulated: &Outcome, real: &Outcome) -> bool {
    fn held(outcome: &Outcome) -> BTreeMap<(&TopicPartition, BrokerId), Vec<&str>> {
        let mut held = BTreeMap::new();
        for (partition, replicas) in &outcome.replicas {
            for (broker, replica) in replicas {
                held.insert((partition, *broker), replica.values());
            }
        }
        held
    }
    held(simulated) == held(real)
}

/// Whether the same broker leads every partition at the end.
fn same_last_leader(simulated: &Outcome, real: &Outcome) -> bool {
    let last = |outcome: &Outcome| -> Vec<Option<BrokerId>> {
        let states = outcome.states.values();
        states
            .map(|states| states.last().and_then(|state| state.leader))
            .collect()
    };
    last(simulated) == last(real)
}

/// Whether the states of every partition differ in timing alone once something is taken away.
fn alike(simulated: &Outcome, real: &Outcome, without: fn(&[State]) -> Vec<State>) -> bool {
    let names: BTreeSet<&TopicPartition> =
        simulated.states.keys().chain(real.states.keys()).collect();
    names.into_iter().all(|name| {
        let of = |outcome: &Outcome| outcome.states.get(name).map(|states| without(states));
        let (simulated, real) = (
            of(simulated).unwrap_or_default(),
            of(real).unwrap_or_default(),
        );
        timing::parting_but_for_timing(&simulated, &real).is_none()
    })
}

/// The states in which somebody leads, without epochs, and without a leader that only takes the place of
/// another member of the same ISR: a rebalance.
fn led_without_epochs(states: &[State]) -> Vec<State> {
    let mut states = without_epochs(states);
    states.retain(|state| state.leader.is_some());
    let rebalanced = |after: &mut State, before: &mut State| {
        let stays = before
            .leader
            .is_some_and(|leader| after.isr.contains(&leader));
        stays && after.isr == before.isr
    };
    states.dedup_by(rebalanced);
    states
}

/// The states as if the ISR were always empty while nobody leads.
fn leaderless_emptied(states: &[State]) -> Vec<State> {
    let mut states = states.to_vec();
    for state in states.iter_mut().filter(|state| state.leader.is_none()) {
        state.isr.clear();
    }
    states
}
