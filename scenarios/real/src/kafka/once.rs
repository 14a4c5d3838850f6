//! What is made once and kept: jars, lists of settings, archives. Whoever asks first makes it, others
//! wait, be they in this program or another.
//!
//! Invariants: what is at its place is finished. It is made beside its place and renamed.
//!
//! Source: ours.
//! Next: `maven.rs`.

use super::trouble;
use crate::failure::{Failure, Interrupt};
use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::Duration;

/// The longest that another process is waited for: as long as a download may take.
const LONGEST_WAIT: Duration = Duration::from_secs(1_800);

/// Sees to it that `place` exists: else `make` makes it (a file or a folder) at the path that it is
/// given. `lock` is a file that keeps others from doing the same at the same time.
///
/// # Errors
/// What `make` fails with, or the folder cannot be written.
pub(crate) fn once(
    place: &Path,
    lock: &Path,
    interrupt: &Interrupt,
    tell: &dyn Fn(&str),
    make: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if place.exists() {
        return Ok(());
    }
    for file in [place, lock] {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(|error| trouble("make", folder, &error))?;
        }
    }
    // Held until the end of this function; the kernel lets go of it if this program is killed.
    let _held = hold(lock, interrupt, tell)?;
    if place.exists() {
        return Ok(());
    }
    let mut part = place.as_os_str().to_owned();
    part.push(".part");
    let part = Path::new(&part);
    remove(part)?;
    let made = make(part).and_then(|()| {
        let renamed = fs::rename(part, place);
        renamed.map_err(|error| trouble("make", place, &error))
    });
    if made.is_err() {
        // The reason of the failure matters more than what it leaves; the next attempt removes that.
        let _ = remove(part);
    }
    made
}

fn hold(lock: &Path, interrupt: &Interrupt, tell: &dyn Fn(&str)) -> Result<File, Failure> {
    let file = File::create(lock).map_err(|error| trouble("write", lock, &error))?;
    let mut told = false;
    let held = interrupt.wait(LONGEST_WAIT, || match file.try_lock() {
        Ok(()) => Ok(Some(())),
        Err(TryLockError::WouldBlock) => {
            if !told {
                tell("another ktrial-real prepares it; waiting");
                told = true;
            }
            Ok(None)
        }
        Err(TryLockError::Error(error)) => Err(trouble("lock", lock, &error)),
    })?;
    held.map(|()| file).ok_or_else(|| {
        let lock = lock.display();
        Failure::Rig(format!(
            "another ktrial-real has held {lock} for half an hour: end it"
        ))
    })
}

fn remove(path: &Path) -> Result<(), Failure> {
    let removed = match fs::symlink_metadata(path) {
        Err(_) => return Ok(()),
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    };
    removed.map_err(|error| trouble("remove", path, &error))
}
