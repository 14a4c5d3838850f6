//! The folder of a sweep, safe against a kill at any time.
//!
//! | file | what it is | written |
//! |---|---|---|
//! | `sweep.json` | what is swept | before the first trial |
//! | `results.partial.jsonl` | a line for each trial | while it runs, a seed at a time |
//! | `failures/` | plans of trials that were not as expected | before their lines |
//! | `results.jsonl` | the same lines, once the sweep has ended by itself | by a rename |
//! | `summary.json`, `summary.md`, `junit.xml` | what it came to | at the end, or when interrupted |
//!
//! Invariants: a file with its final name is whole. The lines are those of the first seeds of the list,
//! without gaps: to go on is to skip so many. Two processes never write one folder at a time.
//!
//! Next: `run.rs`.

use super::engine::Tried;
use super::journal::{Group, Journal};
use super::seeds::Seeds;
use ktrial_reports::sweep::{Identity, Line, Standing, Stopped, Summary, junit, markdown};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

const IDENTITY: &str = "sweep.json";
const PARTIAL: &str = "results.partial.jsonl";
const RESULTS: &str = "results.jsonl";
const SUMMARY: &str = "summary.json";
const MARKDOWN: &str = "summary.md";
const JUNIT: &str = "junit.xml";
const FAILURES: &str = "failures";

/// What to do about results that are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// They are an error.
    Keep,
    /// Go on behind them.
    Resume,
    /// They are removed.
    Replace,
}

/// A folder that is being written.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    journal: File,
}

impl Folder {
    /// Opens it, and shows what it holds already, which is the beginning of what is to be done.
    ///
    /// # Errors
    /// It cannot be written, holds another sweep, or another process writes it.
    pub(super) fn open(
        path: &Path,
        identity: &Identity,
        existing: Existing,
        kept: &mut dyn FnMut(&Group),
    ) -> Result<Self, String> {
        let name = path.display();
        let there = [PARTIAL, RESULTS].map(|file| path.join(file).exists());
        if existing == Existing::Keep && there.contains(&true) {
            return Err(occupied(path, identity, there[1]));
        }
        fs::create_dir_all(path).map_err(|error| format!("cannot make {name}: {error}"))?;
        if existing == Existing::Resume && there.contains(&true) {
            same_sweep(path, identity)?;
        } else if there.contains(&true) {
            // Results of something else are not ours to replace.
            self::identity(path)?;
        }
        if there == [false, true] {
            fs::rename(path.join(RESULTS), path.join(PARTIAL))
                .map_err(|error| format!("cannot write in {name}: {error}"))?;
        }
        if !there.contains(&true) {
            // Before the journal: whoever finds results finds what they are of.
            write(path, IDENTITY, &(json(identity)? + "\n"))?;
        }
        let folder = Self {
            path: path.to_path_buf(),
            journal: journal(path)?,
        };
        match existing {
            _ if !there.contains(&true) => {}
            Existing::Replace => folder.empty()?,
            _ => folder.resume(identity, kept).inspect_err(|_| {
                if there == [false, true] {
                    // It is as finished as before.
                    let _ = fs::rename(path.join(PARTIAL), path.join(RESULTS));
                }
            })?,
        }
        write(path, IDENTITY, &(json(identity)? + "\n"))?;
        Ok(folder)
    }

    /// Removes what a sweep wrote, and nothing else.
    fn empty(&self) -> Result<(), String> {
        let name = self.path.display();
        let cut = self.journal.set_len(0);
        cut.map_err(|error| format!("cannot write in {name}: {error}"))?;
        for file in [RESULTS, SUMMARY, MARKDOWN, JUNIT] {
            let _ = fs::remove_file(self.path.join(file));
        }
        let plans = fs::read_dir(self.path.join(FAILURES));
        for plan in plans.into_iter().flatten().flatten() {
            if plan.file_name().to_string_lossy().starts_with("seed-") {
                let _ = fs::remove_file(plan.path());
            }
        }
        Ok(())
    }

    fn resume(&self, identity: &Identity, kept: &mut dyn FnMut(&Group)) -> Result<(), String> {
        let name = self.path.display();
        let seeds = Seeds {
            range: identity.seeds,
            shard: identity.shard,
        };
        let mut journal = Journal::open(&self.path.join(PARTIAL))?;
        let mut place = 0;
        while let Some(group) = journal.next()? {
            if seeds.at(place) != Some(group.seed) {
                let seed = group.seed;
                return Err(format!(
                    "{name} has results of seed {seed}, which is not to be tried now, or not in this place\n\
                     go on with the same --seeds or longer ones, or choose another --out"
                ));
            }
            place += 1;
            kept(&group);
        }
        let cut = self.journal.set_len(journal.bytes);
        cut.map_err(|error| format!("cannot write in {name}: {error}"))
    }

    /// Adds the trials of a seed.
    pub(super) fn add(&mut self, tried: &[Tried]) -> Result<(), String> {
        let mut text = String::new();
        for Tried { line, plan } in tried {
            if let Some(plan) = plan {
                let plan = json(plan)? + "\n";
                write(
                    &self.path,
                    &format!("{FAILURES}/{}", line.plan_file()),
                    &plan,
                )?;
            }
            text.push_str(&line.to_json());
        }
        self.append(&text)
    }

    /// Adds lines that are known to be whole seeds.
    pub(super) fn append(&mut self, text: &str) -> Result<(), String> {
        let written = self.journal.write_all(text.as_bytes());
        written.map_err(|error| {
            format!(
                "cannot write {}: {error}",
                self.path.join(PARTIAL).display()
            )
        })
    }

