//! Where new partitions go: round robin over the racks, and within a rack over its brokers, from random
//! starts and live ones first.
//!
//! The leader is always on a broker that is not fenced; no two replicas share a broker, nor, while there
//! are other racks with brokers left, a rack. When as many partitions were placed as there are live
//! brokers, racks and brokers are shuffled, so that the same lists do not come again.
//!
//! Brokers of which no rack is known stand in one of their own.
//!
//! Simplified: Kafka draws from `java.util.Random`; here the draws are ours. One rack alone draws nothing.
//! Source: `StripedReplicaPlacer.place`, `RackList`.
//! Next: `topics.rs`.

use crate::id::BrokerId;
use crate::random::Random;
use std::collections::BTreeMap;

/// A list of brokers that is walked once per partition, each time one further.
#[derive(Clone, Debug, Default)]
struct BrokerList {
    brokers: Vec<BrokerId>,
    index: usize,
    offset: usize,
    epoch: usize,
}

impl BrokerList {
    fn new(mut brokers: Vec<BrokerId>, random: &mut Random) -> Self {
        brokers.sort();
        let offset = if brokers.is_empty() {
            0
        } else {
            below(random, brokers.len())
        };
        Self {
            brokers,
            offset,
            ..Self::default()
        }
    }

    fn next(&mut self, epoch: usize) -> Option<BrokerId> {
        if self.brokers.is_empty() {
            return None;
        }
        if self.epoch != epoch {
            self.epoch = epoch;
            self.index = 0;
            self.offset = (self.offset + 1) % self.brokers.len();
        }
        if self.index >= self.brokers.len() {
            return None;
        }
        let broker = self.brokers[(self.index + self.offset) % self.brokers.len()];
        self.index += 1;
        Some(broker)
    }

    /// Source: `Collections.shuffle`.
    fn shuffle(&mut self, random: &mut Random) {
        for end in (2..=self.brokers.len()).rev() {
            self.brokers.swap(end - 1, below(random, end));
        }
    }
}

/// The brokers of one rack.
#[derive(Clone, Debug, Default)]
struct Rack {
    fenced: BrokerList,
    unfenced: BrokerList,
}

impl Rack {
    fn new(brokers: &[(BrokerId, bool)], random: &mut Random) -> Self {
        let ids = |wanted: bool| {
            let list = brokers.iter().filter(|(_, fenced)| *fenced == wanted);
            list.map(|(id, _)| *id).collect()
        };
        Self {
            fenced: BrokerList::new(ids(true), random),
            unfenced: BrokerList::new(ids(false), random),
        }
    }

    fn next(&mut self, epoch: usize) -> Option<BrokerId> {
        self.unfenced
            .next(epoch)
            .or_else(|| self.fenced.next(epoch))
    }
}

/// A broker's rack, the broker, and whether it is fenced.
pub(crate) type Usable = (Option<String>, BrokerId, bool);

/// The replicas of each of `partitions`.
///
/// # Errors
/// Why it cannot be, in words.
pub(crate) fn place(
    usable: impl Iterator<Item = Usable>,
    partitions: usize,
    replicas: usize,
    random: &mut Random,
) -> Result<Vec<Vec<BrokerId>>, String> {
    let mut by_rack: BTreeMap<Option<String>, Vec<(BrokerId, bool)>> = BTreeMap::new();
    for (rack, id, fenced) in usable {
        by_rack.entry(rack).or_default().push((id, fenced));
    }
    let brokers = || by_rack.values().flatten();
    let live = brokers().filter(|(_, fenced)| !fenced).count();
    if live == 0 {
        return Err("all brokers are fenced".to_owned());
    }
    let total = brokers().count();
    if replicas > total {
        return Err(format!("only {total} broker(s) are registered"));
    }
    let racks = by_rack.values().map(|rack| Rack::new(rack, random));
    let mut racks: Vec<Rack> = racks.collect();
    let mut offset = match racks.len() {
        1 => 0,
        several => below(random, several),
    };
    let mut placed = Vec::with_capacity(partitions);
    let mut epoch = 0;
    for _ in 0..partitions {
        if epoch == live && live > 1 {
            shuffle(&mut racks, random);
            epoch = 0;
        }
        offset %= racks.len();
        placed.push(stripe(&mut racks, offset, epoch, replicas));
        epoch += 1;
        offset += 1;
    }
    Ok(placed)
}

fn shuffle(racks: &mut [Rack], random: &mut Random) {
    for end in (2..=racks.len()).rev() {
        racks.swap(end - 1, below(random, end));
    }
    for rack in racks {
        rack.fenced.shuffle(random);
        rack.unfenced.shuffle(random);
    }
}

