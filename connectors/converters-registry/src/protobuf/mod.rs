//! `ProtobufConverter`: Protobuf messages, their `.proto` files registered.
//!
//! Between the id and the payload stand the indexes of the message in its file. Not there yet: wrappers for nullables and for
//! bare values, which are refused. Source: Confluent `ProtobufConverter`, `ProtobufData`.

mod decode;
mod encode;
mod from_connect;
pub mod input;
mod print;
pub mod schema;
mod to_connect;
mod value;

use crate::RegistryProvider;
use crate::config::{RegistrySettings, boolean, is_true};
use crate::converter::RegistryConverter;
use crate::format::{Derived, Format, Messages, RowEncoder, WholeSchema};
use arrow_array::ArrayRef;
use arrow_schema::Field;
use decode::MessageColumn;
use encode::{MessageEncoder, write_varint};
pub use from_connect::from_connect;
use prost_reflect::{FileDescriptor, MessageDescriptor};
use schema::{message_at, parse_whole, selector_length};
use sluice_connect_api::schema_registry::{SchemaKind, SchemaText};
use sluice_connect_api::{ConfigDef, ConfigMap, ConvertError, Converter, ConverterRole};
use sluice_data::ConnectSchema;
pub use to_connect::to_connect;

pub const CLASS: &str = "io.confluent.connect.protobuf.ProtobufConverter";

/// How Connect and Protobuf are mapped to each other. Source: Confluent `ProtobufDataConfig`.
#[derive(Debug, Clone, Copy)]
pub struct ProtobufOptions {
    /// Structs and enums have full names.
    pub enhanced_schema_support: bool,
    /// Only fields with the keyword `optional` are optional.
    pub optional_for_nullables: bool,
    pub int_for_enums: bool,
    /// A oneof's struct is called `<name>_<index>`.
    pub generate_index_for_unions: bool,
    /// The members of a oneof stand in the message's own struct.
    pub flatten_unions: bool,
}

/// See the [module](self).
pub struct ProtobufFormat {
    options: ProtobufOptions,
}

pub struct Reader {
    file: FileDescriptor,
    version: Option<u32>,
}

pub struct Writer {
    message: MessageDescriptor,
    connect: ConnectSchema,
    selector: Vec<u8>,
}

#[must_use]
pub fn config_def() -> ConfigDef {
    crate::config::config_def()
        .define(boolean("enhanced.protobuf.schema.support", false, "Whether structs and enums have full names."))
        .define(boolean("optional.for.nullables", false, "Whether only fields with the keyword optional are optional."))
        .define(boolean("int.for.enums", false, "Whether enums are integers."))
        .define(boolean("generate.index.for.unions", true, "Whether a oneof's struct is called by name and index."))
        .define(boolean("flatten.unions", false, "Whether the members of a oneof stand in the message's own struct."))
        .define(boolean("wrapper.for.nullables", false, "Not supported: must be false."))
}

/// # Errors
/// Every wrong key, and a registry that cannot be used as configured.
pub fn make(
    role: ConverterRole,
    config: &ConfigMap,
    provider: &RegistryProvider,
) -> Result<Box<dyn Converter>, String> {
    let config = config_def().parse(config).map_err(|errors| errors.join("\n"))?;
    if is_true(&config, "wrapper.for.nullables") {
        return Err("Invalid value true for configuration wrapper.for.nullables: it is not supported yet".to_owned());
    }
    let settings = RegistrySettings::new(role, &config)?;
    let options = ProtobufOptions {
        enhanced_schema_support: is_true(&config, "enhanced.protobuf.schema.support"),
        optional_for_nullables: is_true(&config, "optional.for.nullables"),
        int_for_enums: is_true(&config, "int.for.enums"),
        generate_index_for_unions: is_true(&config, "generate.index.for.unions"),
        flatten_unions: is_true(&config, "flatten.unions"),
    };
    Ok(Box::new(RegistryConverter::new(ProtobufFormat { options }, settings, provider(&config)?)))
}

impl Format for ProtobufFormat {
    const NAME: &'static str = "Protobuf";
    const KIND: SchemaKind = SchemaKind::Protobuf;
    type Reader = Reader;
    type Writer = Writer;

    fn reader(&self, schema: &WholeSchema, version: Option<u32>) -> Result<Reader, String> {
        let file = parse_whole(schema)?;
        Ok(Reader { file, version })
    }

    fn selector(&self, body: &[u8]) -> Result<usize, String> {
        selector_length(body)
    }

    fn read(
        &self,
        reader: &Reader,
        selector: &[u8],
        messages: &Messages<'_>,
    ) -> Result<(Field, ArrayRef), ConvertError> {
        let message = message_at(&reader.file, selector).map_err(ConvertError::new)?;
        let mut connect = to_connect(&message, &self.options).map_err(ConvertError::new)?;
        connect.version = reader.version.and_then(|version| i32::try_from(version).ok());
        let field = connect.to_field("value").map_err(|error| ConvertError::new(error.to_string()))?;
        let mut column = MessageColumn::new(&message, &field, &self.options, messages.rows.len());
        for message in messages.iter() {
            match message {
                Some(message) => column.read(message).map_err(|error| ConvertError::new(error.to_string()))?,
                None => column.append_null(),
            }
        }
        let values = column.finish().map_err(|error| ConvertError::new(error.to_string()))?;
        Ok((field, values))
    }

    fn derive(&self, field: &Field) -> Result<Derived, String> {
        let connect = ConnectSchema::from_field(field).map_err(|error| error.to_string())?;
        let connect = connect.ok_or("the records have no schema, which Protobuf needs")?;
        let text = from_connect(&connect, &self.options)?;
        Ok(Derived {
            schema: SchemaText { kind: SchemaKind::Protobuf, text, references: Vec::new() },
            record: connect.name,
        })
    }

    /// Not looked at yet.
    fn incompatibilities(&self, _reader: &WholeSchema, _writer: &WholeSchema) -> Vec<String> {
        Vec::new()
    }

    fn writer(&self, schema: &WholeSchema, field: &Field) -> Result<Writer, String> {
        let file = parse_whole(schema)?;
        let connect = ConnectSchema::from_field(field).map_err(|error| error.to_string())?;
        let connect = connect.ok_or("the records have no schema, which Protobuf needs")?;
        let simple = connect.name.as_deref().and_then(|name| name.rsplit('.').next());
        let index = file.messages().position(|message| Some(message.name()) == simple).unwrap_or(0);
        let message = file.messages().nth(index).ok_or("the schema holds no message")?;
        let mut selector = Vec::new();
        if index == 0 {
            selector.push(0);
        } else {
            write_varint(2, &mut selector);
            write_varint(index as u64 * 2, &mut selector);
        }
        Ok(Writer { message, connect, selector })
    }

    fn selector_of<'a>(&self, writer: &'a Writer) -> &'a [u8] {
        &writer.selector
    }

    fn rows<'a>(
        &'a self,
        writer: &'a Writer,
        _field: &Field,
        values: &ArrayRef,
    ) -> Result<Box<dyn RowEncoder + 'a>, ConvertError> {
        Ok(Box::new(MessageEncoder::new(&writer.message, &writer.connect, values)?))
    }
}

impl RowEncoder for MessageEncoder {
    fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<(), ConvertError> {
        Self::write(self, row, out)
    }
}
