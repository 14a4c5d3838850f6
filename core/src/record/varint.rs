//! Variable-length integers: zigzag, then 7 bits a byte from the low end, the high bit for "more".
//!
//! Small numbers of either sign take one byte: 0, -1, 1, -2 are the bytes 0, 1, 2, 3. A record's
//! lengths and deltas are written so.
//!
//! Source: `org.apache.kafka.common.utils.ByteUtils.writeVarlong`.
//! Next: `builder.rs`, which writes them, and `batch.rs`, which reads them.

use super::BatchError;

/// Writes `value` at the end of `out`.
pub(super) fn write(out: &mut Vec<u8>, value: i64) {
    let mut rest = zigzag(value);
    while rest >= 0x80 {
        out.push(low_bits(rest) | 0x80);
        rest >>= 7;
    }
    out.push(low_bits(rest));
}

/// Bytes that [`write()`] takes for `value`.
pub(super) fn size(value: i64) -> usize {
    let bits = 64 - (zigzag(value) | 1).leading_zeros();
    usize::try_from(bits.div_ceil(7)).unwrap_or(0)
}

/// Reads a number from the beginning of `bytes` and steps over it.
///
/// # Errors
/// The bytes end within it, or it has more than ten bytes.
pub(super) fn read(bytes: &mut &[u8]) -> Result<i64, BatchError> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            *bytes = bytes.get(index + 1..).unwrap_or_default();
            return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
    }
    Err(BatchError::Corrupt("a number without end".to_owned()))
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn low_bits(value: u64) -> u8 {
    let [low, ..] = value.to_le_bytes();
    low & 0x7f
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: i64, expected: &[u8]) {
        let mut out = Vec::new();
        write(&mut out, value);
        assert_eq!(out, expected, "{value}");
        assert_eq!(size(value), expected.len(), "{value}");
        let mut rest = out.as_slice();
        assert_eq!(read(&mut rest), Ok(value));
        assert!(rest.is_empty());
    }

    #[test]
    fn numbers_take_as_many_bytes_as_they_need() {
        check(0, &[0]);
        check(-1, &[1]);
        check(1, &[2]);
        check(63, &[0x7e]);
        check(-64, &[0x7f]);
        check(64, &[0x80, 0x01]);
        check(300, &[0xd8, 0x04]);
        check(i64::MAX, &[0xfe, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
        check(i64::MIN, &[255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
    }

    #[test]
    fn a_number_that_does_not_end_is_refused() {
        assert!(read(&mut [].as_slice()).is_err());
        assert!(read(&mut [0x80].as_slice()).is_err());
        assert!(read(&mut [0x80; 11].as_slice()).is_err());
    }
}
