//! A column made ready for rendering row by row: downcast once, rare Arrow types folded into common ones.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Decimal256Array, Float32Array, Float64Array,
    Int64Array, StringArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field, TimeUnit};
use num_bigint::BigInt;
use sluice_data::schema::{decimal_scale, is_json};

/// One column. Dates are days, times and timestamps milliseconds, as Connect has them.
pub enum View {
    Null,
    Boolean(BooleanArray),
    Integer(Int64Array),
    Float32(Float32Array),
    Float64(Float64Array),
    Text(StringArray),
    /// Schemaless JSON text.
    Json(StringArray),
    Bytes(BinaryArray),
    Decimal(Decimals),
    Date(Int64Array),
    Time(Int64Array),
    Timestamp(Int64Array),
    List {
        offsets: OffsetBuffer<i32>,
        nulls: Option<NullBuffer>,
        items: Box<View>,
    },
    Map {
        offsets: OffsetBuffer<i32>,
        nulls: Option<NullBuffer>,
        keys: Box<View>,
        values: Box<View>,
    },
    Struct {
        nulls: Option<NullBuffer>,
        fields: Vec<ViewField>,
    },
}

pub struct ViewField {
    pub name: String,
    /// `"name":`, escaped.
    pub json_name: Vec<u8>,
    pub view: View,
}

pub enum Decimals {
    Small(Decimal128Array),
    Large(Decimal256Array),
    Unscaled(BinaryArray, i32),
}

impl View {
    /// # Errors
    /// An Arrow type that the record model does not have.
    pub fn new(field: &Field, array: &ArrayRef) -> Result<Self, ArrowError> {
        Ok(match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Boolean(array.as_boolean().clone()),
            DataType::Int64 => Self::Integer(array.as_primitive().clone()),
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32 => Self::Integer(integers(array)?),
            DataType::Float32 => Self::Float32(array.as_primitive::<Float32Type>().clone()),
            DataType::Float64 => Self::Float64(array.as_primitive::<Float64Type>().clone()),
            DataType::Utf8 if is_json(field) => Self::Json(array.as_string().clone()),
            DataType::Utf8 => Self::Text(array.as_string().clone()),
            DataType::LargeUtf8 | DataType::Utf8View => Self::Text(cast(array, &DataType::Utf8)?.as_string().clone()),
            DataType::Binary => match decimal_scale(field) {
                Some(scale) => Self::Decimal(Decimals::Unscaled(array.as_binary().clone(), scale)),
                None => Self::Bytes(array.as_binary().clone()),
            },
            DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                Self::Bytes(cast(array, &DataType::Binary)?.as_binary().clone())
            }
            DataType::Decimal128(..) => Self::Decimal(Decimals::Small(array.as_primitive::<Decimal128Type>().clone())),
            DataType::Decimal256(..) => Self::Decimal(Decimals::Large(array.as_primitive::<Decimal256Type>().clone())),
            DataType::Date32 => Self::Date(integers(&cast(array, &DataType::Int32)?)?),
            DataType::Time32(_) | DataType::Time64(_) => {
                let millis = cast(array, &DataType::Time32(TimeUnit::Millisecond))?;
                Self::Time(integers(&cast(&millis, &DataType::Int32)?)?)
            }
            DataType::Timestamp(unit, _) => Self::Timestamp(timestamp_millis(array, *unit)),
            _ => return Self::nested(field, array),
        })
    }

    fn nested(field: &Field, array: &ArrayRef) -> Result<Self, ArrowError> {
        match array.data_type() {
            DataType::List(item) => {
                let list = array.as_list::<i32>();
                Ok(Self::List {
                    offsets: list.offsets().clone(),
                    nulls: list.nulls().cloned(),
                    items: Box::new(Self::new(item, list.values())?),
                })
            }
            DataType::LargeList(item) => Self::nested(field, &cast(array, &DataType::List(item.clone()))?),
            DataType::Map(..) => {
                let map = array.as_map();
                let entries = map.entries().fields();
                Ok(Self::Map {
                    offsets: map.offsets().clone(),
                    nulls: map.nulls().cloned(),
                    keys: Box::new(Self::new(&entries[0], map.keys())?),
                    values: Box::new(Self::new(&entries[1], map.values())?),
                })
            }
            DataType::Struct(fields) => {
                let columns = array.as_struct();
                let fields = fields.iter().zip(columns.columns()).map(|(field, column)| {
                    let mut json_name = Vec::new();
                    crate::json::write_string(&mut json_name, field.name());
                    json_name.push(b':');
                    Ok(ViewField { name: field.name().clone(), json_name, view: Self::new(field, column)? })
                });
                Ok(Self::Struct { nulls: columns.nulls().cloned(), fields: fields.collect::<Result<_, ArrowError>>()? })
            }
            other => Err(ArrowError::CastError(format!(
                "column {:?} has the Arrow type {other}, which cannot be rendered",
                field.name()
            ))),
        }
    }

    #[must_use]
    pub fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Null => true,
            Self::Boolean(array) => array.is_null(row),
            Self::Integer(array) | Self::Date(array) | Self::Time(array) | Self::Timestamp(array) => array.is_null(row),
            Self::Float32(array) => array.is_null(row),
            Self::Float64(array) => array.is_null(row),
            Self::Text(array) | Self::Json(array) => array.is_null(row),
            Self::Bytes(array) | Self::Decimal(Decimals::Unscaled(array, _)) => array.is_null(row),
            Self::Decimal(Decimals::Small(array)) => array.is_null(row),
            Self::Decimal(Decimals::Large(array)) => array.is_null(row),
            Self::List { nulls, .. } | Self::Map { nulls, .. } | Self::Struct { nulls, .. } => {
                nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
            }
        }
    }
}

