//! The metadata log: its records, their bytes, and the image of the cluster that they add up to.
//!
//! Source: KIP-500, KIP-631; `MetadataImage`.
//! Next: `record.rs`, then `image.rs`.

pub mod codec;
mod fields;
mod image;
mod image_records;
mod record;
mod registration;
pub(crate) mod wire;

pub use image::*;
pub use record::*;
pub use registration::*;

use crate::id::{TopicId, TopicIdPartition, TopicPartition};

/// Name of the metadata log's topic.
pub const METADATA_TOPIC: &str = "__cluster_metadata";
/// Id of the metadata log's topic. Source: `Uuid.METADATA_TOPIC_ID`.
pub const METADATA_TOPIC_ID: TopicId = TopicId(1);

/// The metadata log as a partition.
pub fn metadata_partition() -> TopicIdPartition {
    TopicIdPartition {
        topic_id: METADATA_TOPIC_ID,
        partition: TopicPartition::new(METADATA_TOPIC, 0),
    }
}
