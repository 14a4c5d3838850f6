//! The replica fetchers of a broker: one for each broker that leads a partition which this one follows.
//!
//! A broker of a large cluster has many, and most inputs concern one of them. So the one that owns a
//! connection is found without asking each, and only those that were touched tell their deadline again.
//!
//! Invariants: a fetcher that is not among the touched has the connection and the deadline that it had when
//! it was last asked.
//! Source: `AbstractFetcherManager.fetcherThreadMap`. Next: `fetcher.rs`.

use super::fetcher::ReplicaFetcher;
use crate::id::{BrokerId, ConnectionId};
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// All replica fetchers of a broker, by their source.
#[derive(Debug, Default)]
pub(super) struct Fetchers {
    all: BTreeMap<BrokerId, ReplicaFetcher>,
    /// Those that may have changed, some more than once.
    touched: Vec<BrokerId>,
    /// Whose a connection is, or was until lately.
    connections: BTreeMap<ConnectionId, BrokerId>,
}

impl Fetchers {
    /// The fetcher from this source, if there is one.
    pub(super) fn get_mut(&mut self, source: BrokerId) -> Option<&mut ReplicaFetcher> {
        let fetcher = self.all.get_mut(&source)?;
        self.touched.push(source);
        Some(fetcher)
    }

    /// The fetcher from this source.
    pub(super) fn from(&mut self, source: BrokerId) -> &mut ReplicaFetcher {
        self.touched.push(source);
        let fetcher = self.all.entry(source);
        fetcher.or_insert_with(|| ReplicaFetcher::new(source))
    }

    /// All of them.
    pub(super) fn each(&mut self) -> impl Iterator<Item = &mut ReplicaFetcher> {
        self.touch_all();
        self.all.values_mut()
    }

    /// All of them may have changed.
    pub(super) fn touch_all(&mut self) {
        self.touched.extend(self.all.keys());
    }

    /// The source of the fetcher whose connection this is.
    pub(super) fn owner(&self, connection: ConnectionId) -> Option<BrokerId> {
        let known = self.connections.get(&connection);
        let mut candidates = known.into_iter().chain(&self.touched);
        let owns = |source: &&BrokerId| {
            let fetcher = self.all.get(source);
            fetcher.is_some_and(|fetcher| fetcher.connection() == Some(connection))
        };
        candidates.find(owns).copied()
    }

    /// When each of them wants waking.
    pub(super) fn deadlines(&self) -> impl Iterator<Item = (BrokerId, Option<Timestamp>)> {
        let all = self.all.iter();
        all.map(|(source, fetcher)| (*source, fetcher.next_deadline()))
    }

    /// When each of those that were touched since this was last asked wants waking.
    pub(super) fn moved_deadlines(&mut self, mut visit: impl FnMut(BrokerId, Option<Timestamp>)) {
        self.touched.sort_unstable();
        self.touched.dedup();
        for source in self.touched.drain(..) {
            let Some(fetcher) = self.all.get(&source) else {
                continue;
            };
            visit(source, fetcher.next_deadline());
            if let Some(connection) = fetcher.connection()
                && self.connections.insert(connection, source).is_none()
            {
                self.connections
                    .retain(|one, owner| *owner != source || *one == connection);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(fetchers: &mut Fetchers) -> Vec<BrokerId> {
        let mut moved = Vec::new();
        fetchers.moved_deadlines(|source, _| moved.push(source));
        moved
    }

    #[test]
    fn who_was_touched_is_asked_for_its_deadline_once() {
        let [one, two, three] = [1, 2, 3].map(BrokerId);
        let mut fetchers = Fetchers::default();
        for source in [three, one, two, one] {
            fetchers.from(source);
        }
        assert_eq!(moved(&mut fetchers), [one, two, three]);
        assert_eq!(moved(&mut fetchers), []);
        assert!(fetchers.get_mut(two).is_some());
        assert!(fetchers.get_mut(BrokerId(9)).is_none());
        assert_eq!(moved(&mut fetchers), [two]);
        fetchers.touch_all();
        assert_eq!(moved(&mut fetchers), [one, two, three]);
    }
}
