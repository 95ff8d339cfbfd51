//! The records of `__transaction_state` in Kafka's own format.
//!
//! ```text
//! TransactionLogKey 0      i16 version | string transactional id
//! TransactionLogValue 0-1  i16 version | i64 producer id | i16 epoch | i32 timeout (ms) | i8 status
//!                          | array? of topics, each: string topic | array of i32 partitions
//!                          | i64 last update (ms) | i64 start (ms)
//! ```
//! Big-endian; a string is an i16 length and UTF-8, an array an i32 count; `?` may be null (count -1). Version 1 is the
//! same with compact lengths and tagged fields. No value: the id is forgotten. Written is version 0, both are read.
//! Status: 0 empty, 1 ongoing, 4 committed, 5 aborted; 2, 3 and 7 (decided, markers not yet written) never stand here.
//! Source: `TransactionLogKey.json`, `TransactionLogValue.json`, Kafka's `TransactionState`.

use super::metadata::{Partitions, TransactionMetadata, TransactionStatus};
use bytes::BufMut;

pub(super) fn key(transactional_id: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + transactional_id.len());
    out.put_i16(0);
    put_string(&mut out, transactional_id);
    out
}

pub(super) fn value(metadata: &TransactionMetadata) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    out.put_i16(0);
    out.put_i64(metadata.producer_id);
    out.put_i16(metadata.producer_epoch);
    out.put_i32(metadata.timeout_ms);
    out.put_i8(match metadata.status {
        TransactionStatus::Empty => 0,
        TransactionStatus::Ongoing => 1,
        TransactionStatus::CompleteCommit => 4,
        TransactionStatus::CompleteAbort => 5,
    });
    if metadata.status == TransactionStatus::Empty {
        out.put_i32(-1);
    } else {
        put_len(&mut out, metadata.partitions.len());
        for (topic, partitions) in &metadata.partitions {
            put_string(&mut out, topic);
            put_len(&mut out, partitions.len());
            partitions.iter().for_each(|partition| out.put_i32(*partition));
        }
    }
    out.put_i64(metadata.last_update_ms);
    out.put_i64(metadata.start_ms);
    out
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    out.put_i16(i16::try_from(text.len()).expect("ids and names are checked to be shorter than 32 KiB"));
    out.put_slice(text.as_bytes());
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    out.put_i32(i32::try_from(len).expect("they came in requests, whose size is an i32"));
}

/// A record, read: the transactional id and what is known of it. `None`: it is not such a record.
pub(super) fn decode(key: &[u8], value: Option<&[u8]>) -> Option<(String, Option<TransactionMetadata>)> {
    let mut key = Reader { input: key, flexible: false };
    if key.i16()? != 0 {
        return None;
    }
    let transactional_id = key.string()?;
    Some((
        transactional_id,
        match value {
            Some(value) => Some(decode_value(value)?),
            None => None,
        },
    ))
}

fn decode_value(value: &[u8]) -> Option<TransactionMetadata> {
    let mut value = Reader { input: value, flexible: false };
    let version = value.i16()?;
    if !(0..=1).contains(&version) {
        return None;
    }
    value.flexible = version >= 1;
    let producer_id = value.i64()?;
    let producer_epoch = value.i16()?;
    let timeout_ms = value.i32()?;
    let [status] = value.array()?;
    let status = match status {
        0 => TransactionStatus::Empty,
        1 => TransactionStatus::Ongoing,
        4 => TransactionStatus::CompleteCommit,
        5 => TransactionStatus::CompleteAbort,
        _ => return None,
    };
    let mut partitions = Partitions::new();
    for _ in 0..value.count()?.unwrap_or(0) {
        let topic = value.string()?;
        let some = partitions.entry(topic).or_default();
        for _ in 0..value.count()?? {
            some.insert(value.i32()?);
        }
        value.tags()?;
    }
    Some(TransactionMetadata {
        producer_id,
        producer_epoch,
        last_producer_epoch: -1,
        previous_producer_id: -1,
        timeout_ms,
        status,
        partitions,
        last_update_ms: value.i64()?,
        start_ms: value.i64()?,
    })
}

