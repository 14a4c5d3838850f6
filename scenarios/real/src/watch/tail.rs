//! What becomes of a log whose segments somebody else writes: new batches, and cuts.
//!
//! - Read is what grew: one look at the folder and one at the newest segment when nothing happened.
//! - A cut is seen even if new batches followed it at once: whenever a segment has changed, the last
//!   batch that is known must still stand where it stood, with the same header; else the newest one that
//!   does is looked for, and all after it has been cut off.
//! - A batch that is not whole yet is waited for.
//! - Segments that go at the log's beginning are retention, and no news.
//!
//! Invariants: what is told adds up to what the files hold, as far as they are whole.
//!
//! Simplified: a cut after which the very same batches were written again at the same places shows only
//! as nothing. A cut into a batch is told as a cut at that batch's beginning: the file does not say more.
//! Source: `UnifiedLog.truncateTo`, `truncateFullyAndStartAt`, `LogSegments`.
//! Next: `replicas.rs`, `quorum.rs`.

use super::batch::Header;
use super::file::{self, Listed, Listing, Stamp};
use crate::failure::Failure;
use bytes::Bytes;
use ktrial_core::Offset;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Bytes of a batch's header that are compared: all of it, in every format.
const COMPARED: usize = 61;

/// Something that happened to a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It ends at `to` now, and ended at `from`.
    Cut { from: Offset, to: Offset },
    /// This batch came to its end.
    Appended(Header, Bytes),
}

/// A batch that was read.
#[derive(Clone, Debug)]
struct Known {
    position: u64,
    header: Header,
    /// Its first bytes.
    head: Bytes,
}

#[derive(Clone, Debug, Default)]
struct Segment {
    batches: Vec<Known>,
    stamp: Option<Stamp>,
}

impl Segment {
    /// Where the known batches end.
    fn end(&self) -> u64 {
        let last = self.batches.last();
        last.map_or(0, |last| last.position + size(&last.header))
    }
}

fn size(header: &Header) -> u64 {
    u64::try_from(header.size).unwrap_or(u64::MAX)
}

/// A log under watch.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    folder: PathBuf,
    listing: Listing,
    segments: BTreeMap<i64, Segment>,
}

impl Tail {
    /// The log in this folder, of which nothing is known yet.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            listing: Listing::default(),
            segments: BTreeMap::new(),
        }
    }

    /// The offset after the last known batch.
    pub(super) fn end(&self) -> Offset {
        let last = self
            .segments
            .values()
            .rev()
            .find_map(|it| it.batches.last());
        last.map_or_else(|| self.start(), |last| last.header.last.next())
    }

    /// Where the log begins, as its first segment is named.
    pub(super) fn start(&self) -> Offset {
        Offset(self.segments.keys().next().copied().unwrap_or(0))
    }

    /// What happened since the last call; `None` when the log is gone: another one may come in its place.
    ///
    /// # Errors
    /// The files cannot be read.
    pub(super) fn poll(&mut self) -> Result<Option<Vec<Change>>, Failure> {
        let before = self.end();
        match self.listing.poll(&self.folder)? {
            Listed::Gone => return Ok(None),
            Listed::Same => {}
            Listed::Names(names) => self.keep(&names),
        }
        let mut changes = Vec::new();
        if !self.changed()? {
            if self.end() < before {
                changes.push(self.cut(before));
            }
            return Ok(Some(changes));
        }
        self.forget_what_is_gone()?;
        if self.end() < before {
            changes.push(self.cut(before));
        }
        self.read_on(&mut changes)?;
        Ok(Some(changes))
    }

    fn cut(&self, from: Offset) -> Change {
        Change::Cut {
            from,
            to: self.end(),
        }
    }

    /// Keeps the segments that are there. Between the end of one log and the beginning of the next there
    /// may be none for a moment: then nothing is decided yet.
    fn keep(&mut self, names: &[String]) {
        let bases: Vec<i64> = names.iter().filter_map(|name| base(name)).collect();
        if bases.is_empty() {
            return;
        }
        self.segments.retain(|base, _| bases.contains(base));
        for base in bases {
            self.segments.entry(base).or_default();
        }
    }

    /// Whether a segment that may have changed looks different now.
    fn changed(&mut self) -> Result<bool, Failure> {
        let mut changed = false;
        let last = self.last_segment();
        for (base, segment) in self.segments.range_mut(last..) {
            let now = file::stamp(&path(&self.folder, *base))?;
            changed |= now.is_some() && now != segment.stamp;
            segment.stamp = now.or(segment.stamp);
        }
        Ok(changed)
    }

    /// The segment that holds the last known batch, or the first.
    fn last_segment(&self) -> i64 {
        let mut segments = self.segments.iter().rev();
        let found = segments.find(|(_, segment)| !segment.batches.is_empty());
        found.map_or_else(|| self.start().0, |(base, _)| *base)
    }

    /// Drops known batches from the end while they are not in the file any more.
    fn forget_what_is_gone(&mut self) -> Result<(), Failure> {
        for (base, segment) in self.segments.iter_mut().rev() {
            let path = path(&self.folder, *base);
            while let Some(last) = segment.batches.last() {
                let there = file::read(&path, last.position, last.head.len())?;
                if there.as_ref() == Some(&last.head) && segment.reaches(last) {
                    return Ok(());
                }
                segment.batches.pop();
            }
        }
        Ok(())
    }

    /// Reads what follows the last known batch, segment by segment.
    fn read_on(&mut self, changes: &mut Vec<Change>) -> Result<(), Failure> {
        let last = self.last_segment();
        for (base, segment) in self.segments.range_mut(last..) {
            let from = segment.end();
            let length = segment.stamp.map_or(0, |stamp| stamp.length);
            let grown = usize::try_from(length.saturating_sub(from)).unwrap_or(usize::MAX);
            if grown == 0 {
                continue;
            }
            let Some(mut rest) = file::read(&path(&self.folder, *base), from, grown)? else {
                break;
            };
            while let Some(header) = Header::of(&rest) {
                let whole = rest.split_to(header.size);
                segment.batches.push(Known {
                    position: segment.end(),
                    header,
                    // A copy, so that the batch itself need not be kept.
                    head: Bytes::copy_from_slice(&whole[..whole.len().min(COMPARED)]),
                });
                changes.push(Change::Appended(header, whole));
            }
            if !rest.is_empty() {
                // Half a batch: nothing can follow it yet.
                break;
            }
        }
        Ok(())
    }
}

impl Segment {
    /// Whether the file is long enough for this batch.
    fn reaches(&self, batch: &Known) -> bool {
        let end = batch.position + size(&batch.header);
        self.stamp.is_some_and(|stamp| stamp.length >= end)
    }
}

fn path(folder: &Path, base: i64) -> PathBuf {
    folder.join(format!("{base:020}.log"))
}

/// The base offset of a segment's file.
fn base(name: &str) -> Option<i64> {
    let digits = name
        .strip_suffix(".log")
        .filter(|digits| digits.len() == 20)?;
    digits.parse().ok()
}
