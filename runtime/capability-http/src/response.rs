//! An answer whose body is read as it comes.

use crate::request::{request_error, timed_out};
use bytes::Bytes;
use sluice_capability::CapabilityError;
use sluice_capability::bindings::errors::Error;
use std::time::Duration;

/// What one call of `read` or `text` gives at most.
const READ_BYTES_MAX: usize = 16 << 20;

/// A guest's handle on an answer. Dropping it closes the connection when the body was not read.
pub struct Response {
    answer: reqwest::Response,
    /// Came with the last piece, but was not asked for yet.
    left: Bytes,
    timeout: Duration,
}

impl Response {
    pub(crate) fn new(answer: reqwest::Response, timeout: Duration) -> Self {
        Self { answer, left: Bytes::new(), timeout }
    }

    #[must_use]
    pub fn status(&self) -> u16 {
        self.answer.status().as_u16()
    }

    #[must_use]
    pub fn headers(&self) -> Vec<(String, String)> {
        let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        self.answer.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
    }

    /// # Errors
    /// Retriable when the network is at fault.
    pub async fn read(&mut self, max_bytes: usize) -> Result<Vec<u8>, Error> {
        let wanted = max_bytes.clamp(1, READ_BYTES_MAX);
        while self.left.is_empty() {
            match self.piece().await? {
                Some(piece) => self.left = piece,
                None => return Ok(Vec::new()),
            }
        }
        Ok(self.left.split_to(wanted.min(self.left.len())).to_vec())
    }

    /// # Errors
    /// Rejected `http.body-too-large`, retriable when the network is at fault.
    pub async fn text(&mut self, max_bytes: usize) -> Result<String, Error> {
        let limit = max_bytes.min(READ_BYTES_MAX);
        let mut body = std::mem::take(&mut self.left).to_vec();
        while let Some(piece) = self.piece().await? {
            if body.len() + piece.len() > limit {
                let message = format!("the answer is longer than {limit} bytes");
                return Err(CapabilityError::rejected("http.body-too-large", message));
            }
            body.extend_from_slice(&piece);
        }
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, Error> {
        let piece =
            tokio::time::timeout(self.timeout, self.answer.chunk()).await.map_err(|_| timed_out(self.timeout))?;
        piece.map_err(|error| request_error(&error))
    }
}
