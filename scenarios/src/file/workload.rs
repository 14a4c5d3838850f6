//! `[[workload]]`: a producer that sends records steadily, beside the steps. Each becomes sends of the
//! plan's timeline with explicit times.
//!
//! | key | meaning | if left out |
//! |---|---|---|
//! | `name` | what conditions call it: `ended = { workload = "w1" }` | `w1`, `w2`, ... by its place |
//! | `producer`, `topic`, `partition` | from whom to where | the only one; the producer chooses |
//! | `records` | how many | must be there |
//! | `rate`, `every`, `times` | how fast: records per second, time between sends, or each send's time | one must be there |
//! | `burst` | records of one send | 1 |
//! | `start` | the first send, after the cluster is ready | at once |
//! | `keys` | so many keys `k0`, `k1`, ... in turn; `"unique"`: each its own | no key |
//! | `value` | what they say, with `{n}` for the number | `NAME-{n}` |
//! | `first` | the number of the first | 0 |
//! | `jitter` | each send comes later by up to the time between two, drawn | `false` |
//!
//! Next: `../draw.rs`, which draws the jitter.

use super::before::Before;
use super::node::{Entry, Node, Table, Value};
use super::reader::Reader;
use super::send::{Destination, destination};
use super::step::in_time;
use crate::diagnostic::Span;
use ktrial_sim::plan::{Action, Step, When};

/// How many records a workload may have.
const MOST_RECORDS: i64 = 100_000;
/// Every key.
const KEYS: [&str; 14] = [
    "name",
    "producer",
    "topic",
    "partition",
    "records",
    "rate",
    "every",
    "times",
    "burst",
    "start",
    "keys",
    "value",
    "first",
    "jitter",
];

/// A workload, read.
pub(super) struct Workload {
    /// Where it stands.
    pub(super) span: Span,
    pub(super) name: String,
    pub(super) steps: Vec<Step>,
    /// Each step comes later by up to so many milliseconds.
    pub(super) jitter_ms: Option<u64>,
}

/// Reads all of them.
pub(super) fn workloads(
    reader: &mut Reader,
    entry: &Entry,
    before: &mut Before<'_>,
) -> Vec<Workload> {
    let Value::List(items) = &entry.node.value else {
        let help = "each is a table of its own: [[workload]]";
        reader.error_help(entry.node.span, "`workload` must be a list of tables", help);
        return Vec::new();
    };
    let read = items.iter().enumerate();
    read.filter_map(|(place, item)| workload(reader, place, item, before))
        .collect()
}

fn workload(
    reader: &mut Reader,
    place: usize,
    node: &Node,
    before: &mut Before<'_>,
) -> Option<Workload> {
    let table = reader.table(node, "[[workload]]")?;
    let span = node.span;
    reader.only(table, &KEYS);
    let name = match table.get("name") {
        Some(entry) => reader.text(&entry.node)?,
        None => format!("w{}", place + 1),
    };
    if before.workloads.contains_key(&name) {
        let span = table.get("name").map_or(span, |entry| entry.node.span);
        reader.error(span, format!("another workload is called `{name}`"));
        return None;
    }
    let to = destination(reader, table, span, before);
    let records = reader.need(table, "records", span);
    let records: Option<usize> = records.and_then(|n| reader.integer(n, 1..=MOST_RECORDS));
    let values = values(reader, table, &name);
    let keys = keys(reader, table);
    let burst: Option<usize> = match table.get("burst") {
        Some(entry) => reader.integer(&entry.node, 1..=MOST_RECORDS),
        None => Some(1),
    };
    let pace = pace(reader, table, span, burst.unwrap_or(1));
    let jitter = match table.get("jitter") {
        Some(entry) => reader.boolean(&entry.node)?,
        None => false,
    };
    let (records, burst, values, keys) = (records?, burst?, values?, keys?);
    let sends = records.div_ceil(burst);
    let times = times(reader, table, pace?, sends)?;
    if let Some(last) = times.iter().max() {
        in_time(reader, span, *last, before)?;
    }
    let jitter_ms = jitter_of(reader, table, jitter, &times)?;
    let all: Vec<String> = (0..records).map(|n| values.of(n)).collect();
    for value in &all {
        before.sends(reader, value, values.span.unwrap_or(span));
    }
    let steps = steps(&to?, &all, keys, burst, &times);
    before.workloads.insert(name.clone(), all);
    Some(Workload {
        span,
        name,
        steps,
        jitter_ms,
    })
}

/// What the records say.
struct Values {
    before: String,
    after: String,
    first: usize,
    span: Option<Span>,
}

impl Values {
    fn of(&self, n: usize) -> String {
        format!("{}{}{}", self.before, self.first + n, self.after)
    }
}

fn values(reader: &mut Reader, table: &Table, name: &str) -> Option<Values> {
    let first = match table.get("first") {
        Some(entry) => reader.integer(&entry.node, 0..=i64::from(u32::MAX))?,
        None => 0,
    };
    let (text, span) = match table.get("value") {
        Some(entry) => (reader.text(&entry.node)?, Some(entry.node.span)),
        None => (format!("{name}-{{n}}"), None),
    };
    let parts: Vec<&str> = text.split("{n}").collect();
    let [before, after] = parts[..] else {
        let message = format!("`{text}` is not different for each record");
        let help = "write `{n}` once, where the record's number belongs: \"w1-{n}\"";
        reader.error_help(span.unwrap_or_default(), message, help);
        return None;
    };
    Some(Values {
        before: before.to_owned(),
        after: after.to_owned(),
        first,
        span,
    })
}

