//! Damage that is done at once: a bit that flips, and a disk that is replaced.
//!
//! | damage | page cache | platter |
//! |---|---|---|
//! | bit rot | the bit is flipped | flipped too, if the byte was flushed |
//! | wipe | files and names are gone | gone too, without any flush |
//!
//! A file that is rotten is read so from then on; what was read before (a response under way) is a copy
//! and stays.
//!
//! Invariants: the same files and the same random stream give the same bit: the file is drawn from the
//! sorted names below the directory that have bytes, then the byte, then the bit. What the plan names is
//! not drawn.
//!
//! Simplified: a flip in a page that was not flushed yet is written with it, as if it had been the
//! memory's fault. Bytes that a truncation took out of the cache do not rot, though the platter may
//! still hold them.
//!
//! Next: `crash.rs`.

use super::device::Device;
use super::fault::is_below;
use super::names::Inode;
use ktrial_core::Random;

impl Device {
    /// Flips a bit. Returns how many bytes are others now: none if there is no such file, or no such
    /// byte in it.
    pub(crate) fn rot(
        &mut self,
        directory: Option<&str>,
        (file, position): (Option<&str>, Option<u64>),
        random: &mut Random,
    ) -> u64 {
        let below = self.files_below(directory).into_iter();
        let candidates = below.filter(|(path, inode)| {
            self.length_of(*inode) > 0 && file.is_none_or(|file| file == path)
        });
        let candidates: Vec<Inode> = candidates.map(|(_, inode)| inode).collect();
        let chosen = match (file, candidates.as_slice()) {
            (_, []) => return 0,
            (Some(_), [inode, ..]) => *inode,
            (None, several) => several[draw(random, several.len())],
        };
        let Some(file) = self.files.get_mut(&chosen) else {
            return 0;
        };
        let position = match position {
            Some(position) => usize::try_from(position).unwrap_or(usize::MAX),
            None => draw(random, file.length()),
        };
        let bit = draw(random, 8);
        u64::from(file.flip(position, 1 << bit))
    }

    /// Takes everything below `directory` away. Returns how many bytes that were.
    pub(crate) fn wipe(&mut self, directory: Option<&str>) -> u64 {
        let below = self.files_below(directory);
        let gone: usize = below.iter().map(|(_, inode)| self.length_of(*inode)).sum();
        self.names.wipe(|path| is_below(directory, path));
        self.forget_nameless();
        u64::try_from(gone).unwrap_or(u64::MAX)
    }

    /// Names below a directory and their files, in order.
    fn files_below(&self, directory: Option<&str>) -> Vec<(String, Inode)> {
        let below = self.names.iter();
        let below = below.filter(|(path, _)| is_below(directory, path));
        below
            .map(|(path, inode)| (path.to_owned(), inode))
            .collect()
    }

    fn length_of(&self, inode: Inode) -> usize {
        self.files.get(&inode).map_or(0, super::file::File::length)
    }
}

/// A number below `end`, which is not 0.
fn draw(random: &mut Random, end: usize) -> usize {
    let below = u64::try_from(end).unwrap_or(u64::MAX);
    usize::try_from(random.below(below)).unwrap_or(0)
}
