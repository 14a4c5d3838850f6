//! Kafka's error codes, with their numbers and properties.
//!
//! Source: `org.apache.kafka.common.protocol.Errors` and the exception classes it names
//! (`RetriableException`, `InvalidMetadataException`).

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $kafka:literal;)*) => {
        /// The error of a response, or of one partition in it. `None` is success.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub enum ErrorCode {
            /// No error.
            #[default]
            None,
            $($(#[$doc])* $name,)*
        }

        impl ErrorCode {
            /// Every code but `None`.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The number on the wire.
            pub fn code(self) -> i16 {
                match self {
                    Self::None => 0,
                    $(Self::$name => $code,)*
                }
            }

            /// Kafka's name.
            pub fn name(self) -> &'static str {
                match self {
                    Self::None => "NONE",
                    $(Self::$name => $kafka,)*
                }
            }
        }
    };
}

error_codes! {
    /// The server met an error it did not expect.
    UnknownServerError = -1, "UNKNOWN_SERVER_ERROR";
    /// The requested offset is not within the partition's log.
    OffsetOutOfRange = 1, "OFFSET_OUT_OF_RANGE";
    /// A batch failed its CRC check or its structure.
    CorruptMessage = 2, "CORRUPT_MESSAGE";
    /// This server does not host the partition.
    UnknownTopicOrPartition = 3, "UNKNOWN_TOPIC_OR_PARTITION";
    /// The partition has no leader at the moment.
    LeaderNotAvailable = 5, "LEADER_NOT_AVAILABLE";
    /// This broker is not the leader (or, for reads from followers, not a replica).
    NotLeaderOrFollower = 6, "NOT_LEADER_OR_FOLLOWER";
    /// The request waited longer than its timeout. The data may still be replicated.
    RequestTimedOut = 7, "REQUEST_TIMED_OUT";
    /// The replica is not available for the request.
    ReplicaNotAvailable = 9, "REPLICA_NOT_AVAILABLE";
    /// The controller is older than one that was heard of.
    StaleControllerEpoch = 11, "STALE_CONTROLLER_EPOCH";
    /// A batch is larger than `max.message.bytes`.
    MessageTooLarge = 10, "MESSAGE_TOO_LARGE";
    /// The connection went before the response came (client side only).
    NetworkException = 13, "NETWORK_EXCEPTION";
    /// The topic's name is not allowed, or the topic is internal.
    InvalidTopicException = 17, "INVALID_TOPIC_EXCEPTION";
    /// The records are larger than a segment.
    RecordListTooLarge = 18, "RECORD_LIST_TOO_LARGE";
    /// Fewer members in the ISR than `min.insync.replicas`; nothing was written.
    NotEnoughReplicas = 19, "NOT_ENOUGH_REPLICAS";
    /// The records were written, but then the ISR was below `min.insync.replicas`.
    NotEnoughReplicasAfterAppend = 20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND";
    /// `acks` is not 0, 1 or -1.
    InvalidRequiredAcks = 21, "INVALID_REQUIRED_ACKS";
    /// A record's timestamp is out of the accepted range.
    InvalidTimestamp = 32, "INVALID_TIMESTAMP";
    /// The request's version is not served.
    UnsupportedVersion = 35, "UNSUPPORTED_VERSION";
    /// The topic exists already.
    TopicAlreadyExists = 36, "TOPIC_ALREADY_EXISTS";
    /// The number of partitions is not allowed.
    InvalidPartitions = 37, "INVALID_PARTITIONS";
    /// Replication factor below 1 or above the number of usable brokers.
    InvalidReplicationFactor = 38, "INVALID_REPLICATION_FACTOR";
    /// The replica assignment is not allowed.
    InvalidReplicaAssignment = 39, "INVALID_REPLICA_ASSIGNMENT";
    /// A configuration is not allowed.
    InvalidConfig = 40, "INVALID_CONFIG";
    /// This is not the active controller.
    NotController = 41, "NOT_CONTROLLER";
    /// The request is malformed or contradicts itself.
    InvalidRequest = 42, "INVALID_REQUEST";
    /// The disk failed.
    KafkaStorageError = 56, "KAFKA_STORAGE_ERROR";
    /// The listener is not known to the broker.
    ListenerNotFound = 72, "LISTENER_NOT_FOUND";
    /// The request's leader epoch is older than the broker's.
    FencedLeaderEpoch = 74, "FENCED_LEADER_EPOCH";
    /// The request's leader epoch is newer than the broker's.
    UnknownLeaderEpoch = 75, "UNKNOWN_LEADER_EPOCH";
    /// The broker epoch is not the one the controller knows.
    StaleBrokerEpoch = 77, "STALE_BROKER_EPOCH";
    /// A new leader's high watermark has not reached its epoch's start yet.
    OffsetNotAvailable = 78, "OFFSET_NOT_AVAILABLE";
    /// The preferred leader may not lead now.
    PreferredLeaderNotAvailable = 80, "PREFERRED_LEADER_NOT_AVAILABLE";
    /// No replica may lead now.
    EligibleLeadersNotAvailable = 83, "ELIGIBLE_LEADERS_NOT_AVAILABLE";
    /// There is nothing to elect.
    ElectionNotNeeded = 84, "ELECTION_NOT_NEEDED";
    /// A move of replicas is under way.
    ReassignmentInProgress = 60, "REASSIGNMENT_IN_PROGRESS";
    /// There is no move of replicas to take back.
    NoReassignmentInProgress = 85, "NO_REASSIGNMENT_IN_PROGRESS";
    /// The fetch session is not in the broker's cache.
    FetchSessionIdNotFound = 70, "FETCH_SESSION_ID_NOT_FOUND";
    /// The fetch session is at another epoch.
    InvalidFetchSessionEpoch = 71, "INVALID_FETCH_SESSION_EPOCH";
    /// The fetch session began with topic names, the request has ids, or the other way round.
    FetchSessionTopicIdError = 106, "FETCH_SESSION_TOPIC_ID_ERROR";
    /// A record is not valid.
    InvalidRecord = 87, "INVALID_RECORD";
    /// The partition epoch is not the current one.
    InvalidUpdateVersion = 95, "INVALID_UPDATE_VERSION";
    /// The change of the partition was not tried because another one failed.
    OperationNotAttempted = 55, "OPERATION_NOT_ATTEMPTED";
    /// Another process with this broker id has a live session.
    DuplicateBrokerRegistration = 101, "DUPLICATE_BROKER_REGISTRATION";
    /// The broker id is not registered.
    BrokerIdNotRegistered = 102, "BROKER_ID_NOT_REGISTERED";
    /// The topic's name and id do not belong together.
    InconsistentTopicId = 103, "INCONSISTENT_TOPIC_ID";
    /// The cluster ids differ.
    InconsistentClusterId = 104, "INCONSISTENT_CLUSTER_ID";
    /// The topic id is not known.
    UnknownTopicId = 100, "UNKNOWN_TOPIC_ID";
    /// A replica of the proposed ISR may not be in it (fenced, shutting down, another broker epoch).
    IneligibleReplica = 107, "INELIGIBLE_REPLICA";
    /// The change was made and moved the leadership away from the one who asked.
    NewLeaderElected = 108, "NEW_LEADER_ELECTED";
    /// There is no snapshot of that name.
    SnapshotNotFound = 98, "SNAPSHOT_NOT_FOUND";
    /// The snapshot ends before that place.
    PositionOutOfRange = 99, "POSITION_OUT_OF_RANGE";
    /// The voter of the metadata quorum is not the one that the request means.
    InvalidVoterKey = 125, "INVALID_VOTER_KEY";
    /// The server is about to stop, or not there yet.
    BrokerNotAvailable = 8, "BROKER_NOT_AVAILABLE";
}

