//! How numbers, picks and chances are drawn.

use ktrial_core::Random;
use std::ops::RangeInclusive;

/// Draws for one purpose.
pub(super) struct Dice(Random);

impl Dice {
    /// The dice of one purpose under a seed.
    pub(super) fn new(seed: u64, purpose: &str) -> Self {
        Self(Random::stream(seed, &format!("fuzz {purpose}")))
    }

    /// A number of the range, evenly.
    pub(super) fn between(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = range.into_inner();
        low + self.0.below(high.saturating_sub(low) + 1)
    }

    /// A count of the range, evenly.
    pub(super) fn count(&mut self, range: RangeInclusive<usize>) -> usize {
        let (low, high) = range.into_inner();
        low + self.index(high.saturating_sub(low) + 1)
    }

    /// True so many times of a hundred.
    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.0.chance(percent, 100)
    }

    /// A place in a list of this length.
    pub(super) fn index(&mut self, length: usize) -> usize {
        let end = u64::try_from(length).unwrap_or(u64::MAX);
        usize::try_from(self.0.below(end)).unwrap_or(0)
    }

    /// One of these, which are not none.
    pub(super) fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.index(items.len())].clone()
    }

    /// So many of these, in random order.
    pub(super) fn some<T: Clone>(&mut self, items: &[T], count: usize) -> Vec<T> {
        let mut items = items.to_vec();
        for place in 0..count.min(items.len()) {
            let other = place + self.index(items.len() - place);
            items.swap(place, other);
        }
        items.truncate(count);
        items
    }

    /// A time of the range in milliseconds, short ones as often as long ones: each doubling is as likely.
    pub(super) fn span_ms(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = range.into_inner();
        let low = low.max(1);
        let doublings = u64::from((high / low).max(1).ilog2());
        let floor = low << self.between(0..=doublings);
        self.between(floor..=(2 * floor).min(high.max(floor)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_in_their_range_and_reach_its_ends() {
        let mut dice = Dice::new(1, "test");
        let drawn: Vec<u64> = (0..200).map(|_| dice.between(3..=5)).collect();
        assert!((3..=5).all(|n| drawn.contains(&n)) && drawn.iter().all(|n| (3..=5).contains(n)));
        for _ in 0..200 {
            assert!((100..=20_000).contains(&dice.span_ms(100..=20_000)));
            let some = dice.some(&[1, 2, 3, 4], 2);
            assert!(some.len() == 2 && some[0] != some[1]);
        }
        assert_eq!(dice.some(&[7], 3), [7]);
    }
}
