//! Predicates: to which rows of a batch a transformation is applied.

use crate::config_def::ConfigMap;
use arrow_array::BooleanArray;
use sluice_data::ConnectBatch;

/// Kafka: `org.apache.kafka.connect.transforms.predicates.Predicate`, for columns. Pure; `negate` is the chain's business.
pub trait Predicate: Send + Sync {
    /// One answer for each row, none of them null.
    fn test(&self, batch: &ConnectBatch) -> BooleanArray;
}

/// Makes a predicate from its own keys (without the `predicates.<alias>.` prefix).
pub type PredicateFactory = fn(config: &ConfigMap) -> Result<Box<dyn Predicate>, String>;
