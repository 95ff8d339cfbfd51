//! The few requests that a load needs, in versions without flexible fields that both brokers know, on a blocking socket.
//!
//! Layouts: `ProduceRequest` 7, `FetchRequest` 11, `CreateTopics` 4, `DeleteTopics` 3, `ListOffsets` 1 of Kafka 4.1's message
//! definitions. Record batches are sent and taken as bytes.

use std::io::{IoSlice, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

const ANSWER_LIMIT: Duration = Duration::from_secs(120);
const PRODUCE: (i16, i16) = (0, 7);
const FETCH: (i16, i16) = (1, 11);
const LIST_OFFSETS: (i16, i16) = (2, 1);
const CREATE_TOPICS: (i16, i16) = (19, 4);
const DELETE_TOPICS: (i16, i16) = (20, 3);
/// Where the base offset, the number of records and the first record stand in a batch of version 2.
pub(super) const BATCH_HEADER_BYTES: usize = 61;

/// One connection; requests may be sent before earlier ones are answered.
pub struct Connection {
    stream: TcpStream,
    correlation_id: i32,
    answer: Vec<u8>,
}

/// What a fetch of one partition brought.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fetched {
    pub bytes: usize,
    pub records: u64,
    /// Where the next fetch goes on.
    pub next_offset: i64,
}

impl Connection {
    /// # Errors
    /// The socket's.
    pub fn open(address: &str) -> Result<Connection> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        Ok(Connection { stream, correlation_id: 0, answer: Vec::new() })
    }

    /// # Errors
    /// The broker's error code, or the socket's.
    pub fn create_topic(&mut self, topic: &str, partitions: i32, config: &[(&str, &str)]) -> Result<()> {
        let mut body = Vec::new();
        body.extend(1i32.to_be_bytes());
        string(&mut body, topic);
        body.extend(partitions.to_be_bytes());
        body.extend(1i16.to_be_bytes()); // replication factor
        body.extend(0i32.to_be_bytes()); // assignments
        body.extend(i32::try_from(config.len())?.to_be_bytes());
        for (key, value) in config {
            string(&mut body, key);
            string(&mut body, value);
        }
        body.extend(60_000i32.to_be_bytes());
        body.push(0); // not only validated
        let mut answer = self.ask(CREATE_TOPICS, &body)?;
        answer.skip(4 + 4)?;
        answer.text()?;
        check(answer.i16()?, "CreateTopics")
    }

    /// # Errors
    /// The broker's error code, or the socket's.
    pub fn delete_topic(&mut self, topic: &str) -> Result<()> {
        let mut body = Vec::new();
        body.extend(1i32.to_be_bytes());
        string(&mut body, topic);
        body.extend(60_000i32.to_be_bytes());
        let mut answer = self.ask(DELETE_TOPICS, &body)?;
        answer.skip(4 + 4)?;
        answer.text()?;
        check(answer.i16()?, "DeleteTopics")
    }

    /// # Errors
    /// The broker's error code, or the socket's.
    pub fn end_offset(&mut self, topic: &str, partition: i32) -> Result<i64> {
        let mut body = Vec::new();
        body.extend((-1i32).to_be_bytes()); // no replica
        body.extend(1i32.to_be_bytes());
        string(&mut body, topic);
        body.extend(1i32.to_be_bytes());
        body.extend(partition.to_be_bytes());
        body.extend((-1i64).to_be_bytes()); // latest
        let mut answer = self.ask(LIST_OFFSETS, &body)?;
        answer.skip(4)?;
        answer.text()?;
        answer.skip(4 + 4)?;
        check(answer.i16()?, "ListOffsets")?;
        answer.skip(8)?;
        answer.i64()
    }

    /// Sends one batch and does not wait: [`Self::produced`] takes the answer.
    ///
    /// # Errors
    /// The socket's.
    pub fn send_produce(&mut self, topic: &str, partition: i32, acks: i16, batch: &[u8]) -> Result<()> {
        let mut head = Vec::with_capacity(64 + topic.len());
        head.extend((-1i16).to_be_bytes()); // no transactional id
        head.extend(acks.to_be_bytes());
        head.extend(30_000i32.to_be_bytes());
        head.extend(1i32.to_be_bytes());
        string(&mut head, topic);
        head.extend(1i32.to_be_bytes());
        head.extend(partition.to_be_bytes());
        head.extend(i32::try_from(batch.len())?.to_be_bytes());
        self.send(PRODUCE, &head, batch)
    }

    /// The answer to the oldest produce request that has none yet: its base offset.
    ///
    /// # Errors
    /// The broker's error code, or the socket's.
    pub fn produced(&mut self) -> Result<i64> {
        let mut answer = self.receive()?;
        answer.skip(4)?;
        answer.text()?;
        answer.skip(4 + 4)?;
        check(answer.i16()?, "Produce")?;
        answer.i64()
    }

    /// One fetch over several partitions of a topic, without a session. `each` is given the batches of a partition.
    ///
    /// # Errors
    /// The broker's error code, or the socket's.
    pub fn fetch(
        &mut self,
        topic: &str,
        offsets: &[(i32, i64)],
        max_wait: Duration,
        partition_bytes: i32,
        mut each: impl FnMut(i32, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut body = Vec::new();
        body.extend((-1i32).to_be_bytes());
        body.extend(i32::try_from(max_wait.as_millis())?.to_be_bytes());
        body.extend(1i32.to_be_bytes()); // min bytes
        body.extend((50i32 << 20).to_be_bytes()); // max bytes
        body.push(0); // uncommitted
        body.extend(0i32.to_be_bytes()); // no session
        body.extend((-1i32).to_be_bytes());
        body.extend(1i32.to_be_bytes());
        string(&mut body, topic);
        body.extend(i32::try_from(offsets.len())?.to_be_bytes());
        for (partition, offset) in offsets {
            body.extend(partition.to_be_bytes());
            body.extend((-1i32).to_be_bytes()); // leader epoch
            body.extend(offset.to_be_bytes());
            body.extend((-1i64).to_be_bytes());
            body.extend(partition_bytes.to_be_bytes());
        }
        body.extend(0i32.to_be_bytes()); // nothing forgotten
        string(&mut body, ""); // rack
        let mut answer = self.ask(FETCH, &body)?;
        answer.skip(4)?;
        check(answer.i16()?, "Fetch")?;
        answer.skip(4)?;
        for _ in 0..answer.i32()? {
            answer.text()?;
            for _ in 0..answer.i32()? {
                let partition = answer.i32()?;
                check(answer.i16()?, "Fetch")?;
                answer.skip(8 + 8 + 8)?;
                let aborted = usize::try_from(answer.i32()?.max(0))?;
                answer.skip(aborted * 16 + 4)?;
                let length = usize::try_from(answer.i32()?.max(0))?;
                each(partition, answer.take(length)?)?;
            }
        }
        Ok(())
    }

    fn ask(&mut self, api: (i16, i16), body: &[u8]) -> Result<Reader<'_>> {
        self.send(api, body, &[])?;
        self.receive()
    }

    fn send(&mut self, (key, version): (i16, i16), body: &[u8], tail: &[u8]) -> Result<()> {
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let mut head = vec![0; 4];
        head.extend(key.to_be_bytes());
        head.extend(version.to_be_bytes());
        head.extend(self.correlation_id.to_be_bytes());
        string(&mut head, "bench");
        head.extend(body);
        let length = u32::try_from(head.len() - 4 + tail.len())?;
        head[..4].copy_from_slice(&length.to_be_bytes());
        let sent = self.stream.write_vectored(&[IoSlice::new(&head), IoSlice::new(tail)])?;
        if sent < head.len() {
            self.stream.write_all(&head[sent..])?;
            self.stream.write_all(tail)?;
        } else {
            self.stream.write_all(&tail[sent - head.len()..])?;
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<Reader<'_>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).context("no answer")?;
        let length = usize::try_from(u32::from_be_bytes(length))?;
        ensure!((4..=256 << 20).contains(&length), "an answer of {length} bytes");
        self.answer.resize(length.max(self.answer.len()), 0);
        let answer = &mut self.answer[..length];
        self.stream.read_exact(answer).context("half an answer")?;
        Ok(Reader(&answer[4..]))
    }
}

