//! `replay`: a plan again, with every entry of its record, or those that are asked for.

use super::filter::{Filter, Kinds, Topics};
use super::trace::Trace;
use super::{Exit, output, run};
use ktrial_core::{BrokerId, NodeId, TopicPartition};
use ktrial_reports::{Cell, Run};
use ktrial_sim::plan::{PLAN_VERSION, Plan};
use ktrial_sim::verdict::Class;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::thread;

/// The command's arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A plan.json of a report folder
    plan: PathBuf,
    /// Begin the trace at this time of the trial, such as 10s
    #[arg(long, value_name = "TIME", value_parser = super::time)]
    from: Option<u64>,
    /// Stop the trace at this time of the trial, such as 12s
    #[arg(long, value_name = "TIME", value_parser = super::time)]
    until: Option<u64>,
    /// Only entries of this broker, such as 1; may be repeated
    #[arg(long, value_name = "N")]
    broker: Vec<i32>,
    /// Only entries of this node: b1, c3000, k0 or a client's name; may be repeated
    #[arg(long, value_name = "NODE")]
    node: Vec<String>,
    /// Only entries about this partition, such as orders-0; may be repeated
    #[arg(long, value_name = "TOPIC-N")]
    partition: Vec<TopicPartition>,
    /// Only entries of these kinds, such as appended,truncated
    #[arg(long, value_name = "KIND,...", value_delimiter = ',')]
    kind: Vec<String>,
    /// Only what became of the record with this value
    #[arg(long, value_name = "VALUE")]
    record: Option<String>,
    /// Record every message
    #[arg(long)]
    messages: bool,
    /// Write a report folder too
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the entries as JSON, one on each line; the verdict goes to standard error
    #[arg(long)]
    json: bool,
}

/// Runs the command. The verdict is about the whole, whatever is shown of it.
pub(super) fn replay(arguments: &Arguments) -> Result<Exit, String> {
    let kinds = Kinds::new(&arguments.kind)?;
    let mut plan = read(&arguments.plan)?;
    plan.record_messages |= arguments.messages;
    let stopped = "ktrial itself failed: please report this as a bug of ktrial";
    let tried = thread::scope(|scope| scope.spawn(|| run::try_plan(&plan)).join());
    let cell = tried.unwrap_or_else(|_| Err(stopped.to_owned()))?;
    let filter = filter(arguments, kinds, &cell)?;
    if let Some(folder) = &arguments.out {
        report(&cell, folder)?;
    }
    show(arguments, &filter, &cell);
    let class = cell.verdict.verdict;
    let fine = !matches!(class, Class::Broken | Class::Inconclusive);
    Ok(Exit::of([(class, fine)]))
}

fn filter(arguments: &Arguments, kinds: Kinds, cell: &Cell) -> Result<Filter, String> {
    let brokers = arguments
        .broker
        .iter()
        .map(|id| NodeId::Broker(BrokerId(*id)));
    let mut filter = Filter::new(kinds);
    filter.times = (arguments.from, arguments.until);
    filter.nodes = brokers.collect();
    for name in &arguments.node {
        filter.nodes.push(node(name, cell)?);
    }
    let in_plan = |node: &NodeId| match node {
        NodeId::Broker(id) => cell.plan.brokers.iter().any(|broker| broker.id == *id),
        NodeId::Controller(id) => cell.plan.controllers.iter().any(|c| c.id == *id),
        NodeId::Client(_) => cell.record.header.clients.contains_key(node),
        NodeId::ZooKeeper(id) => {
            let ensemble = cell.plan.zookeeper.as_ref();
            ensemble.is_some_and(|ensemble| ensemble.servers.contains(id))
        }
    };
    if let Some(stranger) = filter.nodes.iter().find(|node| !in_plan(node)) {
        return Err(format!("the plan has no node `{stranger}`"));
    }
    filter.partitions.clone_from(&arguments.partition);
    if let Some(value) = &arguments.record {
        filter.follow(value, &cell.record)?;
    }
    Ok(filter)
}

/// A node by its id, or a client by its name.
fn node(name: &str, cell: &Cell) -> Result<NodeId, String> {
    let clients = &cell.record.header.clients;
    if let Some((node, _)) = clients.iter().find(|(_, client)| *client == name) {
        return Ok(*node);
    }
    name.parse().map_err(|_| {
        let names: Vec<&str> = clients.values().map(String::as_str).collect();
        let help = crate::suggest::help(name, &names).unwrap_or_default();
        format!("`{name}` is no node such as `b1` or `c3000`, and no client: {help}")
    })
}

fn show(arguments: &Arguments, filter: &Filter, cell: &Cell) {
    let mut trace = Trace::new(&cell.record.header);
    let mut topics = Topics::new();
    for (place, entry) in cell.record.entries.iter().enumerate() {
        let line = trace.line(entry);
        if !filter.shows(place, entry, &mut topics) {
            continue;
        }
        if arguments.json {
            output::say(&serde_json::to_string(entry).unwrap_or_default());
        } else {
            output::say(&line);
        }
    }
    let verdict = ktrial_reports::verdict_text(cell);
    if arguments.json {
        output::note(verdict.trim_end());
    } else {
        output::say("");
        output::say(verdict.trim_end());
    }
}

fn report(cell: &Cell, folder: &Path) -> Result<(), String> {
    let run = Run {
        scenario: cell.plan.scenario.clone(),
        title: cell.plan.title.clone(),
        why: String::new(),
        seed: cell.plan.seed,
        cells: vec![cell.clone()],
    };
    ktrial_reports::write_folder(&run, folder).map_err(|error| error.to_string())
}

/// What a plan of any version has.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Reads a plan.
pub(super) fn read(file: &Path) -> Result<Plan, String> {
    let name = file.display();
    let text =
        std::fs::read_to_string(file).map_err(|error| format!("cannot read {name}: {error}"))?;
    let no_plan = |error| {
        format!(
            "{name} is not a plan: {error}\n`ktrial run` writes a plan.json for each cell into its \
             report folder"
        )
    };
    // First the version: the other fields of another version are not this one's mistakes.
    let Version { version } = serde_json::from_str(&text).map_err(no_plan)?;
    if version != PLAN_VERSION {
        return Err(format!(
            "{name} is a plan of version {version}, this ktrial reads version {PLAN_VERSION}"
        ));
    }
    serde_json::from_str(&text).map_err(no_plan)
}
