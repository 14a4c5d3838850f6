//! Can a plan be tried on a real cluster, on one machine, and if not, why? Whoever plays plans there asks
//! before anything is started.
//!
//! | of a plan | on a real cluster |
//! |---|---|
//! | kill, shutdown, pause of servers; wipe of a disk that is down; sends, reads, operators | as written |
//! | faults of links | with a network of its own, which depends on the machine |
//! | faults of the messages of one API | never: packets do not tell |
//! | pause of a client | never: a client is no process of its own |
//! | waits for votes of controllers | never: no file tells |
//! | power loss, other faults of disks, clocks | never |
//! | small segments of the metadata log | never: Kafka's own tests have another setting for them |
//! | rules other than the release's, planted bugs; an end after so many entries | never |
//! | times (`after`, `at`, `for`) | inexact, so what comes of them may depend on timing: [`timed`] |
//! | latencies of `[network]`, times of `[disk]`, `record_messages`, the seed | not reproduced |
//!
//! Simplified: a condition on a follower's high watermark holds on a real cluster only once its checkpoint
//! shows it (every 5 s). Whether the release has a setting is not looked at.
//!
//! Next: `ktrial_sim::trial::stage`, which prepares a plan to be played in another world.

use crate::setting::rule_names;
use ktrial_core::{NodeId, Rules};
use ktrial_sim::plan::{
    Action, Condition, ControllerPlan, DiskFault, Plan, StopKind, Target, When,
};
use std::collections::BTreeSet;
use std::fmt;

/// Something of a plan that a real cluster cannot do, or not on every machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The step's index, as in the record; `None` = it is about the whole plan.
    pub step: Option<usize>,
    /// What the plan wants, in words.
    pub what: String,
    /// Why not.
    pub why: Why,
}

/// Why a real cluster cannot do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It never can.
    Impossible(&'static str),
    /// It can, where there is a network of its own whose links can be cut: that needs the machine's leave.
    NeedsNetwork,
}

impl Obstacle {
    fn of_plan(what: String, why: &'static str) -> Self {
        Self {
            step: None,
            what,
            why: Why::Impossible(why),
        }
    }

    /// It is none where there is a network of its own.
    pub fn needs_network(&self) -> bool {
        self.why == Why::NeedsNetwork
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.why {
            Why::Impossible(why) => why,
            Why::NeedsNetwork => "this needs a network of its own",
        };
        match self.step {
            Some(step) => write!(f, "step {step}, {}: {why}", self.what),
            None => write!(f, "{}: {why}", self.what),
        }
    }
}

/// What keeps a plan from a real cluster; of a step the gravest.
pub fn obstacles(plan: &Plan) -> Vec<Obstacle> {
    let mut found = rules(plan);
    let both = |one: &ControllerPlan| plan.brokers.iter().any(|b| b.id.0 == one.id.0);
    let shared = plan.controllers.iter().find(|one| both(one));
    if let (Some(one), None) = (shared, &plan.zookeeper) {
        let what = format!("broker {} is a controller too", one.id);
        found.push(Obstacle::of_plan(what, TWO_ROLES));
    }
    if let Some(bytes) = metadata_segment(plan).filter(|bytes| *bytes < LEAST_METADATA_SEGMENT) {
        let what = format!("{METADATA_SEGMENT} = {bytes}");
        found.push(Obstacle::of_plan(what, SMALL_METADATA_SEGMENT));
    }
    if let Some(limit) = plan.record_limit {
        let what = format!("an end after {limit} entries");
        let why = "a real record has others";
        found.push(Obstacle::of_plan(what, why));
    }
    for node in plan.clocks.keys() {
        let what = format!("the wall clock of {node} is not right");
        found.push(Obstacle::of_plan(what, ONE_CLOCK));
    }
    for (step, of) in plan.all_steps().enumerate() {
        if let When::Until { condition, .. } = &of.when
            && let Some(what) = untold(condition)
        {
            found.push(Obstacle {
                step: Some(step),
                what: what.to_owned(),
                why: Why::Impossible(UNTOLD),
            });
        }
        let Some(action) = &of.action else {
            continue;
        };
        found.extend(obstacle(plan, action).map(|why| Obstacle {
            step: Some(step),
            what: ktrial_reports::action_words(plan, action),
            why,
        }));
    }
    found
}

