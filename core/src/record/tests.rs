//! Batches as bytes: the golden one, the way there and back, and what is refused.

use super::*;
use crate::offset::{LeaderEpoch, ProducerEpoch, ProducerId};

fn sample() -> BatchBuilder {
    let mut builder = BatchBuilder::new();
    let header = Header {
        key: "h".to_owned(),
        value: Some(Bytes::from_static(b"x")),
    };
    builder.append(WallClock(1_000), Some(b"k"), Some(b"v1"), &[]);
    builder.append(WallClock(1_002), None, None, &[header]);
    builder
}

/// Byte for byte as `DefaultRecordBatch.writeHeader` and `DefaultRecord.writeTo` lay them out.
#[test]
fn the_golden_batch() {
    let builder = sample().producer(ProducerId(7), ProducerEpoch(1), 5);
    let size = builder.size();
    let bytes = builder.at(Offset(3), LeaderEpoch(2)).finish();
    #[rustfmt::skip]
    let expected: &[u8] = &[
        0, 0, 0, 0, 0, 0, 0, 3, // base offset
        0, 0, 0, 70, // length: 49 of the header, 10 and 11 of the records
        0, 0, 0, 2, 2, // leader epoch, magic
        0, 0, 0, 0, // CRC: below
        0, 0, 0, 0, 0, 1, // attributes, last offset delta
        0, 0, 0, 0, 0, 0, 3, 0xe8, // base timestamp 1000
        0, 0, 0, 0, 0, 0, 3, 0xea, // max timestamp 1002
        0, 0, 0, 0, 0, 0, 0, 7, 0, 1, 0, 0, 0, 5, // producer id, epoch, base sequence
        0, 0, 0, 2, // records
        18, 0, 0, 0, 2, b'k', 4, b'v', b'1', 0, // 9 bytes: k -> v1
        20, 0, 4, 2, 1, 1, 2, 2, b'h', 2, b'x', // 10 bytes: +2 ms, offset +1, null -> null, h=x
    ];
    assert_eq!(bytes.len(), size);
    assert_eq!(bytes[..17], expected[..17]);
    assert_eq!(bytes[21..], expected[21..]);
    // CRC-32C by its definition, one bit at a time: reflected polynomial 0x82f63b78.
    let mut crc = u32::MAX;
    for byte in &expected[21..] {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & 0_u32.wrapping_sub(crc & 1));
        }
    }
    assert_eq!(bytes[17..21], (!crc).to_be_bytes());
}

#[test]
fn what_was_written_is_read() {
    let bytes = sample()
        .producer(ProducerId(7), ProducerEpoch(1), i32::MAX)
        .control()
        .at(Offset(3), LeaderEpoch(2))
        .finish();
    let batch = RecordBatch::parse(&bytes).unwrap();
    assert_eq!(batch.verify(), Ok(()));
    assert_eq!(
        (batch.base_offset(), batch.last_offset()),
        (Offset(3), Offset(4))
    );
    assert_eq!((batch.leader_epoch(), batch.count()), (LeaderEpoch(2), 2));
    assert_eq!(
        (batch.base_timestamp().0, batch.max_timestamp().0),
        (1_000, 1_002)
    );
    assert_eq!(
        (batch.base_sequence(), batch.last_sequence()),
        (i32::MAX, 0)
    );
    assert!(batch.is_control() && !batch.is_transactional() && !batch.is_log_append_time());
    let records = batch.records().unwrap();
    assert_eq!(records[0].key.as_deref(), Some(b"k".as_slice()));
    assert_eq!(records[0].value.as_deref(), Some(b"v1".as_slice()));
    assert_eq!(
        (records[1].offset, records[1].timestamp),
        (Offset(4), WallClock(1_002))
    );
    assert_eq!((&records[1].key, &records[1].value), (&None, &None));
    assert_eq!(records[1].headers[0].key, "h");
    assert_eq!(
        records[1].headers[0].value.as_deref(),
        Some(b"x".as_slice())
    );
}

#[test]
fn the_bound_is_never_below_the_size() {
    let key = vec![1; 300];
    for (timestamp, key) in [(0, None), (i64::MAX, Some(key.as_slice())), (-1, Some(&[]))] {
        let mut builder = sample();
        let before = builder.size();
        builder.append(WallClock(timestamp), key, key, &[]);
        let added = builder.size() - before;
        assert!(added <= BatchBuilder::record_size_bound(key, key, &[]));
    }
}

/// Every single flipped bit is found, but for those of the fields outside the CRC.
#[test]
fn bit_rot_is_found() {
    let bytes = sample().finish();
    for at in (8..12).chain(16..bytes.len()) {
        let mut rotten = bytes.to_vec();
        rotten[at] ^= 4;
        let found = RecordBatch::parse(&Bytes::from(rotten)).and_then(|batch| batch.verify());
        assert!(found.is_err(), "byte {at}");
    }
}

#[test]
fn every_cut_is_incomplete() {
    let bytes = sample().finish();
    for length in 0..bytes.len() {
        let cut = RecordBatch::parse(&bytes.slice(..length));
        assert_eq!(cut, Err(BatchError::Incomplete), "{length}");
    }
}

#[test]
fn batches_follow_each_other_until_the_cut() {
    let one = sample().finish();
    let mut three = [one.clone(), one.clone(), one.clone()].concat();
    three.truncate(three.len() - 1);
    let found: Vec<_> = batches(&Bytes::from(three)).collect();
    assert_eq!(found.len(), 3);
    assert_eq!(found[1].as_ref().unwrap().bytes(), &one);
    assert_eq!(found[2], Err(BatchError::Incomplete));
    assert_eq!(batches(&Bytes::new()).count(), 0);
}

#[test]
fn records_that_do_not_fit_are_refused() {
    let bytes = sample().finish();
    for (at, value) in [(60, 1), (60, 3), (61, 19), (65, 9), (67, 1)] {
        let mut wrong = bytes.to_vec();
        wrong[at] = value;
        let batch = RecordBatch::parse(&Bytes::from(wrong)).unwrap();
        assert!(batch.records().is_err(), "byte {at} = {value}");
    }
}
