//! The settings that a release knows, by what it says itself.
//!
//! | release | asked |
//! |---|---|
//! | before 2.8 | `kafka.server.KafkaConfig`, which prints its documentation as HTML |
//! | 2.8 and later | `kafka.tools.StorageTool info`, which logs every setting: internal ones, that the documentation hides, are among them |
//!
//! Next: `install.rs`.

use super::{Kafka, once, trouble};
use crate::failure::{Failure, Interrupt};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Fewer than this many: the answer was not understood. Kafka 0.10.2 knows 150.
const FEWEST: usize = 100;

/// What a release knows; it is asked once, and the answer is kept in a file.
pub(super) fn known(
    kafka: &Kafka,
    interrupt: &Interrupt,
    tell: &dyn Fn(&str),
) -> Result<BTreeSet<String>, Failure> {
    let file = kafka.facts().join("keys.txt");
    once(&file, &kafka.lock(), interrupt, tell, |part| {
        tell(&format!(
            "asking Kafka {} which settings it knows",
            kafka.release()
        ));
        let keys = ask(kafka, part, interrupt)?;
        let lines: String = keys.iter().map(|key| format!("{key}\n")).collect();
        fs::write(part, lines).map_err(|error| trouble("write", part, &error))
    })?;
    let text = fs::read_to_string(&file).map_err(|error| trouble("read", &file, &error))?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn ask(kafka: &Kafka, scratch: &Path, interrupt: &Interrupt) -> Result<BTreeSet<String>, Failure> {
    let finished = if kafka.release().at_least("2.8") {
        let file = scratch.with_extension("properties");
        let text = match kafka.release().at_least("3.3") {
            true => {
                "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=C\n\
                     listeners=P://127.0.0.1:9092,C://127.0.0.1:9093\ninter.broker.listener.name=P\n\
                     listener.security.protocol.map=P:PLAINTEXT,C:PLAINTEXT\n\
                     controller.quorum.voters=1@127.0.0.1:9093\nlog.dirs=none\n"
            }
            false => "zookeeper.connect=127.0.0.1:1\nlog.dirs=none\n",
        };
        fs::write(&file, text).map_err(|error| trouble("write", &file, &error))?;
        let named = file.to_string_lossy().into_owned();
        let finished = kafka.ask(
            "kafka.tools.StorageTool",
            &["info", "-c", &named],
            interrupt,
        );
        let _ = fs::remove_file(&file);
        finished?
    } else {
        kafka.ask("kafka.server.KafkaConfig", &[], interrupt)?
    };
    let mut keys = logged(&finished.stdout);
    keys.extend(logged(&finished.stderr));
    keys.extend(documented(&finished.stdout));
    if keys.len() < FEWEST {
        let last = finished
            .stderr
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned();
        let why = format!(
            "Kafka {} does not say which settings it knows: {last}",
            kafka.release()
        );
        return Err(Failure::Rig(why));
    }
    Ok(keys)
}

/// The settings in a log: a line each, after a tab, with its value.
fn logged(log: &str) -> BTreeSet<String> {
    let indented = log.lines().filter_map(|line| line.strip_prefix('\t'));
    let keys = indented.filter_map(|line| Some(line.split_once(" = ")?.0));
    keys.filter(|key| is_key(key)).map(str::to_owned).collect()
}

/// The settings in a documentation: the first cell of each row of its table.
fn documented(html: &str) -> BTreeSet<String> {
    let rows = html.split("<tr>").map(str::trim_start);
    let keys = rows.filter_map(|row| row.strip_prefix("<td>")?.split("</td>").next());
    keys.filter(|key| is_key(key)).map(str::to_owned).collect()
}

fn is_key(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_".contains(c);
    text.contains('.') && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_found_in_what_kafka_prints() {
        let log = "194 INFO KafkaConfig values: \n\tlog.dirs = [x]\n\tnode.id = 1\n\tat kafka.Kafka = x\n";
        assert_eq!(
            logged(log),
            ["log.dirs", "node.id"].map(str::to_owned).into()
        );
        let html = "<tr>\n<th>Name</th>\n</tr>\n<tr>\n<td>zookeeper.connect</td><td>Zookeeper host \
                    string</td></tr>\n<tr>\n<td>broker.id</td></td><td>x</td></tr>";
        let found = ["zookeeper.connect", "broker.id"].map(str::to_owned);
        assert_eq!(documented(html), found.into());
    }
}
