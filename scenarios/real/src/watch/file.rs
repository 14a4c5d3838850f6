//! Files that others write meanwhile: what they look like now, and a piece of them.
//!
//! Invariants: a file that is not there, or goes while it is read, is `None`, never a failure.
//!
//! Next: `tail.rs`.

use crate::failure::Failure;
use bytes::Bytes;
use std::fs::{self, File};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// What tells that a file or folder has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Which file it is: another one under the same name has another number.
    pub(super) inode: u64,
    pub(super) length: u64,
    modified: (i64, i64),
}

/// The stamp of a file or folder, if it is there.
///
/// # Errors
/// It is there and cannot be looked at.
pub(super) fn stamp(path: &Path) -> Result<Option<Stamp>, Failure> {
    let found = present(path, fs::metadata(path))?;
    Ok(found.map(|meta| Stamp {
        inode: meta.ino(),
        length: meta.len(),
        modified: (meta.mtime(), meta.mtime_nsec()),
    }))
}

/// Up to `length` bytes from `position`; fewer if the file ends before.
///
/// # Errors
/// It is there and cannot be read.
pub(super) fn read(path: &Path, position: u64, length: usize) -> Result<Option<Bytes>, Failure> {
    let Some(file) = present(path, File::open(path))? else {
        return Ok(None);
    };
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let at = position + u64::try_from(filled).unwrap_or(u64::MAX);
        match file.read_at(rest, at) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(failure(path, &error)),
        }
    }
    bytes.truncate(filled);
    Ok(Some(bytes.into()))
}

/// The names in a folder, in order.
///
/// # Errors
/// It is there and cannot be listed.
pub(super) fn names(folder: &Path) -> Result<Option<Vec<String>>, Failure> {
    let Some(listing) = present(folder, fs::read_dir(folder))? else {
        return Ok(None);
    };
    let mut names = Vec::new();
    for entry in listing {
        if let Some(entry) = present(folder, entry)? {
            names.extend(entry.file_name().into_string());
        }
    }
    names.sort();
    Ok(Some(names))
}

fn present<T>(path: &Path, result: Result<T, Error>) -> Result<Option<T>, Failure> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failure(path, &error)),
    }
}

fn failure(path: &Path, error: &Error) -> Failure {
    Failure::Rig(format!("cannot read {}: {error}", path.display()))
}

/// A folder that is listed again only when it may have changed.
///
/// Clocks of file systems tick every few milliseconds, so what happens just after a listing may leave
/// the same stamp: after each change a few more listings follow.
#[derive(Clone, Debug, Default)]
pub(super) struct Listing {
    stamp: Option<Stamp>,
    again: u8,
}

/// How many polls long a folder that changed is listed again.
const AGAIN: u8 = 5;

/// What a folder looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    /// It is not there, or is another one than before.
    Gone,
    /// Nothing new.
    Same,
    /// These names are in it.
    Names(Vec<String>),
}

impl Listing {
    /// Lists the folder if it may have changed since the last call.
    ///
    /// # Errors
    /// It is there and cannot be listed.
    pub(super) fn poll(&mut self, folder: &Path) -> Result<Listed, Failure> {
        let now = stamp(folder)?;
        let before = std::mem::replace(&mut self.stamp, now);
        let Some(now) = now else {
            return Ok(Listed::Gone);
        };
        if before.is_some_and(|before| before.inode != now.inode) {
            self.stamp = None;
            return Ok(Listed::Gone);
        }
        if before == Some(now) && self.again == 0 {
            return Ok(Listed::Same);
        }
        self.again = if before == Some(now) {
            self.again - 1
        } else {
            AGAIN
        };
        Ok(names(folder)?.map_or(Listed::Gone, Listed::Names))
    }
}
