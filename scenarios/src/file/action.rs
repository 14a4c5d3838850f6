//! What a step does: one optional key per action.

use super::names::Names;
use super::node::{Entry, Node, Table};
use super::operator::{alter_config, assign, elect_leaders};
use super::reader::Reader;
use super::step::Before;
use crate::diagnostic::Span;
use ktrial_core::NodeId;
use ktrial_core::message::Api;
use ktrial_sim::plan::{Action, Latency, LinkFault, StopKind, Target};

/// Every action.
pub(crate) const ACTIONS: &[&str] = &[
    "send",
    "kill",
    "power_loss",
    "shutdown",
    "start",
    "pause",
    "resume",
    "cut",
    "delay",
    "heal",
    "alter_config",
    "elect_leaders",
    "assign",
];

/// Reads the action of a step.
pub(crate) fn action(
    reader: &mut Reader,
    entry: &Entry,
    before: &mut Before<'_>,
) -> Option<Action> {
    let span = entry.key_span;
    let such_as = example(&entry.key);
    let table = reader.table(&entry.node, such_as)?;
    match entry.key.as_str() {
        "send" => send(reader, table, span, before),
        "kill" => stop(reader, table, span, before, StopKind::Kill),
        "power_loss" => stop(reader, table, span, before, StopKind::PowerLoss),
        "shutdown" => stop(reader, table, span, before, StopKind::Shutdown),
        "start" => start(reader, table, span, before),
        "pause" => pause(reader, table, span, before),
        "resume" => resume(reader, table, span, before),
        "cut" => cut(reader, table, span, before.names),
        "delay" => delay(reader, table, span, before.names),
        "heal" => {
            reader.only(table, &[]);
            Some(Action::Heal)
        }
        "alter_config" => alter_config(reader, table, span, before.names),
        "elect_leaders" => elect_leaders(reader, table, span, before.names),
        _ => assign(reader, table, span, before.names),
    }
}

fn example(action: &str) -> &'static str {
    match action {
        "send" => "{ values = [\"A\"] }",
        "cut" => "{ from = [1], to = [2, 3] }",
        "delay" => "{ from = [1], to = [2], by = \"100ms\" }",
        "heal" => "{}",
        "alter_config" => "{ topic = \"orders\", set = { \"min.insync.replicas\" = 2 } }",
        "elect_leaders" => "{ election = \"preferred\" }",
        "assign" => "{ consumer = \"c1\", partitions = [\"orders-0\"] }",
        _ => "{ broker = 1 }",
    }
}

fn send(reader: &mut Reader, table: &Table, span: Span, before: &mut Before<'_>) -> Option<Action> {
    reader.only(table, &["producer", "topic", "partition", "key", "values"]);
    let values = reader.need(table, "values", span);
    let values = values.and_then(|node| new_values(reader, node, before));
    let get = |key: &str| table.get(key).map(|entry| &entry.node);
    let names = before.names;
    let producer = names.client(reader, "producer", get("producer"), span);
    let topic = match (get("topic"), names.topics.as_slice()) {
        (Some(node), _) => names.topic(reader, node),
        (None, [only]) => Some(only),
        (None, _) => {
            reader.error_help(span, "which topic?", "add `topic = \"...\"`");
            None
        }
    }?;
    let partition = match get("partition") {
        Some(node) => {
            let number = reader.integer(node, 0..=i64::from(i32::MAX))?;
            Some(names.in_range(reader, topic, number, node.span)?)
        }
        None => None,
    };
    let key = match get("key") {
        Some(node) => Some(reader.text(node)?),
        None => None,
    };
    Some(Action::Send {
        producer: producer?,
        topic: topic.name.as_str().into(),
        partition,
        key,
        values: values?,
    })
}

/// Values that no step before has sent.
fn new_values(reader: &mut Reader, node: &Node, before: &mut Before<'_>) -> Option<Vec<String>> {
    let items = reader.list(node, "texts such as [\"A\"]")?;
    if items.is_empty() {
        reader.error(node.span, "this list is empty: nothing would be sent");
        return None;
    }
    let mut values = Vec::new();
    for item in items {
        let value = reader.text(item)?;
        if before.sent.insert(value.clone(), item.span).is_some() {
            let message = format!("the value `{value}` is sent twice");
            let help = "each value may occur once, so that its way can be followed";
            reader.error_help(item.span, message, help);
        }
        values.push(value);
    }
    Some(values)
}

/// `broker = 1`, `brokers = [1, 2]` or `nodes = ["controllers"]`: servers only.
fn servers(reader: &mut Reader, table: &Table, span: Span, names: &Names) -> Option<Vec<NodeId>> {
    let known = ["broker", "brokers", "nodes"];
    reader.only(table, &known);
    let Some(entry) = reader.one_of(table, &known) else {
        let help = "say who: `broker = 1`, `brokers = [1, 2]` or `nodes = [\"controllers\"]`";
        reader.error_help(span, "this touches nobody", help);
        return None;
    };
    let nodes = match entry.key.as_str() {
        "broker" => vec![NodeId::Broker(names.broker(reader, &entry.node)?)],
        "brokers" => {
            let brokers = names.broker_set(reader, &entry.node)?;
            if brokers.is_empty() {
                reader.error(entry.node.span, "this list is empty: name at least one");
                return None;
            }
            brokers.into_iter().map(NodeId::Broker).collect()
        }
        _ => names.nodes(reader, &entry.node)?,
    };
    if nodes.iter().any(|node| matches!(node, NodeId::Client(_))) {
        let message = "only brokers and controllers can be stopped, paused and started";
        reader.error(entry.node.span, message);
        return None;
    }
    Some(nodes)
}

