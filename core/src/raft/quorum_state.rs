//! `quorum-state`: the epoch, its leader and whom this voter voted for in it, as a small JSON file. It is on
//! the disk before the voter acts in the epoch, so that nobody votes twice and no epoch is led twice.
//! Beside it `meta.properties`, which names the directory.
//!
//! Simplified: the directory's id is all there is in `meta.properties`, and a voter that finds none formats
//! its disk itself.
//! Source: `FileQuorumStateStore`, `QuorumStateData.json` (data_version 1), `MetaPropertiesEnsemble`.
//! Next: `state.rs`.

use super::voters::{DirectoryId, VoterKey};
use crate::id::{ControllerId, TopicId};
use crate::machine::StartError;
use crate::offset::LeaderEpoch;
use crate::storage::{Storage, StorageError};
use serde::{Deserialize, Serialize};

/// Where the file is.
pub(crate) const QUORUM_STATE: &str = "data/__cluster_metadata-0/quorum-state";
/// The log directory of a voter.
pub(super) const LOG_DIRECTORY: &str = "data";
const META_PROPERTIES: &str = "meta.properties";
const NOBODY: ControllerId = ControllerId(-1);

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

/// What the file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) epoch: LeaderEpoch,
    pub(super) leader: Option<ControllerId>,
    pub(super) voted: Option<VoterKey>,
}

/// What this disk knows of the quorum.
///
/// # Errors
/// The disk failed, or the file cannot be read.
pub(super) fn read(storage: &mut dyn Storage) -> Result<Option<Stored>, StartError> {
    let Some(bytes) = storage.read_all(QUORUM_STATE)? else {
        return Ok(None);
    };
    let unusable = |reason: String| StartError::Unusable {
        path: QUORUM_STATE.to_owned(),
        reason,
    };
    let state: QuorumState =
        serde_json::from_slice(&bytes).map_err(|error| unusable(error.to_string()))?;
    let directory = state.voted_directory_id.parse::<TopicId>();
    let directory = directory.map_err(|error| unusable(error.to_string()))?;
    let somebody = |id: ControllerId| (id != NOBODY).then_some(id);
    Ok(Some(Stored {
        epoch: state.leader_epoch,
        leader: somebody(state.leader_id),
        voted: somebody(state.voted_id).map(|id| VoterKey {
            id,
            directory: (directory.0 != 0).then_some(DirectoryId(directory.0)),
        }),
    }))
}

/// Writes it down, for good.
///
/// # Errors
/// The disk failed.
pub(super) fn write(storage: &mut dyn Storage, stored: Stored) -> Result<(), StorageError> {
    let directory = stored.voted.and_then(|voted| voted.directory);
    let state = QuorumState {
        leader_id: stored.leader.unwrap_or(NOBODY),
        leader_epoch: stored.epoch,
        voted_id: stored.voted.map_or(NOBODY, |voted| voted.id),
        voted_directory_id: directory.unwrap_or_default().to_string(),
        data_version: 1,
    };
    let bytes =
        serde_json::to_vec(&state).map_err(|_| StorageError::Io(QUORUM_STATE.to_owned()))?;
    storage.replace(QUORUM_STATE, &bytes)
}

/// The id of a log directory; one without any is formatted as `new`.
///
/// # Errors
/// The disk failed, or the file cannot be read.
pub(crate) fn directory_id(
    storage: &mut dyn Storage,
    directory: &str,
    new: DirectoryId,
) -> Result<DirectoryId, StartError> {
    let path = format!("{directory}/{META_PROPERTIES}");
    let Some(bytes) = storage.read_all(&path)? else {
        let text = format!("directory.id={new}\nversion=1\n");
        storage.replace(&path, text.as_bytes())?;
        return Ok(new);
    };
    let text = String::from_utf8_lossy(&bytes);
    let id = text
        .lines()
        .find_map(|line| line.strip_prefix("directory.id="))
        .and_then(|id| id.parse::<TopicId>().ok());
    id.map(|id| DirectoryId(id.0))
        .ok_or_else(|| StartError::Unusable {
            path,
            reason: "it names no directory".to_owned(),
        })
}
