//! A checkpoint of offsets by partition, as a file that is written as a whole again and again.
//!
//! Most of it says the same each time, so its text is kept, and an offset is changed in place where it has
//! as many digits as before.
//!
//! Invariants: the text says what the entries say, unless it is stale.
//! Source: `OffsetCheckpointFile`, `CheckpointFile.write`.
//! Next: `checkpoint.rs`, `broker/replicas.rs`.

use super::checkpoint;
use crate::id::TopicPartition;
use crate::offset::Offset;
use crate::storage::{Storage, StorageError};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Offsets by partition, and the file that holds them.
#[derive(Clone, Debug)]
pub struct OffsetCheckpoint {
    path: String,
    entries: BTreeMap<TopicPartition, Entry>,
    text: String,
    /// The text has to be made anew.
    stale: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    offset: Offset,
    /// Where it stands in the text.
    at: usize,
}

impl OffsetCheckpoint {
    /// What a file holds; nothing if there is none.
    ///
    /// # Errors
    /// The disk failed, or the file is malformed.
    pub fn read(storage: &mut dyn Storage, path: String) -> Result<Self, StorageError> {
        let offsets = checkpoint::read_offsets(storage, &path)?;
        let entry = |(name, offset)| (name, Entry { offset, at: 0 });
        Ok(Self {
            path,
            entries: offsets.into_iter().map(entry).collect(),
            text: String::new(),
            stale: true,
        })
    }

    /// The offset of a partition.
    #[must_use]
    pub fn get(&self, name: &TopicPartition) -> Option<Offset> {
        self.entries.get(name).map(|entry| entry.offset)
    }

    /// Sets the offset of a partition. Returns whether that is news.
    pub fn set(&mut self, name: &TopicPartition, offset: Offset) -> bool {
        let Some(entry) = self.entries.get_mut(name) else {
            self.entries.insert(name.clone(), Entry { offset, at: 0 });
            self.stale = true;
            return true;
        };
        if entry.offset == offset {
            return false;
        }
        let (before, after) = (entry.offset.to_string(), offset.to_string());
        entry.offset = offset;
        self.stale |= before.len() != after.len();
        if !self.stale {
            let place = entry.at..entry.at + after.len();
            self.text.replace_range(place, &after);
        }
        true
    }

    /// Forgets a partition.
    pub fn remove(&mut self, name: &TopicPartition) {
        self.stale |= self.entries.remove(name).is_some();
    }

    /// Writes the file.
    ///
    /// # Errors
    /// The disk failed.
    pub fn write(&mut self, storage: &mut dyn Storage) -> Result<(), StorageError> {
        if std::mem::take(&mut self.stale) {
            self.text = format!("0\n{}\n", self.entries.len());
            for (TopicPartition { topic, partition }, entry) in &mut self.entries {
                // Writing to a String cannot fail.
                let _ = write!(self.text, "{topic} {partition} ");
                entry.at = self.text.len();
                let _ = writeln!(self.text, "{}", entry.offset);
            }
        }
        storage.replace(&self.path, self.text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory_storage::MemoryStorage;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_file_says_what_was_set(
            steps in proptest::collection::vec((0..5_i32, proptest::option::of(0..2_000_i64)), 1..60),
        ) {
            let mut storage = MemoryStorage::default();
            let path = "data/some-checkpoint".to_owned();
            let mut file = OffsetCheckpoint::read(&mut storage, path.clone()).unwrap();
            let mut expected = BTreeMap::new();
            for (number, offset) in steps {
                let name = TopicPartition::new("t", number);
                match offset.map(Offset) {
                    Some(offset) => {
                        let news = file.set(&name, offset);
                        prop_assert_eq!(news, expected.insert(name.clone(), offset) != Some(offset));
                        prop_assert_eq!(file.get(&name), Some(offset));
                    }
                    None => {
                        file.remove(&name);
                        expected.remove(&name);
                    }
                }
                file.write(&mut storage).unwrap();
                let read = checkpoint::read_offsets(&mut storage, &path).unwrap();
                prop_assert_eq!(&read, &expected);
            }
        }
    }
}
