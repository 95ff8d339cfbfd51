//! A transformation that refuses some values and is busy at first.

use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::{DataType, Field};
use sluice_connect_api::{ConfigDef, ConfigMap, ConnectError, PluginRegistry, Transformation, TransformationError};
use sluice_data::ConnectBatch;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Keys: `refuse` (a value that it rejects), `busy` (so many calls answer retriable), `suffix`.
pub const CLASS: &str = "test.Suffix";

static CALLS: AtomicU64 = AtomicU64::new(0);

/// Of all of them, in this process.
pub fn calls() -> u64 {
    CALLS.load(Ordering::Relaxed)
}

pub fn register(plugins: &PluginRegistry) {
    plugins.add_native_transformation(CLASS, ConfigDef::default, make);
}

fn make(config: &ConfigMap) -> Result<Box<dyn Transformation>, String> {
    let text = |key: &str| config.get(key).cloned().unwrap_or_default();
    let busy = text("busy").parse().unwrap_or(0);
    Ok(Box::new(Suffix { refuse: text("refuse"), busy, suffix: text("suffix") }))
}

struct Suffix {
    refuse: String,
    busy: u32,
    suffix: String,
}

#[async_trait::async_trait]
impl Transformation for Suffix {
    async fn apply(&mut self, batch: &ConnectBatch) -> Result<Vec<ConnectBatch>, TransformationError> {
        CALLS.fetch_add(1, Ordering::Relaxed);
        if self.busy > 0 {
            self.busy -= 1;
            return Err(ConnectError::retriable("busy", "come back later"));
        }
        let values = batch.value().as_any().downcast_ref::<StringArray>().expect("the tests store text");
        if values.iter().flatten().any(|value| value == self.refuse) {
            return Err(ConnectError::rejected("refused", format!("{} is refused", self.refuse)));
        }
        let suffixed: StringArray =
            values.iter().map(|value| value.map(|value| format!("{value}{}", self.suffix))).collect();
        let suffixed: ArrayRef = Arc::new(suffixed);
        let batch = batch.with_column("value", &Field::new("value", DataType::Utf8, true), suffixed);
        Ok(vec![batch.expect("only the text changed")])
    }
}
