//! Jute, the encoding of ZooKeeper: big-endian numbers, strings and buffers behind their length.
//!
//! Source: `org.apache.jute.BinaryInputArchive`.
//! Next: `txn.rs`.

/// Bytes being read. `None` is a field that is cut off.
#[derive(Clone, Debug)]
pub(super) struct Jute<'a>(pub(super) &'a [u8]);

impl<'a> Jute<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    pub(super) fn bool(&mut self) -> Option<bool> {
        Some(self.take(1)? != [0])
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        Some(i64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    /// Bytes behind their length; empty for the length -1, which is null.
    pub(super) fn buffer(&mut self) -> Option<&'a [u8]> {
        match self.i32()? {
            -1 => Some(&[]),
            length => self.take(usize::try_from(length).ok()?),
        }
    }

    pub(super) fn string(&mut self) -> Option<String> {
        String::from_utf8(self.buffer()?.to_vec()).ok()
    }

    /// As many of what `read` reads as the length before them says.
    pub(super) fn vector<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        (0..self.i32()?.max(0)).map(|_| read(self)).collect()
    }
}
