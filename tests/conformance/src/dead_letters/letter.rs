//! A record of a dead letter queue, as its bytes are.

use std::fmt;

use rdkafka::message::{BorrowedMessage, Headers, Message};

/// What every header of the context begins with.
const CONTEXT: &str = "__connect.errors.";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Milliseconds since the epoch.
    pub timestamp: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// In their order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Letter {
    #[must_use]
    pub fn of(message: &BorrowedMessage<'_>) -> Letter {
        let headers = message.headers().map_or_else(Vec::new, |headers| {
            headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
        });
        let owned = |bytes: &[u8]| bytes.to_vec();
        let (key, value) = (message.key().map(owned), message.payload().map(owned));
        Letter { timestamp: message.timestamp().to_millis(), key, value, headers }
    }

    /// The last value of a header of the context, without what the names begin with.
    #[must_use]
    pub fn context(&self, name: &str) -> Option<String> {
        let is_it = |header: &&(String, Option<Vec<u8>>)| header.0.strip_prefix(CONTEXT) == Some(name);
        let value = self.headers.iter().rfind(is_it)?.1.as_deref()?;
        Some(String::from_utf8_lossy(value).into_owned())
    }
}

impl fmt::Display for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "at {:?}: key {}, value {}",
            self.timestamp,
            shown(self.key.as_deref()),
            shown(self.value.as_deref())
        )?;
        self.headers.iter().try_for_each(|(name, value)| write!(f, "\n      {name} = {}", shown(value.as_deref())))
    }
}

/// Bytes for people; only the first line of a trace.
pub(super) fn shown(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "null".to_owned() };
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    format!("\"{}\"", line.escape_ascii())
}