/// Notes nodes about which a step is mistaken.
fn mistaken(
    reader: &mut Reader,
    span: Span,
    nodes: &[NodeId],
    wrong: impl Fn(&NodeId) -> bool,
    state: &str,
) {
    for node in nodes.iter().filter(|node| wrong(node)) {
        let name = match node {
            NodeId::Broker(id) => format!("broker {id}"),
            NodeId::Controller(id) => format!("controller {id}"),
            NodeId::Client(id) => format!("client {id}"),
        };
        reader.error(span, format!("{name} {state} at this step"));
    }
}

fn stop(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    before: &mut Before<'_>,
    how: StopKind,
) -> Option<Action> {
    let nodes = servers(reader, table, span, before.names)?;
    mistaken(
        reader,
        span,
        &nodes,
        |n| before.down.contains(n),
        "is already down",
    );
    before.down.extend(nodes.iter().copied());
    for node in &nodes {
        before.paused.remove(node);
    }
    Some(Action::Stop {
        nodes: targets(nodes),
        how,
    })
}

fn start(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    before: &mut Before<'_>,
) -> Option<Action> {
    let nodes = servers(reader, table, span, before.names)?;
    mistaken(
        reader,
        span,
        &nodes,
        |n| !before.down.contains(n),
        "runs already",
    );
    for node in &nodes {
        before.down.remove(node);
    }
    Some(Action::Start {
        nodes: targets(nodes),
    })
}

fn pause(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    before: &mut Before<'_>,
) -> Option<Action> {
    let nodes = servers(reader, table, span, before.names)?;
    mistaken(reader, span, &nodes, |n| before.down.contains(n), "is down");
    mistaken(
        reader,
        span,
        &nodes,
        |n| before.paused.contains(n),
        "is already paused",
    );
    before.paused.extend(nodes.iter().copied());
    Some(Action::Pause {
        nodes: targets(nodes),
    })
}

fn resume(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    before: &mut Before<'_>,
) -> Option<Action> {
    let nodes = servers(reader, table, span, before.names)?;
    mistaken(
        reader,
        span,
        &nodes,
        |n| !before.paused.contains(n),
        "is not paused",
    );
    for node in &nodes {
        before.paused.remove(node);
    }
    Some(Action::Resume {
        nodes: targets(nodes),
    })
}

/// The two groups of nodes of `cut` and `delay`.
fn groups(
    reader: &mut Reader,
    table: &Table,
    span: Span,
    names: &Names,
) -> Option<(Vec<NodeId>, Vec<NodeId>)> {
    let from = reader.need(table, "from", span);
    let from = from.and_then(|node| names.nodes(reader, node));
    let to_node = reader.need(table, "to", span)?;
    let to = names.nodes(reader, to_node)?;
    let from = from?;
    if let Some(node) = to.iter().find(|node| from.contains(node)) {
        reader.error(to_node.span, format!("{node} is on both sides"));
        return None;
    }
    Some((from, to))
}

/// `apis = ["Fetch"]`: whose messages a fault of the network is about; all without it.
fn apis(reader: &mut Reader, table: &Table) -> Option<Vec<Api>> {
    let Some(entry) = table.get("apis") else {
        return Some(Vec::new());
    };
    let items = reader.list(&entry.node, "APIs such as [\"Fetch\"]")?;
    if items.is_empty() {
        reader.error(entry.node.span, "this list is empty: name at least one API");
        return None;
    }
    let mut apis = Vec::new();
    for item in items {
        let written = reader.text(item)?;
        let Some(api) = Api::ALL.iter().find(|api| api.to_string() == written) else {
            let names: Vec<String> = Api::ALL.iter().map(ToString::to_string).collect();
            let known: Vec<&str> = names.iter().map(String::as_str).collect();
            reader.unknown(item.span, "API", &written, &known);
            return None;
        };
        apis.push(*api);
    }
    apis.sort_unstable();
    apis.dedup();
    Some(apis)
}

fn cut(reader: &mut Reader, table: &Table, span: Span, names: &Names) -> Option<Action> {
    reader.only(table, &["from", "to", "one_way", "apis"]);
    let api = apis(reader, table)?;
    let (from, to) = groups(reader, table, span, names)?;
    let one_way = match table.get("one_way") {
        Some(entry) => reader.boolean(&entry.node)?,
        None => false,
    };
    Some(Action::Link {
        from: targets(from),
        to: targets(to),
        one_way,
        api,
        fault: LinkFault::Cut,
    })
}

fn delay(reader: &mut Reader, table: &Table, span: Span, names: &Names) -> Option<Action> {
    reader.only(table, &["from", "to", "by", "apis"]);
    let api = apis(reader, table)?;
    let by = reader.need(table, "by", span);
    let by = by.and_then(|node| reader.micros(node));
    let (from, to) = groups(reader, table, span, names)?;
    Some(Action::Link {
        from: targets(from),
        to: targets(to),
        one_way: true,
        api,
        fault: LinkFault::Delay(Latency::Fixed { us: by? }),
    })
}

fn targets(nodes: Vec<NodeId>) -> Vec<Target> {
    nodes.into_iter().map(Target::Node).collect()
}
