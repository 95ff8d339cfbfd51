//! A fetch's answer, written by hand: record batches go to the socket as they came out of the log, in pieces of their
//! own, instead of being copied into the message.
//!
//! ```text
//! i32 throttle time; from v7: i16 error, i32 session id
//! array of topics: string name (to v12) or uuid (from v13), array of partitions:
//!     i32 partition, i16 error, i64 high watermark, i64 last stable offset, i64 log start offset (from v5),
//!     nullable array of aborted transactions (i64 producer id, i64 first offset), i32 preferred replica (from v11),
//!     nullable bytes of record batches
//! ```
//! From v12 on lengths are compact and each struct ends with tagged fields, of which there are none. Source:
//! `FetchResponse.json` of Kafka 4.1.

use crate::connection::{ConnectionError, Response};
use bytes::{BufMut, BytesMut};
use sluice_log::Piece;

const FLEXIBLE_FROM: i16 = 12;
/// From this version on topics go by their id (KIP-516).
pub(crate) const TOPIC_IDS_FROM: i16 = 13;
/// Records below this are copied into the message: a write of their own would cost more.
const OWN_PIECE_BYTES: usize = 16 << 10;

pub(crate) struct TopicAnswer {
    pub name: String,
    pub id: [u8; 16],
    pub partitions: Vec<PartitionAnswer>,
}

pub(crate) struct PartitionAnswer {
    pub partition: i32,
    pub error_code: i16,
    pub high_watermark: i64,
    pub last_stable_offset: i64,
    pub log_start_offset: i64,
    /// Producer ids and first offsets; `None` for a client that reads uncommitted records too.
    pub aborted: Option<Vec<(i64, i64)>>,
    pub records: Vec<Piece>,
}

/// The whole frame.
pub(crate) fn write(
    correlation_id: i32,
    version: i16,
    error_code: i16,
    topics: Vec<TopicAnswer>,
) -> Result<Response, ConnectionError> {
    let mut out = Pieces { version, done: Vec::new(), open: BytesMut::new() };
    out.open.put_i32(correlation_id);
    out.end_struct();
    out.open.put_i32(0);
    if version >= 7 {
        out.open.put_i16(error_code);
        // No session was opened.
        out.open.put_i32(0);
    }
    out.length(Some(topics.len()));
    for topic in topics {
        if version >= TOPIC_IDS_FROM {
            out.open.put_slice(&topic.id);
        } else {
            out.string(&topic.name);
        }
        out.length(Some(topic.partitions.len()));
        topic.partitions.into_iter().for_each(|partition| out.partition(partition));
        out.end_struct();
    }
    out.end_struct();
    out.finish()
}

struct Pieces {
    version: i16,
    done: Vec<Piece>,
    open: BytesMut,
}

impl Pieces {
    fn partition(&mut self, answer: PartitionAnswer) {
        self.open.put_i32(answer.partition);
        self.open.put_i16(answer.error_code);
        self.open.put_i64(answer.high_watermark);
        self.open.put_i64(answer.last_stable_offset);
        if self.version >= 5 {
            self.open.put_i64(answer.log_start_offset);
        }
        self.length(answer.aborted.as_ref().map(Vec::len));
        for (producer_id, first_offset) in answer.aborted.iter().flatten() {
            self.open.put_i64(*producer_id);
            self.open.put_i64(*first_offset);
            self.end_struct();
        }
        if self.version >= 11 {
            // There is one replica.
            self.open.put_i32(-1);
        }
        self.length(Some(answer.records.iter().map(Piece::size_bytes).sum()));
        for records in answer.records {
            match records {
                Piece::Bytes(bytes) if bytes.len() < OWN_PIECE_BYTES => self.open.put_slice(&bytes),
                piece => {
                    self.close_piece();
                    self.done.push(piece);
                }
            }
        }
        self.end_struct();
    }

    fn close_piece(&mut self) {
        if !self.open.is_empty() {
            self.done.push(Piece::Bytes(self.open.split().freeze()));
        }
    }

