//! The coordinator: requests in, effects out.

use crate::{AppendId, Config, Effect, ErrorCode, Request, Token};

/// All groups of a broker.
#[derive(Debug)]
pub struct Coordinator {
    config: Config,
}

impl Coordinator {
    /// Without any group. Load what the log holds before the first request.
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Takes one record of `__consumer_offsets`, oldest first. `transaction` is the producer id of its batch, when that
    /// batch is transactional; the record then waits for [`Self::complete_transaction`].
    pub fn load(&mut self, _key: &[u8], _value: Option<&[u8]>, _transaction: Option<i64>) {}

    /// Ends loading: sessions of the members that were found start at `now_ms`.
    pub fn loaded(&mut self, _now_ms: i64) -> Vec<Effect> {
        Vec::new()
    }

    /// Handles one request that waits under `token`.
    pub fn handle(&mut self, _now_ms: i64, _token: Token, _request: Request) -> Vec<Effect> {
        Vec::new()
    }

    /// Reports what became of [`Effect::Append`].
    pub fn appended(&mut self, _now_ms: i64, _id: AppendId, _outcome: Result<(), ErrorCode>) -> Vec<Effect> {
        Vec::new()
    }

    /// The connection of this request is gone: nobody waits for its answer.
    pub fn drop_token(&mut self, _now_ms: i64, _token: Token) -> Vec<Effect> {
        Vec::new()
    }

    /// When [`Self::tick`] has something to do, in ms; it may be in the past.
    pub fn next_deadline(&self) -> Option<i64> {
        None
    }

    /// Does what is due: sessions and rounds that time out, delayed rounds, expired offsets.
    pub fn tick(&mut self, _now_ms: i64) -> Vec<Effect> {
        Vec::new()
    }

    /// A transaction's marker is in the log: its pending offsets take effect (`commit`) or vanish.
    pub fn complete_transaction(&mut self, _now_ms: i64, _producer_id: i64, _commit: bool) -> Vec<Effect> {
        Vec::new()
    }

    /// These topics are deleted: so are the offsets that any group has for them.
    pub fn topics_deleted(&mut self, _now_ms: i64, _topics: &[String]) -> Vec<Effect> {
        Vec::new()
    }
}
