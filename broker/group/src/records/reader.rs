//! Reads Kafka's primitive types; allocates only what the input really holds.

use super::RecordError;
use bytes::Bytes;

/// What is left of the input. `flexible` chooses compact lengths.
pub(crate) struct Reader<'a> {
    input: &'a [u8],
    pub flexible: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self { input, flexible: false }
    }

    pub(crate) fn i16(&mut self) -> Result<i16, RecordError> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    pub(crate) fn i32(&mut self) -> Result<i32, RecordError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64, RecordError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    pub(crate) fn string(&mut self) -> Result<String, RecordError> {
        self.nullable_string()?.ok_or(RecordError::Malformed)
    }

    pub(crate) fn nullable_string(&mut self) -> Result<Option<String>, RecordError> {
        let len = if self.flexible { self.compact_len()? } else { i64::from(self.i16()?) };
        let Some(bytes) = self.sized(len)? else { return Ok(None) };
        // Kafka refuses longer strings in flexible versions too.
        if bytes.len() > i16::MAX as usize {
            return Err(RecordError::Malformed);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| RecordError::Malformed)?;
        Ok(Some(text.to_owned()))
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, RecordError> {
        let len = if self.flexible { self.compact_len()? } else { i64::from(self.i32()?) };
        self.sized(len)?.map(Bytes::copy_from_slice).ok_or(RecordError::Malformed)
    }

    /// A count of elements that each take at least one byte.
    pub(crate) fn count(&mut self) -> Result<usize, RecordError> {
        let count = if self.flexible { self.compact_len()? } else { i64::from(self.i32()?) };
        match usize::try_from(count) {
            Ok(count) if count <= self.input.len() => Ok(count),
            _ => Err(RecordError::Malformed),
        }
    }

    /// Skips tagged fields; there are none outside flexible versions.
    pub(crate) fn tags(&mut self) -> Result<(), RecordError> {
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..self.uvarint()? {
            self.uvarint()?;
            let len = self.uvarint()?;
            self.take(usize::try_from(len).map_err(|_| RecordError::Malformed)?)?;
        }
        Ok(())
    }

    fn compact_len(&mut self) -> Result<i64, RecordError> {
        Ok(i64::from(self.uvarint()?) - 1)
    }

    fn uvarint(&mut self) -> Result<u32, RecordError> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array::<1>()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(RecordError::Malformed)
    }

    fn sized(&mut self, len: i64) -> Result<Option<&'a [u8]>, RecordError> {
        match len {
            -1 => Ok(None),
            len => self.take(usize::try_from(len).map_err(|_| RecordError::Malformed)?).map(Some),
        }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], RecordError> {
        let (head, rest) = self.input.split_at_checked(len).ok_or(RecordError::Malformed)?;
        self.input = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (head, rest) = self.input.split_first_chunk::<N>().ok_or(RecordError::Malformed)?;
        self.input = rest;
        Ok(*head)
    }
}