    /// Takes the plan of a failure over from another folder of the same sweep, if it has it.
    pub(super) fn take_plan(&self, line: &Line, from: &Path) -> Result<(), String> {
        if line.standing() == Standing::AsExpected {
            return Ok(());
        }
        let name = format!("{FAILURES}/{}", line.plan_file());
        match fs::read_to_string(from.join(&name)) {
            Ok(plan) => write(&self.path, &name, &plan),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(format!(
                "cannot read {}: {error}",
                from.join(&name).display()
            )),
        }
    }

    /// Writes what it came to, and gives the results their final name unless they may go on.
    pub(super) fn finish(&self, summary: &Summary) -> Result<(), String> {
        if summary.stopped != Some(Stopped::Interrupted) {
            let named = self.journal.sync_all();
            let named =
                named.and_then(|()| fs::rename(self.path.join(PARTIAL), self.path.join(RESULTS)));
            named.map_err(|error| {
                format!(
                    "cannot write {}: {error}",
                    self.path.join(RESULTS).display()
                )
            })?;
        }
        write(&self.path, SUMMARY, &(json(summary)? + "\n"))?;
        write(&self.path, MARKDOWN, &markdown(summary))?;
        let junit = junit(summary).map_err(|error| format!("cannot write {JUNIT}: {error}"))?;
        write(&self.path, JUNIT, &junit)
    }
}

/// Writes a file that is whole as soon as it has its name.
fn write(folder: &Path, name: &str, text: &str) -> Result<(), String> {
    let path = folder.join(name);
    let partial = path.with_extension("partial");
    fs::create_dir_all(path.parent().unwrap_or(folder))
        .and_then(|()| fs::write(&partial, text))
        .and_then(|()| fs::rename(&partial, &path))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// The command that shows a failure again.
pub(super) fn replay(folder: &Path, line: &Line) -> String {
    let path = folder.join(FAILURES).join(line.plan_file());
    let path = path.display().to_string();
    let safe = |c: char| c.is_ascii_alphanumeric() || "/._-+=@%".contains(c);
    if path.chars().all(safe) {
        format!("ktrial replay {path}")
    } else {
        format!("ktrial replay '{}'", path.replace('\'', r"'\''"))
    }
}

/// The results of a folder, finished or not, and what they are of; `None` if there are none yet.
///
/// # Errors
/// They cannot be read.
pub(super) fn read(path: &Path) -> Result<Option<(Identity, Journal)>, String> {
    if !path.is_dir() {
        return Err(format!("cannot read {}: it is no folder", path.display()));
    }
    let results = [RESULTS, PARTIAL].map(|file| path.join(file));
    let Some(results) = results.iter().find(|file| file.exists()) else {
        return Ok(None);
    };
    Ok(Some((identity(path)?, Journal::open(results)?)))
}

/// What a folder's results are of.
///
/// # Errors
/// It cannot be read.
pub(super) fn identity(path: &Path) -> Result<Identity, String> {
    let file = path.join(IDENTITY);
    let text = fs::read_to_string(&file).map_err(|error| error.to_string());
    let read = text.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
    read.map_err(|error| format!("cannot read {}: {error}", file.display()))
}

/// Opens the journal for this process alone.
fn journal(path: &Path) -> Result<File, String> {
    let name = path.join(PARTIAL);
    let opened = OpenOptions::new().create(true).append(true).open(&name);
    let file = opened.map_err(|error| {
        format!(
            "cannot write {}: {error}\nchoose another folder with --out DIR",
            name.display()
        )
    })?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            Err(format!("another ktrial is at work in {}", path.display()))
        }
        // Not every file system has locks; the results are the same whoever writes them.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

/// Whether the folder's sweep can be gone on with.
fn same_sweep(path: &Path, identity: &Identity) -> Result<(), String> {
    let there = self::identity(path)?;
    let differ = |what: &str, there: &str, here: &str| {
        Err(format!(
            "{} holds another sweep: its {what} is {there}, not {here}\nchoose another --out, or replace it \
             with --force",
            path.display()
        ))
    };
    let shard = |identity: &Identity| {
        let shard = identity.shard;
        shard.map_or_else(|| "none".to_owned(), |shard| shard.to_string())
    };
    if there.name != identity.name {
        return differ("name", &there.name, &identity.name);
    }
    if there.version != identity.version {
        return differ("version of ktrial", &there.version, &identity.version);
    }
    if there.fingerprint != identity.fingerprint {
        let what = "fingerprint (scenario, plan or settings)";
        return differ(what, &there.fingerprint, &identity.fingerprint);
    }
    if there.shard != identity.shard {
        return differ("shard", &shard(&there), &shard(identity));
    }
    Ok(())
}

fn occupied(path: &Path, identity: &Identity, finished: bool) -> String {
    let state = if finished { "finished" } else { "unfinished" };
    let name = path.display();
    let advice = match same_sweep(path, identity) {
        Ok(()) if finished => "--resume adds the seeds that it does not have yet; ",
        Ok(()) => "go on with --resume; ",
        Err(_) => "",
    };
    format!(
        "{name} holds the results of a {state} sweep already\n{advice}--force replaces them; --out DIR writes \
         elsewhere"
    )
}

fn json(value: &impl serde::Serialize) -> Result<String, String> {
    serde_json::to_string_pretty(value).map_err(|error| format!("cannot write JSON: {error}"))
}
