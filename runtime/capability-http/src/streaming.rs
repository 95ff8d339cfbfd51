//! A request whose body is written piece by piece.

use crate::bindings::sluice::http::http::Request;
use crate::config::Endpoints;
use crate::request::{Prepared, client_error, request_error, timed_out};
use crate::response::Response;
use bytes::Bytes;
use futures_util::stream;
use sluice_capability::CapabilityError;
use sluice_capability::bindings::errors::Error;
use sluice_capability::state::{AbortOnDrop, ByteSink};
use std::io;
use std::time::Duration;
use tokio::sync::mpsc;

/// Pieces on their way to the server: more would only hide that it is slow.
const PIECES_WAITING: usize = 2;
/// How much of the answer `finish` gives.
const ANSWER_BYTES_MAX: usize = 1 << 20;

enum Piece {
    Bytes(Bytes),
    /// The body is whole. Without this the request is broken off: half a body must not look like a whole one.
    End,
}

/// The body of a running request. Dropping it breaks the request off.
pub struct BodySink {
    pieces: mpsc::Sender<Piece>,
    /// Ends with the answer as JSON.
    request: Option<AbortOnDrop>,
    sent_bytes: u64,
    /// For the answer, once the body is whole.
    timeout: Duration,
}

impl BodySink {
    /// Redirects are not followed: the body is gone by then.
    ///
    /// # Errors
    /// As [`crate::request::send`].
    pub fn start(endpoints: &Endpoints, request: &Request) -> Result<Self, Error> {
        let prepared = Prepared::new(endpoints, request)?;
        let client = endpoints.shared.client().map_err(|error| client_error(&error))?;
        let (pieces, receiver) = mpsc::channel(PIECES_WAITING);
        let body = reqwest::Body::wrap_stream(stream::unfold(Some(receiver), next_piece));
        let sending = prepared.builder(client, Some(body)).send();
        let timeout = prepared.timeout;
        let request = tokio::spawn(async move {
            let answer = sending.await.map_err(|error| request_error(&error))?;
            let mut response = Response::new(answer, timeout);
            let body = response.text(ANSWER_BYTES_MAX).await?;
            Ok(serde_json::json!({ "status": response.status(), "body": body }).to_string())
        });
        Ok(Self { pieces, request: Some(AbortOnDrop(request)), sent_bytes: 0, timeout })
    }

    async fn answer(&mut self) -> Result<String, Error> {
        let lost = || CapabilityError::fatal("http.error", "this request has ended");
        let mut request = self.request.take().ok_or_else(lost)?;
        let answer = tokio::time::timeout(self.timeout, &mut request.0).await.map_err(|_| timed_out(self.timeout))?;
        answer.unwrap_or_else(|error| Err(CapabilityError::fatal("http.error", format!("the request ended: {error}"))))
    }
}

async fn next_piece(
    receiver: Option<mpsc::Receiver<Piece>>,
) -> Option<(io::Result<Bytes>, Option<mpsc::Receiver<Piece>>)> {
    let mut receiver = receiver?;
    match receiver.recv().await {
        Some(Piece::Bytes(bytes)) => Some((Ok(bytes), Some(receiver))),
        Some(Piece::End) => None,
        None => Some((Err(io::Error::other("the body was given up")), None)),
    }
}

#[async_trait::async_trait]
impl ByteSink for BodySink {
    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        let length = bytes.len() as u64;
        if bytes.is_empty() {
            return Ok(());
        }
        if self.pieces.send(Piece::Bytes(bytes)).await.is_err() {
            // The server answered before the body was whole, or the connection broke.
            let answer = self.answer().await?;
            let message = format!("the server ended the request early: {}", status_of(&answer));
            return Err(CapabilityError::retriable("http.ended-early", message));
        }
        self.sent_bytes += length;
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<String, Error> {
        // Fails only when the request has ended already; its answer says how.
        let _ = self.pieces.send(Piece::End).await;
        self.answer().await
    }

    fn size_bytes(&self) -> u64 {
        self.sent_bytes
    }
}

fn status_of(answer: &str) -> String {
    let status = serde_json::from_str::<serde_json::Value>(answer).ok().and_then(|answer| answer["status"].as_u64());
    status.map_or_else(|| "no status".to_owned(), |status| format!("status {status}"))
}
