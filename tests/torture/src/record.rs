//! What a record says of itself, so that whoever reads it can tell whether it is there, whole, once and in its order.
//!
//! ```text
//! u32 writer, u64 number, u16 part, u16 parts, u32 length of the whole value; then bytes that follow from these
//! ```
//! Big-endian. `number` counts a writer's records in one partition, or its transactions, whose records are its `parts`.

const HEAD_BYTES: usize = 20;

/// A record of the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Record {
    pub writer: u32,
    pub number: u64,
    pub part: u16,
    pub parts: u16,
}

impl Record {
    /// The value: up to `filler_max` bytes behind the head, as many and such as the record itself says.
    pub fn value(&self, filler_max: usize) -> Vec<u8> {
        let length = HEAD_BYTES + (self.seed() as usize) % (filler_max + 1);
        let mut bytes = Vec::with_capacity(length);
        bytes.extend(self.writer.to_be_bytes());
        bytes.extend(self.number.to_be_bytes());
        bytes.extend(self.part.to_be_bytes());
        bytes.extend(self.parts.to_be_bytes());
        bytes.extend((length as u32).to_be_bytes());
        bytes.extend((HEAD_BYTES..length).map(|at| self.filler(at)));
        bytes
    }

    /// `None`: these bytes were not written so.
    pub fn read(value: &[u8]) -> Option<Record> {
        let (head, filler) = value.split_first_chunk::<HEAD_BYTES>()?;
        let (writer, rest) = head.split_first_chunk::<4>()?;
        let (number, rest) = rest.split_first_chunk::<8>()?;
        let (part, rest) = rest.split_first_chunk::<2>()?;
        let (parts, length) = rest.split_first_chunk::<2>()?;
        let record = Record {
            writer: u32::from_be_bytes(*writer),
            number: u64::from_be_bytes(*number),
            part: u16::from_be_bytes(*part),
            parts: u16::from_be_bytes(*parts),
        };
        let is_whole = length == (value.len() as u32).to_be_bytes()
            && filler.iter().zip(HEAD_BYTES..).all(|(byte, at)| *byte == record.filler(at));
        is_whole.then_some(record)
    }

    fn seed(&self) -> u64 {
        (self.number ^ (u64::from(self.writer) << 40) ^ (u64::from(self.part) << 20))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            >> 32
    }

    fn filler(&self, at: usize) -> u8 {
        (self.seed() as usize).wrapping_add(at / 8) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_as_it_was_written_and_not_with_a_byte_changed_or_missing() {
        for number in 0..100 {
            let record = Record { writer: 3, number, part: 1, parts: 4 };
            let value = record.value(50);
            assert_eq!(Record::read(&value), Some(record));
            assert_eq!(Record::read(&value[..value.len() - 1]), None);
            for at in 0..value.len() {
                let mut other = value.clone();
                other[at] ^= 1;
                assert_ne!(Record::read(&other), Some(record));
            }
        }
    }
}
