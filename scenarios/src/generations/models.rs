//! The five truncation models of hachikuji's TLA+ specification of Kafka's replication, as rules, and what
//! TLC finds in them with two records and two leader epochs.
//!
//! | in the specification | in ktrial |
//! |---|---|
//! | records carry their epochs, and nothing else does | `leader_epoch_entry_on_election` off, but for `Kip320` |
//! | a follower fetches whatever the leader's epoch | `fetch_epoch_fencing` off |
//! | a follower at the high watermark may join the ISR | `isr_expand_requires_epoch_start` off |
//! | the ISR keeps its last member | `elr` off |
//! | nothing is said of epochs newer than the one it follows in | `follower_stops_at_newer_epoch` off |
//!
//! `WeakIsr` and `StrongIsr` are what the checks of [`CHECKS`] come to. docs/tla.md tells which is which.
//!
//! `Kip279.tla` compares the logs themselves, so it is KIP-279 as it was proposed. Releases answer a question
//! about an epoch above all they know with "unknown", whereupon a follower cuts at its high watermark: with
//! `truncation=epoch279` one trial in some thousands breaks with two replicas too.
//!
//! Source: github.com/hachikuji/kafka-specification.
//! Next: `releases.rs`.

use super::census::{Census, Watch};
use crate::compile::Override;
use crate::fuzz::{FuzzSource, Profile};
use std::collections::BTreeSet;

/// What tells that `WeakIsr` or `StrongIsr` does not hold, or what comes of it.
const CHECKS: [&str; 9] = [
    "log_matching",
    "high_watermark_bounds",
    "leader_candidate_completeness",
    "leader_completeness",
    "acknowledged_somewhere",
    "lost_write",
    "inconsistent_offsets",
    "consistent_read",
    "nonmonotonic_send",
];

/// One of the five.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    /// The specification's module.
    pub name: &'static str,
    /// Its rules, other than the newest.
    pub rules: &'static [(&'static str, &'static str)],
    /// Whether TLC finds a counterexample with two replicas, and with three.
    pub breaks: (bool, bool),
}

/// All five.
pub const MODELS: [Model; 5] = [
    Model {
        name: "KafkaTruncateToHighWatermark",
        rules: &[
            ("truncation", "hw"),
            ("leader_epoch_entry_on_election", "false"),
            ("fetch_epoch_fencing", "false"),
            ("isr_expand_requires_epoch_start", "false"),
        ],
        breaks: (true, true),
    },
    Model {
        name: "Kip101",
        rules: &[
            ("truncation", "epoch101"),
            ("leader_epoch_entry_on_election", "false"),
            ("fetch_epoch_fencing", "false"),
            ("isr_expand_requires_epoch_start", "false"),
        ],
        breaks: (true, true),
    },
    Model {
        name: "Kip279",
        rules: &[
            ("truncation", "epoch279_proposed"),
            ("leader_epoch_entry_on_election", "false"),
            ("fetch_epoch_fencing", "false"),
            ("isr_expand_requires_epoch_start", "false"),
        ],
        breaks: (false, true),
    },
    Model {
        name: "Kip320FirstTry",
        rules: &[
            ("truncation", "on_fetch"),
            ("leader_epoch_entry_on_election", "false"),
            ("fetch_epoch_fencing", "false"),
        ],
        breaks: (false, true),
    },
    Model {
        name: "Kip320",
        rules: &[("truncation", "epoch279")],
        breaks: (false, false),
    },
];

/// Of all five.
const COMMON: [(&str, &str); 2] = [("elr", "false"), ("follower_stops_at_newer_epoch", "false")];

impl Model {
    /// Its rules as settings of the command line.
    pub fn set(&self) -> Vec<Override> {
        let all = COMMON.iter().chain(self.rules);
        let set = all.map(|(key, value)| Override {
            key: format!("rules.{key}"),
            value: (*value).to_owned(),
        });
        set.collect()
    }
}

/// What came of one model with so many replicas.
#[derive(Debug)]
pub struct Row {
    /// Which model.
    pub model: Model,
    /// With how many replicas.
    pub profile: Profile,
    /// What was found.
    pub census: Census,
}

impl Row {
    /// Whether TLC finds a counterexample.
    pub fn breaks(&self) -> bool {
        match self.profile {
            Profile::Pair => self.model.breaks.0,
            _ => self.model.breaks.1,
        }
    }

    /// Checks that found something that neither of the two properties is about.
    pub fn others(&self) -> BTreeSet<&str> {
        let seen = self.census.seen.keys().map(String::as_str);
        seen.filter(|check| !CHECKS.contains(check)).collect()
    }

    /// Whether ktrial finds what TLC finds, and nothing else.
    pub fn agrees(&self) -> bool {
        !self.census.stopped
            && self.others().is_empty()
            && (self.census.broken > 0) == self.breaks()
    }
}

/// Tries one model after the other, with two replicas and with three; those that hold with the seeds up to
/// `holds` only. `progress` is called with each row as it ends.
///
/// # Errors
/// The simulator failed.
pub fn models(
    watch: Watch<'_>,
    holds: u64,
    progress: &mut dyn FnMut(&Row),
) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for profile in [Profile::Pair, Profile::Trio] {
        for model in MODELS {
            let source = FuzzSource::new(profile, &model.set())?;
            let mut row = Row {
                model,
                profile,
                census: Census::default(),
            };
            let (from, to) = watch.seeds;
            let to = if row.breaks() { to } else { to.min(holds) };
            let seeds = (from, to);
            row.census = Census::of(&source, Watch { seeds, ..watch })?;
            progress(&row);
            rows.push(row);
        }
    }
    Ok(rows)
}
