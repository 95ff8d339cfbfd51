//! How Connect and Avro are mapped to each other. Source: Confluent `AvroDataConfig`.

/// See [`crate::avro::config_def`] for the keys.
#[derive(Debug, Clone, Copy)]
pub struct AvroOptions {
    /// Enums keep their symbols, and members of unions are named by their full names.
    pub enhanced_schema_support: bool,
    /// Names, versions, docs, parameters and defaults of Connect go into the Avro schema as `connect.*`.
    pub connect_meta_data: bool,
    pub scrub_invalid_names: bool,
    pub allow_optional_map_keys: bool,
    pub flatten_singleton_unions: bool,
    pub discard_type_doc_default: bool,
    pub ignore_default_for_nullables: bool,
    /// Unions and enums as Protobuf and JSON Schema have them.
    pub generalized_sum_type_support: bool,
}

impl Default for AvroOptions {
    fn default() -> Self {
        Self {
            enhanced_schema_support: false,
            connect_meta_data: true,
            scrub_invalid_names: false,
            allow_optional_map_keys: false,
            flatten_singleton_unions: true,
            discard_type_doc_default: false,
            ignore_default_for_nullables: false,
            generalized_sum_type_support: false,
        }
    }
}

pub const NAMESPACE: &str = "io.confluent.connect.avro";
pub const MAP_ENTRY: &str = "MapEntry";
pub const CONNECT_DEFAULT: &str = "ConnectDefault";
pub const ANYTHING: &str = "io.confluent.connect.avro.Anything";
pub const UNION: &str = "io.confluent.connect.avro.Union";
pub const ENUM: &str = "io.confluent.connect.avro.Enum";
pub const GENERALIZED_UNION: &str = "org.apache.kafka.connect.data.Union";
pub const GENERALIZED_ENUM: &str = "org.apache.kafka.connect.data.Enum";
pub const GENERALIZED_UNION_PREFIX: &str = "connect_union_";
pub const GENERALIZED_UNION_FIELD_PREFIX: &str = "connect_union_field_";
pub const RECORD_DOC: &str = "io.confluent.connect.avro.record.doc";
pub const ENUM_DOC_PREFIX: &str = "io.confluent.connect.avro.enum.doc.";
pub const ENUM_DEFAULT_PREFIX: &str = "io.confluent.connect.avro.enum.default.";
pub const FIELD_DOC_PREFIX: &str = "io.confluent.connect.avro.field.doc.";
/// The parameter of a schema whose default stands at the Avro field and not in `connect.default`.
pub const FIELD_DEFAULT_FLAG: &str = "io.confluent.connect.avro.field.default";
pub const FIXED_SIZE: &str = "connect.fixed.size";
pub const DECIMAL_PRECISION_DEFAULT: i64 = 64;

pub const PROP_NAME: &str = "connect.name";
pub const PROP_DOC: &str = "connect.doc";
pub const PROP_VERSION: &str = "connect.version";
pub const PROP_DEFAULT: &str = "connect.default";
pub const PROP_PARAMETERS: &str = "connect.parameters";
pub const PROP_TYPE: &str = "connect.type";
pub const PROP_INTERNAL_TYPE: &str = "connect.internal.type";
pub const PROP_RECORD_DOC: &str = "connect.record.doc";
pub const PROP_ENUM_DOC: &str = "connect.enum.doc";
