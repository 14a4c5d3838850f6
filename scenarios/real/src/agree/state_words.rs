//! In what two sequences of a partition's states part, as a sentence.
//!
//! Next: `reasons.rs`.

use super::outcome::State;
use super::words;
use ktrial_core::TopicPartition;

/// The sentence. Each side is given as its states and the index at which they part.
pub(super) fn sentence(
    partition: &TopicPartition,
    place: &str,
    (simulated, left): (&[State], usize),
    (real, right): (&[State], usize),
) -> String {
    let before = right.checked_sub(1).and_then(|index| real.get(index));
    let says = match (simulated.get(left), real.get(right)) {
        (Some(simulated), Some(real)) => both(partition, place, before, simulated, real),
        (None, Some(real)) => format!(
            "{place} went on to {} for {partition}; simulated there was no further change",
            words::state(real)
        ),
        (Some(simulated), None) if before.is_none() => format!(
            "nothing is known of what the controller of {place} wrote about {partition}; simulated it \
             began with {}",
            words::state(simulated)
        ),
        (Some(simulated), None) => format!(
            "{place} wrote no further change of {partition}; simulated it went on to {}",
            words::state(simulated)
        ),
        (None, None) => format!("{place} wrote the changes of {partition} in another order"),
    };
    let after = real.get(right).or_else(|| simulated.get(left));
    match after.and_then(|state| state.after.as_ref()) {
        Some(after) => format!("after \"{after}\", {says}"),
        None => says,
    }
}

fn both(
    partition: &TopicPartition,
    place: &str,
    before: Option<&State>,
    simulated: &State,
    real: &State,
) -> String {
    let same_leader = simulated.leader == real.leader;
    if same_leader && simulated.leader_epoch != real.leader_epoch && same_lists(simulated, real) {
        return epoch(partition, place, before, simulated, real);
    }
    if !same_leader {
        return format!(
            "{} led {partition} on {place} ({}), {} simulated ({})",
            words::leader(real),
            words::state(real),
            words::leader(simulated),
            words::state(simulated)
        );
    }
    let (real, simulated) = (words::state(real), words::state(simulated));
    format!("{partition} became {real} on {place}, {simulated} simulated")
}

fn same_lists(simulated: &State, real: &State) -> bool {
    let of = |state: &State| {
        let mut isr = state.isr.clone();
        isr.sort_unstable();
        (
            isr,
            state.elr.clone(),
            state.last_known_elr.clone(),
            state.recovering,
        )
    };
    of(simulated) == of(real)
}

/// Leader and ISR are the same: only the epoch differs.
fn epoch(
    partition: &TopicPartition,
    place: &str,
    before: Option<&State>,
    simulated: &State,
    real: &State,
) -> String {
    let left = before.map(|before| {
        let gone = before
            .isr
            .iter()
            .filter(|broker| !real.isr.contains(broker));
        gone.copied().collect::<Vec<_>>()
    });
    let when = match left.as_deref() {
        Some([]) | None => String::new(),
        Some([broker]) => format!(" when broker {broker} left the ISR"),
        Some(brokers) => format!(" when {} left the ISR", words::of_brokers(brokers)),
    };
    let was = before.map_or(real.leader_epoch, |before| before.leader_epoch);
    let (of_real, of_simulated) = (real.leader_epoch, simulated.leader_epoch);
    let said = |epoch| if epoch == was { "stayed" } else { "became" };
    if of_real > was && of_simulated == was {
        return format!(
            "{place} raised the leader epoch of {partition} to {of_real}{when}; simulated it stayed \
             {of_simulated}"
        );
    }
    format!(
        "the leader epoch of {partition} {} {of_real} on {place}{when}; simulated it {} {of_simulated}",
        said(of_real),
        said(of_simulated)
    )
}
