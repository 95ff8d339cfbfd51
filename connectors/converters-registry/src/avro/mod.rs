//! `AvroConverter`: Avro's binary encoding, its schemas registered.
//!
//! Stricter than Confluent's: bytes that are left behind a value are an error. A type that contains itself has no place in
//! columns and is refused. `timestamp-micros` and its like are int64, as there. Source: Confluent `AvroConverter`, `AvroData`.

mod anything;
pub mod compatibility;
mod decode;
mod default;
mod encode;
mod from_connect;
pub mod input;
mod names;
mod options;
pub mod parse;
pub mod print;
pub mod schema;
mod to_connect;

use crate::RegistryProvider;
use crate::config::{RegistrySettings, boolean, is_true};
use crate::converter::RegistryConverter;
use crate::format::{Derived, Format, Messages, RowEncoder, WholeSchema};
use anything::{AnythingEncoder, read_anything};
use arrow_array::ArrayRef;
use arrow_schema::Field;
use decode::Column;
use encode::{Encoder, Target};
pub use from_connect::{ANYTHING_TEXT, from_connect};
use input::Input;
pub use options::AvroOptions;
use schema::{AvroSchema, Kind};
use sluice_connect_api::schema_registry::{SchemaKind, SchemaText};
use sluice_connect_api::{ConfigDef, ConfigMap, ConvertError, Converter, ConverterRole};
use sluice_data::ConnectSchema;
use sluice_data::schema::schemaless_json_field;
pub use to_connect::to_connect;

pub const CLASS: &str = "io.confluent.connect.avro.AvroConverter";

/// See the [module](self).
pub struct AvroFormat {
    options: AvroOptions,
}

pub struct Reader {
    avro: AvroSchema,
    /// `None`: values without a Connect schema.
    typed: Option<(ConnectSchema, Field)>,
}

pub struct Writer {
    avro: AvroSchema,
    connect: Option<ConnectSchema>,
}

