//! How long something takes, drawn in whole numbers: floating point may differ from machine to machine.
//!
//! What is fixed draws nothing, so a delay that is always the same shifts nothing else.
//!
//! Source: ours; the exponential distribution without a logarithm is John von Neumann's ("Various
//! techniques used in connection with random digits", 1951).
//!
//! Next: `link.rs`.

use crate::plan::Latency;
use ktrial_core::Random;

impl Latency {
    /// Draws one, in microseconds.
    pub fn draw(self, random: &mut Random) -> u64 {
        draw(random, self)
    }
}

/// A latency in microseconds.
pub(super) fn draw(random: &mut Random, latency: Latency) -> u64 {
    match latency {
        Latency::Fixed { us } => us,
        Latency::Uniform { min_us, max_us } if max_us > min_us => {
            min_us + random.below((max_us - min_us).saturating_add(1))
        }
        Latency::Uniform { min_us, .. } => min_us,
        Latency::Exponential { min_us, mean_us } => {
            min_us.saturating_add(exponential(random, mean_us))
        }
    }
}

/// A number of an exponential distribution.
///
/// Draws numbers from 0 to 1 as long as each is below the one before. A run that began at `x` has an odd
/// length with probability exp(-x): then `x` is the part after the point. Each even run adds one.
fn exponential(random: &mut Random, mean: u64) -> u64 {
    const ONE: u64 = 1 << 32;
    if mean == 0 {
        return 0;
    }
    let mut whole = 0;
    loop {
        let first = random.below(ONE);
        let mut last = first;
        let mut odd = true;
        loop {
            let next = random.below(ONE);
            if next >= last {
                break;
            }
            last = next;
            odd = !odd;
        }
        if odd {
            let part = u128::from(mean) * u128::from(first) / u128::from(ONE);
            let part = u64::try_from(part).unwrap_or(mean);
            return mean.saturating_mul(whole).saturating_add(part);
        }
        whole += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u64 = 200_000;
    const MEAN: u64 = 1_000_000;

    fn exponentials() -> Vec<u64> {
        let mut random = Random::stream(1, "latency");
        (0..DRAWS).map(|_| exponential(&mut random, MEAN)).collect()
    }

    /// 200 000 draws: the standard deviation of their mean is 0.22 % of it.
    #[test]
    fn an_exponential_has_its_mean_and_its_spread() {
        let drawn = exponentials();
        let mean = drawn.iter().sum::<u64>() / DRAWS;
        assert!((990_000..1_010_000).contains(&mean), "{mean}");
        let squares = drawn.iter().map(|d| u128::from(d.abs_diff(MEAN)).pow(2));
        // The variance is the square of the mean.
        let variance = squares.sum::<u128>() / u128::from(DRAWS);
        let expected = u128::from(MEAN).pow(2);
        assert!(variance.abs_diff(expected) < expected / 30, "{variance}");
    }

    /// Beyond each mark lies its share: exp(-mark), in ten thousandths.
    #[test]
    fn an_exponential_has_its_shape() {
        let drawn = exponentials();
        for (mark, share) in [
            (MEAN / 10, 9_048),
            (MEAN * 693_147 / 1_000_000, 5_000),
            (MEAN, 3_679),
            (MEAN * 3 / 2, 2_231),
            (MEAN * 2, 1_353),
            (MEAN * 3, 498),
            (MEAN * 5, 67),
        ] {
            let beyond = drawn.iter().filter(|d| **d >= mark).count() as u64;
            let found = beyond * 10_000 / DRAWS;
            assert!(found.abs_diff(share) <= 45, "{mark}: {found} for {share}");
        }
    }

    #[test]
    fn what_is_fixed_draws_nothing() {
        let mut random = Random::stream(1, "latency");
        let mut same = random.clone();
        let fixed = [
            Latency::Fixed { us: 7 },
            Latency::Uniform {
                min_us: 7,
                max_us: 7,
            },
            Latency::Exponential {
                min_us: 7,
                mean_us: 0,
            },
        ];
        for latency in fixed {
            assert_eq!(draw(&mut random, latency), 7);
        }
        assert_eq!(random.draw(), same.draw());
    }

    #[test]
    fn an_even_latency_has_both_its_ends() {
        let mut random = Random::stream(1, "latency");
        let latency = Latency::Uniform {
            min_us: 3,
            max_us: 5,
        };
        let mut seen = [0; 3];
        for _ in 0..3_000 {
            let at = usize::try_from(draw(&mut random, latency) - 3).unwrap();
            seen[at] += 1;
        }
        assert!(
            seen.iter().all(|count| (850..1_150).contains(count)),
            "{seen:?}"
        );
    }
}
