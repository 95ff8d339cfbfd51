//! Two requests in their plainest form, to see the broker without any client: what it offers, and how a batch lies in the log.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};

const LIMIT: Duration = Duration::from_secs(10);
const FETCH: i16 = 1;
const API_VERSIONS: i16 = 18;
/// The longest answer that is taken; everything that is asked for here is far smaller.
const MAX_ANSWER: usize = 64 << 20;

/// What stands in the header of a record batch v2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    pub base_offset: i64,
    /// Bits 0–2 of the attributes: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub codec: i16,
    /// Bit 4 of the attributes.
    pub transactional: bool,
    /// −1 where the producer was not idempotent.
    pub producer_id: i64,
}

/// The keys of the APIs that the broker offers: ApiVersions, version 0.
pub fn offered(address: &str) -> Result<Vec<i16>> {
    let answer = ask(address, API_VERSIONS, 0, &[])?;
    let mut reader = Reader(&answer);
    let error = reader.i16()?;
    if error != 0 {
        bail!("ApiVersions was answered with the error {error}");
    }
    let count = reader.i32()?;
    (0..count)
        .map(|_| {
            let key = reader.i16()?;
            reader.take(4)?;
            Ok(key)
        })
        .collect()
}

/// The headers of all batches of a partition: Fetch, version 4, from its first offset.
pub fn batches(address: &str, topic: &str, partition: i32) -> Result<Vec<Batch>> {
    let mut body = Vec::new();
    body.extend((-1i32).to_be_bytes()); // no replica
    body.extend(1000i32.to_be_bytes()); // max wait
    body.extend(1i32.to_be_bytes()); // min bytes
    body.extend((32i32 << 20).to_be_bytes()); // max bytes
    body.push(0); // read uncommitted
    body.extend(1i32.to_be_bytes());
    body.extend(string(topic)?);
    body.extend(1i32.to_be_bytes());
    body.extend(partition.to_be_bytes());
    body.extend(0i64.to_be_bytes());
    body.extend((32i32 << 20).to_be_bytes());
    let answer = ask(address, FETCH, 4, &body)?;
    let mut reader = Reader(&answer);
    reader.take(4 + 4)?; // throttle, one topic
    let name = usize::try_from(reader.i16()?)?;
    reader.take(name + 4 + 4)?; // its name, one partition, its number
    let error = reader.i16()?;
    if error != 0 {
        bail!("Fetch of {topic}-{partition} was answered with the error {error}");
    }
    reader.take(8 + 8)?; // high watermark, last stable offset
    let aborted = usize::try_from(reader.i32()?.max(0))?;
    reader.take(aborted * 16)?;
    reader.take(4)?;
    batch_headers(reader.0)
}

fn batch_headers(mut bytes: &[u8]) -> Result<Vec<Batch>> {
    let mut found = Vec::new();
    while bytes.len() >= 61 {
        let mut reader = Reader(bytes);
        let base_offset = reader.i64()?;
        let length = usize::try_from(reader.i32()?)?;
        reader.take(4 + 1 + 4)?; // leader epoch, magic, CRC
        let attributes = reader.i16()?;
        reader.take(4 + 8 + 8)?; // last offset delta, two times
        let producer_id = reader.i64()?;
        found.push(Batch { base_offset, codec: attributes & 7, transactional: attributes & 16 != 0, producer_id });
        bytes = bytes.get(12 + length..).unwrap_or_default();
    }
    Ok(found)
}

fn ask(address: &str, key: i16, version: i16, body: &[u8]) -> Result<Vec<u8>> {
    let mut frame = Vec::new();
    frame.extend(key.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend(7i32.to_be_bytes()); // correlation id
    frame.extend(string("sluice-clients")?);
    frame.extend(body);
    let mut stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(&u32::try_from(frame.len())?.to_be_bytes())?;
    stream.write_all(&frame)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).context("no answer")?;
    let length = usize::try_from(u32::from_be_bytes(length))?;
    if !(4..=MAX_ANSWER).contains(&length) {
        bail!("an answer of {length} bytes");
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).context("half an answer")?;
    Ok(answer.split_off(4))
}

fn string(text: &str) -> Result<Vec<u8>> {
    let mut bytes = i16::try_from(text.len())?.to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    Ok(bytes)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).context("the answer is too short")?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into().expect("`take` gives as many bytes as it was asked for"))
    }

    fn i16(&mut self) -> Result<i16> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.array()?))
    }
}
