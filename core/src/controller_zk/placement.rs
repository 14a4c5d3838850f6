//! Where new partitions go with ZooKeeper: round robin over the brokers, racks in turn.
//!
//! The brokers stand in a row, one of each rack in turn. Partition N is led by the one N places after the
//! start; its followers are those a shift further on, which grows by one with each round. A rack that has a
//! replica is passed over while another has none.
//!
//! Partitions that are added to a topic begin where its first partition is: nothing is drawn.
//!
//! Simplified: brokers of which no rack is known stand in one of their own, where Kafka refuses to mix. New
//! topics are placed as with KRaft.
//! Source: `AdminUtils.assignReplicasToBrokers`, `getRackAlternatedBrokerList`, `replicaIndex`.
//! Next: `partitions.rs`.

use crate::id::BrokerId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

type Rack = Option<String>;

/// The live brokers, with their racks.
pub(super) type Live = BTreeMap<BrokerId, Rack>;

/// The replicas of partitions `first..end`, `factor` of each; `start` is where the row begins.
///
/// # Errors
/// There are not as many brokers.
pub(super) fn place(
    live: &Live,
    (first, end): (usize, usize),
    factor: usize,
    start: usize,
) -> Result<Vec<Vec<BrokerId>>, String> {
    let row = row(live);
    if factor > row.len() {
        let have = row.len();
        return Err(format!(
            "Replication factor: {factor} larger than available brokers: {have}."
        ));
    }
    let rounds = |partition: usize| partition / row.len() - first.saturating_sub(1) / row.len();
    let replicas = |partition| replicas(&row, factor, partition + start, start + rounds(partition));
    Ok((first..end).map(replicas).collect())
}

/// Where a row begins whose partition 0 is led by this broker.
pub(super) fn start(live: &Live, leader: BrokerId) -> usize {
    live.keys().position(|id| *id >= leader).unwrap_or(0)
}

/// The brokers, one of each rack in turn.
fn row(live: &Live) -> Vec<(BrokerId, &Rack)> {
    let mut racks: BTreeMap<&Rack, VecDeque<BrokerId>> = BTreeMap::new();
    for (id, rack) in live {
        racks.entry(rack).or_default().push_back(*id);
    }
    let mut row = Vec::with_capacity(live.len());
    while row.len() < live.len() {
        for (rack, brokers) in &mut racks {
            row.extend(brokers.pop_front().map(|id| (id, *rack)));
        }
    }
    row
}

fn replicas(row: &[(BrokerId, &Rack)], factor: usize, place: usize, shift: usize) -> Vec<BrokerId> {
    let racks = row.iter().map(|(_, rack)| rack).collect::<BTreeSet<_>>();
    let lead = place % row.len();
    let (leader, rack) = row[lead];
    let (mut chosen, mut used) = (vec![leader], BTreeSet::from([rack]));
    // In so many steps each of the others has its turn, at the latest when every rack has a replica.
    let others = (0..2 * row.len()).map(|step| {
        let distance = 1 + (shift * racks.len() + step) % (row.len() - 1).max(1);
        row[(lead + distance) % row.len()]
    });
    for (broker, rack) in others {
        let free = !used.contains(rack) || used.len() == racks.len();
        if chosen.len() < factor && free && !chosen.contains(&broker) {
            chosen.push(broker);
            used.insert(rack);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(racks: &[Option<&str>]) -> Live {
        let ids = (1..).map(BrokerId);
        ids.zip(racks.iter().map(|rack| rack.map(str::to_owned)))
            .collect()
    }

    fn numbers(placed: Vec<Vec<BrokerId>>) -> Vec<Vec<i32>> {
        let numbers = |list: Vec<BrokerId>| list.iter().map(|id| id.0).collect();
        placed.into_iter().map(numbers).collect()
    }

    #[test]
    fn a_row_of_brokers_and_a_shift_that_grows() {
        // `AdminUtils` has this table in its comment, for brokers 0 to 4 and a start of 0.
        let live = live(&[None; 5]);
        let expected: [&[i32]; 10] = [
            &[1, 2, 3],
            &[2, 3, 4],
            &[3, 4, 5],
            &[4, 5, 1],
            &[5, 1, 2],
            &[1, 3, 4],
            &[2, 4, 5],
            &[3, 5, 1],
            &[4, 1, 2],
            &[5, 2, 3],
        ];
        let placed = place(&live, (0, 10), 3, 0).unwrap();
        assert_eq!(numbers(placed), expected);
        // Later partitions alone: the shift begins anew.
        let later = place(&live, (3, 7), 3, 0).unwrap();
        assert_eq!(numbers(later), expected[3..7]);
        let anew = place(&live, (6, 8), 3, 0).unwrap();
        assert_eq!(numbers(anew), [[2, 3, 4], [3, 4, 5]]);
    }

    #[test]
    fn racks_have_replicas_in_turn() {
        let racks = ["a", "a", "b", "b", "c", "c"].map(Some);
        let live = live(&racks);
        let row: Vec<i32> = row(&live).iter().map(|(id, _)| id.0).collect();
        assert_eq!(row, [1, 3, 5, 2, 4, 6]);
        for list in place(&live, (0, 12), 3, 0).unwrap() {
            let used: BTreeSet<&Rack> = list.iter().map(|id| &live[id]).collect();
            assert_eq!(used.len(), 3, "{list:?}");
        }
        for list in place(&live, (0, 12), 5, 2).unwrap() {
            assert_eq!(list.iter().collect::<BTreeSet<_>>().len(), 5, "{list:?}");
        }
    }

    #[test]
    fn the_row_begins_where_the_first_partition_is() {
        let live = live(&[None; 3]);
        assert_eq!(start(&live, BrokerId(2)), 1);
        assert_eq!(start(&live, BrokerId(9)), 0, "it is away");
        let placed = place(&live, (1, 3), 2, 1).unwrap();
        assert_eq!(numbers(placed), [[3, 2], [1, 3]]);
        assert_eq!(place(&live, (0, 1), 1, 5).unwrap().len(), 1);
        assert!(place(&live, (0, 1), 4, 0).is_err());
    }
}
