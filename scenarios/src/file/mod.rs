//! A scenario file, read. Every mistake in it is told with its place, several at once.
//!
//! The format is described in `docs/scenarios.md`. Order matters: variables first, for they may stand
//! anywhere (`variable.rs`); then nodes, topics and clients, for the rest names them.
//!
//! Next: `compile.rs` makes plans of what is read here.

mod action;
mod before;
mod cluster;
mod condition;
mod device;
mod fill;
mod happens;
mod link;
mod matrix;
mod names;
mod node;
mod operator;
mod process;
mod reader;
mod rounds;
mod send;
mod step;
mod topics;
mod variable;
mod who;
mod workload;
mod world;
mod zookeeper;

pub use matrix::Axis;
pub(crate) use step::WITHIN_MS;
pub use variable::Values;
pub(crate) use variable::in_which;

use crate::diagnostic::{Problems, Span};
use crate::draw::Draw;
use crate::expect::Expect;
use fill::Filler;
use ktrial_core::config::Settings;
use ktrial_core::rules::NEWEST;
use ktrial_core::{BrokerId, ControllerId, Rules};
use ktrial_sim::plan::{BrokerPlan, ControllerPlan, DiskPlan, NetworkPlan, PLAN_VERSION, Plan};
use names::Names;
use node::Table;
use reader::Reader;
use std::collections::{BTreeMap, BTreeSet};
use variable::Variable;

/// Longer than a producer's `delivery.timeout.ms`, so that each send comes to its end.
pub(crate) const SETTLE_MS: u64 = 180_000;
/// A longer trial is a slip.
const YEAR_MS: u64 = 366 * 24 * 60 * 60 * 1_000;
/// The trial ends here whatever happens.
pub(crate) const TIME_LIMIT_MS: u64 = 1_800_000;
/// `node.id` of the controller.
pub(crate) const CONTROLLER: ControllerId = ControllerId(3_000);

/// A scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub title: String,
    /// Why it is interesting.
    pub why: String,
    /// Its text with each combination of the values of its variables; just one if it has none.
    pub versions: Vec<Version>,
    /// What its cells differ in.
    pub matrix: Vec<Axis>,
    /// What they should end in.
    pub expects: Vec<Expect>,
    /// The file's name, as given.
    pub file: String,
    /// What the file says.
    pub text: String,
}

/// What a scenario says under one combination of the values of its variables: a plan with its seed, its
/// settings of `[matrix]` and the defaults of its release still open.
#[derive(Clone, Debug)]
pub struct Version {
    /// The value of each variable.
    pub values: Values,
    /// The plan that its cells share.
    pub base: Plan,
    /// The release whose defaults hold, if it is another one than that of the rules.
    pub defaults: Option<String>,
    /// What its seed decides.
    pub draws: Vec<Draw>,
    /// Switches of the rules that the file flips.
    pub rules: Vec<(String, String)>,
    /// Where settings stand in the file.
    pub places: BTreeMap<String, Span>,
}

/// Every key at the top of a file.
const TOP: &[&str] = &[
    "title",
    "why",
    "time_limit",
    "settle",
    "record_limit",
    "record_messages",
    "cluster",
    "brokers",
    "controllers",
    "zookeeper",
    "rules",
    "topics",
    "producers",
    "consumers",
    "network",
    "disk",
    "clock",
    "step",
    "fault",
    "workload",
    "recovery",
    "matrix",
    "expect",
];

/// Reads a scenario. `name` is what it is called, `file` where it was found.
///
/// # Errors
/// All mistakes that could be found.
pub fn parse(name: &str, file: &str, text: &str) -> Result<Scenario, Problems> {
    let refused = |list| Problems::new(file, text, list);
    let mut reader = Reader::default();
    let document = node::parse(text, &mut reader.problems);
    if !reader.problems.is_empty() {
        return Err(refused(reader.problems));
    }
    let variables = variable::variables(&mut reader, &document);
    if !reader.problems.is_empty() {
        return Err(refused(reader.problems));
    }
    let mut scenario = Scenario {
        name: name.to_owned(),
        title: String::new(),
        why: String::new(),
        versions: Vec::new(),
        matrix: Vec::new(),
        expects: Vec::new(),
        file: file.to_owned(),
        text: text.to_owned(),
    };
    let mut found = BTreeMap::new();
    let mut used = BTreeSet::new();
    for version in variable::versions(&variables) {
        let mut filler = Filler::new(&version);
        let filled = filler.document(&document);
        used.append(&mut filler.used);
        let mut reader = Reader {
            problems: filler.problems,
        };
        let named = version.iter();
        let values = named.map(|(v, index)| (v.name.clone(), v.values[*index].0.clone()));
        let values: Values = values.collect();
        // What stands in the place of a mistake would look wrong too: only the mistake is.
        if reader.problems.is_empty() {
            read(&mut reader, &filled, &variables, &values, &mut scenario);
        }
        found.insert(values, reader.problems);
    }
    let mut problems = in_which(&found);
    problems.extend(variables.iter().filter_map(|v| v.unused(&used)));
    if problems.is_empty() {
        Ok(scenario)
    } else {
        Err(refused(problems))
    }
}

