//! `StringConverter`: text as it is. A column of strings and a column of bytes share their buffers.
//!
//! As in Java, bytes that are not UTF-8 are read with U+FFFD in their place, never refused. Schemaless JSON is written as its
//! text (a JSON string without its quotes). Source: Kafka `org.apache.kafka.connect.storage.StringConverter`.

use crate::java_text;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, StringArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field};
use sluice_connect_api::config_def::{Default, Validator};
use sluice_connect_api::{
    ConfigDef, ConfigKey, ConfigMap, ConfigType, ConvertError, Converted, Converter, ConverterRole, Importance,
};
use sluice_data::schema::is_json;
use std::sync::Arc;

pub const CLASS: &str = "org.apache.kafka.connect.storage.StringConverter";

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct StringConverter;

#[must_use]
pub fn config_def() -> ConfigDef {
    let encoding = ConfigKey::new(
        "converter.encoding",
        ConfigType::String,
        Default::Value("UTF-8".into()),
        Importance::High,
        "The character set of the text: UTF-8, the only one that is supported.",
    )
    .validator(Validator::ValidValues { values: vec!["UTF-8".into(), "UTF8".into()], ignore_case: true });
    ConfigDef::default().define(ConfigKey { width: "MEDIUM", display_name: "Encoding".to_owned(), ..encoding })
}

/// # Errors
/// For another encoding than UTF-8.
pub fn make(_role: ConverterRole, config: &ConfigMap) -> Result<Box<dyn Converter>, String> {
    config_def().parse(config).map_err(|errors| errors.join("\n"))?;
    Ok(Box::new(StringConverter))
}

impl Converter for StringConverter {
    fn from_connect_data(
        &self,
        _topic: &str,
        field: &Field,
        values: &ArrayRef,
        tombstones: Option<&BooleanArray>,
    ) -> Result<BinaryArray, ConvertError> {
        let texts = match values.data_type() {
            DataType::Null => StringArray::new_null(values.len()),
            DataType::Utf8 if is_json(field) => unquoted(values.as_string()),
            DataType::Utf8 => values.as_string::<i32>().clone(),
            _ => java_text::to_text(field, values)?,
        };
        let (offsets, bytes, nulls) = texts.into_parts();
        Ok(BinaryArray::new(offsets, bytes, without_tombstones(nulls, tombstones)))
    }

    fn to_connect_data(&self, _topic: &str, bytes: &BinaryArray) -> Result<Vec<Converted>, ConvertError> {
        let shared = StringArray::try_new(bytes.offsets().clone(), bytes.values().clone(), bytes.nulls().cloned());
        let texts = match shared {
            Ok(texts) => texts,
            Err(_) => bytes.iter().map(|value| value.map(String::from_utf8_lossy)).collect(),
        };
        let field = Arc::new(Field::new("value", DataType::Utf8, true));
        Ok(vec![Converted { rows: None, field, values: Arc::new(texts), tombstones: None }])
    }
}

/// The nulls, and the tombstones as further ones.
pub fn without_tombstones(nulls: Option<NullBuffer>, tombstones: Option<&BooleanArray>) -> Option<NullBuffer> {
    let Some(tombstones) = tombstones else { return nulls };
    let kept = NullBuffer::new(!tombstones.values());
    NullBuffer::union(nulls.as_ref(), Some(&kept))
}

fn unquoted(texts: &StringArray) -> StringArray {
    if !texts.iter().flatten().any(|text| text.starts_with('"')) {
        return texts.clone();
    }
    let unquote = |text: &str| serde_json::from_str::<String>(text).unwrap_or_else(|_| text.to_owned());
    texts.iter().map(|text| text.map(unquote)).collect()
}
