//! What "smaller" means: the figures of a plan, compared one after the other.
//!
//! Rule: fewer faults beat everything else, then fewer other steps, and so on down the fields of
//! [`Measure`]. Every step of the search makes the measure smaller, so the search ends.
//!
//! Next: `without.rs`.

use ktrial_core::Rules;
use ktrial_core::message::Placement;
use ktrial_sim::plan::{
    Action, Condition, DiskPlan, Latency, LinkFault, NetworkPlan, Plan, Step, When,
};
use serde::Serialize;

/// How large a plan is. The first field that differs decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Measure {
    /// Steps that disturb the cluster.
    pub faults: usize,
    /// All other steps.
    pub steps: usize,
    /// Values that are sent.
    pub records: usize,
    /// Brokers.
    pub brokers: usize,
    /// Producers and consumers.
    pub clients: usize,
    /// Partitions; of a topic whose number the broker decides, one.
    pub partitions: usize,
    /// Settings, flipped rules, and figures of the network, the disks and the clocks that are not the
    /// default.
    pub settings: usize,
    /// What else there is to read: replicas, targets, conditions, roles, steps beside the script, ...
    pub details: usize,
    /// Digits of all times (1s has one, 1.25s has three) and letters of all values.
    pub digits: usize,
    /// All times together, in microseconds.
    pub time_us: u64,
    /// The seed.
    pub seed: u64,
}

impl Measure {
    /// Of a plan.
    pub fn of(plan: &Plan) -> Self {
        let mut measure = Self {
            brokers: plan.brokers.len(),
            clients: plan.producers.len() + plan.consumers.len(),
            settings: settings(plan),
            seed: plan.seed,
            ..Self::default()
        };
        measure.add_topics(plan);
        measure.add_steps(plan);
        measure.add_times(plan);
        measure
    }

    fn add_topics(&mut self, plan: &Plan) {
        for topic in &plan.topics {
            match &topic.placement {
                Placement::Manual(partitions) => {
                    self.partitions += partitions.len();
                    self.details += partitions.iter().map(Vec::len).sum::<usize>();
                }
                Placement::Spread { partitions, .. } => {
                    let count = partitions.and_then(|count| usize::try_from(count).ok());
                    self.partitions += count.unwrap_or(1);
                    // Who has the replicas is left open: more to know than any list of them.
                    self.details += 100;
                }
            }
        }
        let assigned = plan.consumers.iter().map(|consumer| consumer.assign.len());
        self.details += assigned.sum::<usize>();
        if let Some(recovery) = &plan.recovery {
            self.details += 1 + recovery.nodes.len();
        }
    }

    fn add_steps(&mut self, plan: &Plan) {
        self.details += plan.timeline.len();
        for step in plan.all_steps() {
            self.details += usize::from(step.may_miss);
            if let When::Until { condition, .. } = &step.when {
                self.details += conditions(condition);
            }
            match &step.action {
                Some(action) if action.is_fault() => self.faults += 1,
                Some(Action::Send { values, key, .. }) => {
                    self.steps += 1;
                    self.records += values.len();
                    self.details += usize::from(key.is_some());
                    self.digits += values.iter().map(String::len).sum::<usize>();
                }
                _ => self.steps += 1,
            }
            let groups = step.action.iter().flat_map(Action::groups);
            for target in groups.flatten() {
                // A node is plain; who holds a role has to be found out.
                self.details += if target.node().is_some() { 1 } else { 3 };
            }
            if let Some(Action::Link { api, .. }) = &step.action {
                self.details += api.len();
            }
        }
    }

    fn add_times(&mut self, plan: &Plan) {
        let mut plan = plan.clone();
        each_time(&mut plan, &mut |time| {
            self.digits += digits(*time.value);
            let micros = time.value.saturating_mul(time.unit_us);
            self.time_us = self.time_us.saturating_add(micros);
        });
    }
}

/// Leaves of a condition, and the knots that hold them together.
fn conditions(condition: &Condition) -> usize {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => {
            2 + parts.iter().map(conditions).sum::<usize>()
        }
        _ => 2,
    }
}

/// What is not as Kafka, the release or the world have it by default.
fn settings(plan: &Plan) -> usize {
    let owners = [
        plan.topic_defaults.len(),
        plan.controllers.iter().map(|c| c.config.len()).sum(),
        plan.brokers.iter().map(|b| b.config.len()).sum(),
        plan.topics.iter().map(|t| t.configs.len()).sum(),
        plan.producers.iter().map(|p| p.config.len()).sum(),
        plan.consumers.iter().map(|c| c.config.len()).sum(),
    ];
    let changed = plan.all_steps().map(|step| match &step.action {
        Some(Action::AlterConfig { changes }) => changes.len(),
        _ => 0,
    });
    let usual = Rules::kafka(&plan.release).unwrap_or_default();
    let rules = crate::setting::rule_names();
    let flipped = rules
        .iter()
        .filter(|rule| plan.rules.get(rule) != usual.get(rule));
    let world = [
        plan.network != NetworkPlan::default(),
        plan.disk != DiskPlan::default(),
        plan.record_messages,
        plan.record_limit.is_some(),
    ];
    let world = world.into_iter().filter(|unusual| *unusual).count();
    owners.iter().sum::<usize>()
        + changed.sum::<usize>()
        + flipped.count()
        + world
        + plan.clocks.len()
}

/// A time of a plan.
pub(super) struct Time<'p> {
    pub(super) value: &'p mut u64,
    /// Its unit.
    pub(super) unit_us: u64,
}

/// Shows every time that somebody chose: when steps are due, how long they last, how long a message
/// takes, and how long the trial goes on.
pub(super) fn each_time(plan: &mut Plan, show: &mut dyn FnMut(Time<'_>)) {
    for step in plan.steps.iter_mut().chain(&mut plan.timeline) {
        times_of_step(step, show);
    }
    let mut millis = |value| {
        show(Time {
            value,
            unit_us: 1_000,
        });
    };
    millis(&mut plan.settle_ms);
    millis(&mut plan.time_limit_ms);
}

fn times_of_step(step: &mut Step, show: &mut dyn FnMut(Time<'_>)) {
    let mut millis = |value| {
        show(Time {
            value,
            unit_us: 1_000,
        });
    };
    match &mut step.when {
        When::Now => {}
        When::After { ms } | When::At { ms } => millis(ms),
        When::Until { within_ms, .. } => millis(within_ms),
    }
    step.for_ms.iter_mut().for_each(millis);
    let Some(Action::Link {
        fault: LinkFault::Delay(latency),
        ..
    }) = &mut step.action
    else {
        return;
    };
    let mut micros = |value| show(Time { value, unit_us: 1 });
    match latency {
        Latency::Fixed { us } => micros(us),
        Latency::Uniform { min_us, max_us } => {
            micros(min_us);
            micros(max_us);
        }
        Latency::Exponential { min_us, mean_us } => {
            micros(min_us);
            micros(mean_us);
        }
    }
}

/// Digits without the zeros at the end.
fn digits(mut value: u64) -> usize {
    while value > 0 && value.is_multiple_of(10) {
        value /= 10;
    }
    if value == 0 {
        0
    } else {
        value.to_string().len()
    }
}
