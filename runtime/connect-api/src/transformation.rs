//! Transformations: a batch in, batches out, rows keep their ids.

use crate::config_def::ConfigMap;
use crate::error::ConnectError;
use sluice_data::ConnectBatch;

pub type TransformationError = ConnectError;

/// Kafka: `org.apache.kafka.connect.transforms.Transformation`, for columns.
///
/// Rows that are left out are dropped on purpose. A `Rejected` error means at least one row cannot be transformed: the
/// worker finds it by halves.
#[async_trait::async_trait]
pub trait Transformation: Send {
    /// # Errors
    /// `Rejected`: a row cannot be transformed. `Retriable` and `Fatal` as everywhere.
    async fn apply(&mut self, batch: &ConnectBatch) -> Result<Vec<ConnectBatch>, TransformationError>;

    async fn close(&mut self) {}
}

/// Makes a native transformation from its own keys (without the `transforms.<alias>.` prefix).
pub type TransformationFactory = fn(config: &ConfigMap) -> Result<Box<dyn Transformation>, String>;
