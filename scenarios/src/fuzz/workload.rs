//! Who sends what: loads of records, each with a rate, perhaps in bursts, with keys, without, or to a
//! partition that the application chooses. Each value occurs once, so that every record can be traced:
//! `p1-12` is the twelfth record of producer p1.
//!
//! Rule: a record is worth most when something else happens. A load is spread evenly over the time of the
//! trial, or it gathers in the seconds after faults begin and end.
//!
//! Next: `describe.rs`.

use super::cluster::partitions;
use super::dice::Dice;
use super::profile::Profile;
use ktrial_sim::plan::{Action, Plan, Step, When};

/// How a load chooses partitions.
#[derive(Clone, Copy)]
enum Routing {
    /// The producer's partitioner does, without keys.
    Sticky,
    /// By key, of so many.
    Keys(u64),
    /// The application names one at random.
    Named,
}

/// Draws the loads.
pub(super) fn draw(dice: &mut Dice, profile: Profile, window_ms: u64, plan: &mut Plan) {
    let all = dice.between(profile.records());
    let producers: Vec<String> = plan.producers.iter().map(|p| p.name.clone()).collect();
    let each = (all / u64::try_from(producers.len().max(1)).unwrap_or(1)).max(1);
    for producer in &producers {
        load(dice, profile, producer, (each, window_ms), plan);
    }
}

fn load(
    dice: &mut Dice,
    profile: Profile,
    producer: &str,
    (records, window_ms): (u64, u64),
    plan: &mut Plan,
) {
    let topic = plan.topics[dice.index(plan.topics.len())].topic.clone();
    let routing = dice.pick(&[
        Routing::Sticky,
        Routing::Keys(1),
        Routing::Keys(5),
        Routing::Named,
    ]);
    let burst = dice.pick(&[1, 1, 1, 3, 10]).min(records);
    let numbers: Vec<i32> = partitions(plan)
        .iter()
        .filter(|(partition, _)| partition.topic == topic)
        .map(|(partition, _)| partition.partition)
        .collect();
    // Long values fill segments, requests and links.
    let padding = if dice.percent(25) {
        format!(" {}", ".".repeat(dice.count(50..=150)))
    } else {
        String::new()
    };
    let sends = records.div_ceil(burst);
    let moments = moments(plan);
    let (often, near) = profile.gathers();
    let gathers = !moments.is_empty() && dice.percent(often);
    let mut times: Vec<u64> = (0..sends)
        .map(|_| match gathers {
            true if profile.is_model() => dice.pick(&moments) + dice.between(1..=near),
            true => dice.pick(&moments) + dice.span_ms(1..=near),
            false => dice.between(0..=window_ms),
        })
        .collect();
    times.sort_unstable();
    for (nth, ms) in (0..).zip(times) {
        let first = nth * burst;
        let values = (first..records.min(first + burst)).map(|n| {
            let number = n + 1;
            format!("{producer}-{number}{padding}")
        });
        let (partition, key) = match routing {
            Routing::Sticky => (None, None),
            Routing::Keys(keys) => (None, Some(format!("k{}", dice.between(1..=keys)))),
            Routing::Named => (Some(dice.pick(&numbers)), None),
        };
        let action = Action::Send {
            producer: producer.to_owned(),
            topic: topic.clone(),
            partition,
            key,
            values: values.collect(),
        };
        plan.timeline.push(Step {
            when: When::After { ms },
            action: Some(action),
            for_ms: None,
            may_miss: false,
        });
    }
}

/// When faults begin and end.
fn moments(plan: &Plan) -> Vec<u64> {
    let mut moments = Vec::new();
    for step in &plan.timeline {
        let fault = step.action.as_ref().is_some_and(Action::is_fault);
        if let (true, When::After { ms }) = (fault, &step.when) {
            moments.push(*ms);
            moments.extend(step.for_ms.map(|length| ms + length));
        }
    }
    moments
}
