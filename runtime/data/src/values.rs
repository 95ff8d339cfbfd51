//! Kafka's `Values`: what a text means when nothing says its type, the text of a value, and the value that has a text.
//!
//! `SimpleHeaderConverter`, `InsertHeader` and `HeaderFrom` are made of the first two. Source: Kafka
//! `org.apache.kafka.connect.data.Values`.

mod merge;
mod parse;
mod read;
#[cfg(test)]
mod tests;
mod text;

use crate::schema::{DATE, DECIMAL, SCALE, TIME, TIMESTAMP};
use crate::{ConnectSchema, SchemaType};
use num_bigint::BigInt;

pub use parse::{java_trim, parse_string};
pub use read::read_text;
pub use text::{json_text, temporal_text, write_row};

/// A value with the type that its text was taken for.
#[derive(Debug, Clone, PartialEq)]
pub enum Parsed {
    Null,
    Boolean(bool),
    Int8(i8),
    Int16(i16),
    Int32(i32),
    Int64(i64),
    Float32(f32),
    Float64(f64),
    /// Unscaled value and scale.
    Decimal(BigInt, i32),
    /// Milliseconds since the epoch, at midnight.
    Date(i64),
    /// Milliseconds since midnight.
    Time(i64),
    /// Milliseconds since the epoch.
    Timestamp(i64),
    String(String),
    /// The items, and the schema of all of them; none when they have no common one.
    List(Vec<Parsed>, Option<Box<ConnectSchema>>),
    Map(Vec<(Parsed, Parsed)>, EntrySchemas),
}

/// What is common to a map's keys, and to its values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EntrySchemas {
    pub key: Option<Box<ConnectSchema>>,
    pub value: Option<Box<ConnectSchema>>,
}

impl Parsed {
    /// `None` for null, and for a list or map of several types (Kafka has a schema for these whose items have none).
    #[must_use]
    pub fn schema(&self) -> Option<ConnectSchema> {
        let plain = |kind| Some(ConnectSchema::new(kind));
        match self {
            Self::Null => None,
            Self::Boolean(_) => plain(SchemaType::Boolean),
            Self::Int8(_) => plain(SchemaType::Int8),
            Self::Int16(_) => plain(SchemaType::Int16),
            Self::Int32(_) => plain(SchemaType::Int32),
            Self::Int64(_) => plain(SchemaType::Int64),
            Self::Float32(_) => plain(SchemaType::Float32),
            Self::Float64(_) => plain(SchemaType::Float64),
            Self::String(_) => plain(SchemaType::String),
            Self::Decimal(_, scale) => {
                Some(ConnectSchema::new(SchemaType::Bytes).named(DECIMAL, 1).parameter(SCALE, scale.to_string()))
            }
            Self::Date(_) => Some(ConnectSchema::new(SchemaType::Int32).named(DATE, 1)),
            Self::Time(_) => Some(ConnectSchema::new(SchemaType::Int32).named(TIME, 1)),
            Self::Timestamp(_) => Some(ConnectSchema::new(SchemaType::Int64).named(TIMESTAMP, 1)),
            Self::List(_, items) => plain(SchemaType::Array(items.clone()?)),
            Self::Map(_, EntrySchemas { key, value }) => plain(SchemaType::Map(key.clone()?, value.clone()?)),
        }
    }

    /// The text that a header holds; `None` for null. A string stands as it is, but quoted within a list or map.
    /// Source: Kafka `Values.convertToString`.
    #[must_use]
    pub fn to_text(&self) -> Option<String> {
        match self {
            Self::Null => None,
            other => {
                let mut out = String::new();
                text::write_parsed(other, false, &mut out);
                Some(out)
            }
        }
    }
}
