//! One file: what the page cache holds of it, and what the platter does.
//!
//! The cache's content is a row of frozen chunks and a growing tail. A read within one chunk is a slice
//! of it, without a copy; the tail is frozen when it is read. So the usual way of a batch (appended,
//! then fetched by two followers and a consumer) copies its bytes once.
//!
//! The platter needs no copy of its own: it holds the first `clean` bytes of the cache and then
//! `stale`, bytes that a truncation has taken out of the cache but that no flush (of any file of the
//! disk: `device.rs`) has taken off the
//! platter yet.
//!
//! Invariants: `clean <= length`. After a flush `clean == length` and `stale` is empty.
//!
//! Simplified: there is no background write-back (Linux writes dirty pages after some 30 s), so a power
//! loss takes everything since the last flush, however old: the worst case, never a better one.
//!
//! Next: `device.rs`.

use bytes::{Bytes, BytesMut};

/// A file's bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    chunks: Vec<Chunk>,
    tail: BytesMut,
    tail_start: usize,
    clean: usize,
    stale: Bytes,
    /// Where the last append began, and how long it was.
    last_append: (usize, usize),
}

#[derive(Clone, Debug)]
struct Chunk {
    start: usize,
    bytes: Bytes,
}

impl File {
    /// A file that is as new on platter and in cache alike.
    pub(crate) fn durable(bytes: Bytes) -> Self {
        let length = bytes.len();
        let chunks = if bytes.is_empty() {
            Vec::new()
        } else {
            vec![Chunk { start: 0, bytes }]
        };
        Self {
            chunks,
            tail: BytesMut::new(),
            tail_start: length,
            clean: length,
            stale: Bytes::new(),
            last_append: (length, 0),
        }
    }

    /// Bytes in the cache.
    pub(crate) fn length(&self) -> usize {
        self.tail_start + self.tail.len()
    }

    /// Bytes that a flush would have to write.
    pub(crate) fn dirty(&self) -> usize {
        self.length() - self.clean
    }

    /// The bytes at its start that cache and platter have in common.
    pub(crate) fn clean(&self) -> usize {
        self.clean
    }

    /// Whether the platter has bytes that were truncated in the cache.
    pub(crate) fn has_stale(&self) -> bool {
        !self.stale.is_empty()
    }

    /// Adds bytes at the end.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.last_append = (self.length(), bytes.len());
        }
        self.tail.extend_from_slice(bytes);
    }

    /// The bytes that are left when the last append is torn: its first half. All of them if it was
    /// flushed, or cut off by a truncation.
    pub(crate) fn torn(&self) -> usize {
        let (start, length) = self.last_append;
        if start < self.clean {
            return self.length();
        }
        self.length().min(start + length / 2)
    }

    /// Flips the bits of a mask in the byte at `position`, in the cache, and on the platter if it has
    /// that byte too. False if there is no such byte. Readers keep what they have read.
    pub(crate) fn flip(&mut self, position: usize, mask: u8) -> bool {
        if position >= self.length() {
            return false;
        }
        self.freeze();
        let index = self.chunks.partition_point(|c| c.start <= position) - 1;
        let chunk = &mut self.chunks[index];
        let mut bytes = BytesMut::from(&chunk.bytes[..]);
        bytes[position - chunk.start] ^= mask;
        chunk.bytes = bytes.freeze();
        true
    }

    /// Up to `length` bytes from `position`.
    pub(crate) fn read(&mut self, position: usize, length: usize) -> Bytes {
        let end = position.saturating_add(length).min(self.length());
        if position >= end {
            return Bytes::new();
        }
        if end > self.tail_start {
            self.freeze();
        }
        let first = self.chunks.partition_point(|c| c.start <= position) - 1;
        let chunk = &self.chunks[first];
        let from = position - chunk.start;
        if end <= chunk.start + chunk.bytes.len() {
            return chunk.bytes.slice(from..end - chunk.start);
        }
        let mut copy = BytesMut::with_capacity(end - position);
        for chunk in &self.chunks[first..] {
            if chunk.start >= end {
                break;
            }
            let from = position.max(chunk.start) - chunk.start;
            let to = (end - chunk.start).min(chunk.bytes.len());
            copy.extend_from_slice(&chunk.bytes[from..to]);
        }
        copy.freeze()
    }

    /// Cuts the cache to `length` bytes. The platter keeps what it has until the next flush.
    pub(crate) fn truncate(&mut self, length: usize) {
        if length >= self.length() {
            return;
        }
        if length < self.clean {
            let mut stale = BytesMut::from(&self.read(length, self.clean - length)[..]);
            stale.extend_from_slice(&self.stale);
            self.stale = stale.freeze();
            self.clean = length;
        }
        self.freeze();
        self.chunks.retain(|chunk| chunk.start < length);
        if let Some(last) = self.chunks.last_mut() {
            last.bytes.truncate(length - last.start);
        }
        self.tail_start = length;
    }

    /// Makes the platter hold what the cache holds.
    pub(crate) fn flush(&mut self) {
        self.clean = self.length();
        self.stale = Bytes::new();
    }

    /// Takes off the platter what was truncated. Bytes that were written since stay unflushed.
    pub(crate) fn commit_truncation(&mut self) {
        self.stale = Bytes::new();
    }

    /// What the platter holds.
    pub(crate) fn platter(&mut self) -> Bytes {
        let clean = self.read(0, self.clean);
        if self.stale.is_empty() {
            return clean;
        }
        let mut bytes = BytesMut::from(&clean[..]);
        bytes.extend_from_slice(&self.stale);
        bytes.freeze()
    }

    fn freeze(&mut self) {
        if self.tail.is_empty() {
            return;
        }
        let bytes = self.tail.split().freeze();
        let start = self.tail_start;
        self.tail_start += bytes.len();
        self.chunks.push(Chunk { start, bytes });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_within_and_across_chunks() {
        let mut file = File::default();
        file.append(b"abcd");
        assert_eq!(&file.read(1, 2)[..], b"bc");
        file.append(b"efgh");
        assert_eq!(&file.read(4, 100)[..], b"efgh");
        file.append(b"ij");
        assert_eq!(&file.read(2, 7)[..], b"cdefghi");
        assert_eq!(&file.read(0, 100)[..], b"abcdefghij");
        assert!(file.read(10, 5).is_empty());
        assert!(file.read(99, 5).is_empty());
    }

    #[test]
    fn a_read_of_what_was_appended_at_once_does_not_copy() {
        let mut file = File::default();
        file.append(&[7; 4096]);
        let (one, two) = (file.read(0, 4096), file.read(0, 4096));
        assert_eq!(one.as_ptr(), two.as_ptr());
    }

    #[test]
    fn the_platter_keeps_what_was_truncated_until_the_flush() {
        let mut file = File::default();
        file.append(b"abcdef");
        file.flush();
        file.append(b"gh");
        file.truncate(5);
        file.truncate(3);
        file.append(b"XYZ!");
        assert_eq!(&file.read(0, 100)[..], b"abcXYZ!");
        assert_eq!(&file.platter()[..], b"abcdef");
        assert_eq!(file.dirty(), 4);
        file.flush();
        assert_eq!(&file.platter()[..], b"abcXYZ!");
    }
}
