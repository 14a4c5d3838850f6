//! Which name stands for which file: in the cache, and on the platter.
//!
//! A creation, rename or deletion changes the cache's names at once and is entered in a journal; a
//! flush of its directory carries it over to the platter's names. A power loss leaves the platter's
//! names, or those plus a prefix of the journal (a journalling file system keeps order).
//!
//! Invariants: the platter's names with the whole journal applied are the cache's names. So a flush takes
//! along the earlier changes that its own stand on, in whatever directory: a rename into `a` brings the
//! creation in `b` of what was renamed.
//!
//! Simplified: a directory is only a prefix of names; creating one is neither needed nor lost.
//!
//! Next: `crash.rs`.

use std::collections::{BTreeMap, BTreeSet};

/// Identifies a file whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Inode(pub(crate) u64);

/// The names of a disk's files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    cached: BTreeMap<String, Inode>,
    durable: BTreeMap<String, Inode>,
    /// In order. The two indexes spare a flush the look at what it does not concern.
    journal: BTreeMap<u64, Change>,
    entered: u64,
    by_directory: BTreeMap<String, BTreeSet<u64>>,
    by_path: BTreeMap<String, BTreeSet<u64>>,
}

/// A change of names that its directory's flush makes durable.
#[derive(Clone, Debug)]
enum Change {
    Create {
        path: String,
        inode: Inode,
    },
    Rename {
        from: String,
        to: String,
        inode: Inode,
    },
    Delete {
        path: String,
    },
}

impl Change {
    fn paths(&self) -> impl Iterator<Item = &str> {
        let (one, other) = match self {
            Self::Create { path, .. } | Self::Delete { path } => (path, None),
            Self::Rename { from, to, .. } => (from, Some(to)),
        };
        std::iter::once(&**one).chain(other.map(|path| &**path))
    }

    fn apply(&self, names: &mut BTreeMap<String, Inode>) {
        match self {
            Self::Create { path, inode } => {
                names.insert(path.clone(), *inode);
            }
            Self::Rename { from, to, inode } => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
            Self::Delete { path } => {
                names.remove(path);
            }
        }
    }
}

impl Names {
    /// The file of this name.
    pub(crate) fn get(&self, path: &str) -> Option<Inode> {
        self.cached.get(path).copied()
    }

    /// Names a new file.
    pub(crate) fn create(&mut self, path: &str, inode: Inode) {
        self.change(Change::Create {
            path: path.to_owned(),
            inode,
        });
    }

    /// Gives a file another name. False if there is none.
    pub(crate) fn rename(&mut self, from: &str, to: &str) -> bool {
        let Some(inode) = self.get(from) else {
            return false;
        };
        self.change(Change::Rename {
            from: from.to_owned(),
            to: to.to_owned(),
            inode,
        });
        true
    }

    /// Takes a name away. False if there is none.
    pub(crate) fn delete(&mut self, path: &str) -> bool {
        if self.get(path).is_none() {
            return false;
        }
        self.change(Change::Delete {
            path: path.to_owned(),
        });
        true
    }

    /// The names below `directory`, in order.
    pub(crate) fn below(&self, directory: &str) -> Vec<String> {
        let prefix = format!("{directory}/");
        self.cached
            .range(prefix.clone()..)
            .map(|(path, _)| path)
            .take_while(|path| path.starts_with(&prefix))
            .cloned()
            .collect()
    }