impl Fetched {
    /// Walks over the batches of a fetch by their headers; the last may be cut.
    pub fn of(mut bytes: &[u8], from: i64) -> Fetched {
        let mut fetched = Fetched { bytes: bytes.len(), records: 0, next_offset: from };
        while bytes.len() >= BATCH_HEADER_BYTES {
            let field = |at: usize| i32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
            let size = 12 + field(8) as usize;
            if bytes.len() < size {
                break;
            }
            let base_offset = i64::from_be_bytes(bytes[..8].try_into().expect("eight bytes"));
            let count = i64::from(field(57));
            // The broker may begin with the batch that holds the offset.
            let skipped = (fetched.next_offset - base_offset).clamp(0, count);
            fetched.records += (count - skipped) as u64;
            fetched.next_offset = base_offset + i64::from(field(23)) + 1;
            bytes = &bytes[size..];
        }
        fetched
    }
}

fn check(code: i16, api: &str) -> Result<()> {
    if code != 0 {
        bail!("{api} was answered with the error {code}");
    }
    Ok(())
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.extend(i16::try_from(text.len()).expect("names are short").to_be_bytes());
    out.extend(text.as_bytes());
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        ensure!(self.0.len() >= count, "an answer ends early");
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        Ok(taken)
    }

    fn skip(&mut self, count: usize) -> Result<()> {
        self.take(count).map(drop)
    }

    fn i16(&mut self) -> Result<i16> {
        Ok(i16::from_be_bytes(self.take(2)?.try_into()?))
    }

    fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.take(4)?.try_into()?))
    }

    fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.take(8)?.try_into()?))
    }

    fn text(&mut self) -> Result<&'a [u8]> {
        let length = usize::try_from(self.i16()?.max(0))?;
        self.take(length)
    }
}
