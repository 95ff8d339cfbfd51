//! Frames: a length, a request header, a body.
//!
//! ```text
//! i32 length of what follows (big-endian)
//! i16 api key, i16 api version, i32 correlation id, nullable string client id (i16 length)
//! from the API's first flexible version on: tagged fields (KIP-482)
//! body
//! ```
//! The length is compared with the limit before anything is allocated, and memory is taken as the bytes arrive, so a
//! client that claims much and sends little holds little. All of them together hold at most the pool, and one request
//! that may go past it so that they do not wait for each other for ever.

use crate::memory::{MemoryPool, Share};
use bytes::{Buf, Bytes, BytesMut};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// A frame grows by steps of this size while it arrives.
const STEP_BYTES: usize = 64 << 10;
/// A frame of `n` bytes has the stall time-out and this much time besides: 64 KiB a second.
const BYTES_PER_SECOND_MIN: u64 = 64 << 10;

#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("the client closed the connection")]
    Closed,
    #[error("a frame claims {length} bytes, the limit is {limit_bytes}")]
    BadLength { length: i32, limit_bytes: usize },
    #[error("the connection was idle for {0:?}")]
    Idle(Duration),
    #[error("a frame did not arrive whole in time")]
    Stalled,
    #[error("cannot read from the connection")]
    Io(#[from] std::io::Error),
}

/// One frame without its length, and the memory that it stands for.
#[derive(Debug)]
pub(crate) struct Frame {
    pub bytes: Bytes,
    pub shares: Vec<Share>,
}

impl Frame {
    /// What it asks for; of a frame that is too short, none.
    pub(crate) fn api_key(&self) -> i16 {
        self.bytes.first_chunk().map_or(-1, |key| i16::from_be_bytes(*key))
    }
}

/// Reads one frame.
pub(crate) async fn read_frame(
    input: &mut (impl AsyncRead + Unpin),
    limits: &crate::Limits,
    memory: &MemoryPool,
) -> Result<Frame, FrameError> {
    let mut head = [0; 4];
    match timeout(limits.idle_timeout, input.read_exact(&mut head)).await {
        Err(_) => return Err(FrameError::Idle(limits.idle_timeout)),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Err(FrameError::Closed),
        Ok(read) => read?,
    };
    let length = i32::from_be_bytes(head);
    let limit_bytes = limits.request_bytes_max;
    let size = usize::try_from(length).ok().filter(|size| (8..=limit_bytes).contains(size));
    let size = size.ok_or(FrameError::BadLength { length, limit_bytes })?;
    let patience = limits.stall_timeout + Duration::from_secs(size as u64 / BYTES_PER_SECOND_MIN);
    timeout(patience, read_body(input, size, memory)).await.unwrap_or(Err(FrameError::Stalled))
}

async fn read_body(
    input: &mut (impl AsyncRead + Unpin),
    size: usize,
    memory: &MemoryPool,
) -> Result<Frame, FrameError> {
    let mut bytes = BytesMut::new();
    let mut shares = Vec::new();
    while bytes.len() < size {
        // As much again as has arrived: a long frame is read in few steps.
        let step = (size - bytes.len()).min(bytes.len().max(STEP_BYTES));
        match shares.last() {
            None => shares.push(memory.take(step).await),
            Some(Share::Units(_)) => shares.push(memory.take_more(step).await),
            Some(Share::Turn(_)) => {}
        }
        bytes.reserve(step);
        let mut limited = (&mut *input).take(step as u64);
        while limited.limit() > 0 {
            if limited.read_buf(&mut bytes).await? == 0 {
                return Err(FrameError::Closed);
            }
        }
    }
    Ok(Frame { bytes: bytes.freeze(), shares })
}

/// What stands before a request's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestHeader {
    pub api_key: i16,
    pub api_version: i16,
    pub correlation_id: i32,
    pub client_id: String,
}

/// Takes the header off the frame. `None`: it is malformed. `flexible` says whether it has tagged fields.
pub(crate) fn take_header(frame: &mut Bytes, flexible: impl FnOnce(i16, i16) -> bool) -> Option<RequestHeader> {
    if frame.len() < 8 {
        return None;
    }
    let (api_key, api_version, correlation_id) = (frame.get_i16(), frame.get_i16(), frame.get_i32());
    let client_id = take_client_id(frame)?;
    if flexible(api_key, api_version) {
        for _ in 0..take_varint(frame)? {
            take_varint(frame)?;
            let size = take_varint(frame)? as usize;
            if frame.len() < size {
                return None;
            }
            frame.advance(size);
        }
    }
    Some(RequestHeader { api_key, api_version, correlation_id, client_id })
}

fn take_client_id(frame: &mut Bytes) -> Option<String> {
    let length = frame.try_get_i16().ok()?;
    if length == -1 {
        return Some(String::new());
    }
    let length = usize::try_from(length).ok().filter(|length| *length <= frame.len())?;
    String::from_utf8(frame.split_to(length).to_vec()).ok()
}

fn take_varint(frame: &mut Bytes) -> Option<u32> {
    let mut value = 0u32;
    for shift in (0..35).step_by(7) {
        let byte = frame.try_get_u8().ok()?;
        value |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
