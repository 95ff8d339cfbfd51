//! Protobuf's wire format, read from one message.

/// Nesting of groups, which are stepped over.
const GROUPS_MAX: usize = 100;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("the message ends in the middle of a field")]
    Truncated,
    #[error("a number is longer than ten bytes")]
    TooLong,
    #[error("wire type {0} does not exist")]
    WireType(u64),
    #[error("field number 0 does not exist")]
    FieldNumber,
    #[error("a group does not end where it should")]
    Group,
    #[error("{0} does not fit its type")]
    Range(i64),
    #[error("a {0} is out of its range")]
    Logical(&'static str),
    #[error("a decimal of scale {own}, where the field has {expected} (confluent.field_meta)")]
    Scale { own: i32, expected: i32 },
    #[error(transparent)]
    Column(#[from] crate::avro::input::DecodeError),
}

pub type DecodeResult<T = ()> = Result<T, DecodeError>;

/// How a value stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    Varint,
    Fixed64,
    Fixed32,
    Length,
}

/// A value as it stands on the wire; bytes by their place in the message.
#[derive(Debug, Clone, Copy)]
pub enum Raw {
    Number(u64),
    Bytes(usize, usize),
}

pub struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next field's number, wire type and value; `None`: the message has ended.
    #[inline]
    pub fn field(&mut self) -> DecodeResult<Option<(u64, Wire, Raw)>> {
        loop {
            if self.at == self.bytes.len() {
                return Ok(None);
            }
            let key = self.varint()?;
            let number = key >> 3;
            if number == 0 {
                return Err(DecodeError::FieldNumber);
            }
            let (wire, raw) = match key & 7 {
                0 => (Wire::Varint, Raw::Number(self.varint()?)),
                1 => (Wire::Fixed64, Raw::Number(self.fixed64()?)),
                2 => (Wire::Length, self.length_delimited()?),
                3 => {
                    self.skip_group(number, 0)?;
                    continue;
                }
                5 => (Wire::Fixed32, Raw::Number(self.fixed32()?.into())),
                4 => return Err(DecodeError::Group),
                other => return Err(DecodeError::WireType(other)),
            };
            return Ok(Some((number, wire, raw)));
        }
    }

    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// One value of a packed list.
    pub fn packed(&mut self, wire: Wire) -> DecodeResult<u64> {
        match wire {
            Wire::Varint => self.varint(),
            Wire::Fixed64 => self.fixed64(),
            Wire::Fixed32 => Ok(self.fixed32()?.into()),
            Wire::Length => Err(DecodeError::WireType(2)),
        }
    }

    #[inline]
    pub fn varint(&mut self) -> DecodeResult<u64> {
        let rest = &self.bytes[self.at..];
        match rest.first() {
            Some(first) if *first < 0x80 => {
                self.at += 1;
                return Ok((*first).into());
            }
            _ => {}
        }
        let mut value = 0u64;
        for (at, byte) in rest.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7F) << (7 * at);
            if *byte < 0x80 {
                self.at += at + 1;
                return Ok(value);
            }
        }
        Err(if rest.len() < 10 { DecodeError::Truncated } else { DecodeError::TooLong })
    }

    fn fixed64(&mut self) -> DecodeResult<u64> {
        let bytes = self.bytes.get(self.at..self.at + 8).ok_or(DecodeError::Truncated)?;
        self.at += 8;
        Ok(u64::from_le_bytes(bytes.try_into().expect("eight bytes")))
    }

    fn fixed32(&mut self) -> DecodeResult<u32> {
        let bytes = self.bytes.get(self.at..self.at + 4).ok_or(DecodeError::Truncated)?;
        self.at += 4;
        Ok(u32::from_le_bytes(bytes.try_into().expect("four bytes")))
    }

    fn length_delimited(&mut self) -> DecodeResult<Raw> {
        let length = usize::try_from(self.varint()?).map_err(|_| DecodeError::Truncated)?;
        let start = self.at;
        let end = start.checked_add(length).filter(|end| *end <= self.bytes.len()).ok_or(DecodeError::Truncated)?;
        self.at = end;
        Ok(Raw::Bytes(start, end))
    }

    fn skip_group(&mut self, number: u64, depth: usize) -> DecodeResult {
        if depth > GROUPS_MAX {
            return Err(DecodeError::Group);
        }
        loop {
            let key = self.varint()?;
            match key & 7 {
                0 => drop(self.varint()?),
                1 => drop(self.fixed64()?),
                2 => drop(self.length_delimited()?),
                3 => self.skip_group(key >> 3, depth + 1)?,
                4 if key >> 3 == number => return Ok(()),
                4 => return Err(DecodeError::Group),
                5 => drop(self.fixed32()?),
                other => return Err(DecodeError::WireType(other)),
            }
        }
    }
}
