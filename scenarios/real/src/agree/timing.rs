//! Whether two sequences of a partition's states differ in timing alone.
//!
//! A *reign* is the longest run of states with one leader (or none) in one leader epoch. Two sequences
//! differ in timing alone if they have the same reigns in the same order, and each pair of reigns
//! 1. begins with the same state: the election had the same result;
//! 2. ends with the same state: the next election had the same to choose from;
//! 3. has the same moves of each broker: it joined and left the ISR as often. What differs is the order
//!    of moves of different brokers, how many of them were written at once, and states written twice.
//!
//! So an epoch that is raised on one side only is a difference, as are a broker that leaves the ISR and
//! comes back on one side only, another ISR or ELR at an election, and a recovery that never ends.
//! Simplified: what ELR and recovery state go through within a reign is not compared, for it depends
//! on which moves were written at once.
//! Next: `difference.rs`.

use super::outcome::State;
use ktrial_core::BrokerId;
use std::collections::BTreeMap;

/// Where two sequences part: the index in each; `None` = they are equal.
pub(super) fn parting(left: &[State], right: &[State]) -> Option<(usize, usize)> {
    let common = left.iter().zip(right).take_while(|(l, r)| l == r).count();
    (common < left.len() || common < right.len()).then_some((common, common))
}

/// Where two sequences part otherwise than in timing.
pub(super) fn parting_but_for_timing(left: &[State], right: &[State]) -> Option<(usize, usize)> {
    let (lefts, rights) = (reigns(left), reigns(right));
    let alike = |(l, r): &(&&[State], &&[State])| alike_but_for_timing(l, r);
    let common = lefts.iter().zip(&rights).take_while(alike).count();
    if common == lefts.len() && common == rights.len() {
        return None;
    }
    // Past the reigns that are alike, the first states that are not.
    let before = |reigns: &[&[State]]| reigns.iter().take(common).map(|reign| reign.len()).sum();
    let (l, r): (usize, usize) = (before(&lefts), before(&rights));
    let rest = |states: &[State], from: usize| states.get(from..).unwrap_or_default().to_vec();
    let (common, _) = parting(&rest(left, l), &rest(right, r)).unwrap_or_default();
    Some((l + common, r + common))
}

fn reigns(states: &[State]) -> Vec<&[State]> {
    let same = |a: &State, b: &State| (a.leader, a.leader_epoch) == (b.leader, b.leader_epoch);
    states.chunk_by(same).collect()
}

fn alike_but_for_timing(left: &[State], right: &[State]) -> bool {
    let ends = |states: &[State]| (states.first().map(sorted), states.last().map(sorted));
    ends(left) == ends(right) && moves(left) == moves(right)
}

fn sorted(state: &State) -> State {
    let mut state = state.clone();
    state.isr.sort_unstable();
    state
}

/// How often each broker joined and left the ISR. Joining and leaving take turns, and the ends are the
/// same: so the number of moves says all.
fn moves(states: &[State]) -> BTreeMap<BrokerId, usize> {
    let mut moves = BTreeMap::new();
    for pair in states.windows(2) {
        let [before, after] = pair else { continue };
        let left = before
            .isr
            .iter()
            .filter(|broker| !after.isr.contains(broker));
        let joined = after
            .isr
            .iter()
            .filter(|broker| !before.isr.contains(broker));
        for broker in left.chain(joined) {
            *moves.entry(*broker).or_default() += 1;
        }
    }
    moves
}
