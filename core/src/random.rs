//! Randomness as a value: a generator that is given to a machine at its construction.
//!
//! Every purpose draws from a ChaCha stream of its own, derived from the trial's seed and a label.
//! What one purpose draws, or that it is switched off and draws nothing, changes no other stream.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::time::Duration;

/// A generator of one purpose.
#[derive(Clone, Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream of `label` (such as `disk b1`) under `seed`.
    pub fn stream(seed: u64, label: &str) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(fnv1a(label));
        Self(generator)
    }

    /// A stream for a part of this one's purpose. Draws nothing from this one.
    #[must_use]
    pub fn part(&self, label: &str) -> Self {
        let mut generator = self.0.clone();
        generator.set_stream(generator.get_stream() ^ fnv1a(label));
        generator.set_word_pos(0);
        Self(generator)
    }

    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number from 0 to `end` - 1, evenly; 0 if `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        // The high half of the product: even to 1 in 2^64 / end, and one draw for each call.
        let product = u128::from(self.draw()) * u128::from(end);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// True `numerator` times of `denominator`.
    pub fn chance(&mut self, numerator: u64, denominator: u64) -> bool {
        self.below(denominator) < numerator
    }

    /// `base` changed by up to `percent` of it in either direction, in microseconds.
    pub fn jitter(&mut self, base: Duration, percent: u64) -> Duration {
        let base = u64::try_from(base.as_micros()).unwrap_or(u64::MAX);
        let spread = base / 100 * percent;
        Duration::from_micros(base - spread + self.below(2 * spread + 1))
    }
}

/// FNV-1a: a fixed, simple hash of a label.
fn fnv1a(label: &str) -> u64 {
    label.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_seed_and_label_alone() {
        let draw = |seed, label| Random::stream(seed, label).draw();
        assert_eq!(draw(1, "disk b1"), draw(1, "disk b1"));
        assert_ne!(draw(1, "disk b1"), draw(1, "disk b2"));
        assert_ne!(draw(1, "disk b1"), draw(2, "disk b1"));
        let mut whole = Random::stream(1, "disk b1");
        let mut part = whole.part("fsync");
        assert_ne!(part.draw(), draw(1, "disk b1"));
        assert_eq!(whole.draw(), draw(1, "disk b1"), "a part takes nothing");
        assert_eq!(part.draw(), {
            let mut again = whole.part("fsync");
            again.draw();
            again.draw()
        });
    }

    #[test]
    fn ranges_are_kept() {
        let mut random = Random::stream(7, "test");
        for _ in 0..1_000 {
            assert!(random.below(3) < 3);
            let jittered = random.jitter(Duration::from_millis(100), 20);
            assert!((80..=120).contains(&jittered.as_millis()));
        }
        assert_eq!(random.below(0), 0);
    }
}
