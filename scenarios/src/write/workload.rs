//! Sends of the timeline that belong together, as one `[[workload]]`: the same producer and partition,
//! numbered values, a pace or a list of times.
//!
//! Simplified: sends whose numbers have a gap (a shrinker took some out), or between which others stand (of
//! another producer), are several workloads or stay single: a long file, not a wrong one. So do sends
//! with keys that do not come in turn.

use super::toml;
use super::words::Words;
use crate::duration::show_millis;
use ktrial_core::TopicName;
use ktrial_sim::plan::{Action, Plan, Step, When};
use std::fmt::Write;

/// Fewer sends are written one by one.
const LEAST: usize = 3;

/// A run of sends.
pub(super) struct Workload {
    /// Its first place in the timeline.
    pub(super) first: usize,
    /// How many steps it has.
    pub(super) steps: usize,
    pub(super) name: String,
    pub(super) values: Vec<String>,
    producer: String,
    topic: TopicName,
    partition: Option<i32>,
    /// `None` = no keys.
    keys: Option<usize>,
    burst: usize,
    prefix: String,
    number: u64,
    times: Vec<u64>,
    default_name: String,
}

/// A send of the timeline, taken apart.
struct Sent<'p> {
    ms: u64,
    to: (&'p String, &'p TopicName, Option<i32>),
    key: Option<&'p str>,
    values: &'p [String],
    prefix: &'p str,
    number: u64,
}

fn sent(step: &Step) -> Option<Sent<'_>> {
    let (When::After { ms }, None, false) = (&step.when, step.for_ms, step.may_miss) else {
        return None;
    };
    let Some(Action::Send {
        producer,
        topic,
        partition,
        key,
        values,
    }) = &step.action
    else {
        return None;
    };
    let (prefix, number) = numbered(values.first()?)?;
    let mut numbers = (number..).zip(values);
    let in_turn = numbers.all(|(number, value)| *value == format!("{prefix}{number}"));
    in_turn.then_some(Sent {
        ms: *ms,
        to: (producer, topic, *partition),
        key: key.as_deref(),
        values,
        prefix,
        number,
    })
}

/// `w1-17` is `w1-` and 17.
fn numbered(value: &str) -> Option<(&str, u64)> {
    let prefix = value.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &value[prefix.len()..];
    let number: u32 = digits.parse().ok()?;
    let whole = number.to_string() == digits && !prefix.contains("{n}");
    whole.then_some((prefix, u64::from(number)))
}

/// Every workload, in the order of the timeline.
pub(super) fn workloads(plan: &Plan) -> Vec<Workload> {
    let mut found: Vec<Workload> = Vec::new();
    let mut index = 0;
    while index < plan.timeline.len() {
        let (run, turn) = run(&plan.timeline[index..]);
        let steps = run.len();
        if let Some(workload) = workload(index, &run, turn, &found) {
            found.push(workload);
            index += steps;
        } else {
            index += 1;
        }
    }
    found
}

/// Sends that go on where the one before ended, and after how many of them the keys begin again.
fn run(steps: &[Step]) -> (Vec<Sent<'_>>, Option<usize>) {
    let mut run: Vec<Sent<'_>> = Vec::new();
    let mut turn = None;
    for sent in steps.iter().map_while(sent) {
        if let (Some(first), Some(last)) = (run.first(), run.last()) {
            let burst = first.values.len();
            let next = u64::try_from(run.len() * burst).map(|count| first.number + count);
            let goes_on = sent.to == first.to
                && sent.prefix == first.prefix
                && Ok(sent.number) == next
                && sent.values.len() <= burst
                && last.values.len() == burst;
            if !goes_on || !key_fits(&sent, run.len(), first, &mut turn) {
                break;
            }
        }
        run.push(sent);
    }
    (run, turn)
}

/// Keys come in turn: `k0`, `k1`, ..., and from the start again.
fn key_fits(sent: &Sent<'_>, place: usize, first: &Sent<'_>, turn: &mut Option<usize>) -> bool {
    let Some(key) = sent.key else {
        return first.key.is_none();
    };
    if turn.is_none() && key == "k0" {
        *turn = Some(place);
    }
    let number = turn.map_or(place, |turn| place % turn);
    first.key == Some("k0") && sent.values.len() == 1 && key == format!("k{number}")
}

fn workload(
    index: usize,
    run: &[Sent<'_>],
    turn: Option<usize>,
    before: &[Workload],
) -> Option<Workload> {
    let first = run.first()?;
    let keyed = first
        .key
        .is_some_and(|key| key != "k0" || first.values.len() > 1);
    if run.len() < LEAST || keyed {
        return None;
    }
    let default_name = format!("w{}", before.len() + 1);
    let base = first.prefix.strip_suffix('-').unwrap_or(first.prefix);
    let base = if base.is_empty() { &default_name } else { base };
    let taken = |name: &String| before.iter().any(|other| other.name == *name);
    let other_names = (2_u32..).map(|n| format!("{base}-{n}"));
    let mut names = std::iter::once(base.to_owned()).chain(other_names);
    Some(Workload {
        first: index,
        steps: run.len(),
        name: names.find(|name| !taken(name))?,
        values: run.iter().flat_map(|sent| sent.values.to_vec()).collect(),
        producer: first.to.0.clone(),
        topic: first.to.1.clone(),
        partition: first.to.2,
        keys: first.key.map(|_| turn.unwrap_or(run.len())),
        burst: first.values.len(),
        prefix: first.prefix.to_owned(),
        number: first.number,
        times: run.iter().map(|sent| sent.ms).collect(),
        default_name,
    })
}

/// Writes one.
pub(super) fn write(workload: &Workload, words: &Words<'_>, text: &mut String) {
    let Workload { name, prefix, .. } = workload;
    text.push_str("[[workload]]\n");
    let mut line = |key: &str, value: String| {
        let _ = writeln!(text, "{key} = {value}");
    };
    if *name != workload.default_name {
        line("name", toml::text(name));
    }
    if words.plan.producers.len() != 1 {
        line("producer", toml::text(&workload.producer));
    }
    if words.plan.topics.len() != 1 {
        line("topic", toml::text(&workload.topic));
    }
    if let Some(partition) = workload.partition {
        line("partition", partition.to_string());
    }
    line("records", workload.values.len().to_string());
    if *prefix != format!("{name}-") {
        line("value", toml::text(&format!("{prefix}{{n}}")));
    }
    if workload.number != 0 {
        line("first", workload.number.to_string());
    }
    match workload.keys {
        Some(turn) if turn == workload.steps => line("keys", "\"unique\"".to_owned()),
        Some(turn) => line("keys", turn.to_string()),
        None => {}
    }
    if workload.burst > 1 {
        line("burst", workload.burst.to_string());
    }
    pace(&workload.times, &mut line);
}

/// An even pace, or each time.
fn pace(times: &[u64], line: &mut impl FnMut(&str, String)) {
    let start = times.first().copied().unwrap_or_default();
    let gap = |pair: &[u64]| pair[1].checked_sub(pair[0]);
    let mut gaps = times.windows(2).map(gap);
    let every = gaps.next().flatten();
    if let Some(every) = every
        && gaps.all(|gap| gap == Some(every))
    {
        if start > 0 {
            line("start", toml::text(&show_millis(start)));
        }
        line("every", toml::text(&show_millis(every)));
        return;
    }
    let times: Vec<String> = times.iter().map(|ms| show_millis(*ms)).collect();
    line("times", toml::texts(&times));
}
