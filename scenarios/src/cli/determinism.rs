//! `determinism`: each plan in two processes; the same plan has to give the same record, byte for byte.
//!
//! The second process is this program again (`ktrial digests`), or another build of it (`--against`). It is
//! started once: it gets plans on its standard input, one on each line, and answers each with a digest. If
//! two digests differ, both records are written out and the first entry that differs is shown, with those
//! before it.
//!
//! Next: `scenarios/src/sweep/difference.rs`.

use super::trace::Trace;
use super::{Exit, key_value, output, sweep};
use crate::compile::Override;
use crate::sweep::difference::{Difference, first_difference};
use crate::sweep::{Source, parse_range};
use ktrial_reports::sweep::SeedRange;
use ktrial_sim::history::{Entry, Header, Record, codec};
use ktrial_sim::plan::Plan;
use ktrial_sim::trial;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The command's arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A name of the library, a scenario file, or a plan.json
    #[arg(value_name = "NAME|FILE|PLAN")]
    source: String,
    /// The seeds from A to before B
    #[arg(long, value_name = "A..B", value_parser = parse_range, default_value = "0..10")]
    seeds: SeedRange,
    /// Set a Kafka setting, `kafka.release` or `rules.SWITCH`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<Override>,
    /// Compare with this build of ktrial [default: this one]
    #[arg(long, value_name = "PROGRAM")]
    against: Option<PathBuf>,
    /// Where the records go if they differ [default: ktrial-out/determinism-NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn determinism(arguments: &Arguments) -> Result<Exit, String> {
    let source = sweep::load(&arguments.source, &arguments.set)?;
    let SeedRange { from, to: Some(to) } = arguments.seeds else {
        return Err("--seeds needs an end here".to_owned());
    };
    let program = match &arguments.against {
        Some(program) => program.clone(),
        None => {
            std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?
        }
    };
    let folder = || Path::new("ktrial-out").join(format!("determinism-{}", source.name()));
    let folder = arguments.out.clone().unwrap_or_else(folder);
    compare(source.as_ref(), (from, to), &program, &folder)
}

/// Compares every plan of some seeds; stops at the first difference.
fn compare(
    source: &dyn Source,
    (from, to): (u64, u64),
    program: &Path,
    folder: &Path,
) -> Result<Exit, String> {
    let mut other = Other::start(program)?;
    let mut plans = 0_u64;
    for seed in from..to {
        for plan in source.plans(seed)? {
            // Both at work at a time.
            other.ask(&plan)?;
            let record = trial::run(&plan).map_err(|error| error.to_string());
            let here = record.as_ref().map(codec::digest);
            if other.answer()? != one_line(here) {
                output::status("");
                tell(&plan, &record, program, folder)?;
                return Ok(Exit::NotAsExpected);
            }
            if let Err(error) = record {
                output::status("");
                return Err(format!("seed {seed}: {error}"));
            }
            plans += 1;
        }
        output::status(&format!("seed {seed} of {from}..{to}: the same"));
    }
    output::status("");
    other.finish()?;
    output::say(&format!(
        "{}, seeds {from}..{to}: {plans} plans, each the same in two processes",
        source.name()
    ));
    Ok(Exit::AsExpected)
}

/// A digest, or on one line why there is none.
fn one_line(digest: Result<String, &String>) -> String {
    digest.unwrap_or_else(|error| format!("error: {}", error.replace('\n', " ")))
}

/// Writes both records out and shows where they part.
fn tell(
    plan: &Plan,
    record: &Result<Record, String>,
    program: &Path,
    folder: &Path,
) -> Result<(), String> {
    let here = record
        .as_ref()
        .map_or_else(|error| format!("{error}\n"), codec::to_jsonl);
    let there = Other::record(program, plan)?;
    let plan_text = serde_json::to_string_pretty(plan).map_err(|error| error.to_string())?;
    std::fs::create_dir_all(folder).map_err(|error| cannot("make", folder, &error))?;
    for (name, text) in [
        ("plan.json", &plan_text),
        ("here.jsonl", &here),
        ("there.jsonl", &there),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|error| cannot("write", &path, &error))?;
    }
    let (seed, cell) = (plan.seed, super::run::settings(plan));
    output::say(&format!(
        "NOT THE SAME: {}, seed {seed}, {cell}",
        plan.scenario
    ));
    match first_difference(&here, &there) {
        Some(difference) => output::say(&shown(&here, &difference)),
        None => output::say(
            "the digests differed, but this time the records are the same: it does not happen always",
        ),
    }
    let folder = folder.display();
    output::say(&format!(
        "plan and records: {folder}/plan.json, here.jsonl, there.jsonl"
    ));
    Ok(())
}

