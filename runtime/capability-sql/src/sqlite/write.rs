//! Rows of a batch as parameters of a prepared statement.
//!
//! | Arrow | SQLite |
//! | --- | --- |
//! | integers, boolean | integer |
//! | floats | real |
//! | Utf8, schemaless JSON | text |
//! | Binary | blob |
//! | decimals | text: a column with NUMERIC affinity makes a number of it |
//! | Date, Time, Timestamp | integer milliseconds, as JDBC's driver for SQLite writes them |

use super::decimal;
use super::raw::{Connection, RawStatement, SqliteError};
use super::timestamp::DAY_MS;
use crate::bindings::sql::Value;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, PrimitiveArray, StringArray};
use arrow_schema::{DataType, FieldRef, TimeUnit};
use sluice_capability::bindings::errors::Error;
use sluice_capability::path::resolve;
use sluice_data::{ConnectBatch, schema};

#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error(transparent)]
    Sqlite(#[from] SqliteError),
    /// The batch has no such column, in the guest's terms.
    #[error("a parameter's column is missing")]
    Path(Error),
    #[error(
        "column {path:?} is {found}, which has no form in SQLite: flatten it or convert it to text by a transformation"
    )]
    Unsupported { path: String, found: DataType },
    #[error("the statement has {expected} parameters, and {given} were given")]
    ParameterCount { expected: usize, given: usize },
    /// The database refused this row; the rows before it are written, the transaction is still open.
    #[error("{source}")]
    Row { row_id: i64, source: SqliteError },
}

/// Runs `sql` for each row of `batch`; its parameters are the columns at `paths`. Answers the rows affected.
///
/// # Errors
/// [`WriteError`]. A row that fails undoes itself; those before it stay.
pub fn execute_batch(
    connection: &Connection,
    sql: &str,
    batch: &ConnectBatch,
    paths: &[String],
) -> Result<u64, WriteError> {
    let mut statement = connection.prepare(sql)?;
    let expected = statement.parameter_count();
    if expected != paths.len() {
        return Err(WriteError::ParameterCount { expected, given: paths.len() });
    }
    let resolved: Vec<(FieldRef, ArrayRef)> =
        paths.iter().map(|path| resolve(batch, path)).collect::<Result<_, _>>().map_err(WriteError::Path)?;
    let columns: Vec<Column<'_>> = resolved
        .iter()
        .zip(paths)
        .map(|((field, array), path)| Column::new(field, array, path))
        .collect::<Result<_, _>>()?;
    let before = connection.total_changes();
    for row in 0..batch.len() {
        for (index, column) in columns.iter().enumerate() {
            column.bind(&mut statement, index + 1, row)?;
        }
        let stepped = statement.run();
        statement.reset();
        if let Err(source) = stepped {
            return Err(WriteError::Row { row_id: batch.row_ids().value(row), source });
        }
    }
    Ok(u64::try_from(connection.total_changes() - before).unwrap_or(0))
}

/// Binds scalar parameters.
///
/// # Errors
/// [`WriteError::ParameterCount`], [`WriteError::Sqlite`].
pub fn bind_values(statement: &mut RawStatement, values: &[Value]) -> Result<(), WriteError> {
    let expected = statement.parameter_count();
    if expected != values.len() {
        return Err(WriteError::ParameterCount { expected, given: values.len() });
    }
    for (index, value) in values.iter().enumerate() {
        let parameter = index + 1;
        match value {
            Value::Null => statement.bind_null(parameter),
            Value::Boolean(value) => statement.bind_i64(parameter, i64::from(*value)),
            Value::Int64(value) => statement.bind_i64(parameter, *value),
            Value::Float64(value) => statement.bind_f64(parameter, *value),
            Value::Text(value) | Value::Decimal(value) => statement.bind_text(parameter, value),
            Value::Bytes(value) => statement.bind_blob(parameter, value),
            Value::Timestamp(micros) => statement.bind_i64(parameter, micros.div_euclid(1_000)),
        }?;
    }
    Ok(())
}

/// A column ready to be bound row by row.
struct Column<'b> {
    values: Values<'b>,
    nulls: Option<&'b arrow_buffer::NullBuffer>,
}

type Integers<'b> = Box<dyn Fn(usize) -> i64 + 'b>;

