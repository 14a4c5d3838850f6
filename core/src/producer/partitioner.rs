//! Which partition a record goes to.
//!
//! Rule: the application's choice, else by the key's hash over all partitions, else sticky: stay with
//! one partition until a batch's worth of bytes went to it, then draw another one among those with a
//! leader (KIP-480, KIP-794).
//! Invariants: the same key and number of partitions give the same partition, as in Kafka.
//! Simplified: the draw is even. Kafka weighs partitions by the length of their queues
//! (`partitioner.adaptive.partitioning.enable`).
//! Source: `BuiltInPartitioner`, `Utils.murmur2`.
//! Next: `accumulator.rs`.

use crate::client_metadata::ClientMetadata;
use crate::id::TopicName;
use crate::random::Random;

/// The partition that records without a key go to for now.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sticky {
    current: Option<usize>,
    produced_bytes: usize,
}

impl Sticky {
    /// The partition to use; draws one if there is none.
    pub(super) fn current(
        &mut self,
        topic: &TopicName,
        metadata: &ClientMetadata,
        random: &mut Random,
    ) -> Option<usize> {
        if self.current.is_none() {
            self.current = draw(topic, metadata, random);
            self.produced_bytes = 0;
        }
        self.current
    }

    /// Counts what went to the partition and leaves it if it was enough. While its last batch has
    /// room, leaving would make that batch small: then twice as much may go there.
    pub(super) fn produced(&mut self, bytes: usize, last_batch_full: bool, batch_size: usize) {
        self.produced_bytes += bytes;
        let enough = self.produced_bytes >= batch_size && last_batch_full;
        if enough || self.produced_bytes >= batch_size.saturating_mul(2) {
            self.current = None;
        }
    }
}

fn draw(topic: &TopicName, metadata: &ClientMetadata, random: &mut Random) -> Option<usize> {
    let below = |random: &mut Random, count: usize| {
        usize::try_from(random.below(u64::try_from(count).unwrap_or(u64::MAX))).unwrap_or(0)
    };
    match metadata.available(topic).count() {
        0 => match metadata.partition_count(topic) {
            0 => None,
            count => Some(below(random, count)),
        },
        count => metadata.available(topic).nth(below(random, count)),
    }
}

/// The partition of a key among `count` (at least 1).
pub(super) fn partition_for_key(key: &[u8], count: usize) -> usize {
    usize::try_from(murmur2(key) & 0x7fff_ffff).unwrap_or(0) % count.max(1)
}

/// MurmurHash2, 32 bits, with Kafka's seed.
fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let (words, tail) = data.as_chunks::<4>();
    let mut hash = words.iter().fold(SEED ^ length, |hash, word| {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash.wrapping_mul(M) ^ k.wrapping_mul(M)
    });
    if !tail.is_empty() {
        for (place, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * place);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_is_kafkas() {
        // From Kafka's own `UtilsTest.testMurmur2`.
        for (text, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            (
                "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(text.as_bytes()), i32::cast_unsigned(hash), "{text}");
        }
    }

    #[test]
    fn a_partition_is_left_after_a_full_batch_or_twice_its_bytes() {
        let check = |bytes, full, stays: bool| {
            let mut sticky = Sticky {
                current: Some(0),
                produced_bytes: 0,
            };
            sticky.produced(bytes, full, 100);
            assert_eq!(sticky.current.is_some(), stays, "{bytes} {full}");
        };
        check(99, true, true);
        check(100, true, false);
        check(100, false, true);
        check(199, false, true);
        check(200, false, false);
    }
}
