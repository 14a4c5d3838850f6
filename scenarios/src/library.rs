//! The scenarios that come with ktrial, built into the program.

/// A scenario of the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it is about: its folder.
    pub theme: &'static str,
    /// Its file within the repository.
    pub path: &'static str,
    /// Its text.
    pub text: &'static str,
}

macro_rules! library {
    ($($theme:literal: $($name:literal),+;)*) => {
        /// Every scenario, by theme, in the order in which to read them.
        pub const LIBRARY: &[Entry] = &[$($(Entry {
            name: $name,
            theme: $theme,
            path: concat!("scenarios/library/", $theme, "/", $name, ".toml"),
            text: include_str!(concat!("../library/", $theme, "/", $name, ".toml")),
        },)+)*];
    };
}

library! {
    "replication":
        "all-brokers-down",
        "order-of-return",
        "isr-shrinks-by-lag",
        "hw-truncation-loses-committed",
        "divergence-after-hard-failures",
        "fast-failover-divergence",
        "leader-without-own-epoch",
        "missed-leader-change",
        "zombie-replica-fetch",
        "stale-epoch-counts",
        "leader-counts-divergent-fetch",
        "replica-cut-after-election",
        "high-watermark-before-truncation",
        "isr-change-in-flight",
        "stale-alter-partition",
        "reboot-between-two-looks",
        "fenced-replica-rejoins",
        "sessions-end-together",
        "leader-in-controlled-shutdown",
        "reassignment",
        "reassignment-cancelled",
        "topic-created-again",
        "read-from-the-nearest";
    "durability":
        "acks1-leader-crash",
        "isr-of-one",
        "error-after-append",
        "read-then-gone",
        "last-replica-standing",
        "last-leader-disk-wiped",
        "last-known-leader-is-down",
        "elr-cleared-by-operator",
        "unclean-setting-takes-effect-late",
        "moved-replica-stays-eligible";
    "faults":
        "zombie-leader",
        "unreachable-followers",
        "slow-follower",
        "paused-leader",
        "rolling-restart",
        "hasty-rolling-restart",
        "replaced-disk",
        "stalled-disk",
        "log-directory-fails";
    "quorum":
        "controller-failover",
        "all-controllers-down",
        "two-roles-in-one-process",
        "re-elected-in-the-same-epoch",
        "missing-flush",
        "commit-needs-own-epoch",
        "no-check-quorum",
        "disruptive-voter",
        "voter-disk-loss",
        "snapshot-for-laggard",
        "raft-first-leader",
        "raft-leader-stops",
        "raft-all-killed",
        "raft-leader-cut-off",
        "raft-majority-reachable",
        "raft-ring-at-start",
        "raft-ring-around-leader",
        "raft-leaders-cut-off-in-turn",
        "raft-voter-loses-disk";
    "zookeeper":
        "bounced-broker",
        "deposed-controller-answers",
        "late-stop-replica",
        "lost-answer-freezes-isr",
        "zombie-controller-writes";
}

/// A scenario by its name.
pub fn find(name: &str) -> Option<&'static Entry> {
    LIBRARY.iter().find(|entry| entry.name == name)
}

/// Every name.
pub fn names() -> Vec<&'static str> {
    LIBRARY.iter().map(|entry| entry.name).collect()
}
