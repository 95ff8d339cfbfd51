//! A connection that speaks the protocol by hand, where a real client would be too polite or too heavy.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::RequestHeader;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

/// Longer than any request here waits in the broker.
const LIMIT: Duration = Duration::from_secs(60);

pub struct Connection {
    pub stream: TcpStream,
    next_id: i32,
}

impl Connection {
    pub fn open(address: &str) -> Result<Connection> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        Ok(Connection { stream, next_id: 1 })
    }

    /// Sends a request and waits for its answer.
    pub fn call<R: Request>(&mut self, version: i16, request: &R) -> Result<R::Response> {
        let id = self.send(version, request)?;
        let (answered, mut body) = self.receive()?;
        if answered != id {
            bail!("request {id} was answered as {answered}");
        }
        if R::Response::header_version(version) >= 1 && body.get_u8() != 0 {
            bail!("tagged fields in the header of an answer");
        }
        R::Response::decode(&mut body, version)
    }

    /// Sends a request; its answer is not read.
    pub fn send<R: Request>(&mut self, version: i16, request: &R) -> Result<i32> {
        let id = self.next_id;
        self.next_id += 1;
        self.stream.write_all(&frame(version, id, request)?)?;
        Ok(id)
    }

    /// The correlation id of the next answer, and what follows it.
    pub fn receive(&mut self) -> Result<(i32, Bytes)> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).context("no answer")?;
        let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut bytes).context("half an answer")?;
        let mut bytes = Bytes::from(bytes);
        Ok((bytes.get_i32(), bytes))
    }
}

/// A request as it goes over the wire.
pub fn frame<R: Request>(version: i16, id: i32, request: &R) -> Result<BytesMut> {
    let mut out = BytesMut::new();
    out.put_i32(0);
    RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(id)
        .with_client_id(Some(StrBytes::from_static_str("torture")))
        .encode(&mut out, R::header_version(version))?;
    request.encode(&mut out, version)?;
    let length = i32::try_from(out.len() - 4)?;
    out[..4].copy_from_slice(&length.to_be_bytes());
    Ok(out)
}