impl Decimals {
    /// Plain digits, never an exponent: as a JSON number or for people.
    #[must_use]
    pub fn text(&self, row: usize) -> String {
        match self {
            Self::Small(array) => array.value_as_string(row),
            Self::Large(array) => array.value_as_string(row),
            Self::Unscaled(array, scale) => {
                decimal_text(&BigInt::from_signed_bytes_be(array.value(row)).to_string(), *scale)
            }
        }
    }

    /// Big-endian two's complement in as few bytes as hold it, as Java's `BigInteger.toByteArray`.
    #[must_use]
    pub fn unscaled_bytes(&self, row: usize) -> Vec<u8> {
        match self {
            Self::Small(array) => BigInt::from(array.value(row)).to_signed_bytes_be(),
            Self::Large(array) => BigInt::from_signed_bytes_be(&array.value(row).to_be_bytes()).to_signed_bytes_be(),
            Self::Unscaled(array, _) => array.value(row).to_vec(),
        }
    }
}

/// Puts the point into the digits of an unscaled number.
#[must_use]
pub fn decimal_text(unscaled: &str, scale: i32) -> String {
    let (sign, digits) = unscaled.strip_prefix('-').map_or(("", unscaled), |digits| ("-", digits));
    if scale <= 0 {
        // A corrupt scale must not make a text without end.
        let zeros = if digits == "0" { 0 } else { scale.unsigned_abs().min(DECIMAL_SCALE_MAX) as usize };
        return format!("{sign}{digits}{}", "0".repeat(zeros));
    }
    let scale = (scale.unsigned_abs().min(DECIMAL_SCALE_MAX)) as usize;
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

/// Above this a scale is taken for damage.
pub const DECIMAL_SCALE_MAX: u32 = 10_000;

fn integers(array: &ArrayRef) -> Result<Int64Array, ArrowError> {
    Ok(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

/// Rounded towards the past, as `Math.floorDiv`.
fn timestamp_millis(array: &ArrayRef, unit: TimeUnit) -> Int64Array {
    match unit {
        TimeUnit::Second => array.as_primitive::<TimestampSecondType>().unary(|value| value.saturating_mul(1000)),
        TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().unary(|value| value),
        TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().unary(|value| value.div_euclid(1000)),
        TimeUnit::Nanosecond => {
            array.as_primitive::<TimestampNanosecondType>().unary(|value| value.div_euclid(1_000_000))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::decimal_text;

    #[test]
    fn decimal_text_places_the_point() {
        assert_eq!(decimal_text("12345", 2), "123.45");
        assert_eq!(decimal_text("-5", 3), "-0.005");
        assert_eq!(decimal_text("7", 0), "7");
        assert_eq!(decimal_text("7", -2), "700");
        assert_eq!(decimal_text("0", -2), "0");
    }
}