    /// Of an array or of bytes.
    fn length(&mut self, length: Option<usize>) {
        if self.version < FLEXIBLE_FROM {
            self.open.put_i32(length.map_or(-1, |length| i32::try_from(length).unwrap_or(i32::MAX)));
            return;
        }
        let mut rest = length.map_or(0, |length| length as u64 + 1);
        while rest >= 0x80 {
            self.open.put_u8(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.open.put_u8(rest as u8);
    }

    fn string(&mut self, text: &str) {
        if self.version < FLEXIBLE_FROM {
            self.open.put_i16(i16::try_from(text.len()).unwrap_or(i16::MAX));
        } else {
            self.length(Some(text.len()));
        }
        self.open.put_slice(text.as_bytes());
    }

    fn end_struct(&mut self) {
        if self.version >= FLEXIBLE_FROM {
            self.open.put_u8(0);
        }
    }

    fn finish(mut self) -> Result<Response, ConnectionError> {
        self.close_piece();
        let size: usize = self.done.iter().map(Piece::size_bytes).sum();
        let length = i32::try_from(size).map_err(|_| ConnectionError::Request("an answer is too long".into()))?;
        if let Some(Piece::Bytes(first)) = self.done.first_mut() {
            *first = [&length.to_be_bytes()[..], first].concat().into();
        }
        Ok(Response { pieces: self.done, shares: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use kafka_protocol::messages::FetchResponse;
    use kafka_protocol::protocol::Decodable;

    #[test]
    fn what_is_written_by_hand_is_what_a_decoder_reads_at_every_version() {
        let big = Bytes::from(vec![7; OWN_PIECE_BYTES]);
        let part = |partition, records: &Bytes, aborted| PartitionAnswer {
            partition,
            error_code: 3,
            high_watermark: 10,
            last_stable_offset: 9,
            log_start_offset: 2,
            aborted,
            records: if records.is_empty() { Vec::new() } else { vec![Piece::Bytes(records.clone())] },
        };
        let small = Bytes::from_static(b"records");
        let partitions =
            || vec![part(0, &small, None), part(1, &big, Some(vec![(5, 6)])), part(2, &Bytes::new(), None)];
        for version in 4..=17 {
            let topics = vec![TopicAnswer { name: "orders".into(), id: [4; 16], partitions: partitions() }];
            let response = write(77, version, 0, topics).expect("short enough");
            assert_eq!(response.pieces.len(), 3, "large records are a piece of their own");
            let pieces = response.pieces.iter().map(|piece| match piece {
                Piece::Bytes(bytes) => bytes.clone(),
                Piece::File(range) => range.read().expect("it is there"),
            });
            let frame = pieces.collect::<Vec<_>>().concat();
            assert_eq!(frame[..8], [&(frame.len() as i32 - 4).to_be_bytes()[..], &77i32.to_be_bytes()].concat());
            let mut body = Bytes::from(frame).slice(if version >= 12 { 9 } else { 8 }..);
            let read = FetchResponse::decode(&mut body, version).expect("it can be read");
            assert!(body.is_empty());
            let topic = &read.responses[0];
            assert_eq!(topic.topic.as_str(), if version >= 13 { "" } else { "orders" });
            assert_eq!(topic.topic_id.as_bytes(), &if version >= 13 { [4; 16] } else { [0; 16] });
            let part = &topic.partitions[1];
            assert_eq!((part.partition_index, part.error_code, part.high_watermark), (1, 3, 10));
            assert_eq!((part.last_stable_offset, part.log_start_offset), (9, if version >= 5 { 2 } else { -1 }));
            assert_eq!(part.records.as_ref(), Some(&big));
            let aborted = part.aborted_transactions.as_ref().expect("a list");
            assert_eq!((aborted[0].producer_id.0, aborted[0].first_offset), (5, 6));
            assert!(topic.partitions[0].aborted_transactions.is_none());
            assert_eq!(topic.partitions[0].records.as_ref(), Some(&small));
        }
    }
}
