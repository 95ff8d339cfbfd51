//! Which type a column has: SQLite's declared type, read as its JDBC driver reads it.
//!
//! | declared type | arrives as | stored as |
//! | --- | --- | --- |
//! | contains `INT` | int64 | integer |
//! | `BOOLEAN`, `BOOL`, `BIT` | boolean | 0, 1, or their text |
//! | `DATE` | Date | text, milliseconds or a Julian day |
//! | `TIME` | Time | text or milliseconds |
//! | starts with `TIMESTAMP` or `DATETIME` | Timestamp (ms), or as `timestamp-granularity` says | text, milliseconds or a Julian day |
//! | `DECIMAL(p,s)`, `NUMERIC(p,s)` | Decimal, or as `numeric-mapping` says | a number, or text that is one |
//! | `DECIMAL`, `NUMERIC` | float64 | a number |
//! | contains `REAL`, `FLOA`, `DOUB` | float64 | a number |
//! | contains `BLOB` | bytes | blob or text |
//! | any other | string | text or a number |
//! | none (an expression) | what its first rows hold | |

use arrow_schema::{DataType, Field, TimeUnit};
use sluice_data::schema::timestamp_type;

/// How DECIMAL columns arrive. Kafka Connect JDBC: `numeric.mapping`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NumericMapping {
    #[default]
    None,
    PrecisionOnly,
    BestFit,
    BestFitEagerDouble,
}

/// How TIMESTAMP columns arrive. Kafka Connect JDBC: `timestamp.granularity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimestampGranularity {
    #[default]
    ConnectLogical,
    MicrosLong,
    NanosLong,
    MicrosString,
    NanosString,
    MicrosIso,
    NanosIso,
}

impl NumericMapping {
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "" | "none" => Self::None,
            "precision_only" => Self::PrecisionOnly,
            "best_fit" => Self::BestFit,
            "best_fit_eager_double" => Self::BestFitEagerDouble,
            _ => return None,
        })
    }
}

impl TimestampGranularity {
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "" | "connect_logical" => Self::ConnectLogical,
            "micros_long" => Self::MicrosLong,
            "nanos_long" => Self::NanosLong,
            "micros_string" => Self::MicrosString,
            "nanos_string" => Self::NanosString,
            "micros_iso_datetime_string" => Self::MicrosIso,
            "nanos_iso_datetime_string" => Self::NanosIso,
            _ => return None,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    Int8,
    Int16,
    Int32,
    Int64,
    Float64,
    Boolean,
    Date,
    Time,
    Timestamp(TimestampGranularity),
    Decimal {
        precision: u8,
        scale: i8,
    },
    Text,
    Blob,
    /// No declared type: decided by the first rows.
    Undeclared,
}

impl ColumnType {
    pub fn of_declared(declared: Option<&str>, numeric: NumericMapping, granularity: TimestampGranularity) -> Self {
        let Some(declared) = declared.map(str::trim).filter(|declared| !declared.is_empty()) else {
            return Self::Undeclared;
        };
        let upper = declared.to_ascii_uppercase();
        let (name, arguments) = match upper.split_once('(') {
            Some((name, arguments)) => (name.trim(), Some(arguments.trim_end_matches(')'))),
            None => (upper.as_str(), None),
        };
        match name {
            "BOOLEAN" | "BOOL" | "BIT" => return Self::Boolean,
            "DATE" => return Self::Date,
            "TIME" => return Self::Time,
            "DECIMAL" | "NUMERIC" | "DEC" | "NUMBER" => return decimal(arguments, numeric),
            _ => {}
        }
        let contains = |parts: &[&str]| parts.iter().any(|part| upper.contains(part));
        if name.starts_with("TIMESTAMP") || name.starts_with("DATETIME") {
            Self::Timestamp(granularity)
        } else if contains(&["INT"]) {
            Self::Int64
        } else if contains(&["CHAR", "CLOB", "TEXT"]) {
            Self::Text
        } else if contains(&["BLOB", "BINARY"]) {
            Self::Blob
        } else if contains(&["REAL", "FLOA", "DOUB"]) {
            Self::Float64
        } else {
            Self::Text
        }
    }

    pub fn field(self, name: &str, nullable: bool) -> Field {
        Field::new(name, self.data_type(), nullable)
    }