impl ErrorCode {
    /// Whether this is `None`.
    pub fn is_none(self) -> bool {
        self == Self::None
    }

    /// Whether a client may send the same request again (`RetriableException`).
    pub fn is_retriable(self) -> bool {
        self.is_invalid_metadata()
            || matches!(
                self,
                Self::CorruptMessage
                    | Self::RequestTimedOut
                    | Self::NotEnoughReplicas
                    | Self::NotEnoughReplicasAfterAppend
                    | Self::NotController
                    | Self::OffsetNotAvailable
                    | Self::UnknownLeaderEpoch
            )
    }

    /// Whether the error says that the client's metadata is old (`InvalidMetadataException`).
    pub fn is_invalid_metadata(self) -> bool {
        matches!(
            self,
            Self::UnknownTopicOrPartition
                | Self::LeaderNotAvailable
                | Self::NotLeaderOrFollower
                | Self::ReplicaNotAvailable
                | Self::NetworkException
                | Self::KafkaStorageError
                | Self::ListenerNotFound
                | Self::FencedLeaderEpoch
                | Self::UnknownTopicId
                | Self::InconsistentTopicId
                | Self::PreferredLeaderNotAvailable
                | Self::EligibleLeadersNotAvailable
                | Self::ElectionNotNeeded
        )
    }

    /// Whether the records of a produce request with this error are certainly not in the log. Every
    /// other error leaves the outcome unknown: the records may be there and may be read. So does an
    /// unknown topic: a produce that waits for followers ends with it when the topic is deleted.
    pub fn is_definite(self) -> bool {
        matches!(
            self,
            Self::CorruptMessage
                | Self::MessageTooLarge
                | Self::InvalidTopicException
                | Self::RecordListTooLarge
                | Self::NotEnoughReplicas
                | Self::InvalidRequiredAcks
                | Self::InvalidTimestamp
                | Self::UnsupportedVersion
                | Self::InvalidRecord
        )
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serialises_under_kafkas_name_and_has_its_own_number() {
        let mut codes = std::collections::BTreeSet::new();
        for code in ErrorCode::ALL {
            assert_eq!(
                serde_json::to_string(code).unwrap(),
                format!("\"{}\"", code.name())
            );
            assert!(codes.insert(code.code()), "{code} shares its number");
        }
    }
}
