//! `quorum-state`: who led the metadata quorum last, and in which epoch, as a small JSON file. It is on
//! the disk before the controller acts in an epoch, so that no epoch is led twice.
//!
//! Simplified: one voter, who always votes for itself; no directory ids.
//! Source: `FileQuorumStateStore`, `QuorumStateData.json` (data_version 1).
//! Next: `metadata_log.rs`.

use crate::id::{ControllerId, TopicId};
use crate::machine::StartError;
use crate::offset::LeaderEpoch;
use crate::storage::{Storage, StorageError};
use serde::{Deserialize, Serialize};

/// Where the file is.
pub(super) const QUORUM_STATE: &str = "data/__cluster_metadata-0/quorum-state";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct QuorumState {
    leader_id: ControllerId,
    leader_epoch: LeaderEpoch,
    voted_id: ControllerId,
    voted_directory_id: String,
    #[serde(rename = "data_version")]
    data_version: i16,
}

/// The last epoch of the quorum, as far as this disk knows.
///
/// # Errors
/// The disk failed, or the file cannot be read.
pub(super) fn read_epoch(storage: &mut dyn Storage) -> Result<Option<LeaderEpoch>, StartError> {
    let Some(bytes) = storage.read_all(QUORUM_STATE)? else {
        return Ok(None);
    };
    let state: QuorumState =
        serde_json::from_slice(&bytes).map_err(|error| StartError::Unusable {
            path: QUORUM_STATE.to_owned(),
            reason: error.to_string(),
        })?;
    Ok(Some(state.leader_epoch))
}

/// Writes down that this controller leads in `epoch`.
///
/// # Errors
/// The disk failed.
pub(super) fn write(
    storage: &mut dyn Storage,
    id: ControllerId,
    epoch: LeaderEpoch,
) -> Result<(), StorageError> {
    let state = QuorumState {
        leader_id: id,
        leader_epoch: epoch,
        voted_id: id,
        voted_directory_id: TopicId(0).to_string(),
        data_version: 1,
    };
    let bytes =
        serde_json::to_vec(&state).map_err(|_| StorageError::Io(QUORUM_STATE.to_owned()))?;
    storage.replace(QUORUM_STATE, &bytes)
}
