//! Planted bugs: small wrong changes of Kafka's rules that show the checks awake.
//!
//! Each is a slip that a programmer could make, or once made. One at a time may be on (`rules.planted`);
//! none is by default. A bug is read at the one place where the right rule is applied, with
//! `rules.has(Bug::X)`, and nowhere else. A check that is worth its name finds each of them from the
//! record of a trial alone.
//!
//! The old generations of the rules (`rules.rs`) are bugs of this kind too. Repeated here are only two that
//! the specifications below mark, so that `ktrial selftest` hunts them under today's rules.
//!
//! Source: ours; each names the rule of Kafka that it breaks. The guards that Vanlightly's TLA+ specs
//! mark with `\* CHECK` are among them.
//! Next: the places that read a bug are the uses of its name.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

macro_rules! bugs {
    ($($(#[doc = $meaning:literal])+ $bug:ident = $name:literal, $source:literal => $effect:literal;)*) => {
        /// A planted bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Bug {
            $($(#[doc = $meaning])+ #[doc = concat!("Breaks ", $source, ": ", $effect, ".")] $bug,)*
        }

        impl Bug {
            /// Every bug.
            pub const ALL: &[Self] = &[$(Self::$bug),*];

            /// Its name behind `rules.planted=`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$bug => $name,)* }
            }

            /// What is wrong, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$bug => concat!($($meaning),+).trim_ascii(),)* }
            }

            /// The rule of Kafka that it breaks: class and method, KIP, issue or TLA+ specification.
            pub fn source(self) -> &'static str {
                match self { $(Self::$bug => $source,)* }
            }

            /// What it should lead to.
            pub fn effect(self) -> &'static str {
                match self { $(Self::$bug => $effect,)* }
            }
        }
    };
}

