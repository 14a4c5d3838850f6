//! The controller's state as plain data.
//!
//! Next: `crate::snapshot`.

use super::Controller;
use crate::snapshot::{ControllerSnapshot, PartitionSnapshot};

impl Controller {
    /// The state that decisions are made from, so with records that are not written yet.
    pub(super) fn describe(&self) -> ControllerSnapshot {
        let image = &self.cluster.image;
        let brokers = image.brokers().iter();
        let partitions = image.partitions();
        ControllerSnapshot {
            metadata_end_offset: self.log.end_offset(),
            metadata_high_watermark: self.log.high_watermark(),
            brokers: brokers
                .map(|(id, broker)| (*id, broker.broker_epoch, broker.fenced))
                .collect(),
            partitions: partitions
                .map(|(partition, state)| PartitionSnapshot {
                    partition,
                    replicas: state.replicas.clone(),
                    leader: state.leader,
                    leader_epoch: state.leader_epoch,
                    partition_epoch: state.partition_epoch,
                    isr: state.isr.clone(),
                    elr: state.elr.clone(),
                    last_known_elr: state.last_known_elr.clone(),
                })
                .collect(),
        }
    }
}
