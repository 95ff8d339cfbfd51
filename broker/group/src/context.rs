//! What the handling of one event carries along: the time, who waits, what comes out.

use crate::pending::Pending;
use crate::{AppendId, AppendRecord, Config, Effect, ErrorCode, ProducerIdAndEpoch, Response, Token};
use std::collections::HashMap;

/// The coordinator's hands: everything that leaves it goes through here.
#[derive(Debug)]
pub(crate) struct Context {
    pub config: Config,
    pub now_ms: i64,
    effects: Vec<Effect>,
    /// The request being handled, until it is answered.
    current: Option<Token>,
    /// Requests whose answer comes later, with their group. A token that is not here gets no answer.
    waiting: HashMap<Token, String>,
    last_append: u64,
    pending: HashMap<AppendId, Pending>,
}

impl Context {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            now_ms: 0,
            effects: Vec::new(),
            current: None,
            waiting: HashMap::new(),
            last_append: 0,
            pending: HashMap::new(),
        }
    }

    pub(crate) fn begin(&mut self, now_ms: i64, token: Option<Token>) {
        self.now_ms = now_ms;
        self.current = token;
    }

    /// Ends an event; a request that has no answer yet waits from now on.
    pub(crate) fn finish(&mut self, group_id: &str) -> Vec<Effect> {
        if let Some(token) = self.current.take() {
            self.waiting.insert(token, group_id.to_owned());
        }
        std::mem::take(&mut self.effects)
    }

    pub(crate) fn answer(&mut self, token: Token, response: Response) {
        if self.current == Some(token) {
            self.current = None;
        } else if self.waiting.remove(&token).is_none() {
            return;
        }
        self.effects.push(Effect::Answer(token, response));
    }

    /// Forgets a request; the group it waited for, if it did.
    pub(crate) fn drop_token(&mut self, token: Token) -> Option<String> {
        self.waiting.remove(&token)
    }

    /// The number that the next append will have: later ones are greater, as their place in the log.
    pub(crate) fn next_append(&self) -> u64 {
        self.last_append + 1
    }

    /// A number for a loaded record, so that later appends count as newer.
    pub(crate) fn number_loaded(&mut self) -> u64 {
        self.last_append += 1;
        self.last_append
    }

    pub(crate) fn append(
        &mut self,
        records: Vec<AppendRecord>,
        transaction: Option<ProducerIdAndEpoch>,
        pending: Pending,
    ) {
        self.last_append += 1;
        let id = AppendId(self.last_append);
        self.pending.insert(id, pending);
        self.effects.push(Effect::Append { id, records, transaction });
    }

    pub(crate) fn take_pending(&mut self, id: AppendId) -> Option<Pending> {
        self.pending.remove(&id)
    }
}

/// What a failed append of group metadata means to a client (`appendGroupMetadataErrorToResponseError`).
pub(crate) fn group_append_error(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::UnknownTopicOrPartition | ErrorCode::RequestTimedOut => ErrorCode::CoordinatorNotAvailable,
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        ErrorCode::MessageTooLarge => ErrorCode::UnknownServerError,
        other => other,
    }
}

/// What a failed append of offsets means to a client.
pub(crate) fn offset_append_error(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::MessageTooLarge => ErrorCode::InvalidCommitOffsetSize,
        other => group_append_error(other),
    }
}