    pub fn data_type(self) -> DataType {
        match self {
            Self::Int8 => DataType::Int8,
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::Float64 => DataType::Float64,
            Self::Boolean => DataType::Boolean,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time32(TimeUnit::Millisecond),
            Self::Timestamp(TimestampGranularity::ConnectLogical) => timestamp_type(TimeUnit::Millisecond),
            Self::Timestamp(TimestampGranularity::MicrosLong | TimestampGranularity::NanosLong) => DataType::Int64,
            Self::Decimal { precision, scale } => DataType::Decimal128(precision, scale),
            Self::Blob => DataType::Binary,
            Self::Timestamp(_) | Self::Text | Self::Undeclared => DataType::Utf8,
        }
    }
}

/// Without arguments SQLite's own rule is all there is: a number, exact only as far as a double is.
fn decimal(arguments: Option<&str>, mapping: NumericMapping) -> ColumnType {
    let Some(arguments) = arguments else { return ColumnType::Float64 };
    let mut numbers = arguments.split(',').map(|number| number.trim().parse::<i16>().ok());
    let (precision, scale) = match (numbers.next().flatten(), numbers.next()) {
        (Some(precision @ 1..), None) => (precision, 0),
        (Some(precision @ 1..), Some(Some(scale))) if (0..=precision).contains(&scale) => (precision, scale),
        _ => return ColumnType::Float64,
    };
    let integer = match precision {
        1..=2 => Some(ColumnType::Int8),
        3..=4 => Some(ColumnType::Int16),
        5..=9 => Some(ColumnType::Int32),
        10..=18 => Some(ColumnType::Int64),
        _ => None,
    };
    let exact = ColumnType::Decimal { precision: precision.min(38) as u8, scale: scale.min(38) as i8 };
    match (mapping, scale) {
        (NumericMapping::None, _) => exact,
        (_, 0) => integer.unwrap_or(exact),
        (NumericMapping::PrecisionOnly, _) => exact,
        (NumericMapping::BestFit, _) if integer.is_none() => exact,
        (NumericMapping::BestFit | NumericMapping::BestFitEagerDouble, _) => ColumnType::Float64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_follow_the_table() {
        let of = |declared| {
            ColumnType::of_declared(Some(declared), NumericMapping::None, TimestampGranularity::ConnectLogical)
        };
        assert_eq!(of("INTEGER"), ColumnType::Int64);
        assert_eq!(of("unsigned big int"), ColumnType::Int64);
        assert_eq!(of("varchar(20)"), ColumnType::Text);
        assert_eq!(of("DOUBLE PRECISION"), ColumnType::Float64);
        assert_eq!(of("Boolean"), ColumnType::Boolean);
        assert_eq!(of("datetime"), ColumnType::Timestamp(TimestampGranularity::ConnectLogical));
        assert_eq!(of("TIMESTAMP WITH TIME ZONE"), ColumnType::Timestamp(TimestampGranularity::ConnectLogical));
        assert_eq!(of("date"), ColumnType::Date);
        assert_eq!(of("DECIMAL(10, 2)"), ColumnType::Decimal { precision: 10, scale: 2 });
        assert_eq!(of("NUMERIC"), ColumnType::Float64);
        assert_eq!(of("uuid"), ColumnType::Text);
        assert_eq!(
            ColumnType::of_declared(None, NumericMapping::None, TimestampGranularity::default()),
            ColumnType::Undeclared
        );
    }

    #[test]
    fn numeric_mapping_makes_numbers_of_decimals_as_confluent_does() {
        let of = |declared, mapping| ColumnType::of_declared(Some(declared), mapping, TimestampGranularity::default());
        assert_eq!(of("NUMERIC(9)", NumericMapping::PrecisionOnly), ColumnType::Int32);
        assert_eq!(of("NUMERIC(9,2)", NumericMapping::PrecisionOnly), ColumnType::Decimal { precision: 9, scale: 2 });
        assert_eq!(of("NUMERIC(9,2)", NumericMapping::BestFit), ColumnType::Float64);
        assert_eq!(of("NUMERIC(20,2)", NumericMapping::BestFit), ColumnType::Decimal { precision: 20, scale: 2 });
        assert_eq!(of("NUMERIC(20,2)", NumericMapping::BestFitEagerDouble), ColumnType::Float64);
        assert_eq!(of("NUMERIC(20)", NumericMapping::BestFit), ColumnType::Decimal { precision: 20, scale: 0 });
    }
}
