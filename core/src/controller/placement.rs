//! Where new partitions go: round robin over the brokers from a random start, live ones first.
//!
//! The leader is always on a broker that is not fenced; no two replicas share a broker. When as many
//! partitions were placed as there are live brokers, the brokers are shuffled, so that the same lists
//! do not come again.
//!
//! Simplified: one rack. Kafka draws from `java.util.Random`; here the draws are ours.
//! Source: `StripedReplicaPlacer.place`.
//! Next: `topics.rs`.

use crate::id::BrokerId;
use crate::random::Random;

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

/// The replicas of each of `partitions`, from brokers and whether each is fenced.
///
/// # Errors
/// Why it cannot be, in words.
pub(super) fn place(
    usable: impl Iterator<Item = (BrokerId, bool)>,
    partitions: usize,
    replicas: usize,
    random: &mut Random,
) -> Result<Vec<Vec<BrokerId>>, String> {
    let (fenced, unfenced): (Vec<_>, Vec<_>) = usable.partition(|(_, fenced)| *fenced);
    let ids = |list: Vec<(BrokerId, bool)>| list.into_iter().map(|(id, _)| id).collect();
    let mut fenced = BrokerList::new(ids(fenced), random);
    let mut unfenced = BrokerList::new(ids(unfenced), random);
    let live = unfenced.brokers.len();
    if live == 0 {
        return Err("all brokers are fenced".to_owned());
    }
    let total = live + fenced.brokers.len();
    if replicas > total {
        return Err(format!("only {total} broker(s) are registered"));
    }
    let mut placed = Vec::with_capacity(partitions);
    let mut epoch = 0;
    for _ in 0..partitions {
        if epoch == live && live > 1 {
            fenced.shuffle(random);
            unfenced.shuffle(random);
            epoch = 0;
        }
        let mut next = || unfenced.next(epoch).or_else(|| fenced.next(epoch));
        placed.push((0..replicas).map_while(|_| next()).collect());
        epoch += 1;
    }
    Ok(placed)
}

fn below(random: &mut Random, end: usize) -> usize {
    let end = u64::try_from(end).unwrap_or(u64::MAX);
    usize::try_from(random.below(end)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn brokers(live: i32, fenced: i32) -> impl Iterator<Item = (BrokerId, bool)> {
        (1..=live + fenced).map(move |id| (BrokerId(id), id > live))
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