bugs! {
    /// The leader cuts each batch off again right after it has appended it.
    Canary = "canary",
        "`UnifiedLog.appendAsLeader`" => "every record is lost; so coarse that any workload shows it";

    // The leader: high watermark and acknowledgements.

    /// The high watermark is one above the smallest log end of the ISR.
    HighWatermarkOneTooHigh = "high_watermark_one_too_high",
        "`Partition.maybeIncrementLeaderHW`" => "a member of the ISR lacks a record below the high watermark";
    /// The high watermark is the largest log end of the ISR, not the smallest.
    HighWatermarkIsMaximum = "high_watermark_is_maximum",
        "`Partition.maybeIncrementLeaderHW`" => "an acknowledged record is on the leader only";
    /// A follower that has not fetched from this leader yet does not hold the high watermark back.
    HighWatermarkBeforeFirstFetch = "high_watermark_before_first_fetch",
        "`Replica.resetReplicaState`; kafka_replication.tla, CHECK: log end known in this epoch"
        => "a new leader exposes records that only it has";
    /// A leader takes over any new high watermark, also a lower one.
    HighWatermarkGoesBack = "high_watermark_goes_back",
        "`UnifiedLog.maybeIncrementHighWatermark`" => "the high watermark of a leader falls";
    /// min.insync.replicas counts as 1 on brokers.
    MinIsrIgnored = "min_isr_ignored",
        "`Partition.effectiveMinIsr`, KIP-966" => "a record that one replica has is acknowledged, and lost by an election from the ELR";
    /// A produce with acks=all is answered like one with acks=1.
    AcknowledgedBeforeReplication = "acknowledged_before_replication",
        "`ReplicaManager.delayedProduceRequestRequired`" => "an acknowledged record is lost with the leader";
    /// A produce with acks=all waits for its last record's offset, not for the one after.
    AcknowledgedOneRecordEarly = "acknowledged_one_record_early",
        "`LogAppendInfo.lastOffset`, `DelayedProduce`" => "an acknowledged record is lost with the leader";
    /// NOT_ENOUGH_REPLICAS is answered without an error code.
    NotEnoughReplicasAcknowledged = "not_enough_replicas_acknowledged",
        "`Partition.appendRecordsToLeader`" => "a record that was never written is acknowledged";
    /// A produce that waits when its leader is deposed is answered as replicated.
    DeposedLeaderAcknowledges = "deposed_leader_acknowledges",
        "`DelayedProduce.tryComplete`, case A" => "a record that is truncated is acknowledged";
    /// A broker that is no longer leader goes on to take appends.
    DeposedLeaderGoesOn = "deposed_leader_goes_on",
        "`Partition.makeFollower`" => "two brokers append in one leader epoch";

    // The leader: ISR, elections, followers, consumers.

    /// A member that the leader wants to drop no longer holds the high watermark back, though the
    /// controller has not agreed yet.
    IsrShrinkNotAwaited = "isr_shrink_not_awaited",
        "`PendingShrinkIsr`, KIP-497" => "the controller elects a replica that lacks acknowledged records";
    /// A follower may join the ISR though it lacks records below the high watermark.
    JoinsBelowHighWatermark = "joins_below_high_watermark",
        "`Partition.isFollowerInSync`; kafka_replication.tla, CHECK: log end at the high watermark"
        => "a member of the ISR lacks a record below the high watermark";
    /// A follower may join the ISR though it has not reached the start of the leader epoch.
    JoinsBeforeEpochStart = "joins_before_epoch_start",
        "KAFKA-7128, `Partition.isFollowerInSync`; kafka_replication.tla, CHECK: log end at the start of the leader epoch"
        => "a member of the ISR lacks records that the leader before had committed";
    /// A new leader cuts its log at its own high watermark.
    NewLeaderTruncates = "new_leader_truncates",
        "`Partition.makeLeader`" => "acknowledged records are lost by an election";
    /// The leader looks for divergence at the epoch only, not at where it ends.
    DivergenceByEpochOnly = "divergence_by_epoch_only",
        "`Partition.readRecords`, KIP-595" => "two logs differ below the high watermark";
    /// Consumers may read up to the log's end.
    ConsumerReadsToLogEnd = "consumer_reads_to_log_end",
        "`FetchIsolation.HIGH_WATERMARK`" => "a consumer gets a record that is not committed";

    // The follower.

    /// A follower goes on behind its records that part from the leader's log.
    TruncationSkipped = "truncation_skipped",
        "`AbstractFetcherThread.truncateOnFetchResponse`" => "two logs differ";
    /// A follower that begins to fetch does not say which epoch it has last.
    LastFetchedEpochForgotten = "last_fetched_epoch_forgotten",
        "KAFKA-15510; kafka_replication.tla, CHECK: fetcher added with its last fetched epoch" => "two logs differ";
    /// A follower does not look for divergence in a new epoch of the leader that it follows already.
    FetcherGoesOn = "fetcher_goes_on",
        "KAFKA-7164; kafka_replication.tla, CHECK: fetcher added anew for a newer leader epoch" => "two logs differ";
    /// What comes of a fetch is taken though it was asked in an older leader epoch.
    FetchEpochUnchecked = "fetch_epoch_unchecked",
        "`AbstractFetcherThread.processFetchRequest`; kafka_replication.tla, CHECK: leader epoch of the response"
        => "two logs differ";
    /// The high watermark is not kept within the log.
    HighWatermarkBeyondLogEnd = "high_watermark_beyond_log_end",
        "`UnifiedLog.updateHighWatermarkMetadata`" => "a high watermark is above its log's end";

    // The log.

    /// A log does not end after its last record but at it.
    OffsetReused = "offset_reused",
        "`LocalLog.append`" => "two batches have one offset";
    /// The batch that makes a segment roll is counted but not written.
    RollingBatchNotWritten = "rolling_batch_not_written",
        "`UnifiedLog.append`" => "an acknowledged record is lost";
    /// The leader epoch cache is never written to its checkpoint.
    EpochCheckpointNotWritten = "epoch_checkpoint_not_written",
        "`LeaderEpochFileCache.writeToFile`, KAFKA-16541" => "the disk lacks epochs of the log";
    /// A truncation shortens the log in memory, not its file.
    TruncationNotOnDisk = "truncation_not_on_disk",
        "`LogSegment.truncateTo`" => "records that were cut off are back";
    /// A log is cut at its recovery point after an unclean stop.
    RecoveryCutsAtRecoveryPoint = "recovery_cuts_at_recovery_point",
        "`LogLoader.recoverLog`" => "a killed broker loses what its page cache still has";
    /// Recovery does not look at checksums.
    RecoverySkipsChecksums = "recovery_skips_checksums",
        "`LogSegment.recover`" => "a batch that was torn by a power loss stays";
    /// A flush moves the recovery point and forces nothing to disk.
    FlushForcesNothing = "flush_forces_nothing",
        "`LocalLog.flush`, KAFKA-10101" => "a power loss takes flushed records";

    // The controller.

    /// Any live replica counts as eligible in an election.
    ElectsOutsideIsr = "elects_outside_isr",
        "`PartitionChangeBuilder.isValidNewLeader`" => "a replica that lacks acknowledged records leads";
    /// Every topic counts as one that allows unclean elections.
    UncleanElectionAlways = "unclean_election_always",
        "`ReplicationControlManager.uncleanLeaderElectionEnabledForTopic`"
        => "acknowledged records are lost by an unclean election";
    /// A preferred election takes the first replica if it lives, in the ISR or not.
    PreferredLeaderUnchecked = "preferred_leader_unchecked",
        "`PartitionChangeBuilder.electPreferredLeader`" => "a leader is not in the ISR";
    /// A new leader does not raise the leader epoch.
    LeaderEpochKept = "leader_epoch_kept",
        "`PartitionRegistration.merge`" => "two brokers lead in one leader epoch";
    /// A proposal of a broker that no longer leads is taken.
    DeposedLeaderProposes = "deposed_leader_proposes",
        "`ReplicationControlManager.validateAlterPartitionData`, KIP-497"
        => "an isolated leader takes the leadership back and acknowledged records are lost";
    /// The controller takes any process of a broker into the ISR, not only the one that the leader saw.
    ProposedMemberUnchecked = "proposed_member_unchecked",
        "`ReplicationControlManager.ineligibleReplicasForIsr`, KIP-903; kafka_replication.tla, CHECK: broker epochs of the ISR"
        => "a member of the ISR has lost what it had when it was proposed";
    /// A proposal of the leader is taken though it builds on an older partition epoch.
    StaleProposalTaken = "stale_proposal_taken",
        "`ReplicationControlManager.validateAlterPartitionData`, KIP-497; kafka_replication.tla, CHECK: partition epoch of the proposal"
        => "a replica that the controller took out of the ISR is back in it without the records since";
    /// The ELR is kept while the ISR has enough members.
    ElrNotEmptied = "elr_not_emptied",
        "`PartitionChangeBuilder.maybePopulateTargetElr`, KIP-966" => "an eligible leader lacks acknowledged records";
    /// Every replica outside the ISR becomes an eligible leader.
    ElrTakesAnyReplica = "elr_takes_any_replica",
        "`PartitionChangeBuilder.maybePopulateTargetElr`, KIP-966" => "an eligible leader lacks acknowledged records";
    /// A leader that was elected from the ELR stays in it.
    ElrKeepsLeader = "elr_keeps_leader",
        "`PartitionChangeBuilder.maybeUpdateRecordElr`; kafka_replication_kip_966.tla `ValidControllerIsrAndElr`"
        => "a broker is in the ISR and in the ELR";
    /// An unclean election leaves the ISR as it was.
    UncleanLeaderOutsideIsr = "unclean_leader_outside_isr",
        "`PartitionChangeBuilder.tryElection`, KIP-704" => "a leader is not in the ISR";
    /// No election is held when a broker comes back.
    NoElectionOnReturn = "no_election_on_return",
        "`ReplicationControlManager.handleBrokerUnfenced`" => "a partition stays without leader though one may lead";
    /// The controller acknowledges metadata records that are not forced to disk.
    MetadataNotForced = "metadata_not_forced",
        "`KafkaRaftLog.flush`, KAFKA-10533" => "a power loss of the controller undoes what brokers have applied";

    // The producer.

    /// An error in a produce response counts as success.
    ErrorTakenForSuccess = "error_taken_for_success",
        "`Sender.completeBatch`" => "a record that was never written is acknowledged";
    /// A produce request whose connection breaks counts as answered.
    LostRequestTakenForSuccess = "lost_request_taken_for_success",
        "`Sender.handleProduceResponse`" => "a record that was never written is acknowledged";
    /// A send whose outcome is open is reported as failed.
    UnknownReportedFailed = "unknown_reported_failed",
        "`ProducerBatch.completeExceptionally`" => "a record whose send failed is read";
    /// Every batch of a request goes to the partition of the first one.
    BatchInWrongPartition = "batch_in_wrong_partition",
        "KAFKA-19012, `Sender.sendProduceRequest`" => "a record is not in the partition that acknowledged it";

    // The consumer.

    /// After an error the consumer leaves out an offset.
    SkipsAfterError = "skips_after_error",
        "`FetchCollector.handleInitializeErrors`" => "a consumer never gets a record";
    /// After a change of leader the consumer goes one offset back.
    RereadsAfterLeaderChange = "rereads_after_leader_change",
        "`SubscriptionState.maybeValidatePositionForCurrentLeader`" => "a consumer gets a record twice";
    /// The consumer resets to the latest offset, whatever auto.offset.reset says.
    ResetsToLatest = "resets_to_latest",
        "`AutoOffsetResetStrategy`" => "a consumer never gets the records before";
    /// A position that was found valid moves to the end of its epoch.
    ValidPositionJumps = "valid_position_jumps",
        "`SubscriptionState.maybeCompleteValidation`, KIP-320" => "a consumer never gets the records between";

    /// A follower lets consumers read to the end of its log.
    FollowerReadsToLogEnd = "follower_reads_to_log_end",
        "`Partition.readRecords`, KIP-392" => "a consumer gets a record that is not committed";

    // The metadata quorum.

    /// A voter votes for another candidate too.
    QuorumVotesTwice = "quorum_votes_twice",
        "`QuorumState.unattachedOrProspectiveCanGrantVote`" => "two controllers lead in one epoch";
    /// A voter that follows a leader says yes when another one asks whether it would be elected.
    QuorumPreVoteThoughFollowing = "quorum_pre_vote_though_following",
        "`FollowerState.canGrantVote`, KIP-996" => "a controller that a majority follows is unseated";
    /// A snapshot of the metadata leaves out the settings.
    SnapshotWithoutSettings = "snapshot_without_settings",
        "`ConfigurationsImage.write`" => "who starts from the snapshot knows another cluster than who has read the log";
    /// The metadata log is cut at the high watermark, not where its snapshot ends.
    MetadataLogCutTooFar = "metadata_log_cut_too_far",
        "`KafkaRaftLog.deleteBeforeSnapshot`" => "records are in neither the log nor a snapshot";
    /// A leader of the quorum does not look whether a majority still fetches from it.
    QuorumLeaderNeverResigns = "quorum_leader_never_resigns",
        "`LeaderState.timeUntilCheckQuorumExpires`, KAFKA-15489" => "brokers go on asking a controller that can commit nothing";
    /// A voter does not write its vote and its epoch to the quorum-state file.
    QuorumVoteNotWritten = "quorum_vote_not_written",
        "`QuorumState.durableTransitionTo`" => "a voter falls back to an older epoch";
    /// A voter votes for a candidate whose log is behind its own.
    QuorumVoteForStaleLog = "quorum_vote_for_stale_log",
        "`KafkaRaftClient.handleVoteRequest`" => "a leader lacks committed metadata";
    /// The high watermark of the metadata log is what one voter less than a majority has.
    QuorumHighWatermarkByMinority = "quorum_high_watermark_by_minority",
        "`LeaderState.maybeUpdateHighWatermark`" => "metadata is called committed that no majority has";
}

