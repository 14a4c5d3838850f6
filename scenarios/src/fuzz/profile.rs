//! How wild random trials are.

use std::ops::RangeInclusive;

/// How wild.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Profile {
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
    pub const ALL: [Self; 3] = [Self::Light, Self::Swarm, Self::Harsh];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Swarm => "swarm",
            Self::Harsh => "harsh",
        }
    }

    pub(super) fn brokers(self) -> RangeInclusive<usize> {
        match self {
            Self::Light => 3..=3,
            Self::Swarm => 1..=5,
            Self::Harsh => 2..=6,
        }
    }

    pub(super) fn topics(self) -> RangeInclusive<usize> {
        match self {
            Self::Light => 1..=1,
            Self::Swarm => 1..=3,
            Self::Harsh => 1..=4,
        }
    }

    pub(super) fn records(self) -> RangeInclusive<u64> {
        match self {
            Self::Light => 10..=60,
            Self::Swarm => 10..=150,
            Self::Harsh => 20..=300,
        }
    }

    /// How long loads and faults go on.
    pub(super) fn window_ms(self) -> RangeInclusive<u64> {
        match self {
            Self::Light => 5_000..=20_000,
            Self::Swarm => 5_000..=60_000,
            Self::Harsh => 20_000..=120_000,
        }
    }

    /// How often a setting is not the default, in percent.
    pub(super) fn settings(self) -> u64 {
        match self {
            Self::Light => 10,
            Self::Swarm => 25,
            Self::Harsh => 40,
        }
    }

    /// How often a family of faults exists, in percent.
    pub(super) fn family(self) -> u64 {
        match self {
            Self::Light => 40,
            Self::Swarm => 30,
            Self::Harsh => 55,
        }
    }

    /// How many faults of a family that exists.
    pub(super) fn faults(self) -> RangeInclusive<usize> {
        match self {
            Self::Light => 1..=2,
            Self::Swarm => 1..=4,
            Self::Harsh => 2..=6,
        }
    }

    /// How often everybody is there after the last fault, in percent.
    pub(super) fn everybody_recovers(self) -> u64 {
        match self {
            Self::Light => 100,
            Self::Swarm => 85,
            Self::Harsh => 70,
        }
    }
}