/// The keys of the records.
#[derive(Clone, Copy)]
enum Keys {
    None,
    Unique,
    InTurn(usize),
}

impl Keys {
    fn of(self, n: usize) -> Option<String> {
        match self {
            Self::None => None,
            Self::Unique => Some(format!("k{n}")),
            Self::InTurn(count) => Some(format!("k{}", n % count)),
        }
    }
}

fn keys(reader: &mut Reader, table: &Table) -> Option<Keys> {
    let Some(entry) = table.get("keys") else {
        return Some(Keys::None);
    };
    match &entry.node.value {
        Value::Text(text) if text == "unique" => Some(Keys::Unique),
        Value::Text(text) => {
            reader.unknown(entry.node.span, "kind of keys", text, &["unique"]);
            None
        }
        _ => {
            let count = reader.integer(&entry.node, 1..=MOST_RECORDS)?;
            Some(Keys::InTurn(count))
        }
    }
}

/// How fast: send `n` comes `n * micros / of` microseconds after the first.
enum Pace {
    Even { micros: u64, of: u64 },
    Times(Vec<u64>),
}

fn pace(reader: &mut Reader, table: &Table, span: Span, burst: usize) -> Option<Pace> {
    let Some(entry) = reader.one_of(table, &["rate", "every", "times"]) else {
        let help = "add `rate = \"20/s\"`, or `every = \"50ms\"`";
        reader.error_help(span, "how fast does it send?", help);
        return None;
    };
    match entry.key.as_str() {
        "every" => {
            let micros = reader.micros(&entry.node)?;
            Some(Pace::Even { micros, of: 1 })
        }
        "rate" => {
            let text = reader.text(&entry.node)?;
            let parsed = text.split_once('/').and_then(|(number, unit)| {
                let number = number.trim().parse::<u64>().ok().filter(|n| *n > 0)?;
                let micros = crate::duration::micros(&format!("1{}", unit.trim()))?;
                Some((number, micros))
            });
            let Some((of, micros)) = parsed else {
                let message = format!("`{text}` is no rate");
                let help = "records per time, such as \"20/s\" or \"5/m\"";
                reader.error_help(entry.node.span, message, help);
                return None;
            };
            let burst = u64::try_from(burst).unwrap_or(u64::MAX);
            let micros = micros.saturating_mul(burst);
            Some(Pace::Even { micros, of })
        }
        _ => {
            let items = reader.list(&entry.node, "times such as [\"1s\", \"2s\"]")?;
            let times = items.iter().filter_map(|item| reader.millis(item));
            let times: Vec<u64> = times.collect();
            (times.len() == items.len()).then_some(Pace::Times(times))
        }
    }
}

/// When each send comes, in milliseconds after the cluster is ready.
fn times(reader: &mut Reader, table: &Table, pace: Pace, sends: usize) -> Option<Vec<u64>> {
    let start = match table.get("start") {
        Some(entry) => reader.millis(&entry.node)?,
        None => 0,
    };
    let (micros, of) = match pace {
        Pace::Even { micros, of } => (u128::from(micros), u128::from(of)),
        Pace::Times(times) => {
            let span = table.get("times").map(|entry| entry.node.span);
            if times.len() != sends {
                let message = format!("{} times for {sends} sends", times.len());
                reader.error(span.unwrap_or_default(), message);
                return None;
            }
            let later = |ms: u64| ms.saturating_add(start);
            return Some(times.into_iter().map(later).collect());
        }
    };
    let time = |n: usize| {
        let n = u128::try_from(n).unwrap_or(u128::MAX);
        let ms = n.saturating_mul(micros) / of / 1_000;
        u64::try_from(ms).unwrap_or(u64::MAX).saturating_add(start)
    };
    Some((0..sends).map(time).collect())
}

fn jitter_of(
    reader: &mut Reader,
    table: &Table,
    jitter: bool,
    times: &[u64],
) -> Option<Option<u64>> {
    if !jitter {
        return Some(None);
    }
    if let Some(entry) = table.get("times") {
        let help = "leave `jitter` out";
        reader.error_help(entry.key_span, "these times are exact", help);
        return None;
    }
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    Some(Some(gaps.min().unwrap_or(0)))
}

/// Records with keys are sent one by one, for a send has one key.
fn steps(
    to: &Destination,
    values: &[String],
    keys: Keys,
    burst: usize,
    times: &[u64],
) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut n = 0;
    for (ms, bursts) in times.iter().zip(values.chunks(burst)) {
        let size = match keys {
            Keys::None => burst,
            _ => 1,
        };
        for values in bursts.chunks(size) {
            let action = Action::Send {
                producer: to.producer.clone(),
                topic: to.topic.clone(),
                partition: to.partition,
                key: keys.of(n),
                values: values.to_vec(),
            };
            n += values.len();
            steps.push(Step {
                when: When::After { ms: *ms },
                action: Some(action),
                for_ms: None,
                may_miss: false,
            });
        }
    }
    steps
}
