//! `io.sluice.transforms.Filter`: keeps the records for which a condition holds. Ours, not Kafka's.

use crate::expression::Expression;
use crate::smt::{RecordSmt, SmtResult, rejected, string_key};
use cel::Value;
use sluice_connect_api::config_def::{Default, Validator};
use sluice_connect_api::{ConfigDef, ConfigMap};
use sluice_data::ConnectBatch;

pub struct FilterExpression {
    condition: Expression,
}

impl RecordSmt for FilterExpression {
    fn config_def() -> ConfigDef {
        let documentation = "A CEL expression over key, value, headers, topic, partition and timestamp. Records for which it is \
                             true are kept, those for which it is false are dropped.";
        let key = string_key("condition", Default::Required, documentation).validator(Validator::NonEmpty);
        ConfigDef::default().define(key)
    }

    fn new(config: &ConfigMap) -> Result<Self, String> {
        let source = &config["condition"];
        let condition = Expression::new(source)
            .map_err(|reason| format!("Invalid value {source} for configuration condition: {reason}"))?;
        Ok(Self { condition })
    }

    fn apply(&self, batch: &ConnectBatch) -> SmtResult<Vec<ConnectBatch>> {
        let keep = self.condition.evaluate(batch, |value| match value {
            Value::Bool(keep) => Ok(keep),
            other => Err(rejected(format!("the condition is {other:?}, neither true nor false"))),
        })?;
        Ok(vec![batch.filter(&keep.into()).map_err(|error| rejected(error.to_string()))?])
    }
}
