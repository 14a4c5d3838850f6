//! How wild random trials are.

use std::ops::RangeInclusive;

/// How wild.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Profile {
    /// One partition on two brokers, a few records, a leadership that moves, and nothing that a disk could
    /// lose: as small as what a model checker looks at.
    Pair,
    /// The same on three brokers.
    Trio,
    /// One partition on four brokers, and replicas that leave the ISR and join again at the wrong moment:
    /// what the guards of an ISR's growth are for.
    Rejoin,
    /// Small clusters, few faults, none that damages a disk: what a cluster should take lightly.
    Light,
    /// Anything, but not everything at once.
    #[default]
    Swarm,
    /// More of everything, and disks that lie, rot and are replaced.
    Harsh,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Pair,
        Self::Trio,
        Self::Rejoin,
        Self::Light,
        Self::Swarm,
        Self::Harsh,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pair => "pair",
            Self::Trio => "trio",
            Self::Rejoin => "rejoin",
            Self::Light => "light",
            Self::Swarm => "swarm",
            Self::Harsh => "harsh",
        }
    }

    /// Whether it is one of the three that are about one partition: they have their own families of faults.
    pub fn is_model(self) -> bool {
        matches!(self, Self::Pair | Self::Trio | Self::Rejoin)
    }

    pub(super) fn brokers(self) -> RangeInclusive<usize> {
        match self {
            Self::Pair => 2..=2,
            Self::Trio | Self::Light => 3..=3,
            Self::Rejoin => 4..=4,
            Self::Swarm => 1..=5,
            Self::Harsh => 2..=6,
        }
    }

    pub(super) fn topics(self) -> RangeInclusive<usize> {
        match self {
            Self::Pair | Self::Trio | Self::Rejoin | Self::Light => 1..=1,
            Self::Swarm => 1..=3,
            Self::Harsh => 1..=4,
        }
    }

    pub(super) fn records(self) -> RangeInclusive<u64> {
        match self {
            Self::Pair | Self::Trio => 4..=10,
            Self::Rejoin => 30..=100,
            Self::Light => 10..=60,
            Self::Swarm => 10..=150,
            Self::Harsh => 20..=300,
        }
    }

    /// How often a load gathers around faults, in percent, and how soon after them it comes at the latest, in
    /// milliseconds.
    pub(super) fn gathers(self) -> (u64, u64) {
        match self {
            Self::Pair | Self::Trio => (90, 3_000),
            Self::Rejoin => (50, 10_000),
            Self::Light | Self::Swarm | Self::Harsh => (60, 4_000),
        }
    }

    /// How long loads and faults go on.
    pub(super) fn window_ms(self) -> RangeInclusive<u64> {
        match self {
            Self::Pair | Self::Trio => 2_000..=10_000,
            Self::Rejoin => 10_000..=20_000,
            Self::Light => 5_000..=20_000,
            Self::Swarm => 5_000..=60_000,
            Self::Harsh => 20_000..=120_000,
        }
    }

    /// How often a setting is not the default, in percent.
    pub(super) fn settings(self) -> u64 {
        match self {
            Self::Pair | Self::Trio | Self::Rejoin | Self::Light => 10,
            Self::Swarm => 25,
            Self::Harsh => 40,
        }
    }

    /// How often a family of faults exists, in percent.
    pub(super) fn family(self) -> u64 {
        match self {
            Self::Pair | Self::Trio => 45,
            Self::Rejoin => 40,
            Self::Light => 40,
            Self::Swarm => 30,
            Self::Harsh => 55,
        }
    }

    /// How many faults of a family that exists.
    pub(super) fn faults(self) -> RangeInclusive<usize> {
        match self {
            Self::Pair | Self::Trio => 1..=3,
            Self::Rejoin => 1..=1,
            Self::Light => 1..=2,
            Self::Swarm => 1..=4,
            Self::Harsh => 2..=6,
        }
    }

    /// How often everybody is there after the last fault, in percent.
    pub(super) fn everybody_recovers(self) -> u64 {
        match self {
            Self::Pair | Self::Trio | Self::Rejoin | Self::Light => 100,
            Self::Swarm => 85,
            Self::Harsh => 70,
        }
    }
}
