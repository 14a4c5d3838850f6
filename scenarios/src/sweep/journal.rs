//! Results as they are read back, seed by seed.
//!
//! A kill at any time leaves a file that ends within a line, or between two cells of one seed. Such an end
//! is not read: the seed counts as not tried.
//!
//! Invariants: what is read is whole seeds, in rising order. Memory follows one seed.
//!
//! Next: `folder.rs`.

use ktrial_reports::sweep::Line;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// The trials of one seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// The seed.
    pub(super) seed: u64,
    /// Its trials, one for each cell.
    pub(super) lines: Vec<Line>,
    /// The same as text.
    pub(super) text: String,
}

/// Reads groups.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    reader: BufReader<File>,
    number: u64,
    last: Option<u64>,
    /// Bytes of the groups that were read.
    pub(super) bytes: u64,
}

impl Journal {
    /// Opens a file of results.
    ///
    /// # Errors
    /// It cannot be opened, and why.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let file =
            File::open(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        Ok(Self {
            path: path.to_path_buf(),
            reader: BufReader::new(file),
            number: 0,
            last: None,
            bytes: 0,
        })
    }

    /// The next group; `None` at the end, or where a kill left half of one.
    ///
    /// # Errors
    /// The file cannot be read, or a line that is not the last is no result.
    pub(super) fn next(&mut self) -> Result<Option<Group>, String> {
        let mut group: Option<Group> = None;
        loop {
            let Some((line, text)) = self.line()? else {
                return Ok(None);
            };
            let group = group.get_or_insert_with(|| Group {
                seed: line.seed,
                lines: Vec::new(),
                text: String::new(),
            });
            let expected = (group.seed, group.lines.len() + 1);
            let cells = group.lines.first().map_or(line.cells, |first| first.cells);
            if (line.seed, line.cell) != expected || line.cells != cells {
                return Err(self.wrong("the cells of a seed do not stand together"));
            }
            group.lines.push(line);
            group.text.push_str(&text);
            if group.lines.len() == cells {
                return self.finished(group.clone()).map(Some);
            }
        }
    }

    fn finished(&mut self, group: Group) -> Result<Group, String> {
        if self.last.is_some_and(|last| last >= group.seed) {
            return Err(self.wrong("the seeds are not in order"));
        }
        self.last = Some(group.seed);
        self.bytes += group.text.len() as u64;
        Ok(group)
    }

    /// A whole line; `None` at the end, or where the last one is torn.
    fn line(&mut self) -> Result<Option<(Line, String)>, String> {
        let mut bytes = Vec::new();
        let read = self.reader.read_until(b'\n', &mut bytes);
        read.map_err(|error| self.wrong(&error.to_string()))?;
        self.number += 1;
        if bytes.last() != Some(&b'\n') {
            return Ok(None);
        }
        let text = String::from_utf8(bytes).map_err(|error| self.wrong(&error.to_string()))?;
        let line = serde_json::from_str(&text).map_err(|error| self.wrong(&error.to_string()))?;
        Ok(Some((line, text)))
    }

    fn wrong(&self, why: &str) -> String {
        let (path, number) = (self.path.display(), self.number);
        format!("{path}, line {number}: these are no results of a sweep: {why}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn line(seed: u64, cell: usize) -> String {
        Line::error(seed, (cell, 2), BTreeMap::new(), "no".to_owned()).to_json()
    }

    /// Reads a text to its end: seeds and the bytes that count, or what is wrong.
    fn read(text: &str) -> Result<(Vec<u64>, u64), String> {
        let name = format!("ktrial-journal-{}", std::process::id());
        let path = std::env::temp_dir().join(format!("{name}-{:016x}", text.len()));
        std::fs::write(&path, text).unwrap();
        let mut journal = Journal::open(&path)?;
        let mut seeds = Vec::new();
        let read = loop {
            match journal.next() {
                Ok(Some(group)) => seeds.push(group.seed),
                Ok(None) => break Ok((seeds, journal.bytes)),
                Err(error) => break Err(error),
            }
        };
        std::fs::remove_file(&path).unwrap();
        read
    }

    #[test]
    fn a_journal_may_end_anywhere() {
        let whole = [line(3, 1), line(3, 2), line(8, 1), line(8, 2)].concat();
        let first = (line(3, 1) + &line(3, 2)).len();
        for cut in 0..=whole.len() {
            let (seeds, bytes): (&[u64], usize) = match cut {
                cut if cut == whole.len() => (&[3, 8], cut),
                cut if cut >= first => (&[3], first),
                _ => (&[], 0),
            };
            assert_eq!(
                read(&whole[..cut]),
                Ok((seeds.to_vec(), bytes as u64)),
                "{cut}"
            );
        }
    }

    #[test]
    fn what_no_kill_can_leave_is_an_error() {
        let lines = |lines: &[(u64, usize)]| lines.iter().map(|(s, c)| line(*s, *c)).collect();
        for (text, part) in [
            ("what\n".to_owned() + &line(1, 1), "line 1"),
            (lines(&[(1, 2)]), "do not stand together"),
            (lines(&[(1, 1), (2, 2)]), "do not stand together"),
            (lines(&[(2, 1), (2, 2), (1, 1), (1, 2)]), "not in order"),
            (lines(&[(2, 1), (2, 2), (2, 1), (2, 2)]), "not in order"),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