#[must_use]
pub fn config_def() -> ConfigDef {
    crate::config::config_def()
        .define(boolean(
            "enhanced.avro.schema.support",
            false,
            "Whether enums stay enums, and union members have full names.",
        ))
        .define(boolean(
            "connect.meta.data",
            true,
            "Whether Connect's names, versions, docs and defaults are written as connect.* properties.",
        ))
        .define(boolean(
            "scrub.invalid.names",
            false,
            "Whether names that Avro does not allow are changed into ones that it does.",
        ))
        .define(boolean("allow.optional.map.keys", false, "Whether maps with optional string keys are Avro maps."))
        .define(boolean("flatten.singleton.unions", true, "Whether a union of one type is that type."))
        .define(boolean("discard.type.doc.default", false, "Whether only the docs and defaults of fields are kept."))
        .define(boolean(
            "ignore.default.for.nullables",
            false,
            "Whether a null stays null where the field has a default.",
        ))
        .define(boolean(
            "generalized.sum.type.support",
            false,
            "Whether unions and enums are mapped as the other formats do.",
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
    Ok(Box::new(RegistryConverter::new(AvroFormat::new(options(&config)), settings, provider(&config)?)))
}

fn options(config: &ConfigMap) -> AvroOptions {
    AvroOptions {
        enhanced_schema_support: is_true(config, "enhanced.avro.schema.support"),
        connect_meta_data: is_true(config, "connect.meta.data"),
        scrub_invalid_names: is_true(config, "scrub.invalid.names"),
        allow_optional_map_keys: is_true(config, "allow.optional.map.keys"),
        flatten_singleton_unions: is_true(config, "flatten.singleton.unions"),
        discard_type_doc_default: is_true(config, "discard.type.doc.default"),
        ignore_default_for_nullables: is_true(config, "ignore.default.for.nullables"),
        generalized_sum_type_support: is_true(config, "generalized.sum.type.support"),
    }
}

impl AvroFormat {
    #[must_use]
    pub fn new(options: AvroOptions) -> Self {
        Self { options }
    }

    fn parse(schema: &WholeSchema) -> Result<AvroSchema, String> {
        let references: Vec<&str> = schema.references.iter().map(|(_, text)| text.as_str()).collect();
        AvroSchema::parse(&schema.schema.text, &references).map_err(|error| error.0)
    }
}

impl Format for AvroFormat {
    const NAME: &'static str = "Avro";
    const KIND: SchemaKind = SchemaKind::Avro;
    type Reader = Reader;
    type Writer = Writer;

    fn reader(&self, schema: &WholeSchema, version: Option<u32>) -> Result<Reader, String> {
        let avro = Self::parse(schema)?;
        let typed = match to_connect(&avro, &self.options, version)? {
            Some(connect) => {
                let field = connect.to_field("value").map_err(|error| error.to_string())?;
                Some((connect, field))
            }
            None => None,
        };
        Ok(Reader { avro, typed })
    }

    fn read(
        &self,
        reader: &Reader,
        _selector: &[u8],
        messages: &Messages<'_>,
    ) -> Result<(Field, ArrayRef), ConvertError> {
        let refuse = |error: input::DecodeError| ConvertError::new(error.to_string());
        let Some((connect, field)) = &reader.typed else {
            return Ok((schemaless_json_field("value"), read_anything(messages).map_err(refuse)?));
        };
        let mut column = Column::new(&reader.avro, &reader.avro.root, connect, field, messages.rows.len());
        for message in messages.iter() {
            let Some(message) = message else {
                column.append_null();
                continue;
            };
            let mut input = Input::new(message);
            column.read(&mut input).and_then(|()| input.end()).map_err(refuse)?;
        }
        let values = column.finish().map_err(|error| ConvertError::new(error.to_string()))?;
        Ok((field.clone(), values))
    }

    fn derive(&self, field: &Field) -> Result<Derived, String> {
        let connect = ConnectSchema::from_field(field).map_err(|error| error.to_string())?;
        let avro = match &connect {
            Some(connect) => from_connect(connect, &self.options)?,
            None => AvroSchema::parse(ANYTHING_TEXT, &[]).map_err(|error| error.0)?,
        };
        let inner = match &avro.root.kind {
            Kind::Union(branches) => branches.iter().find(|branch| !branch.is_null()).unwrap_or(&avro.root),
            _ => &avro.root,
        };
        let record = matches!(inner.kind, Kind::Record(_)).then(|| inner.full_name());
        let text = print::print(&avro.root);
        Ok(Derived { schema: SchemaText { kind: SchemaKind::Avro, text, references: Vec::new() }, record })
    }

    fn incompatibilities(&self, reader: &WholeSchema, writer: &WholeSchema) -> Vec<String> {
        match (Self::parse(reader), Self::parse(writer)) {
            (Ok(reader), Ok(writer)) => compatibility::incompatibilities(&reader, &writer),
            (Err(error), _) | (_, Err(error)) => vec![error],
        }
    }

    fn writer(&self, schema: &WholeSchema, field: &Field) -> Result<Writer, String> {
        let connect = ConnectSchema::from_field(field).map_err(|error| error.to_string())?;
        Ok(Writer { avro: Self::parse(schema)?, connect })
    }

    fn rows<'a>(
        &'a self,
        writer: &'a Writer,
        field: &Field,
        values: &ArrayRef,
    ) -> Result<Box<dyn RowEncoder + 'a>, ConvertError> {
        let Some(connect) = &writer.connect else { return Ok(Box::new(AnythingEncoder::new(values)?)) };
        let target = Target { avro: &writer.avro, options: &self.options };
        Ok(Box::new(Encoder::new(target, &writer.avro.root, connect, field, values)?))
    }
}

impl RowEncoder for Encoder {
    fn is_null(&self, row: usize) -> bool {
        Self::is_null(self, row)
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<(), ConvertError> {
        Self::write(self, row, out)
    }
}
