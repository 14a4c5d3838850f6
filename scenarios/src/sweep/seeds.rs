//! Which seeds a sweep tries, in order.
//!
//! Rule: shard `i/n` has every `n`-th seed, beginning with the `i`-th. So all shards have the same mix of
//! seeds, a range can be extended without moving a seed to another shard, and a range without end can be
//! shared too.
//!
//! Next: `engine.rs`.

use ktrial_reports::sweep::{SeedRange, Shard};

/// What a right range looks like.
const RANGE: &str = "expected A..B, such as 0..1000 (the last is not tried)";
/// What a right shard looks like.
const SHARD: &str = "expected I/N, such as 1/4 (the first of four)";

/// Seeds in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeds {
    /// All of them.
    pub range: SeedRange,
    /// Only this part; `None` = all.
    pub shard: Option<Shard>,
}

impl Seeds {
    /// The seed at a place, from 0; `None` behind the last.
    pub fn at(&self, place: u64) -> Option<u64> {
        let Shard { index, of } = self.shard.unwrap_or(Shard { index: 1, of: 1 });
        let steps = place.checked_mul(of)?.checked_add(index - 1)?;
        let seed = self.range.from.checked_add(steps)?;
        self.range.to.is_none_or(|to| seed < to).then_some(seed)
    }

    /// How many there are; `None` = without end.
    pub fn count(&self) -> Option<u64> {
        let all = self.range.to?.saturating_sub(self.range.from);
        let Shard { index, of } = self.shard.unwrap_or(Shard { index: 1, of: 1 });
        Some(all.saturating_sub(index - 1).div_ceil(of))
    }
}

/// Reads `A..B`, or `A..` for seeds without end.
///
/// # Errors
/// What a right one looks like.
pub fn parse_range(text: &str) -> Result<SeedRange, String> {
    let (from, to) = text.split_once("..").ok_or(RANGE)?;
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| RANGE.to_owned());
    let from = number(from)?;
    let to = if to.trim().is_empty() {
        None
    } else {
        Some(number(to)?)
    };
    if to.is_some_and(|to| to <= from) {
        return Err(format!("there is no seed in it: {RANGE}"));
    }
    Ok(SeedRange { from, to })
}

/// Reads `I/N`.
///
/// # Errors
/// What a right one looks like.
pub fn parse_shard(text: &str) -> Result<Shard, String> {
    let (index, of) = text.split_once('/').ok_or(SHARD)?;
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| SHARD.to_owned());
    let (index, of) = (number(index)?, number(of)?);
    if index == 0 || index > of {
        return Err(format!("there is no part {index} of {of}: {SHARD}"));
    }
    Ok(Shard { index, of })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeds(range: &str, shard: Option<&str>) -> Vec<u64> {
        let seeds = Seeds {
            range: parse_range(range).unwrap(),
            shard: shard.map(|shard| parse_shard(shard).unwrap()),
        };
        let all: Vec<u64> = (0..10).map_while(|place| seeds.at(place)).collect();
        if let Some(count) = seeds.count() {
            assert_eq!(count.min(10), all.len() as u64, "{range} {shard:?}");
        }
        all
    }

    #[test]
    fn shards_share_the_seeds() {
        assert_eq!(seeds("3..8", None), [3, 4, 5, 6, 7]);
        assert_eq!(seeds("3..8", Some("1/2")), [3, 5, 7]);
        assert_eq!(seeds("3..8", Some("2/2")), [4, 6]);
        assert_eq!(seeds("3..5", Some("4/4")), [0; 0]);
        assert_eq!(seeds("7..", Some("2/4"))[..3], [8, 12, 16]);
        let last = u64::MAX.to_string();
        assert_eq!(seeds(&format!("{last}.."), None), [u64::MAX]);
    }

    #[test]
    fn mistakes_are_told() {
        for wrong in ["", "5", "5..5", "9..3", "a..b", "-1..4", "1...4", "1..=4"] {
            assert!(
                parse_range(wrong).unwrap_err().contains("0..1000"),
                "{wrong}"
            );
        }
        for wrong in ["", "1", "0/4", "5/4", "1/0", "a/b", "1/2/3"] {
            assert!(parse_shard(wrong).unwrap_err().contains("1/4"), "{wrong}");
        }
    }
}