/// The first difference, with the entries before it as in a trace.
fn shown(record: &str, difference: &Difference) -> String {
    let Difference {
        line,
        before,
        here,
        there,
    } = difference;
    let ended = "(the record has ended)".to_owned();
    let header: Option<Header> = record
        .lines()
        .next()
        .and_then(|line| serde_json::from_str(line).ok());
    let mut trace = header.as_ref().map(Trace::new);
    let mut readable = |line: &str| {
        let entry: Option<Entry> = serde_json::from_str(line).ok();
        let entry = entry.zip(trace.as_mut());
        entry.map_or_else(|| line.to_owned(), |(entry, trace)| trace.line(&entry))
    };
    // Entries further back tell the trace the names of topics.
    let first = line.saturating_sub(before.len() + 1);
    for earlier in record.lines().take(first) {
        readable(earlier);
    }
    let mut text = format!("the records part at line {line}:\n");
    for line in before {
        text += &format!("  both:  {}\n", readable(line));
    }
    let mut side = |line: &Option<String>| line.as_ref().map(|line| readable(line));
    let (left, right) = (side(here), side(there));
    let same = left == right;
    text += &format!("  here:  {}\n", left.unwrap_or_else(|| ended.clone()));
    text += &format!("  there: {}", right.unwrap_or(ended));
    if same && let (Some(here), Some(there)) = (here, there) {
        // Told alike, written differently.
        text += &format!("\n  here as JSON:  {here}\n  there as JSON: {there}");
    }
    text
}

/// Another process that tries plans.
struct Other {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Other {
    fn start(program: &Path) -> Result<Self, String> {
        Self::command(program, &["digests"])
    }

    fn command(program: &Path, arguments: &[&str]) -> Result<Self, String> {
        let started = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = started.map_err(|error| cannot("start", program, &error))?;
        let input = child.stdin.take();
        let output = child
            .stdout
            .take()
            .ok_or("the other process has no output")?;
        Ok(Self {
            child,
            input,
            output: BufReader::new(output),
        })
    }

    /// The record of a plan as JSON Lines.
    fn record(program: &Path, plan: &Plan) -> Result<String, String> {
        let mut other = Self::command(program, &["digests", "--records"])?;
        other.ask(plan)?;
        other.input = None;
        let mut text = String::new();
        let read = std::io::Read::read_to_string(&mut other.output, &mut text);
        read.map_err(|error| format!("the other process cannot be heard: {error}"))?;
        other.finish()?;
        Ok(text)
    }

    fn ask(&mut self, plan: &Plan) -> Result<(), String> {
        let mut text = serde_json::to_string(plan).map_err(|error| error.to_string())?;
        text.push('\n');
        let input = self.input.as_mut().ok_or("the other process is done")?;
        let asked = input
            .write_all(text.as_bytes())
            .and_then(|()| input.flush());
        asked.map_err(|error| format!("the other process takes no plan: {error}"))
    }

    fn answer(&mut self) -> Result<String, String> {
        let mut line = String::new();
        let read = self.output.read_line(&mut line);
        match read {
            Ok(0) => Err("the other process ended without an answer".to_owned()),
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(error) => Err(format!("the other process cannot be heard: {error}")),
        }
    }

    fn finish(mut self) -> Result<(), String> {
        self.input = None;
        let ended = self.child.wait().map_err(|error| error.to_string())?;
        if ended.success() {
            Ok(())
        } else {
            Err(format!("the other process ended with {ended}"))
        }
    }
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> String {
    format!("cannot {what} {}: {error}", path.display())
}

/// Runs the other process: a digest, or a record, for each plan on standard input.
pub(super) fn digests(records: bool) -> Result<Exit, String> {
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| format!("cannot read standard input: {error}"))?;
        let plan: Plan =
            serde_json::from_str(&line).map_err(|error| format!("this is no plan: {error}"))?;
        let record = trial::run(&plan).map_err(|error| error.to_string());
        if records {
            let text = record.as_ref().map_or_else(String::clone, codec::to_jsonl);
            output::say(text.trim_end());
        } else {
            output::say(&one_line(record.as_ref().map(codec::digest)));
        }
    }
    Ok(Exit::AsExpected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ktrial_core::{BrokerId, NodeId, Timestamp};
    use ktrial_sim::history::{EndReason, RECORD_VERSION, What};
    use std::collections::BTreeMap;

    /// Eight processes start; then comes what is given.
    fn record(end: EndReason, at: u64) -> String {
        let entry = |at: u64, node, what| Entry {
            at: Timestamp::from_millis(at),
            node,
            what,
        };
        let broker = |id: i32| NodeId::Broker(BrokerId(id));
        let starts = (1..=8).map(|id| entry(5, Some(broker(id)), What::ProcessStarted));
        let mut entries: Vec<Entry> = starts.collect();
        entries.push(entry(at, None, What::Ended { reason: end }));
        codec::to_jsonl(&Record {
            header: Header {
                version: RECORD_VERSION,
                scenario: "hand-made".to_owned(),
                seed: 1,
                cell: BTreeMap::new(),
                clients: BTreeMap::new(),
                real: None,
            },
            entries,
        })
    }

    fn told(here: &str, there: &str) -> String {
        first_difference(here, there).map_or_else(String::new, |found| shown(here, &found))
    }

    #[test]
    fn a_difference_is_shown_with_what_came_before_from_both_sides() {
        let here = record(EndReason::Settled, 30_000);
        insta::assert_snapshot!(told(&here, &record(EndReason::TimeLimit, 30_000)));
        assert_eq!(told(&here, &record(EndReason::Settled, 30_000)), "");
    }

    #[test]
    fn a_record_that_stops_short_is_shown() {
        let here = record(EndReason::Settled, 30_000);
        let short: Vec<&str> = here.lines().take(3).collect();
        let text = told(&here, &short.join("\n"));
        assert!(text.contains("line 4"), "{text}");
        assert!(text.contains("there: (the record has ended)"), "{text}");
    }
}