/// Reads one version of a document.
fn read(
    reader: &mut Reader,
    table: &Table,
    variables: &[Variable],
    values: &Values,
    scenario: &mut Scenario,
) {
    reader.only(table, TOP);
    let mut places = BTreeMap::new();
    let mut base = empty_plan(&scenario.name);
    let why = head(reader, table, &mut base);
    let mut defaults = None;
    if let Some(entry) = table.get("cluster") {
        defaults = cluster::cluster(reader, &entry.node, &mut base, &mut places);
    }
    if base.brokers.is_empty() {
        // Without brokers each place that names one would look wrong: only this is.
        return;
    }
    let names = declarations(reader, table, &mut base, &mut places);
    let rules = table.get("rules");
    let rules = rules.map(|entry| cluster::rules(reader, &entry.node));
    let draws = happens::happens(reader, table, &names, &mut base);
    let matrix = table.get("matrix").map_or_else(Vec::new, |entry| {
        for flat in node::flatten(as_table(&entry.node), &mut Vec::new()) {
            places.insert(flat.key, flat.span);
        }
        matrix::matrix(reader, &entry.node, variables, &base)
    });
    if let Some(entry) = table.get("expect") {
        let expects = matrix::expects(reader, &entry.node, &names, &base, &matrix, values);
        scenario.expects.extend(expects);
    }
    scenario.matrix = matrix;
    scenario.title.clone_from(&base.title);
    scenario.why = why;
    scenario.versions.push(Version {
        values: values.clone(),
        base,
        defaults,
        draws,
        rules: rules.unwrap_or_default(),
        places,
    });
}

fn as_table(node: &node::Node) -> &Table {
    const EMPTY: &Table = &Table {
        entries: Vec::new(),
    };
    match &node.value {
        node::Value::Table(table) => table,
        _ => EMPTY,
    }
}

/// Three brokers, one controller, nothing in them.
pub(crate) fn empty_plan(name: &str) -> Plan {
    let broker = |id| BrokerPlan {
        id: BrokerId(id),
        config: Settings::new(),
    };
    Plan {
        version: PLAN_VERSION,
        scenario: name.to_owned(),
        title: name.to_owned(),
        seed: 0,
        cell: BTreeMap::new(),
        release: NEWEST.to_owned(),
        rules: Rules::default(),
        controllers: vec![ControllerPlan {
            id: CONTROLLER,
            config: Settings::new(),
        }],
        brokers: (1..=3).map(broker).collect(),
        zookeeper: None,
        topic_defaults: Settings::new(),
        topics: Vec::new(),
        producers: Vec::new(),
        consumers: Vec::new(),
        network: NetworkPlan::default(),
        disk: DiskPlan::default(),
        clocks: BTreeMap::new(),
        steps: Vec::new(),
        timeline: Vec::new(),
        recovery: None,
        settle_ms: SETTLE_MS,
        time_limit_ms: TIME_LIMIT_MS,
        record_limit: None,
        record_messages: false,
    }
}

/// What stands at the top of a file; returns why the scenario is interesting.
fn head(reader: &mut Reader, table: &Table, plan: &mut Plan) -> String {
    let mut text = |key: &str| {
        let node = reader.need(table, key, Span::default())?;
        reader.text(node)
    };
    plan.title = text("title").unwrap_or_default();
    let why = text("why").unwrap_or_default();
    if let Some(entry) = table.get("settle") {
        plan.settle_ms = reader.millis(&entry.node).unwrap_or(SETTLE_MS);
    }
    if let Some(entry) = table.get("time_limit") {
        plan.time_limit_ms = reader.millis(&entry.node).unwrap_or(u64::MAX);
        if (YEAR_MS..u64::MAX).contains(&plan.time_limit_ms) {
            reader.error(entry.node.span, "this trial would last longer than a year");
        }
    }
    if let Some(entry) = table.get("record_limit") {
        plan.record_limit = reader.integer(&entry.node, 1..=i64::MAX);
    }
    if let Some(entry) = table.get("record_messages") {
        plan.record_messages = reader.boolean(&entry.node).unwrap_or(false);
    }
    why
}

/// What the steps can name: nodes, topics, clients.
fn declarations(
    reader: &mut Reader,
    table: &Table,
    plan: &mut Plan,
    places: &mut BTreeMap<String, Span>,
) -> Names {
    if let Some(entry) = table.get("controllers") {
        cluster::controller_overrides(reader, &entry.node, plan, places);
    }
    if let Some(entry) = table.get("brokers") {
        cluster::overrides(reader, &entry.node, plan, places);
    }
    if let Some(entry) = table.get("zookeeper") {
        plan.zookeeper = zookeeper::ensemble(reader, &entry.node, places);
    }
    let ensemble = plan.zookeeper.iter();
    let mut names = Names {
        brokers: plan.brokers.iter().map(|broker| broker.id).collect(),
        controllers: plan.controllers.iter().map(|c| c.id).collect(),
        zookeeper: ensemble.flat_map(|e| &e.servers).copied().collect(),
        ..Names::default()
    };
    if let Some(entry) = table.get("topics") {
        topics::topics(reader, &entry.node, &mut names, plan, places);
    }
    if let Some(entry) = table.get("producers") {
        topics::producers(reader, &entry.node, &mut names, plan, places);
    }
    if let Some(entry) = table.get("consumers") {
        topics::consumers(reader, &entry.node, &mut names, plan, places);
    }
    if let Some(entry) = table.get("network") {
        world::network(reader, &entry.node, plan);
    }
    if let Some(entry) = table.get("disk") {
        world::disk(reader, &entry.node, plan);
    }
    if let Some(entry) = table.get("clock") {
        world::clocks(reader, &entry.node, &names, plan);
    }
    names
}
