//! `ByteArrayConverter`: bytes as they are, sharing the column's buffers.
//!
//! Source: Kafka `org.apache.kafka.connect.converters.ByteArrayConverter`.

use crate::string::without_tombstones;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray};
use arrow_cast::cast;
use arrow_schema::{DataType, Field};
use sluice_connect_api::{ConfigDef, ConfigMap, ConvertError, Converted, Converter, ConverterRole};
use sluice_data::ConnectSchema;
use sluice_data::schema::decimal_scale;
use std::sync::Arc;

pub const CLASS: &str = "org.apache.kafka.connect.converters.ByteArrayConverter";

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct ByteArrayConverter;

#[must_use]
pub fn config_def() -> ConfigDef {
    ConfigDef::default()
}

/// # Errors
/// None; the signature is the registry's.
pub fn make(_role: ConverterRole, _config: &ConfigMap) -> Result<Box<dyn Converter>, String> {
    Ok(Box::new(ByteArrayConverter))
}

impl Converter for ByteArrayConverter {
    fn from_connect_data(
        &self,
        _topic: &str,
        field: &Field,
        values: &ArrayRef,
        tombstones: Option<&BooleanArray>,
    ) -> Result<BinaryArray, ConvertError> {
        let bytes = match values.data_type() {
            DataType::Null => BinaryArray::new_null(values.len()),
            // Nothing but tombstones has no schema to refuse.
            _ if tombstones.is_some_and(|tombstones| tombstones.true_count() == values.len()) => {
                BinaryArray::new_null(values.len())
            }
            DataType::Binary if decimal_scale(field).is_none() => values.as_binary::<i32>().clone(),
            DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                let bytes = cast(values, &DataType::Binary).map_err(|error| ConvertError::new(error.to_string()))?;
                bytes.as_binary::<i32>().clone()
            }
            // A Decimal's schema is one of bytes, which is all that is asked of a null.
            _ if is_decimal(field) && values.null_count() == values.len() => BinaryArray::new_null(values.len()),
            _ => return Err(refuse(field)),
        };
        let (offsets, bytes, nulls) = bytes.into_parts();
        Ok(BinaryArray::new(offsets, bytes, without_tombstones(nulls, tombstones)))
    }

    fn to_connect_data(&self, _topic: &str, bytes: &BinaryArray) -> Result<Vec<Converted>, ConvertError> {
        let field = Arc::new(Field::new("value", DataType::Binary, true));
        Ok(vec![Converted { rows: None, field, values: Arc::new(bytes.clone()), tombstones: None }])
    }
}

fn is_decimal(field: &Field) -> bool {
    matches!(field.data_type(), DataType::Decimal128(..) | DataType::Decimal256(..)) || decimal_scale(field).is_some()
}

fn refuse(field: &Field) -> ConvertError {
    ConvertError::new(match ConnectSchema::from_field(field) {
        Ok(Some(schema)) if !is_decimal(field) => {
            format!("Invalid schema type for ByteArrayConverter: {}", schema.type_name().to_uppercase())
        }
        _ => "ByteArrayConverter is not compatible with this value, which is not bytes".to_owned(),
    })
}
