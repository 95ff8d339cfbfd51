//! `.proto` files: parsed with what they import, and printed again where a client sent a descriptor instead of a text.

use crate::format::WholeSchema;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::prost::Message;
use prost_reflect::prost_types::FileDescriptorProto;
use prost_reflect::{FileDescriptor, MessageDescriptor};
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};
use std::collections::HashMap;

/// What the schema itself is called while it is compiled. Source: Confluent `ProtobufSchema.DEFAULT_NAME`.
const OWN_NAME: &str = "default";

/// Files that a registry knows without a reference, beside those of `google/protobuf`.
const KNOWN: [(&str, &str); 4] = [
    (
        "confluent/meta.proto",
        "syntax = \"proto3\";\npackage confluent;\nimport \"google/protobuf/descriptor.proto\";\nmessage Meta {\n  string doc = 1;\n  map<string, string> params = 2;\n  repeated string tags = 3;\n}\nextend google.protobuf.FileOptions { Meta file_meta = 1088; }\nextend google.protobuf.MessageOptions { Meta message_meta = 1088; }\nextend google.protobuf.FieldOptions { Meta field_meta = 1088; }\nextend google.protobuf.EnumOptions { Meta enum_meta = 1088; }\nextend google.protobuf.EnumValueOptions { Meta enum_value_meta = 1088; }\n",
    ),
    (
        "confluent/type/decimal.proto",
        "syntax = \"proto3\";\npackage confluent.type;\nmessage Decimal {\n  bytes value = 1;\n  uint32 precision = 2;\n  int32 scale = 3;\n}\n",
    ),
    (
        "google/type/date.proto",
        "syntax = \"proto3\";\npackage google.type;\nmessage Date {\n  int32 year = 1;\n  int32 month = 2;\n  int32 day = 3;\n}\n",
    ),
    (
        "google/type/timeofday.proto",
        "syntax = \"proto3\";\npackage google.type;\nmessage TimeOfDay {\n  int32 hours = 1;\n  int32 minutes = 2;\n  int32 seconds = 3;\n  int32 nanos = 4;\n}\n",
    ),
];

struct Texts {
    by_name: HashMap<String, String>,
}

impl FileResolver for Texts {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match self.by_name.get(name) {
            Some(text) => parse_file(name, text),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}

fn parse_file(name: &str, text: &str) -> Result<File, protox::Error> {
    match decode(text) {
        Some(mut file) => {
            file.name = Some(name.to_owned());
            Ok(File::from_file_descriptor_proto(file))
        }
        None => File::from_source(name, text),
    }
}

/// A descriptor in base64, which some clients send for a text.
fn decode(text: &str) -> Option<FileDescriptorProto> {
    let bytes = STANDARD.decode(text.trim()).ok()?;
    FileDescriptorProto::decode(bytes.as_slice()).ok()
}

/// # Errors
/// What is no Protobuf schema, or imports what is not among the references.
pub fn parse(text: &str, references: &[(String, String)]) -> Result<FileDescriptor, String> {
    let mut by_name: HashMap<String, String> =
        KNOWN.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    by_name.extend(references.iter().cloned());
    by_name.insert(OWN_NAME.to_owned(), text.to_owned());
    let mut resolver = ChainFileResolver::new();
    resolver.add(Texts { by_name });
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(false);
    compiler.open_file(OWN_NAME).map_err(|error| error.to_string())?;
    let file = compiler.descriptor_pool().get_file_by_name(OWN_NAME);
    file.ok_or_else(|| "the schema holds no file".to_owned())
}

/// # Errors
/// As [`parse`].
pub fn parse_whole(schema: &WholeSchema) -> Result<FileDescriptor, String> {
    parse(&schema.schema.text, &schema.references)
}

/// The text under which the schema is stored: as it was given; of a descriptor, its text.
///
/// # Errors
/// As [`parse`].
pub fn canonical(text: &str, references: &[(String, String)]) -> Result<String, String> {
    let file = parse(text, references)?;
    if file.messages().len() == 0 && file.enums().len() == 0 {
        return Err("the schema holds no message and no enum".to_owned());
    }
    Ok(match decode(text) {
        Some(_) => super::print::print(&file),
        None => text.trim().to_owned(),
    })
}

/// The descriptor in base64.
///
/// # Errors
/// As [`parse`].
pub fn serialized(text: &str, references: &[(String, String)]) -> Result<String, String> {
    Ok(STANDARD.encode(parse(text, references)?.encode_to_vec()))
}

/// The message that the indexes in front of a payload name: a length and as many numbers, zig-zag; a single zero stands for
/// the first message. Source: Confluent `MessageIndexes`.
///
/// # Errors
/// Indexes of no message.
pub fn message_at(file: &FileDescriptor, mut selector: &[u8]) -> Result<MessageDescriptor, String> {
    let wrong = || "the message indexes name no message of the schema".to_owned();
    let count = zigzag(&mut selector).ok_or_else(wrong)?;
    let mut path = Vec::new();
    for _ in 0..count {
        path.push(usize::try_from(zigzag(&mut selector).ok_or_else(wrong)?).map_err(|_| wrong())?);
    }
    let (first, rest) = path.split_first().map_or((0, &[][..]), |(first, rest)| (*first, rest));
    let mut message = file.messages().nth(first).ok_or_else(wrong)?;
    for index in rest {
        let child = message.child_messages().nth(*index);
        message = child.ok_or_else(wrong)?;
    }
    Ok(message)
}

/// How long the indexes at the start of `body` are.
///
/// # Errors
/// They end in the middle, or are impossibly many.
pub fn selector_length(body: &[u8]) -> Result<usize, String> {
    const DEPTH_MAX: i64 = 100;
    let mut rest = body;
    let wrong = || "the message indexes are cut off".to_owned();
    let count = zigzag(&mut rest).ok_or_else(wrong)?;
    if !(0..=DEPTH_MAX).contains(&count) {
        return Err(format!("{count} message indexes are impossible"));
    }
    for _ in 0..count {
        zigzag(&mut rest).ok_or_else(wrong)?;
    }
    Ok(body.len() - rest.len())
}

fn zigzag(bytes: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for (at, byte) in bytes.iter().enumerate().take(5) {
        value |= u64::from(byte & 0x7F) << (7 * at);
        if *byte < 0x80 {
            *bytes = &bytes[at + 1..];
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}
