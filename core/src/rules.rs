//! Protocol generations as data: one switch per historic change of Kafka's rules.
//!
//! The same code path runs every generation. A switch is read where its rule is applied and nowhere
//! else, so a historic data loss is a scenario that can be run, its fix is one flipped switch, and
//! the switches double as planted bugs that show the checks awake. Bugs that no release had are in
//! `planted.rs`; one of them may be on.
//!
//! Presets by release (`kafka.release`): a patch release falls to the nearest preset below. The
//! defaults of settings that changed with releases are in [`Rules::default_settings`].
//!
//! Next: the places that read a switch are the uses of its field.

use crate::planted::Bug;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a follower finds the point where its log parts from the leader's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truncation {
    /// It cuts its log at its own high watermark (before KIP-101).
    Hw,
    /// It asks the leader where its latest epoch ends (KIP-101); the answer has no epoch, so a gap
    /// between epochs goes unseen.
    Epoch101,
    /// The answer names the epoch that it is about, and the follower asks again with a lower one
    /// until both logs know it (KIP-279).
    Epoch279,
    /// KIP-279 as it was proposed, which no release has: asked for an epoch above all that it knows, a leader
    /// answers with its last one and its log's end, and not that it does not know.
    Epoch279Proposed,
    /// The leader tells of the divergence in the fetch response (KAFKA-10554).
    OnFetch,
}

