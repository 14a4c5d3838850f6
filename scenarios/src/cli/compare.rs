//! `compare`: two trials that differ in one thing: what differs first, and what in the end.

use super::trace::Trace;
use super::{Exit, key_value, library, output, replay, run};
use crate::compare::{self, Comparison, Pairs, Parting, Sides};
use crate::compile::Override;
use crate::expect::class_name;
use ktrial_reports::Cell;
use ktrial_sim::history::Record;
use ktrial_sim::plan::Plan;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::thread;

/// So many lines that both records have in common are shown before the first that differs.
const CONTEXT: usize = 5;
/// Longest text of a side in a column; longer ones have lines of their own.
const COLUMN: usize = 34;

/// The command's arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A name of the library, a scenario file, or a plan.json
    #[arg(value_name = "NAME|FILE|PLAN")]
    source: String,
    /// What differs: a key given twice makes the two sides; given once, it is held against the file
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<Override>,
    /// Another plan.json as the second side
    #[arg(long, value_name = "PLAN")]
    plan_b: Option<PathBuf>,
    /// The seed of both sides [default: 1, or the plan's]
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Compare under the seeds from A to before B, and count
    #[arg(long, value_name = "A..B", value_parser = range)]
    seeds: Option<(u64, u64)>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn range(text: &str) -> Result<(u64, u64), String> {
    let ends = text.split_once("..").and_then(|(from, to)| {
        let number = |text: &str| text.trim().parse::<u64>().ok();
        Some((number(from)?, number(to)?)).filter(|(from, to)| from < to)
    });
    ends.ok_or_else(|| "expected seeds such as 0..100 (the last one is not among them)".to_owned())
}

/// Runs the command.
pub(super) fn compare(arguments: &Arguments) -> Result<Exit, String> {
    let sides = sides(arguments)?;
    match arguments.seeds {
        Some((from, to)) => many(&sides, from, to, arguments.json)?,
        None => one(&sides, arguments.json)?,
    }
    Ok(Exit::AsExpected)
}

fn sides(arguments: &Arguments) -> Result<Sides, String> {
    if !arguments.source.ends_with(".json") {
        if arguments.plan_b.is_some() {
            return Err("--plan-b goes with a plan.json, not with a scenario".to_owned());
        }
        let scenario = library::load(&arguments.source)?;
        let seed = arguments.seed.unwrap_or(1);
        let show = library::show_problems;
        return compare::of_scenario(&scenario, seed, &arguments.set, show);
    }
    let plan = replay::read(arguments.source.as_ref())?;
    let other = arguments.plan_b.as_deref().map(replay::read).transpose()?;
    let mut sides = compare::of_plan(&plan, other.as_ref(), &arguments.set)?;
    if let Some(seed) = arguments.seed {
        (sides.a.seed, sides.b.seed) = (seed, seed);
    }
    if let Some(other) = &arguments.plan_b
        && sides.label_a == sides.label_b
    {
        sides.label_a.clone_from(&arguments.source);
        sides.label_b = other.display().to_string();
    }
    Ok(sides)
}

/// One pair of trials.
fn one(sides: &Sides, json: bool) -> Result<(), String> {
    let tried = try_pair(&sides.a, &sides.b);
    let (a, b) = (tried.0?, tried.1?);
    let comparison = compare::compare(&a, &b);
    if json {
        return say_json(&one_json(sides, &a, &b, &comparison));
    }
    tell_sides(sides);
    output::say(&format!("seed {}\n", seeds_of(&a.plan, &b.plan)));
    tell_first(&comparison, &a.record, &b.record);
    tell_ends(&comparison);
    Ok(())
}

fn tell_sides(sides: &Sides) {
    output::say(&format!("a: {}\nb: {}", sides.label_a, sides.label_b));
}

fn seeds_of(a: &Plan, b: &Plan) -> String {
    if a.seed == b.seed {
        return a.seed.to_string();
    }
    format!(
        "{} and {}: other seeds, so other latencies too",
        a.seed, b.seed
    )
}

/// Tries both, side by side.
fn try_pair(a: &Plan, b: &Plan) -> (Result<Cell, String>, Result<Cell, String>) {
    let stopped = || Err("ktrial itself failed: please report this as a bug of ktrial".to_owned());
    thread::scope(|scope| {
        let threads = [a, b].map(|plan| scope.spawn(|| run::try_plan(plan)));
        let [a, b] = threads.map(|thread| thread.join().unwrap_or_else(|_| stopped()));
        (a, b)
    })
}

fn tell_first(comparison: &Comparison, a: &Record, b: &Record) {
    let Some(first) = comparison.first else {
        output::say("the records are the same\n");
        return;
    };
    let cluster = comparison.cluster.as_ref();
    let partings = [Some(first), cluster.map(|cluster| cluster.parting)];
    let (lines_a, lines_b) = (
        lines(a, partings.map(|p| p?.a)),
        lines(b, partings.map(|p| p?.b)),
    );
    output::say("the first entry that differs");
    if let Some(at) = first.a.or(first.b) {
        let (common, of) = if first.a.is_some() {
            (&lines_a, at)
        } else {
            (&lines_b, at)
        };
        for (_, line) in common.range(of.saturating_sub(CONTEXT)..of) {
            output::say(&format!("     {line}"));
        }
    }
    tell_parting(&first, &lines_a, &lines_b);
    match cluster {
        Some(cluster) => {
            let partition = &cluster.partition;
            output::say(&format!(
                "the first event of the cluster that differs, in {partition}"
            ));
            tell_parting(&cluster.parting, &lines_a, &lines_b);
        }
        None => output::say("no election, leader, ISR or truncation differs\n"),
    }
}

