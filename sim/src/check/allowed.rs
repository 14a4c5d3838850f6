//! Which of Jepsen's classes a configuration allows, and why: the one place where that is decided.
//!
//! | class | allowed when | because |
//! |---|---|---|
//! | `lost_write` | something excuses the loss of that very record (`happened.rs`) | acks=0 and acks=1 do not wait; unclean election and power loss take what nobody else has |
//! | `inconsistent_offsets` | a loss is excused in that partition | the offset of a lost record is used again |
//! | `nonmonotonic_poll`, `int_nonmonotonic_poll` | a loss is excused in that partition | a consumer that read what was lost goes back (KIP-320) |
//! | `poll_skip`, `int_poll_skip` | a loss is excused in that partition | it goes on where the new leader's log is longer than what it had read |
//! | `unseen` | a loss is excused in that partition, and the consumer has read on beyond it | as for a skip |
//! | `duplicate` | its producer retries without idempotence | an attempt whose answer was lost was written, and is written again |
//! | `nonmonotonic_send`, `int_nonmonotonic_send` | its producer retries without idempotence and has more than one request in flight; or a loss is excused in that partition | a batch that is sent again comes after one that was sent after it; the offsets after a loss are used again |
//! | `int_send_skip` | always; counted as a goal, not reported | other producers write between |
//! | `aborted_read` | never | a send that certainly failed was never written |
//!
//! Jepsen allows `poll_skip` and `nonmonotonic_poll` with subscriptions, where partitions come and go; here
//! consumers are assigned theirs.
//!
//! Source: `jepsen.tests.kafka`, `allowed-error-types`.

use super::client::Case;
use super::promise::Promises;
use crate::view::View;
use ktrial_core::{NodeId, TopicPartition};
use std::collections::BTreeSet;

/// What the whole record says about each partition, looked up once.
#[derive(Debug, Default)]
pub(super) struct Allowed {
    /// Partitions in which records were acknowledged that nobody but their leader need have had.
    relaxed: BTreeSet<TopicPartition>,
}

impl Allowed {
    pub(super) fn new(promises: &Promises, view: &View) -> Self {
        let operations = view.operations().list().iter();
        let relaxed = operations.filter(|operation| {
            operation.acknowledged() && promises.acks_cause(operation.client).is_some()
        });
        let relaxed = relaxed.filter_map(super::client::partition_of);
        Self {
            relaxed: relaxed.collect(),
        }
    }

    /// Whether a loss that the configuration allows explains an oddity that a client saw.
    pub(super) fn loss(&self, case: &Case<'_>, partition: &TopicPartition) -> bool {
        let excused = case.happened.any_cause(case.promises, partition).is_some();
        excused || (self.relaxed.contains(partition) && case.happened.was_disturbed(partition))
    }

    /// Whether a loss of what was below a high watermark explains an oddity of reading: consumers get
    /// nothing else, whatever acks their producers asked for.
    pub(super) fn reading(case: &Case<'_>, partition: &TopicPartition) -> bool {
        case.happened.any_cause(case.promises, partition).is_some()
    }

    /// Whether a producer's retries may write a record twice.
    pub(super) fn duplicate(case: &Case<'_>, client: Option<NodeId>) -> bool {
        client.is_some_and(|client| case.promises.may_duplicate(client))
    }

    /// Whether the records of one producer may change places.
    pub(super) fn reorder(
        &self,
        case: &Case<'_>,
        client: NodeId,
        partition: &TopicPartition,
    ) -> bool {
        let config = case.promises.producer(client);
        let overtakes = config.is_some_and(|config| {
            config.retries > 0
                && !config.enable_idempotence
                && config.max_in_flight_requests_per_connection > 1
        });
        overtakes || self.loss(case, partition)
    }
}