macro_rules! switches {
    ($($(#[doc = $meaning:literal])+ $field:ident = $since:literal, $source:literal;)*) => {
        /// The switches of one generation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Rules {
            /// How a follower finds the point where its log parts from the leader's: `hw` before
            /// 0.11, `epoch101` before 2.0, `epoch279` before 2.7, `on_fetch` since.
            pub truncation: Truncation,
            /// A wrong change of the rules that the checks have to find; `None` in every release.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub planted: Option<Bug>,
            $(
                $(#[doc = $meaning])+
                #[doc = concat!("Since ", $since, " (", $source, ").")]
                #[serde(default = "newest")]
                pub $field: bool,
            )*
        }

        /// Every on/off switch: key, release that brought it, source, meaning.
        pub const SWITCHES: &[Switch] = &[$(Switch {
            key: stringify!($field),
            since: $since,
            source: $source,
            meaning: concat!($($meaning),+),
        }),*];

        impl Rules {
            /// The rules of a release, given as numbers (major, minor, ...).
            fn of(release: &Release) -> Self {
                let since = |text: &str| Release::parse(text).is_some_and(|since| *release >= since);
                let mut rules = Self {
                    truncation: match () {
                        () if since("2.7") => Truncation::OnFetch,
                        () if since("2.0") => Truncation::Epoch279,
                        () if since("0.11") => Truncation::Epoch101,
                        () => Truncation::Hw,
                    },
                    planted: None,
                    $($field: since($since),)*
                };
                // With ZooKeeper it was right; the first releases of KRaft had it to learn.
                let zookeeper = !since("3.3");
                rules.unclean_election_by_setting |= zookeeper;
                rules.stopping_broker_steps_down |= zookeeper;
                rules.expire_one_at_a_time |= zookeeper;
                rules.log_dir_failure_told |= zookeeper;
                // Before 3.3 the controller's own quorum stands for ZooKeeper's, which has no part in them.
                rules.raft_check_quorum |= !since("3.3");
                rules.raft_voter_directory_id |= !since("3.3");
                rules.raft_prevote |= !since("3.3");
                rules.raft_flush_before_ack = true;
                rules.raft_resign_after_restart = true;
                rules.raft_leader_change_record_needed = true;
                rules
            }

            /// The value of a switch as text, or `None` for an unknown key.
            pub fn get(&self, key: &str) -> Option<String> {
                match key {
                    "truncation" => serde_json::to_value(self.truncation).ok()?.as_str().map(str::to_owned),
                    "planted" => Some(self.planted.map_or("none", Bug::name).to_owned()),
                    $(stringify!($field) => Some(self.$field.to_string()),)*
                    _ => None,
                }
            }

            /// Sets one switch from text.
            ///
            /// # Errors
            /// No such switch, or not a value of it.
            pub fn set(&mut self, key: &str, value: &str) -> Result<(), RuleError> {
                let invalid = |expected| RuleError::InvalidValue {
                    key: key.to_owned(), value: value.to_owned(), expected,
                };
                match key {
                    "truncation" => {
                        self.truncation = serde_json::from_value(value.into())
                            .map_err(|_| invalid("hw, epoch101, epoch279, epoch279_proposed or on_fetch"))?;
                    }
                    "planted" => {
                        let bug = (value != "none").then(|| value.parse()).transpose();
                        self.planted = bug.map_err(|_| invalid("none or a name in core/src/planted.rs"))?;
                    }
                    $(stringify!($field) => {
                        self.$field = value.parse().map_err(|_| invalid("true or false"))?;
                    })*
                    _ => return Err(RuleError::UnknownSwitch(key.to_owned())),
                }
                Ok(())
            }
        }
    };
}

/// One on/off switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch {
    /// Its name in [`Rules`] and behind `rules.` on the command line.
    pub key: &'static str,
    /// The release that brought the new rule.
    pub since: &'static str,
    /// KIP or JIRA.
    pub source: &'static str,
    /// What is so when it is on.
    pub meaning: &'static str,
}

/// The one switch with more than two values, told as the others are.
pub const TRUNCATION: Switch = Switch {
    key: "truncation",
    since: "0.11, 2.0, 2.7",
    source: "KIP-101, KIP-279, KAFKA-10554",
    meaning: "How a follower finds where its log parts from the leader's: hw cuts at its own high watermark; \
              epoch101 asks where its last epoch ends; epoch279 asks again until both know the epoch \
              (epoch279_proposed: as the KIP has it, also where Kafka answers that it knows none); \
              on_fetch hears of it in the fetch response.",
};

switches! {
    /// A new leader writes (epoch, start offset) to its epoch cache when elected, not with its first append.
    leader_epoch_entry_on_election = "2.0.1", "KAFKA-7415";
    /// A follower joins the ISR only from the start of the leader's epoch on, not just at the high watermark.
    isr_expand_requires_epoch_start = "2.0.1", "KAFKA-7128";
    /// A follower looks for divergence in each new leader epoch, also if it follows that leader already.
    truncate_on_every_epoch_change = "2.0.1", "KAFKA-7164";
    /// A fetch names only what has changed since the one before; what stays the same is known to its session.
    fetch_sessions = "1.1", "KIP-227";
    /// With ZooKeeper, the last member of an ISR stays in it when its broker dies, unclean election or not.
    last_member_stays_in_isr = "1.1", "KAFKA-5642";
    /// A broker is registered before it stands for election as controller, not some time after (ZooKeeper).
    registered_before_controller = "1.1", "KAFKA-5642";
    /// With ZooKeeper, a controller whose session has ended gives up what it is doing; before, it went on in
    /// the next session.
    controller_stops_with_session = "1.1", "KAFKA-5642";
    /// A broker that loses one of its log directories goes on with the others.
    log_dir_failure_survived = "1.0", "KIP-112";
    /// A follower whose log ends where the leader's does stays in the ISR, however long ago it has fetched.
    equal_end_stays_in_isr = "2.1", "KAFKA-7152";
    /// Fetch, ListOffsets and OffsetForLeaderEpoch carry the leader epoch, and a leader refuses another one.
    fetch_epoch_fencing = "2.1", "KIP-320";
    /// A new controller among the brokers takes the dead out of the ISRs; before, it left that to leaders.
    failover_shrinks_isr = "2.3", "KAFKA-3143";
    /// A consumer may read from a follower, and a leader names the one that is nearest.
    fetch_from_follower = "2.4", "KIP-392";
    /// The controller among the brokers checks in each write to ZooKeeper that there is no newer one.
    controller_epoch_fencing = "2.1", "KAFKA-6082";
    /// Requests of the controller among the brokers name the registration that they are for.
    broker_epoch_control_requests = "2.2", "KIP-380";
    /// With ZooKeeper, a preferred replica is only given the lead back if the controller knows it in the ISR.
    balance_only_if_in_isr = "2.6", "KAFKA-9866";
    /// StopReplica names the leader epoch, and a replica that is newer goes on.
    stop_replica_epoch = "2.6", "KIP-570";
    /// With ZooKeeper, leaders ask the controller for another ISR; before, they wrote it to ZooKeeper.
    isr_changes_through_controller = "2.7", "KIP-497";
    /// With ZooKeeper, an ISR that is asked for and holds already is granted, whatever its partition epoch.
    alter_partition_idempotent = "2.7", "KAFKA-14144";
    /// The high watermark counts members that the leader has proposed for the ISR but that are not in it yet.
    maximal_isr = "2.7", "KIP-497";
    /// A diverging fetch does not count as progress of the follower.
    ignore_fetch_offset_when_diverging = "2.7", "KAFKA-13141";
    /// A follower cuts its log by a diverging epoch only if it still follows in the epoch it had asked in.
    truncate_only_if_owned = "2.8.1", "KAFKA-13207";
    /// Sessions that have expired together are ended one after the other, each seeing the ones before.
    expire_one_at_a_time = "3.0", "KAFKA-13173";
    /// A leader whose change of the ISR is granted looks anew how far its high watermark may go.
    hw_after_isr_change = "3.0", "KAFKA-13091";
    /// A partition whose leader was elected uncleanly is recovering until that leader changes the ISR.
    leader_recovery_state = "3.2", "KIP-704";
    /// A fenced or stopping broker may not be in a proposed ISR.
    isr_requires_unfenced = "3.3", "KIP-841";
    /// A controller that knows less than the leader says so, and not that the leader is of an old epoch.
    stale_controller_owns_up = "3.3", "KAFKA-14154";
    /// A broker that is stopping steps down where another one leads now.
    stopping_broker_steps_down = "3.3.2", "KAFKA-14296";
    /// A leader sends consumers to followers in its ISR only.
    read_replica_in_isr = "3.3.2", "KAFKA-14372";
    /// A heartbeat is given up after half a session, not after controller.socket.timeout.ms.
    heartbeat_within_session = "3.4", "KAFKA-14392";
    /// A follower takes over the leader's high watermark only after it has cut what diverges.
    truncate_before_hw = "3.4.1", "KAFKA-14704";
    /// Fetch and AlterPartition carry the broker epoch, so that a replica that restarted since is refused.
    isr_broker_epoch_check = "3.5", "KIP-903";
    /// Whether a follower may join the ISR is decided by one look at what it fetched and as which process.
    isr_eligibility_atomic_snapshot = "3.5.2", "KAFKA-15221";
    /// An ISR that shrinks does not raise the leader epoch.
    isr_shrink_keeps_leader_epoch = "3.6", "KAFKA-15021";
    /// The high watermark does not advance while the ISR is below min.insync.replicas.
    hw_requires_min_isr = "3.7", "KAFKA-15583";
    /// A broker tells the controller which log directory it has lost, and others lead what was in it.
    log_dir_failure_told = "3.7", "KIP-858";
    /// A broker that registers as a new process is taken out of the ISRs that it is still in.
    registration_leaves_isr = "3.8", "KAFKA-15586";
    /// The controller heeds unclean.leader.election.enable, which those of KRaft before did not know.
    unclean_election_by_setting = "3.9", "KAFKA-12670";
    /// A follower does not append batches of a newer epoch than the one it follows in.
    follower_stops_at_newer_epoch = "3.9.1", "KAFKA-18723";
    /// A session outlives the fencing of its broker: until it ends nobody may register, then it fences again.
    session_outlives_fencing = "4.0", "KAFKA-17793";
    /// The ISR may become empty; replicas that left it below min.insync.replicas stay eligible leaders.
    elr = "4.1", "KIP-966";
    /// A broker that comes back from an unclean stop leaves ISR and ELR, for it may have lost records.
    unclean_shutdown_check = "4.1", "KIP-966";
    /// With ISR and ELR empty, the last known leader may be elected when it is back.
    elr_last_known_leader = "4.1", "KIP-966";
    /// The last known leader is elected only if it lives.
    elr_last_known_leader_checks_alive = "4.1", "KAFKA-19522";
    /// A heartbeat is given up after broker.heartbeat.interval.ms, and the next one waits as long again.
    heartbeat_within_interval = "4.1", "KAFKA-19294";
    /// A reassignment ends when all that come are in the ISR, though one that stays is not.
    reassignment_needs_only_the_new = "4.3", "KAFKA-19975";

    // The metadata quorum. The first three were mended before its first release (2.8).

    /// A voter of the metadata quorum forces records to disk before anybody learns that it has them.
    raft_flush_before_ack = "2.8", "KAFKA-10533";
    /// A voter that led the metadata quorum does not lead again in the same epoch when it starts again.
    raft_resign_after_restart = "2.8", "KAFKA-10527";
    /// The metadata quorum's high watermark waits for a record of the leader's own epoch on a majority.
    raft_leader_change_record_needed = "2.8", "KAFKA-12619";
    /// A leader of the metadata quorum resigns if no majority fetches from it.
    raft_check_quorum = "3.7", "KAFKA-15489";
    /// A voter of the metadata quorum is known by its directory's id too: with a new disk it is no voter.
    raft_voter_directory_id = "3.9", "KIP-853";
    /// A voter of the metadata quorum asks whether it would be elected before it begins an epoch.
    raft_prevote = "4.0", "KIP-996";
}

/// What a switch is in plans that are older than it: they were played by the rules of now.
fn newest() -> bool {
    true
}

/// A rule that cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// No switch has that name.
    #[error("unknown rule `{0}`")]
    UnknownSwitch(String),
    /// The text is not a value of the switch.
    #[error("`rules.{key}` cannot be `{value}`: expected {expected}")]
    InvalidValue {
        /// The switch.
        key: String,
        /// The text as given.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
    /// Not the number of a release.
    #[error("`kafka.release` cannot be `{0}`: expected a release such as 3.9, 0.10.2 or 4.3.1")]
    InvalidRelease(String),
    /// Before the first release that is simulated.
    #[error("`kafka.release` {0} is older than 0.8, the oldest one simulated")]
    TooOld(String),
}

/// The newest release whose rules are known.
pub const NEWEST: &str = "4.3";

impl Default for Rules {
    fn default() -> Self {
        Self::of(&Release::newest())
    }
}

impl Rules {
    /// The rules of an Apache Kafka release: `"0.10.2"`, `"3.9"`, `"4.3.1"`.
    ///
    /// # Errors
    /// The text is not a release, or one before 0.8.
    pub fn kafka(release: &str) -> Result<Self, RuleError> {
        Release::checked(release).map(|release| Self::of(&release))
    }

    /// Whether this bug is planted.
    pub fn has(self, bug: Bug) -> bool {
        self.planted == Some(bug)
    }

    /// Settings whose defaults were others in `release`: (key, default then).
    ///
    /// # Errors
    /// As for [`Rules::kafka`].
    pub fn default_settings(release: &str) -> Result<Vec<(&'static str, &'static str)>, RuleError> {
        /// Changed in (release), key, default before.
        const CHANGED: &[(&str, &str, &str)] = &[
            ("0.11", "unclean.leader.election.enable", "true"),
            ("2.1", "retries", "0"),
            ("2.5", "replica.lag.time.max.ms", "10000"),
            ("2.5", "zookeeper.session.timeout.ms", "6000"),
            ("3.0.1", "acks", "1"),
            ("4.0", "linger.ms", "0"),
        ];
        let release = Release::checked(release)?;
        let older = |text: &str| Release::parse(text).is_some_and(|changed| release < changed);
        Ok(CHANGED
            .iter()
            .filter(|row| older(row.0))
            .map(|row| (row.1, row.2))
            .collect())
    }
}

/// A release as its numbers, compared one after the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Release(Vec<u32>);

impl Release {
    fn parse(text: &str) -> Option<Self> {
        let numbers: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
        numbers
            .filter(|numbers| (2..=4).contains(&numbers.len()))
            .map(Self)
    }

    fn checked(text: &str) -> Result<Self, RuleError> {
        let release =
            Self::parse(text).ok_or_else(|| RuleError::InvalidRelease(text.to_owned()))?;
        if release < Self(vec![0, 8]) {
            return Err(RuleError::TooOld(text.to_owned()));
        }
        Ok(release)
    }

    #[expect(
        clippy::expect_used,
        reason = "the text is a literal that a test reads"
    )]
    fn newest() -> Self {
        Self::parse(NEWEST).expect("the newest release is a release")
    }
}