enum Values<'b> {
    Int64(&'b PrimitiveArray<Int64Type>),
    Float64(&'b PrimitiveArray<Float64Type>),
    Text(&'b StringArray),
    Binary(&'b BinaryArray),
    Boolean(&'b BooleanArray),
    /// Any other type that becomes an integer.
    Integer(Integers<'b>),
    Float32(&'b PrimitiveArray<Float32Type>),
    Decimal(Box<dyn Fn(usize) -> String + 'b>),
    Null,
}

impl<'b> Column<'b> {
    fn new(field: &FieldRef, array: &'b ArrayRef, path: &str) -> Result<Self, WriteError> {
        let values = Self::values(field, array).ok_or_else(|| {
            let found = field.data_type().clone();
            WriteError::Unsupported { path: path.to_owned(), found }
        })?;
        Ok(Self { values, nulls: array.nulls() })
    }

    fn values(field: &FieldRef, array: &'b ArrayRef) -> Option<Values<'b>> {
        macro_rules! integers {
            ($type:ty, $value:ident => $convert:expr) => {{
                let array = array.as_primitive::<$type>();
                Values::Integer(Box::new(move |row| {
                    let $value = array.value(row);
                    $convert
                }))
            }};
        }
        Some(match array.data_type() {
            DataType::Null => Values::Null,
            DataType::Int64 => Values::Int64(array.as_primitive()),
            DataType::Int8 => integers!(Int8Type, value => i64::from(value)),
            DataType::Int16 => integers!(Int16Type, value => i64::from(value)),
            DataType::Int32 => integers!(Int32Type, value => i64::from(value)),
            DataType::UInt8 => integers!(UInt8Type, value => i64::from(value)),
            DataType::UInt16 => integers!(UInt16Type, value => i64::from(value)),
            DataType::UInt32 => integers!(UInt32Type, value => i64::from(value)),
            DataType::Float32 => Values::Float32(array.as_primitive()),
            DataType::Float64 => Values::Float64(array.as_primitive()),
            DataType::Boolean => Values::Boolean(array.as_boolean()),
            DataType::Utf8 => Values::Text(array.as_string()),
            DataType::Binary => match schema::decimal_scale(field) {
                Some(scale) => {
                    let array = array.as_binary::<i32>();
                    Values::Decimal(Box::new(move |row| unscaled_to_text(array.value(row), scale)))
                }
                None => Values::Binary(array.as_binary()),
            },
            DataType::Decimal128(_, scale) => {
                let (array, scale) = (array.as_primitive::<Decimal128Type>(), i32::from(*scale));
                Values::Decimal(Box::new(move |row| decimal::to_text(&array.value(row).to_string(), scale)))
            }
            DataType::Decimal256(_, scale) => {
                let (array, scale) = (array.as_primitive::<Decimal256Type>(), i32::from(*scale));
                Values::Decimal(Box::new(move |row| decimal::to_text(&array.value(row).to_string(), scale)))
            }
            DataType::Date32 => integers!(Date32Type, day => i64::from(day) * DAY_MS),
            DataType::Time32(TimeUnit::Second) => integers!(Time32SecondType, at => i64::from(at) * 1_000),
            DataType::Time32(_) => integers!(Time32MillisecondType, at => i64::from(at)),
            DataType::Time64(TimeUnit::Microsecond) => integers!(Time64MicrosecondType, at => at / 1_000),
            DataType::Time64(_) => integers!(Time64NanosecondType, at => at / 1_000_000),
            DataType::Timestamp(TimeUnit::Second, _) => integers!(TimestampSecondType, at => at.saturating_mul(1_000)),
            DataType::Timestamp(TimeUnit::Millisecond, _) => integers!(TimestampMillisecondType, at => at),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                integers!(TimestampMicrosecondType, at => at.div_euclid(1_000))
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                integers!(TimestampNanosecondType, at => at.div_euclid(1_000_000))
            }
            _ => return None,
        })
    }

    #[inline]
    fn bind(&self, statement: &mut RawStatement, parameter: usize, row: usize) -> Result<(), SqliteError> {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return statement.bind_null(parameter);
        }
        match &self.values {
            Values::Int64(array) => statement.bind_i64(parameter, array.value(row)),
            Values::Float64(array) => statement.bind_f64(parameter, array.value(row)),
            Values::Text(array) => statement.bind_text(parameter, array.value(row)),
            Values::Binary(array) => statement.bind_blob(parameter, array.value(row)),
            Values::Boolean(array) => statement.bind_i64(parameter, i64::from(array.value(row))),
            Values::Integer(value) => statement.bind_i64(parameter, value(row)),
            Values::Float32(array) => statement.bind_f64(parameter, f64::from(array.value(row))),
            Values::Decimal(value) => statement.bind_text(parameter, &value(row)),
            Values::Null => statement.bind_null(parameter),
        }
    }
}

/// Big-endian two's complement, as Connect's Decimal has it. What is wider than 128 bits is cut to text by hand.
fn unscaled_to_text(bytes: &[u8], scale: i32) -> String {
    let number = arrow_buffer::i256::from_be_bytes(sign_extended(bytes));
    decimal::to_text(&number.to_string(), scale)
}

fn sign_extended(bytes: &[u8]) -> [u8; 32] {
    let fill = if bytes.first().is_some_and(|first| first & 0x80 != 0) { 0xff } else { 0 };
    let mut wide = [fill; 32];
    let bytes = &bytes[bytes.len().saturating_sub(32)..];
    wide[32 - bytes.len()..].copy_from_slice(bytes);
    wide
}