fn tell_parting(parting: &Parting, a: &BTreeMap<usize, String>, b: &BTreeMap<usize, String>) {
    for (side, place, lines) in [("a", parting.a, a), ("b", parting.b, b)] {
        let line = place.and_then(|place| lines.get(&place));
        let line = line.map_or("           - (nothing more)", String::as_str);
        output::say(&format!("  {side}  {line}"));
    }
    output::say("");
}

/// The lines of these entries and of those before them.
fn lines(record: &Record, places: [Option<usize>; 2]) -> BTreeMap<usize, String> {
    let wanted = |place: usize| {
        let near = |at: usize| place <= at && at - place <= CONTEXT;
        places.iter().flatten().any(|at| near(*at))
    };
    let mut trace = Trace::new(&record.header);
    let mut lines = BTreeMap::new();
    for (place, entry) in record.entries.iter().enumerate() {
        // Each entry is read, for later ones name topics by what earlier ones said.
        let line = trace.line(entry);
        if wanted(place) {
            lines.insert(place, line);
        }
    }
    lines
}

fn tell_ends(comparison: &Comparison) {
    if comparison.ends.is_empty() {
        output::say("in the end nothing differs");
        return;
    }
    let width = comparison.ends.iter().map(|end| end.what.chars().count());
    let width = width.max().unwrap_or(0);
    output::say(&format!(
        "what differs in the end\n  {:<width$}  {:<COLUMN$}  b",
        "", "a"
    ));
    for end in &comparison.ends {
        let (a, b) = (&end.a, &end.b);
        if a.chars().count() <= COLUMN {
            output::say(&format!("  {:<width$}  {a:<COLUMN$}  {b}", end.what));
        } else {
            output::say(&format!(
                "  {:<width$}  a: {a}\n  {:<width$}  b: {b}",
                end.what, ""
            ));
        }
    }
}

fn one_json(sides: &Sides, a: &Cell, b: &Cell, comparison: &Comparison) -> serde_json::Value {
    let entry = |record: &Record, place: Option<usize>| {
        place.and_then(|place| serde_json::to_value(record.entries.get(place)?).ok())
    };
    let parting = |parting: &Parting| {
        serde_json::json!({
            "at": parting,
            "a": entry(&a.record, parting.a),
            "b": entry(&b.record, parting.b),
        })
    };
    serde_json::json!({
        "a": sides.label_a,
        "b": sides.label_b,
        "seed": a.plan.seed,
        "first": comparison.first.as_ref().map(parting),
        "cluster": comparison.cluster.as_ref().map(|cluster| serde_json::json!({
            "partition": cluster.partition,
            "entries": parting(&cluster.parting),
        })),
        "ends": comparison.ends,
        "verdicts": [a.verdict, b.verdict],
    })
}

fn say_json(value: &serde_json::Value) -> Result<(), String> {
    let text = serde_json::to_string(value).map_err(|error| error.to_string())?;
    output::say(&text);
    Ok(())
}

/// A pair of trials for each seed.
fn many(sides: &Sides, from: u64, to: u64, json: bool) -> Result<(), String> {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
    let seeds: Vec<u64> = (from..to).collect();
    let mut verdicts = Vec::new();
    for batch in seeds.chunks(cores) {
        output::status(&format!("seed {} of {from}..{to}", batch[0]));
        for (seed, pair) in batch.iter().zip(try_seeds(sides, batch)) {
            let of_seed = |error: String| format!("seed {seed}: {error}");
            let a = pair.0.map_err(of_seed)?;
            let b = pair.1.map_err(of_seed)?;
            verdicts.push((*seed, a.verdict, b.verdict));
        }
    }
    output::status("");
    let pairs = compare::tally(verdicts.iter().map(|(seed, a, b)| (*seed, a, b)));
    if json {
        let sides = (&sides.label_a, &sides.label_b);
        return say_json(&serde_json::json!({"a": sides.0, "b": sides.1, "pairs": pairs}));
    }
    tell_sides(sides);
    output::say(&format!("seeds {from}..{to}, {} pairs\n", pairs.pairs));
    output::say(table(&pairs).trim_end());
    Ok(())
}

type Pair = (Result<Cell, String>, Result<Cell, String>);

fn try_seeds(sides: &Sides, seeds: &[u64]) -> Vec<Pair> {
    let seeded = |plan: &Plan, seed| Plan {
        seed,
        ..plan.clone()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = seeds
            .iter()
            .map(|seed| {
                let (a, b) = (seeded(&sides.a, *seed), seeded(&sides.b, *seed));
                scope.spawn(move || try_pair(&a, &b))
            })
            .collect();
        let failed = || Err("ktrial itself failed".to_owned());
        let joined = threads.into_iter().map(|thread| {
            let pair = thread.join();
            pair.unwrap_or_else(|_| (failed(), failed()))
        });
        joined.collect()
    })
}

fn table(pairs: &Pairs) -> String {
    let mut text = format!(
        "{:<14}{:<14}{:>8}  first seed\n",
        "verdict of a", "of b", "pairs"
    );
    for pair in &pairs.verdicts {
        let (a, b) = (class_name(pair.a), class_name(pair.b));
        let (count, seed) = (pair.count, pair.first_seed);
        let _ = writeln!(text, "{a:<14}{b:<14}{count:>8}  {seed}");
    }
    let _ = writeln!(
        text,
        "\n{:<22}{:>12}{:>12}{:>12}  differs in",
        "on average", "a", "b", "b - a"
    );
    for figure in &pairs.figures {
        let _ = writeln!(
            text,
            "{:<22}{:>12.2}{:>12.2}{:>+12.2}  {} of {}",
            figure.what, figure.a, figure.b, figure.difference, figure.differs, pairs.pairs
        );
    }
    text
}
