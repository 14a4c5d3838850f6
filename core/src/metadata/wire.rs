//! Kafka's "flexible" field encoding (KIP-482): big-endian integers, unsigned varints for lengths,
//! compact strings and arrays whose length is stored plus one (0 is null), tagged fields at the end.
//!
//! Simplified: only what metadata records and the quorum's control records need.
//! Source: KIP-482, `ByteUtils.writeUnsignedVarint`, `org.apache.kafka.common.protocol.Readable`.
//! Next: `codec.rs`.

use crate::id::BrokerId;

/// Bytes under construction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
    pub(crate) fn uvarint(&mut self, mut value: u32) {
        loop {
            let low = value.to_le_bytes()[0] & 0x7f;
            value >>= 7;
            if value == 0 {
                self.0.push(low);
                return;
            }
            self.0.push(low | 0x80);
        }
    }
    pub(crate) fn bool(&mut self, value: bool) {
        self.0.push(u8::from(value));
    }
    pub(crate) fn i8(&mut self, value: i8) {
        self.0.extend(value.to_be_bytes());
    }
    pub(crate) fn i16(&mut self, value: i16) {
        self.0.extend(value.to_be_bytes());
    }
    pub(crate) fn i32(&mut self, value: i32) {
        self.0.extend(value.to_be_bytes());
    }
    pub(crate) fn i64(&mut self, value: i64) {
        self.0.extend(value.to_be_bytes());
    }
    pub(crate) fn uuid(&mut self, value: u128) {
        self.0.extend(value.to_be_bytes());
    }
    pub(crate) fn string(&mut self, value: &str) {
        self.compact_length(value.len());
        self.0.extend(value.as_bytes());
    }
    pub(crate) fn brokers(&mut self, value: &[BrokerId]) {
        self.compact_length(value.len());
        for broker in value {
            self.i32(broker.0);
        }
    }
    /// The length of a compact string or array.
    pub(crate) fn compact_length(&mut self, length: usize) {
        self.uvarint(u32::try_from(length + 1).unwrap_or(u32::MAX));
    }
    pub(crate) fn empty_array(&mut self) {
        self.compact_length(0);
    }
    pub(crate) fn null(&mut self) {
        self.uvarint(0);
    }
    pub(crate) fn no_tags(&mut self) {
        self.uvarint(0);
    }
    pub(crate) fn tags(&mut self, tags: Tags) {
        self.uvarint(tags.count);
        self.0.extend(tags.fields.0);
    }
}

/// Tagged fields under construction, to be added in the order of their tags.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tags {
    count: u32,
    fields: Writer,
}

impl Tags {
    pub(crate) fn add(&mut self, tag: u32, write: impl FnOnce(&mut Writer)) {
        let mut value = Writer::default();
        write(&mut value);
        self.count += 1;
        self.fields.uvarint(tag);
        self.fields
            .uvarint(u32::try_from(value.0.len()).unwrap_or(u32::MAX));
        self.fields.0.extend(value.0);
    }
}

/// Bytes being read.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (head, rest) = self
            .0
            .split_at_checked(length)
            .ok_or("the record is cut off")?;
        self.0 = rest;
        Ok(head)
    }
    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?
            .try_into()
            .map_err(|_| "the record is cut off".to_owned())
    }
    pub(crate) fn uvarint(&mut self) -> Result<u32, String> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("an unsigned varint longer than 5 bytes".to_owned())
    }
    pub(crate) fn bool(&mut self) -> Result<bool, String> {
        Ok(self.array::<1>()? != [0])
    }
    pub(crate) fn i8(&mut self) -> Result<i8, String> {
        self.array().map(i8::from_be_bytes)
    }
    pub(crate) fn i16(&mut self) -> Result<i16, String> {
        self.array().map(i16::from_be_bytes)
    }
    pub(crate) fn i32(&mut self) -> Result<i32, String> {
        self.array().map(i32::from_be_bytes)
    }
    pub(crate) fn i64(&mut self) -> Result<i64, String> {
        self.array().map(i64::from_be_bytes)
    }
    pub(crate) fn uuid(&mut self) -> Result<u128, String> {
        self.array().map(u128::from_be_bytes)
    }
    /// The length of a compact string or array; `None` is null.
    fn compact_length(&mut self) -> Result<Option<usize>, String> {
        let stored = usize::try_from(self.uvarint()?).map_err(|error| error.to_string())?;
        Ok(stored.checked_sub(1))
    }
    pub(crate) fn nullable_string(&mut self) -> Result<Option<String>, String> {
        let Some(length) = self.compact_length()? else {
            return Ok(None);
        };
        let bytes = self.take(length)?.to_vec();
        String::from_utf8(bytes)
            .map(Some)
            .map_err(|error| error.to_string())
    }
    pub(crate) fn string(&mut self) -> Result<String, String> {
        self.nullable_string()?
            .ok_or_else(|| "a null where a string must be".to_owned())
    }
    pub(crate) fn brokers(&mut self) -> Result<Vec<BrokerId>, String> {
        let length = self.compact_length()?.unwrap_or(0);
        // Bounded by what is there, so that a corrupt length cannot ask for memory.
        let mut brokers = Vec::with_capacity(length.min(self.0.len() / 4));
        for _ in 0..length {
            brokers.push(BrokerId(self.i32()?));
        }
        Ok(brokers)
    }
    /// Reads over an array whose entries have no use here.
    pub(crate) fn skip_array(
        &mut self,
        mut skip: impl FnMut(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        for _ in 0..self.compact_length()?.unwrap_or(0) {
            skip(self)?;
        }
        Ok(())
    }
    /// Reads over the tagged fields of a structure within the record.
    pub(crate) fn skip_tags(&mut self) -> Result<(), String> {
        self.each_tag().map(drop)
    }
    /// The tagged fields; the record ends with them.
    pub(crate) fn tags(&mut self) -> Result<Vec<(u32, Self)>, String> {
        let tags = self.each_tag()?;
        if !self.0.is_empty() {
            return Err(format!("{} bytes after the record", self.0.len()));
        }
        Ok(tags)
    }
    fn each_tag(&mut self) -> Result<Vec<(u32, Self)>, String> {
        let count = self.uvarint()?;
        let mut tags = Vec::new();
        for _ in 0..count {
            let tag = self.uvarint()?;
            let length = usize::try_from(self.uvarint()?).map_err(|error| error.to_string())?;
            tags.push((tag, Self(self.take(length)?)));
        }
        Ok(tags)
    }
}