/// The steps of which a real cluster keeps the time only roughly: those that wait for a time, or last for
/// one. What comes of them may depend on timing.
pub fn timed(plan: &Plan) -> Vec<usize> {
    let steps = plan.all_steps().enumerate();
    let timed = steps.filter(|(_, step)| {
        let waits = matches!(step.when, When::After { ms } | When::At { ms } if ms > 0);
        waits || step.for_ms.is_some()
    });
    timed.map(|(index, _)| index).collect()
}

const TWO_ROLES: &str = "the rig starts brokers and controllers as processes of their own";
const ONE_CLOCK: &str = "a real machine has one clock for all";
const METADATA_SEGMENT: &str = "metadata.log.segment.bytes";
/// 8 MB.
const LEAST_METADATA_SEGMENT: u64 = 8_388_608;
const SMALL_METADATA_SEGMENT: &str = "a real Kafka takes no less than 8388608";
const UNTOLD: &str = "no file of a real cluster tells of it in time";

/// Switches that are not as the release has them.
fn rules(plan: &Plan) -> Vec<Obstacle> {
    let Ok(usual) = Rules::kafka(&plan.release) else {
        return Vec::new();
    };
    let flipped = rule_names().into_iter().filter_map(|name| {
        let value = plan.rules.get(name)?;
        let what = format!("rules.{name} = {value}");
        let why = "a real Kafka has the rules of its release";
        (usual.get(name)? != value).then(|| Obstacle::of_plan(what, why))
    });
    flipped.collect()
}

/// The smallest segments of the metadata log that some node is to have.
fn metadata_segment(plan: &Plan) -> Option<u64> {
    let controllers = plan.controllers.iter().map(|it| &it.config);
    let configs = controllers.chain(plan.brokers.iter().map(|it| &it.config));
    let bytes = configs.filter_map(|config| config.get(METADATA_SEGMENT)?.parse().ok());
    bytes.min()
}

fn obstacle(plan: &Plan, action: &Action) -> Option<Why> {
    match action {
        Action::Stop {
            how: StopKind::PowerLoss,
            ..
        } => Some(Why::Impossible("the page cache of a real machine stays")),
        Action::Pause { nodes } if !clients(plan, nodes).is_empty() => {
            Some(Why::Impossible("a client is no process of its own there"))
        }
        Action::Link { api, .. } => Some(link(api.is_empty())),
        Action::Disk {
            fault, directory, ..
        } => disk(fault, directory.as_deref()),
        Action::Clock { .. } => Some(Why::Impossible(ONE_CLOCK)),
        _ => None,
    }
}

/// What a condition asks for that only a simulated controller tells. A real one's log shows what a majority
/// has and who has become active.
fn untold(condition: &Condition) -> Option<&'static str> {
    match condition {
        Condition::ControllerElected { .. } => Some("wait for an election of the controllers"),
        Condition::All(parts) | Condition::Any(parts) => parts.iter().find_map(untold),
        _ => None,
    }
}

fn disk(fault: &DiskFault, directory: Option<&str>) -> Option<Why> {
    match (fault, directory) {
        (DiskFault::Wipe, None | Some("data")) => None,
        (DiskFault::Wipe, Some(_)) => Some(Why::Impossible("only a whole disk is wiped there")),
        _ => Some(Why::Impossible("a real disk cannot be made to fail")),
    }
}

fn link(all_apis: bool) -> Why {
    if !all_apis {
        return Why::Impossible("real packets do not tell the API");
    }
    Why::NeedsNetwork
}

/// The clients that are named.
fn clients(plan: &Plan, group: &[Target]) -> BTreeSet<NodeId> {
    let all = plan.producers.len() + plan.consumers.len();
    let named = group.iter().filter_map(Target::node);
    let client = |node: &NodeId| match node {
        NodeId::Client(id) => usize::try_from(id.0).is_ok_and(|number| number < all),
        _ => false,
    };
    named.filter(client).collect()
}