    /// Every name with its file, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Inode)> {
        self.cached.iter().map(|(path, inode)| (&**path, *inode))
    }

    /// Makes the changes in `directory` durable.
    pub(crate) fn flush(&mut self, directory: &str) {
        let mut due = self
            .by_directory
            .get(directory)
            .cloned()
            .unwrap_or_default();
        let mut looked_at: Vec<u64> = due.iter().copied().collect();
        while let Some(number) = looked_at.pop() {
            let paths = self
                .journal
                .get(&number)
                .into_iter()
                .flat_map(Change::paths);
            let same_path = paths.filter_map(|path| self.by_path.get(path));
            let stood_on = same_path.flat_map(|numbers| numbers.range(..number));
            looked_at.extend(stood_on.filter(|earlier| due.insert(**earlier)));
        }
        for number in due {
            if let Some(change) = self.journal.remove(&number) {
                self.forget(number, &change);
                change.apply(&mut self.durable);
            }
        }
    }

    /// Makes the changes in those directories durable.
    pub(crate) fn flush_directories(&mut self, mut which: impl FnMut(&str) -> bool) {
        let directories = self.by_directory.keys();
        let chosen: Vec<String> = directories.filter(|d| which(d)).cloned().collect();
        for directory in chosen {
            self.flush(&directory);
        }
    }

    /// Takes names away, in the cache and on the platter alike. Changes that are not durable yet are
    /// carried through first, so that none of them brings a name back.
    pub(crate) fn wipe(&mut self, mut which: impl FnMut(&str) -> bool) {
        self.flush_directories(|_| true);
        self.cached.retain(|path, _| !which(path));
        self.durable.retain(|path, _| !which(path));
    }

    /// Takes a change out of the indexes.
    fn forget(&mut self, number: u64, change: &Change) {
        for path in change.paths() {
            take_out(&mut self.by_directory, parent(path), number);
            take_out(&mut self.by_path, path, number);
        }
    }

    /// Changes that a power loss may take back.
    pub(crate) fn volatile_changes(&self) -> usize {
        self.journal.len()
    }

    /// Loses all volatile changes but the first `kept`.
    pub(crate) fn lose(&mut self, kept: usize) {
        let journal = std::mem::take(&mut self.journal);
        for change in journal.into_values().take(kept) {
            change.apply(&mut self.durable);
        }
        self.by_directory.clear();
        self.by_path.clear();
        self.cached.clone_from(&self.durable);
    }

    /// Files that some name stands for, in the cache or on the platter.
    pub(crate) fn inodes(&self) -> BTreeSet<Inode> {
        let pending = self.journal.values().filter_map(|change| match change {
            Change::Create { inode, .. } | Change::Rename { inode, .. } => Some(*inode),
            Change::Delete { .. } => None,
        });
        self.cached
            .values()
            .chain(self.durable.values())
            .copied()
            .chain(pending)
            .collect()
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.cached);
        let number = self.entered;
        self.entered += 1;
        for path in change.paths() {
            let directory = self.by_directory.entry(parent(path).to_owned());
            directory.or_default().insert(number);
            self.by_path
                .entry(path.to_owned())
                .or_default()
                .insert(number);
        }
        self.journal.insert(number, change);
    }
}

fn take_out(index: &mut BTreeMap<String, BTreeSet<u64>>, key: &str, number: u64) {
    if let Some(numbers) = index.get_mut(key) {
        numbers.remove(&number);
        if numbers.is_empty() {
            index.remove(key);
        }
    }
}

/// The directory that a path is in.
fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_durable_only_after_their_directory_was_flushed() {
        let mut names = Names::default();
        names.create("data/a/x", Inode(1));
        names.create("data/b/y", Inode(2));
        names.flush("data/a");
        assert!(names.rename("data/a/x", "data/a/z"));
        assert_eq!(names.below("data"), ["data/a/z", "data/b/y"]);
        assert_eq!(names.volatile_changes(), 2);
        names.lose(0);
        assert_eq!(names.below("data"), ["data/a/x"]);
    }

    #[test]
    fn a_flush_takes_along_what_its_changes_stand_on() {
        let mut names = Names::default();
        names.create("d/a", Inode(1));
        names.create("d/other", Inode(2));
        names.rename("d/a", "e/b");
        names.flush("e");
        assert_eq!(names.volatile_changes(), 1);
        names.flush("d");
        names.lose(0);
        assert_eq!(names.below("d"), ["d/other"]);
        assert_eq!(names.below("e"), ["e/b"]);
    }

    #[test]
    fn a_crash_keeps_a_prefix_of_the_changes() {
        let mut names = Names::default();
        names.create("d/a", Inode(1));
        names.rename("d/a", "d/b");
        names.delete("d/b");
        names.lose(2);
        assert_eq!(names.below("d"), ["d/b"]);
        assert_eq!(names.volatile_changes(), 0);
    }
}
