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
//! A release that differs by a rule has a switch in core (`core/src/rules.rs`) and no reason here.
//! Next: `table.rs`.

use super::difference::{Difference, Kind};
use super::outcome::Outcome;
use crate::kafka::{Mode, Target};
use serde::{Deserialize, Serialize};

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
    /// Whether it alone makes the differences of these kinds: simulated, real.
    shows: fn(&Outcome, &Outcome) -> bool,
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

/// Every known reason; where several cover a difference, the first is told: the narrow ones come first.
pub const REASONS: &[Reason] = &[
    Reason {
        id: "high_watermark_before_truncation_is_not_seen",
        says: "Before 3.4.1 a follower takes over the leader's high watermark before it cuts what \
               diverges: for a moment two logs differ below both high watermarks. A simulated record \
               has that moment, and the check of matching logs finds it; the files of a real broker \
               never show it.",
        source: "KAFKA-14704; AbstractFetcherThread.processFetchRequest (2.8.2)",
        waits_for: None,
        kinds: &[Kind::Verdict],
        about: |target| !target.release.at_least("3.4.1"),
        shows: |simulated, real| {
            let mut others = simulated.findings.clone();
            others.remove("log_matching") && others == real.findings
        },
    },
    Reason {
        id: "votes_are_not_seen",
        says: "Who votes for whom, and who takes itself for the leader of the quorum, no file of a real \
               controller tells in time. A simulated record has it, and two checks look at that alone.",
        source: "quorum-state, __cluster_metadata-0; docs/CHECKS.md",
        waits_for: None,
        kinds: &[Kind::Verdict],
        about: |target| target.mode == Mode::KRaft,
        shows: |simulated, real| {
            let mut others = simulated.findings.clone();
            let majority = others.remove("quorum_leader_has_majority");
            let stable = others.remove("quorum_stable_leadership");
            (majority || stable) && others == real.findings
        },
    },
    Reason {
        id: "metadata_that_is_taken_back_is_not_seen",
        says: "Before 3.9 a controller with a new disk votes under its old name, and a quorum can take back \
               what it had committed. A real one does so: its servers' logs say that they truncate below the \
               high watermark, or die of it. But the files of a real quorum are read on the ground that this \
               cannot be, each offset once.",
        source: "KIP-853; KafkaRaftClient.handleFetchResponse (3.3.2); scenarios/real/src/watch/quorum.rs",
        waits_for: None,
        kinds: &[Kind::Verdict],
        about: |target| target.mode == Mode::KRaft && !target.release.at_least("3.9"),
        shows: |simulated, real| {
            let mut others = simulated.findings.clone();
            let taken_back = others.remove("quorum_consistent_committed_data");
            let follows = [
                "epochs_monotone",
                "quorum_leader_completeness",
                "quorum_monotonic_high_watermark",
            ];
            others.retain(|check| !follows.contains(&check.as_str()));
            taken_back && others == real.findings
        },
    },
    Reason {
        id: "no_leader_epochs_in_logs",
        says: "Before 0.11 a record carries no leader epoch and no broker keeps a leader epoch checkpoint: \
           followers truncate to their high watermark. Simulated logs always have both; the rule of \
           truncation is the old one.",
        source: "KIP-101, KIP-98 (message format v2); ReplicaManager.makeFollowers (0.10.2.2)",
        waits_for: None,
        kinds: &[Kind::Epochs, Kind::Checkpoints],
        about: |target| !target.release.at_least("0.11"),
        shows: |_, real| {
            let replicas = || real.replicas.values().flat_map(|of| of.values());
            replicas().all(|replica| replica.checkpoint.is_empty())
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
                && (reason.shows)(simulated, real)
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
