//! Kafka Connect's transformations, on columns.
//!
//! One file per transformation, under the Java class names; `X$Key` works on the key, `X$Value` on the value. A batch has one
//! schema, so where Kafka would leave a null record with its old schema, the null moves on under the new one.
//! Schemaless input (JSON text) is parsed to its top-level members only; their text stays as it is.
//! Source: Kafka `org.apache.kafka.connect.transforms`.

mod cast;
mod columns;
mod compute;
mod drop_headers;
pub mod examples;
mod expression;
mod extract_field;
mod field_path;
mod filter;
mod filter_expression;
mod flatten;
mod header_from;
mod hoist_field;
mod insert_field;
mod insert_header;
mod mask_field;
mod predicates;
mod regex_router;
mod replace_field;
mod schemaless;
mod set_schema_metadata;
mod smt;
mod timestamp_converter;
mod timestamp_router;
mod value_to_key;

use sluice_connect_api::PluginRegistry;
use smt::{RecordSmt, Smt, make, make_key, make_value};

/// Adds every transformation and predicate of this crate under its Kafka class names.
pub fn register(registry: &PluginRegistry) {
    predicates::register(registry);
    macro_rules! sides {
        ($($name:literal => $smt:ty),* $(,)?) => {$(
            let key = concat!("org.apache.kafka.connect.transforms.", $name, "$Key");
            let value = concat!("org.apache.kafka.connect.transforms.", $name, "$Value");
            registry.add_native_transformation(key, <$smt as Smt>::config_def, make_key::<$smt>);
            registry.add_native_transformation(value, <$smt as Smt>::config_def, make_value::<$smt>);
        )*};
    }
    macro_rules! records {
        ($($name:literal => $smt:ty),* $(,)?) => {$(
            let class = concat!("org.apache.kafka.connect.transforms.", $name);
            registry.add_native_transformation(class, <$smt as RecordSmt>::config_def, make::<$smt>);
        )*};
    }
    sides! {
        "Cast" => cast::Cast,
        "ExtractField" => extract_field::ExtractField,
        "Flatten" => flatten::Flatten,
        "HeaderFrom" => header_from::HeaderFrom,
        "HoistField" => hoist_field::HoistField,
        "InsertField" => insert_field::InsertField,
        "MaskField" => mask_field::MaskField,
        "ReplaceField" => replace_field::ReplaceField,
        "SetSchemaMetadata" => set_schema_metadata::SetSchemaMetadata,
        "TimestampConverter" => timestamp_converter::TimestampConverter,
    }
    records! {
        "DropHeaders" => drop_headers::DropHeaders,
        "Filter" => filter::Filter,
        "InsertHeader" => insert_header::InsertHeader,
        "RegexRouter" => regex_router::RegexRouter,
        "TimestampRouter" => timestamp_router::TimestampRouter,
        "ValueToKey" => value_to_key::ValueToKey,
    }
    register_own(registry);
}

/// What Kafka does not have.
fn register_own(registry: &PluginRegistry) {
    use compute::Compute;
    use filter_expression::FilterExpression;
    let (key, value) = ("io.sluice.transforms.Compute$Key", "io.sluice.transforms.Compute$Value");
    registry.add_native_transformation(key, <Compute as Smt>::config_def, make_key::<Compute>);
    registry.add_native_transformation(value, <Compute as Smt>::config_def, make_value::<Compute>);
    let filter = "io.sluice.transforms.Filter";
    registry.add_native_transformation(filter, <FilterExpression as RecordSmt>::config_def, make::<FilterExpression>);
}
