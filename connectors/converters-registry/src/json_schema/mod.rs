//! `JsonSchemaConverter`: JSON whose schema, a JSON Schema, is registered.
//!
//! Not there yet: unions (`oneOf` of more than null and a type), `allOf`, and maps whose keys are no strings; each is refused
//! with its name. Payloads are not validated against the schema beyond their types (Confluent: `json.fail.invalid.schema`, off
//! there by default too). Source: Confluent `JsonSchemaConverter`, `JsonSchemaData`.

mod derive;
mod map;
mod text;

use crate::RegistryProvider;
use crate::config::{RegistrySettings, boolean, is_true};
use crate::converter::RegistryConverter;
use crate::format::{Derived, Format, Messages, RowEncoder, WholeSchema};
use arrow_array::ArrayRef;
use arrow_schema::Field;
pub use derive::derive;
pub use map::to_connect;
use sluice_connect_api::config_def::{Default, Validator};
use sluice_connect_api::schema_registry::{SchemaKind, SchemaText};
use sluice_connect_api::{
    ConfigDef, ConfigKey, ConfigMap, ConfigType, ConvertError, Converter, ConverterRole, Importance,
};
use sluice_converters::json::DecimalFormat;
use sluice_converters::json::payload::{PayloadEncoder, read_payloads};
use sluice_data::ConnectSchema;
pub use text::canonical;

pub const CLASS: &str = "io.confluent.connect.json.JsonSchemaConverter";

/// How Connect and JSON Schema are mapped to each other. Source: Confluent `JsonSchemaDataConfig`.
#[derive(Debug, Clone, Copy)]
pub struct JsonSchemaOptions {
    pub decimal_format: DecimalFormat,
    /// Whether a property that is not in `required` may be missing.
    pub use_optional_for_nonrequired: bool,
    pub object_additional_properties: bool,
    pub ignore_default_for_nullables: bool,
}

/// See the [module](self).
pub struct JsonSchemaFormat {
    options: JsonSchemaOptions,
}

pub struct Reader {
    connect: ConnectSchema,
    field: Field,
}

#[must_use]
pub fn config_def() -> ConfigDef {
    let format = ConfigKey::new(
        "decimal.format",
        ConfigType::String,
        Default::Value("BASE64".into()),
        Importance::Low,
        "How decimals are written: BASE64 (text of the unscaled bytes) or NUMERIC (a JSON number).",
    )
    .validator(Validator::ValidValues { values: vec!["BASE64".into(), "NUMERIC".into()], ignore_case: true });
    crate::config::config_def()
        .define(format)
        .define(boolean(
            "use.optional.for.nonrequired",
            false,
            "Whether properties that are not required are optional.",
        ))
        .define(boolean("object.additional.properties", true, "Whether objects may have other properties."))
        .define(boolean(
            "ignore.default.for.nullables",
            false,
            "Whether a null stays null where the field has a default.",
        ))
}

/// # Errors
/// Every wrong key, and a registry that cannot be used as configured.
pub fn make(
    role: ConverterRole,
    config: &ConfigMap,
    provider: &RegistryProvider,
) -> Result<Box<dyn Converter>, String> {
    let config = config_def().parse(config).map_err(|errors| errors.join("\n"))?;
    let settings = RegistrySettings::new(role, &config)?;
    let is_numeric = config.get("decimal.format").is_some_and(|format| format.eq_ignore_ascii_case("NUMERIC"));
    let options = JsonSchemaOptions {
        decimal_format: if is_numeric { DecimalFormat::Numeric } else { DecimalFormat::Base64 },
        use_optional_for_nonrequired: is_true(&config, "use.optional.for.nonrequired"),
        object_additional_properties: is_true(&config, "object.additional.properties"),
        ignore_default_for_nullables: is_true(&config, "ignore.default.for.nullables"),
    };
    Ok(Box::new(RegistryConverter::new(JsonSchemaFormat { options }, settings, provider(&config)?)))
}

impl Format for JsonSchemaFormat {
    const NAME: &'static str = "JSON Schema";
    const KIND: SchemaKind = SchemaKind::Json;
    type Reader = Reader;
    type Writer = ();

    fn reader(&self, schema: &WholeSchema, version: Option<u32>) -> Result<Reader, String> {
        let mut connect = to_connect(&schema.schema.text, &schema.references, &self.options)?;
        if connect.version.is_none() {
            connect.version = version.and_then(|version| i32::try_from(version).ok());
        }
        let field = connect.to_field("value").map_err(|error| error.to_string())?;
        Ok(Reader { connect, field })
    }

    fn read(
        &self,
        reader: &Reader,
        _selector: &[u8],
        messages: &Messages<'_>,
    ) -> Result<(Field, ArrayRef), ConvertError> {
        let use_defaults = !self.options.ignore_default_for_nullables;
        let values = read_payloads(&reader.connect, &reader.field, use_defaults, messages.iter())?;
        Ok((reader.field.clone(), values))
    }

    fn derive(&self, field: &Field) -> Result<Derived, String> {
        let connect = ConnectSchema::from_field(field).map_err(|error| error.to_string())?;
        let connect = connect.ok_or("the records have no schema, which JSON Schema needs")?;
        let text = derive(&connect, &self.options)?.to_string();
        Ok(Derived {
            schema: SchemaText { kind: SchemaKind::Json, text, references: Vec::new() },
            record: connect.name,
        })
    }

    /// Not looked at yet.
    fn incompatibilities(&self, _reader: &WholeSchema, _writer: &WholeSchema) -> Vec<String> {
        Vec::new()
    }

    fn writer(&self, _schema: &WholeSchema, _field: &Field) -> Result<(), String> {
        Ok(())
    }

    fn rows<'a>(
        &'a self,
        _writer: &'a (),
        field: &Field,
        values: &ArrayRef,
    ) -> Result<Box<dyn RowEncoder + 'a>, ConvertError> {
        let use_defaults = !self.options.ignore_default_for_nullables;
        Ok(Box::new(Rows(PayloadEncoder::new(field, values, self.options.decimal_format, use_defaults)?)))
    }
}

struct Rows(PayloadEncoder);

impl RowEncoder for Rows {
    fn is_null(&self, row: usize) -> bool {
        self.0.is_null(row)
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<(), ConvertError> {
        self.0.write(row, out)
    }
}