/// No bug has that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no planted bug is called `{0}`")]
pub struct UnknownBug(pub String);

impl FromStr for Bug {
    type Err = UnknownBug;

    fn from_str(name: &str) -> Result<Self, UnknownBug> {
        let mut all = Self::ALL.iter().copied();
        all.find(|bug| bug.name() == name)
            .ok_or_else(|| UnknownBug(name.to_owned()))
    }
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Rules;

    #[test]
    fn every_bug_is_told_of_and_its_name_leads_back() {
        for bug in Bug::ALL {
            assert_eq!(bug.name().parse(), Ok(*bug));
            assert_eq!(serde_json::to_value(bug).unwrap(), bug.name());
            assert!(bug.meaning().ends_with('.'), "{bug}");
            assert!(
                !bug.source().is_empty() && !bug.effect().is_empty(),
                "{bug}"
            );
        }
        assert!(Bug::ALL.is_sorted(), "in the order of the list");
        assert!("none".parse::<Bug>().is_err());
    }

    #[test]
    fn rules_have_no_bug_until_one_is_planted() {
        let mut rules = Rules::default();
        assert_eq!(rules.get("planted").unwrap(), "none");
        assert!(!serde_json::to_string(&rules).unwrap().contains("planted"));
        for bug in Bug::ALL {
            assert!(!rules.has(*bug));
            rules.set("planted", bug.name()).unwrap();
            assert!(rules.has(*bug));
            assert_eq!(rules.to_string(), format!("planted={bug}"));
            let json = serde_json::to_string(&rules).unwrap();
            assert_eq!(serde_json::from_str::<Rules>(&json).unwrap(), rules);
            rules.set("planted", "none").unwrap();
            assert_eq!(rules, Rules::default());
        }
        assert!(rules.set("planted", "canaries").is_err());
    }
}