/// One partition: a live leader, then one broker of each rack in turn, as often as there are enough.
fn stripe(racks: &mut [Rack], offset: usize, epoch: usize, replicas: usize) -> Vec<BrokerId> {
    let count = racks.len();
    let turn = |place: usize| (offset + place) % count;
    let mut brokers = Vec::with_capacity(replicas);
    // The rack of the leader has had its turn in the first round.
    let mut first = (0..count).map(turn).find(|index| {
        let leader = racks[*index].unfenced.next(epoch);
        brokers.extend(leader);
        leader.is_some()
    });
    let mut empty = 0;
    for index in (0..).map(turn) {
        if brokers.len() >= replicas || empty > count {
            break;
        }
        if first == Some(index) {
            first = None;
            continue;
        }
        match racks[index].next(epoch) {
            Some(broker) => {
                brokers.push(broker);
                empty = 0;
            }
            None => empty += 1,
        }
    }
    brokers
}

fn below(random: &mut Random, end: usize) -> usize {
    let end = u64::try_from(end).unwrap_or(u64::MAX);
    usize::try_from(random.below(end)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn brokers(live: i32, fenced: i32) -> impl Iterator<Item = Usable> {
        (1..=live + fenced).map(move |id| (None, BrokerId(id), id > live))
    }

    /// Brokers 1, 2, 3 and so on in the racks a, b, c in turn.
    fn in_racks(brokers: i32, racks: i32) -> impl Iterator<Item = Usable> {
        (1..=brokers).map(move |id| {
            let rack = char::from_u32(97 + u32::try_from(id % racks).unwrap());
            (rack.map(String::from), BrokerId(id), false)
        })
    }

    #[test]
    fn replicas_are_spread_over_racks_and_leaders_too() {
        for seed in 0..20 {
            let mut random = Random::stream(seed, "placement");
            let placed = place(in_racks(6, 3), 12, 3, &mut random).unwrap();
            let mut leaders = BTreeMap::new();
            for replicas in placed {
                let racks: BTreeSet<i32> = replicas.iter().map(|id| id.0 % 3).collect();
                assert_eq!(racks.len(), 3, "{replicas:?}");
                *leaders.entry(replicas[0]).or_insert(0) += 1;
            }
            assert!(leaders.values().all(|count| *count == 2), "{leaders:?}");
        }
    }

    #[test]
    fn more_replicas_than_racks_are_on_different_brokers() {
        let mut random = Random::stream(1, "placement");
        for replicas in place(in_racks(5, 2), 10, 4, &mut random).unwrap() {
            assert_eq!(replicas.iter().collect::<BTreeSet<_>>().len(), 4);
            let even = replicas.iter().filter(|id| id.0 % 2 == 0).count();
            assert_eq!(even, 2, "{replicas:?}");
        }
    }

    #[test]
    fn a_rack_without_live_brokers_has_no_leader() {
        let usable = || in_racks(4, 2).map(|(rack, id, _)| (rack, id, id.0 % 2 == 0));
        let mut random = Random::stream(1, "placement");
        for replicas in place(usable(), 8, 2, &mut random).unwrap() {
            assert_eq!(replicas[0].0 % 2, 1, "{replicas:?}");
            assert_eq!(replicas[1].0 % 2, 0, "{replicas:?}");
        }
    }

    #[test]
    fn leaders_are_live_and_replicas_on_different_brokers() {
        for seed in 0..50 {
            let mut random = Random::stream(seed, "placement");
            let placed = place(brokers(3, 2), 20, 4, &mut random).unwrap();
            assert_eq!(placed.len(), 20);
            for replicas in placed {
                assert_eq!(replicas.iter().collect::<BTreeSet<_>>().len(), 4);
                assert!(replicas[..3].iter().all(|broker| broker.0 <= 3));
            }
        }
    }

    #[test]
    fn leaderships_are_spread_evenly() {
        let placed = place(brokers(3, 0), 9, 2, &mut Random::stream(1, "placement")).unwrap();
        for broker in 1..=3 {
            let leads = placed
                .iter()
                .filter(|replicas| replicas[0] == BrokerId(broker));
            assert_eq!(leads.count(), 3);
        }
    }

    #[test]
    fn too_few_brokers_are_told() {
        let mut random = Random::stream(1, "placement");
        assert!(place(brokers(1, 1), 1, 3, &mut random).is_err());
        assert!(place(brokers(0, 2), 1, 1, &mut random).is_err());
        assert_eq!(place(brokers(1, 0), 5, 1, &mut random).unwrap().len(), 5);
    }
}