/// `key=value` for each switch that differs from the newest rules, or `newest`.
impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let newest = Self::default();
        let keys = ["truncation", "planted"]
            .into_iter()
            .chain(SWITCHES.iter().map(|switch| switch.key));
        let mut first = true;
        for key in keys.filter(|key| self.get(key) != newest.get(key)) {
            let separator = if first { "" } else { ", " };
            write!(f, "{separator}{key}={}", self.get(key).unwrap_or_default())?;
            first = false;
        }
        if first { f.write_str("newest") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_release_has_the_rules_of_its_time() {
        let truncation = |release| Rules::kafka(release).unwrap().truncation;
        assert_eq!(truncation("0.10.2"), Truncation::Hw);
        assert_eq!(truncation("0.11.0.3"), Truncation::Epoch101);
        assert_eq!(truncation("2.0"), Truncation::Epoch279);
        assert_eq!(truncation("2.6.3"), Truncation::Epoch279);
        assert_eq!(truncation("4.3.1"), Truncation::OnFetch);
        assert!(!Rules::kafka("4.0").unwrap().elr);
        assert!(Rules::kafka("4.1").unwrap().elr);
        assert!(!Rules::kafka("2.0").unwrap().fetch_epoch_fencing);
        let unclean = |release| Rules::kafka(release).unwrap().unclean_election_by_setting;
        assert!(unclean("2.8.2") && !unclean("3.3.2") && !unclean("3.8") && unclean("3.9"));
        assert_eq!(Rules::kafka("9.9").unwrap(), Rules::default());
    }

    #[test]
    fn every_switch_can_be_flipped_by_name_and_shows() {
        for switch in SWITCHES {
            let mut rules = Rules::default();
            assert_eq!(rules.get(switch.key).unwrap(), "true", "{}", switch.key);
            rules.set(switch.key, "false").unwrap();
            assert_eq!(rules.to_string(), format!("{}=false", switch.key));
        }
        let mut rules = Rules::default();
        assert_eq!(rules.to_string(), "newest");
        rules.set("truncation", "epoch101").unwrap();
        assert_eq!(rules.to_string(), "truncation=epoch101");
        assert!(rules.set("truncation", "kip101").is_err());
        assert!(rules.set("trunkation", "hw").is_err());
    }

    #[test]
    fn the_table_has_every_field_and_presets_follow_it() {
        let json = serde_json::to_value(Rules::default()).unwrap();
        let fields: Vec<&str> = json
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let mut told: Vec<&str> = SWITCHES.iter().map(|switch| switch.key).collect();
        told.push(TRUNCATION.key);
        told.sort_unstable();
        assert_eq!(fields, told, "`planted` is told by its own table");
        for release in [
            "0.8", "0.11", "2.0", "2.0.1", "2.7", "3.3.2", "3.9", "4.1", NEWEST,
        ] {
            let rules = Rules::kafka(release).unwrap();
            for switch in SWITCHES {
                let has = Release::parse(release) >= Release::parse(switch.since);
                // With ZooKeeper these were right, or have no part: the first releases of KRaft had to learn.
                let learnt = [
                    "unclean_election_by_setting",
                    "stopping_broker_steps_down",
                    "expire_one_at_a_time",
                    "log_dir_failure_told",
                ];
                let kraft = learnt.contains(&switch.key) || switch.key.starts_with("raft_");
                let zookeeper = kraft && Release::parse(release) < Release::parse("3.3");
                let value = rules.get(switch.key).unwrap();
                assert_eq!(
                    value,
                    (has || zookeeper).to_string(),
                    "{} in {release}",
                    switch.key
                );
                assert!(switch.meaning.trim().ends_with('.'), "{}", switch.key);
            }
        }
    }

    #[test]
    fn a_plan_that_is_older_than_a_switch_has_the_newest_rule() {
        let mut rules = serde_json::to_value(Rules::default()).unwrap();
        let switch = "isr_shrink_keeps_leader_epoch";
        assert!(rules.as_object_mut().unwrap().remove(switch).is_some());
        let read: Rules = serde_json::from_value(rules).unwrap();
        assert_eq!(read, Rules::default());
    }

    #[test]
    fn releases_that_are_none_are_refused() {
        for text in ["", "4", "v4.1", "4.x", "1.2.3.4.5"] {
            assert!(
                matches!(Rules::kafka(text), Err(RuleError::InvalidRelease(_))),
                "{text}"
            );
        }
        assert!(matches!(Rules::kafka("0.7"), Err(RuleError::TooOld(_))));
    }

    #[test]
    fn old_defaults_come_with_old_releases() {
        let defaults = Rules::default_settings("0.10.2").unwrap();
        assert!(defaults.contains(&("unclean.leader.election.enable", "true")));
        assert!(Rules::default_settings("4.3").unwrap().is_empty());
    }
}