struct Reader<'a> {
    input: &'a [u8],
    flexible: bool,
}

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.input.split_first_chunk::<N>()?;
        self.input = rest;
        Some(*bytes)
    }

    fn i16(&mut self) -> Option<i16> {
        self.array().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    fn string(&mut self) -> Option<String> {
        let len = if self.flexible { i64::from(self.uvarint()?) - 1 } else { i64::from(self.i16()?) };
        String::from_utf8(self.take(len)?.to_vec()).ok()
    }

    /// `Some(None)`: null.
    fn count(&mut self) -> Option<Option<usize>> {
        let count = if self.flexible { i64::from(self.uvarint()?) - 1 } else { i64::from(self.i32()?) };
        match usize::try_from(count) {
            Ok(count) if count <= self.input.len() => Some(Some(count)),
            _ if count == -1 => Some(None),
            _ => None,
        }
    }

    fn tags(&mut self) -> Option<()> {
        if self.flexible {
            for _ in 0..self.uvarint()? {
                self.uvarint()?;
                let len = self.uvarint()?;
                self.take(i64::from(len))?;
            }
        }
        Some(())
    }

    fn take(&mut self, len: i64) -> Option<&[u8]> {
        let (head, rest) = self.input.split_at_checked(usize::try_from(len).ok()?)?;
        self.input = rest;
        Some(head)
    }

    fn uvarint(&mut self) -> Option<u32> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array::<1>()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_as_they_were_written() {
        let partitions = Partitions::from([("a".into(), [0, 3].into()), ("b".into(), [1].into())]);
        for status in TransactionStatus::ALL {
            let ongoing = status == TransactionStatus::Ongoing;
            let metadata = TransactionMetadata {
                producer_id: 7,
                producer_epoch: 3,
                last_producer_epoch: -1,
                previous_producer_id: -1,
                timeout_ms: 60_000,
                status,
                partitions: if ongoing { partitions.clone() } else { Partitions::new() },
                last_update_ms: 11,
                start_ms: 5,
            };
            let bytes = value(&metadata);
            assert_eq!(decode(&key("t"), Some(&bytes)), Some(("t".into(), Some(metadata))));
            for end in 0..bytes.len() {
                assert_eq!(decode(&key("t"), Some(&bytes[..end])), None, "cut at {end}");
            }
        }
        assert_eq!(decode(&key("t"), None), Some(("t".into(), None)));
    }

    #[test]
    fn kafkas_newer_version_is_read_too() {
        let mut bytes = vec![0, 1];
        bytes.put_i64(7);
        bytes.put_i16(3);
        bytes.put_i32(60_000);
        bytes.put_slice(&[1, 2, 2, b'a', 2, 0, 0, 0, 5, 0]);
        bytes.put_i64(11);
        bytes.put_i64(5);
        // One tagged field, that is not looked at.
        bytes.put_slice(&[1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 9]);
        let (_, metadata) = decode(&key("t"), Some(&bytes)).expect("it can be read");
        let metadata = metadata.expect("a value");
        assert_eq!((metadata.status, metadata.start_ms), (TransactionStatus::Ongoing, 5));
        assert_eq!(metadata.partitions, Partitions::from([("a".into(), [5].into())]));
    }

    #[test]
    fn what_almost_is_a_record_is_read_or_refused_and_what_is_read_can_be_written() {
        use sluice_protocol::fuzz::{Random, mutate};
        let partitions = Partitions::from([("orders".into(), [0, 3].into()), ("b".into(), [1].into())]);
        let ongoing = TransactionMetadata {
            producer_id: 7,
            producer_epoch: 3,
            last_producer_epoch: -1,
            previous_producer_id: -1,
            timeout_ms: 60_000,
            status: TransactionStatus::Ongoing,
            partitions,
            last_update_ms: 11,
            start_ms: 5,
        };
        let mut random = Random::new(1);
        let mut read = 0;
        for _ in 0..20_000 {
            let (mut id, mut bytes) = (key("orders-writer"), value(&ongoing));
            if random.below(4) == 0 {
                mutate(&mut id, &mut random);
            } else {
                mutate(&mut bytes, &mut random);
            }
            let Some((transactional_id, Some(metadata))) = decode(&id, Some(&bytes)) else { continue };
            read += 1;
            let again = decode(&key(&transactional_id), Some(&value(&metadata)));
            assert_eq!(again.and_then(|(_, again)| again).map(|again| again.status), Some(metadata.status));
        }
        assert!(read > 100, "{read}");
    }
}
