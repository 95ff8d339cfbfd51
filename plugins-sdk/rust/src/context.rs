//! What a task may ask of its runtime.

pub use crate::bindings::imports::sluice::connector::task_context::{
    attribute, config, connector_name, generation, pause, request_commit, request_reconfiguration, task_index,
};

use crate::SourceOffset;
use crate::bindings::imports::sluice::connector::task_context;
use serde_json::Value;

/// The stored offset of a source partition, both JSON objects.
#[must_use]
pub fn stored_offset(partition: &Value) -> Option<Value> {
    serde_json::from_str(&task_context::stored_offset(&partition.to_string())?).ok()
}

/// Every stored offset of this connector.
#[must_use]
pub fn stored_offsets() -> Vec<(Value, Value)> {
    let parse = |text: &str| serde_json::from_str(text).ok();
    let stored = task_context::stored_offsets();
    stored.iter().filter_map(|(partition, offset)| Some((parse(partition)?, parse(offset)?))).collect()
}

impl SourceOffset {
    /// A source partition and where it stands, both JSON objects.
    #[must_use]
    pub fn new(partition: &Value, offset: &Value) -> Self {
        Self { partition: partition.to_string(), offset: Some(offset.to_string()) }
    }

    /// Forgets a partition.
    #[must_use]
    pub fn forget(partition: &Value) -> Self {
        Self { partition: partition.to_string(), offset: None }
    }

    /// Both as JSON; `None` where a text is no JSON.
    #[must_use]
    pub fn parse(&self) -> (Option<Value>, Option<Value>) {
        let offset = self.offset.as_deref().and_then(|offset| serde_json::from_str(offset).ok());
        (serde_json::from_str(&self.partition).ok(), offset)
    }
}
