//! The record as JSON Lines, and its digest.
//!
//! The first line is the header, each further line one entry. The digest is XXH3-64 of exactly these
//! bytes: two records with one digest are the same text.
//!
//! Next: `check/`, which reads records.

use super::{Entry, Header, RECORD_VERSION, Record};
use serde::Serialize;
use xxhash_rust::xxh3::Xxh3;

/// The record as JSON Lines.
pub fn to_jsonl(record: &Record) -> String {
    let mut text = String::new();
    each_line(record, |line| text.push_str(&String::from_utf8_lossy(line)));
    text
}

/// Reads what [`to_jsonl`] wrote.
///
/// # Errors
/// The line that cannot be read, and why.
pub fn from_jsonl(text: &str) -> Result<Record, String> {
    let mut lines = text.lines().enumerate();
    let (_, first) = lines.next().ok_or("line 1: the record is empty")?;
    let header: Header = serde_json::from_str(first).map_err(|error| format!("line 1: {error}"))?;
    if header.version != RECORD_VERSION {
        return Err(format!(
            "line 1: this is version {} of the format, expected {RECORD_VERSION}",
            header.version
        ));
    }
    let entries = lines
        .filter(|(_, line)| !line.is_empty())
        .map(|(index, line)| {
            serde_json::from_str::<Entry>(line)
                .map_err(|error| format!("line {}: {error}", index + 1))
        })
        .collect::<Result<_, _>>()?;
    Ok(Record { header, entries })
}

/// XXH3-64 of the record's JSON Lines, in hexadecimal.
pub fn digest(record: &Record) -> String {
    let mut hash = Xxh3::new();
    each_line(record, |line| hash.update(line));
    format!("{:016x}", hash.digest())
}

/// Shows each line with its line feed, one after the other in the same memory.
fn each_line(record: &Record, mut show: impl FnMut(&[u8])) {
    let mut line = Vec::new();
    write_line(&record.header, &mut line);
    show(&line);
    for entry in &record.entries {
        line.clear();
        write_line(entry, &mut line);
        show(&line);
    }
}

fn write_line<T: Serialize>(value: &T, line: &mut Vec<u8>) {
    #[expect(
        clippy::expect_used,
        reason = "a Vec takes all bytes, and every map in a record has text as its keys"
    )]
    serde_json::to_writer(&mut *line, value).expect("a record can be written as JSON");
    line.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{EndReason, What};
    use ktrial_core::{BrokerId, ClientId, NodeId, Timestamp};
    use std::collections::BTreeMap;

    fn record() -> Record {
        let entry = |at, node, what| Entry {
            at: Timestamp(at),
            node,
            what,
        };
        Record {
            header: Header {
                version: RECORD_VERSION,
                scenario: "s".to_owned(),
                seed: u64::MAX,
                cell: BTreeMap::new(),
                clients: BTreeMap::from([(NodeId::Client(ClientId(0)), "p".to_owned())]),
                real: None,
            },
            entries: vec![
                entry(0, Some(NodeId::Broker(BrokerId(1))), What::ProcessStarted),
                entry(
                    5,
                    None,
                    What::Ended {
                        reason: EndReason::Settled,
                    },
                ),
            ],
        }
    }

    #[test]
    fn a_record_survives_the_way_through_text() {
        let text = to_jsonl(&record());
        assert_eq!(text.lines().count(), 3);
        assert_eq!(from_jsonl(&text).unwrap(), record());
        let whole = xxhash_rust::xxh3::xxh3_64(text.as_bytes());
        assert_eq!(digest(&record()), format!("{whole:016x}"));
    }

    #[test]
    fn mistakes_name_their_line() {
        let text = to_jsonl(&record()).replace("settled", "sattled");
        assert!(from_jsonl(&text).unwrap_err().starts_with("line 3: "));
        assert!(from_jsonl("").unwrap_err().starts_with("line 1: "));
    }
}
