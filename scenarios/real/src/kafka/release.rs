//! Release numbers, and with which controller a release runs.
//!
//! | release | controller |
//! |---|---|
//! | before 3.3 | ZooKeeper |
//! | 3.3 to 3.9 | either; KRaft unless asked otherwise |
//! | 4.0 and later | KRaft |
//!
//! Source: KIP-833 (KRaft is ready for production with 3.3, ZooKeeper is gone with 4.0).

use std::fmt;
use std::str::FromStr;

/// The first release whose KRaft mode is ready for production.
const FIRST_KRAFT: &str = "3.3";
/// The first release without ZooKeeper.
const FIRST_WITHOUT_ZOOKEEPER: &str = "4.0";

/// A release of Apache Kafka, such as 0.10.2.2 or 4.3.1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release(Vec<u32>);

impl Release {
    /// Whether it is this release or a later one.
    pub fn at_least(&self, release: &str) -> bool {
        release.parse().is_ok_and(|release| *self >= release)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}

impl FromStr for Release {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
        let numbers = numbers.filter(|numbers| (2..=4).contains(&numbers.len()));
        numbers.map(Self).ok_or_else(|| {
            format!("`{text}` is no release of Kafka: expected one such as 0.10.2.2 or 4.3.1")
        })
    }
}

/// What keeps the cluster's metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Kafka's own quorum of controllers.
    KRaft,
    /// ZooKeeper, with one of the brokers as controller.
    ZooKeeper,
}

impl Mode {
    /// Its name on the command line and in the record.
    pub fn name(self) -> &'static str {
        match self {
            Self::KRaft => "kraft",
            Self::ZooKeeper => "zookeeper",
        }
    }
}

/// A release and the mode it runs in: `4.3.1`, `3.9.1/zookeeper`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The release.
    pub release: Release,
    /// The mode.
    pub mode: Mode,
}

impl Target {
    /// The settings that give a plan the keeper of metadata that the target has: with ZooKeeper a server of
    /// its own, whose short ticks let it tell sessions of a few seconds apart.
    pub fn settings(&self) -> &'static [(&'static str, &'static str)] {
        match self.mode {
            Mode::KRaft => &[],
            Mode::ZooKeeper => &[("zookeeper.servers", "1"), ("zookeeper.tickTime", "1000")],
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.release, self.mode.name())
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (release, mode) = match text.split_once('/') {
            None => (text, None),
            Some((release, "kraft")) => (release, Some(Mode::KRaft)),
            Some((release, "zookeeper")) => (release, Some(Mode::ZooKeeper)),
            Some((_, mode)) => {
                return Err(format!("`{mode}` is no mode: expected kraft or zookeeper"));
            }
        };
        let release: Release = release.parse()?;
        let usual = match release.at_least(FIRST_KRAFT) {
            true => Mode::KRaft,
            false => Mode::ZooKeeper,
        };
        match mode.unwrap_or(usual) {
            Mode::KRaft if !release.at_least(FIRST_KRAFT) => Err(format!(
                "{release} cannot run in KRaft mode: that begins with {FIRST_KRAFT}"
            )),
            Mode::ZooKeeper if release.at_least(FIRST_WITHOUT_ZOOKEEPER) => Err(format!(
                "{release} cannot run with ZooKeeper: {FIRST_WITHOUT_ZOOKEEPER} took it away"
            )),
            mode => Ok(Self { release, mode }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by a panic")]
mod tests {
    use super::*;

    #[test]
    fn a_release_runs_in_the_mode_of_its_time() {
        for (text, told) in [
            ("0.10.2.2", "0.10.2.2/zookeeper"),
            ("3.2.3", "3.2.3/zookeeper"),
            ("3.9.1", "3.9.1/kraft"),
            ("3.9.1/zookeeper", "3.9.1/zookeeper"),
            ("4.3.1", "4.3.1/kraft"),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), told);
        }
        for text in [
            "",
            "4",
            "v4.1",
            "4.3.1/zookeeper",
            "2.8.2/kraft",
            "3.9.1/raft",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }

    #[test]
    fn releases_are_compared_number_by_number() {
        let release: Release = "0.10.2.2".parse().unwrap();
        assert!(release.at_least("0.10.2") && release.at_least("0.9.0.1"));
        assert!(!release.at_least("0.11") && !release.at_least("2.0"));
    }
}
