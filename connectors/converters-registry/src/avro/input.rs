//! Avro's binary encoding, read from one message.

/// Items that take no bytes (null, an empty record) which one message may hold beyond its own length: their number is the
/// writer's claim and nothing else.
const EMPTY_ITEMS_MAX: usize = 1024;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("the message ends in the middle of a value")]
    Truncated,
    #[error("a number is longer than its type")]
    TooLong,
    #[error("a length or count of {0} is impossible here")]
    Length(i64),
    #[error("branch {0} of a union does not exist")]
    Branch(i64),
    #[error("symbol {0} of an enum does not exist")]
    Symbol(i64),
    #[error("a boolean is {0:#04x}")]
    Boolean(u8),
    #[error("{0} does not fit its type")]
    Range(i64),
    #[error("a decimal does not fit {precision} digits")]
    Precision { precision: u8 },
    #[error("null where the schema has a value")]
    Null,
    #[error("{0} bytes are left behind the value")]
    Trailing(usize),
    #[error("the column is above 2 GiB")]
    ColumnTooLarge,
}

pub type DecodeResult<T = ()> = Result<T, DecodeError>;

/// The rest of a message.
pub struct Input<'a> {
    bytes: &'a [u8],
    empty_items_left: usize,
}

impl<'a> Input<'a> {
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, empty_items_left: bytes.len() + EMPTY_ITEMS_MAX }
    }

    /// # Errors
    /// [`DecodeError::Trailing`].
    pub fn end(&self) -> DecodeResult {
        if self.bytes.is_empty() { Ok(()) } else { Err(DecodeError::Trailing(self.bytes.len())) }
    }

    #[inline]
    pub fn byte(&mut self) -> DecodeResult<u8> {
        let (first, rest) = self.bytes.split_first().ok_or(DecodeError::Truncated)?;
        self.bytes = rest;
        Ok(*first)
    }

    #[inline]
    pub fn take(&mut self, count: usize) -> DecodeResult<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or(DecodeError::Truncated)?;
        self.bytes = rest;
        Ok(taken)
    }

    #[inline]
    pub fn array<const N: usize>(&mut self) -> DecodeResult<[u8; N]> {
        Ok(self.take(N)?.try_into().expect("as many as were asked for"))
    }

    /// A zig-zag variable-length number.
    #[inline]
    pub fn long(&mut self) -> DecodeResult<i64> {
        match self.bytes.first() {
            Some(first) if *first < 0x80 => {
                let first = u64::from(*first);
                self.bytes = &self.bytes[1..];
                Ok((first >> 1) as i64 ^ -((first & 1) as i64))
            }
            _ => self.long_of_many(),
        }
    }

    fn long_of_many(&mut self) -> DecodeResult<i64> {
        let mut value = 0u64;
        for (at, byte) in self.bytes.iter().enumerate().take(10) {
            if at == 9 && *byte > 1 {
                return Err(DecodeError::TooLong);
            }
            value |= u64::from(byte & 0x7F) << (7 * at);
            if *byte < 0x80 {
                self.bytes = &self.bytes[at + 1..];
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err(if self.bytes.len() < 10 { DecodeError::Truncated } else { DecodeError::TooLong })
    }

    #[inline]
    pub fn int(&mut self) -> DecodeResult<i32> {
        let value = self.long()?;
        i32::try_from(value).map_err(|_| DecodeError::Range(value))
    }

    /// Bytes with their length in front.
    #[inline]
    pub fn bytes(&mut self) -> DecodeResult<&'a [u8]> {
        let length = self.long()?;
        let count = usize::try_from(length).map_err(|_| DecodeError::Length(length))?;
        self.take(count)
    }

    /// The number of items in the next block of an array or a map; 0: it has ended. `item_min` is what an item takes at
    /// least, so that a count which cannot be true is found before anything is made of it.
    pub fn block(&mut self, item_min: usize) -> DecodeResult<usize> {
        let count = self.long()?;
        let items = if count < 0 {
            // With the size of the block behind it.
            let size = self.long()?;
            if size < 0 {
                return Err(DecodeError::Length(size));
            }
            count.checked_neg().ok_or(DecodeError::Length(count))?
        } else {
            count
        };
        let items = usize::try_from(items).map_err(|_| DecodeError::Length(count))?;
        if item_min == 0 {
            self.empty_items_left = self.empty_items_left.checked_sub(items).ok_or(DecodeError::Length(count))?;
        } else if items > self.bytes.len() / item_min {
            return Err(DecodeError::Length(count));
        }
        Ok(items)
    }
}
