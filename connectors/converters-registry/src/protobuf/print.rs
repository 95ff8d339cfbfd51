//! A descriptor as the text of a `.proto` file. Options that are no part of Protobuf itself are left out.

use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, ServiceDescriptorProto};
use prost_reflect::{FileDescriptor, Syntax};
use std::fmt::Write;

/// Source, for the order: square's `ProtoFileElement.toSchema`, which Confluent's registry stores.
#[must_use]
pub fn print(file: &FileDescriptor) -> String {
    let proto = file.file_descriptor_proto();
    let mut out = String::new();
    let is_proto3 = file.syntax() == Syntax::Proto3;
    line(&mut out, 0, &format!("syntax = \"{}\";", if is_proto3 { "proto3" } else { "proto2" }));
    if !proto.package().is_empty() {
        line(&mut out, 0, &format!("package {};", proto.package()));
    }
    out.push('\n');
    for (index, import) in proto.dependency.iter().enumerate() {
        let is_public = proto.public_dependency.contains(&(index as i32));
        line(&mut out, 0, &format!("import {}\"{import}\";", if is_public { "public " } else { "" }));
    }
    if let Some(options) = &proto.options {
        let texts = [
            ("java_package", options.java_package.as_ref()),
            ("java_outer_classname", options.java_outer_classname.as_ref()),
            ("go_package", options.go_package.as_ref()),
            ("csharp_namespace", options.csharp_namespace.as_ref()),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                line(&mut out, 0, &format!("option {name} = {value:?};"));
            }
        }
        if options.java_multiple_files() {
            line(&mut out, 0, "option java_multiple_files = true;");
        }
    }
    let printer = Printer { is_proto3 };
    proto.message_type.iter().for_each(|message| printer.message(message, 0, &mut out));
    proto.enum_type.iter().for_each(|enumeration| printer.enumeration(enumeration, 0, &mut out));
    proto.service.iter().for_each(|service| print_service(service, &mut out));
    out
}

struct Printer {
    is_proto3: bool,
}

fn line(out: &mut String, depth: usize, text: &str) {
    let _ = writeln!(out, "{:indent$}{text}", "", indent = depth * 2);
}

impl Printer {
    fn message(&self, message: &DescriptorProto, depth: usize, out: &mut String) {
        out.push('\n');
        line(out, depth, &format!("message {} {{", message.name()));
        for range in &message.reserved_range {
            line(out, depth + 1, &format!("reserved {} to {};", range.start(), range.end() - 1));
        }
        for name in &message.reserved_name {
            line(out, depth + 1, &format!("reserved \"{name}\";"));
        }
        let is_in_oneof = |field: &FieldDescriptorProto| field.oneof_index.is_some() && !field.proto3_optional();
        for field in message.field.iter().filter(|field| !is_in_oneof(field)) {
            self.field(field, message, depth + 1, out);
        }
        for (index, oneof) in message.oneof_decl.iter().enumerate() {
            let mut members = message
                .field
                .iter()
                .filter(|field| is_in_oneof(field) && field.oneof_index == Some(index as i32))
                .peekable();
            if members.peek().is_none() {
                continue;
            }
            line(out, depth + 1, &format!("oneof {} {{", oneof.name()));
            members.for_each(|field| self.field(field, message, depth + 2, out));
            line(out, depth + 1, "}");
        }
        let is_map_entry =
            |nested: &&DescriptorProto| nested.options.as_ref().is_some_and(|options| options.map_entry());
        message.nested_type.iter().filter(|nested| !is_map_entry(nested)).for_each(|nested| {
            self.message(nested, depth + 1, out);
        });
        message.enum_type.iter().for_each(|enumeration| self.enumeration(enumeration, depth + 1, out));
        line(out, depth, "}");
    }

    fn field(&self, field: &FieldDescriptorProto, message: &DescriptorProto, depth: usize, out: &mut String) {
        let entry = message.nested_type.iter().find(|nested| {
            nested.options.as_ref().is_some_and(|options| options.map_entry())
                && field.label() == Label::Repeated
                && field.r#type() == Type::Message
                && field.type_name().rsplit('.').next() == Some(nested.name())
        });
        let kind = match entry.map(|entry| entry.field.as_slice()) {
            Some([key, value]) => format!("map<{}, {}>", type_name(key), type_name(value)),
            _ => {
                let label = match field.label() {
                    Label::Repeated => "repeated ",
                    Label::Required => "required ",
                    Label::Optional if field.proto3_optional() => "optional ",
                    Label::Optional if !self.is_proto3 && field.oneof_index.is_none() => "optional ",
                    Label::Optional => "",
                };
                format!("{label}{}", type_name(field))
            }
        };
        let mut options = Vec::new();
        if let Some(default) = &field.default_value {
            let is_text = matches!(field.r#type(), Type::String | Type::Bytes);
            options.push(if is_text { format!("default = {default:?}") } else { format!("default = {default}") });
        }
        if let Some(packed) = field.options.as_ref().and_then(|options| options.packed) {
            options.push(format!("packed = {packed}"));
        }
        if field.options.as_ref().is_some_and(|options| options.deprecated()) {
            options.push("deprecated = true".to_owned());
        }
        let options = if options.is_empty() { String::new() } else { format!(" [{}]", options.join(", ")) };
        line(out, depth, &format!("{kind} {} = {}{options};", field.name(), field.number()));
    }

    fn enumeration(&self, enumeration: &EnumDescriptorProto, depth: usize, out: &mut String) {
        line(out, depth, &format!("enum {} {{", enumeration.name()));
        if enumeration.options.as_ref().is_some_and(|options| options.allow_alias()) {
            line(out, depth + 1, "option allow_alias = true;");
        }
        for value in &enumeration.value {
            line(out, depth + 1, &format!("{} = {};", value.name(), value.number()));
        }
        line(out, depth, "}");
    }
}

fn print_service(service: &ServiceDescriptorProto, out: &mut String) {
    line(out, 0, &format!("service {} {{", service.name()));
    for method in &service.method {
        let stream = |is_stream: bool| if is_stream { "stream " } else { "" };
        line(
            out,
            1,
            &format!(
                "rpc {} ({}{}) returns ({}{});",
                method.name(),
                stream(method.client_streaming()),
                method.input_type(),
                stream(method.server_streaming()),
                method.output_type()
            ),
        );
    }
    line(out, 0, "}");
}

fn type_name(field: &FieldDescriptorProto) -> String {
    match field.r#type() {
        Type::Double => "double",
        Type::Float => "float",
        Type::Int64 => "int64",
        Type::Uint64 => "uint64",
        Type::Int32 => "int32",
        Type::Fixed64 => "fixed64",
        Type::Fixed32 => "fixed32",
        Type::Bool => "bool",
        Type::String => "string",
        Type::Bytes => "bytes",
        Type::Uint32 => "uint32",
        Type::Sfixed32 => "sfixed32",
        Type::Sfixed64 => "sfixed64",
        Type::Sint32 => "sint32",
        Type::Sint64 => "sint64",
        Type::Group | Type::Message | Type::Enum => return field.type_name().to_owned(),
    }
    .to_owned()
}
