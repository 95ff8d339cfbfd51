//! Rows of a statement into Arrow columns.

use super::column_type::{ColumnType, NumericMapping, TimestampGranularity};
use super::decimal;
use super::raw::{Connection, RawStatement, SqliteError, Storage};
use super::timestamp::{DAY_MS, Instant, time_ms_from_text};
use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int8Builder, Int16Builder,
    Int32Builder, Int64Builder, StringBuilder, Time32MillisecondBuilder, TimestampMillisecondBuilder,
};
use arrow_array::{ArrayRef, StructArray};
use arrow_schema::{ArrowError, DataType, Field, Fields};
use chrono::SecondsFormat;
use sluice_data::{BatchError, ConnectBatch, schema};
use std::sync::Arc;

/// Limits and types of what a query gives.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    pub topic: String,
    pub max_rows: usize,
    pub max_bytes: usize,
    pub numeric: NumericMapping,
    pub granularity: TimestampGranularity,
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Sqlite(#[from] SqliteError),
    #[error(
        "{table}, column {column:?}, row {row} of the result: {value} is not {expected}; correct the value or change the column's declared type"
    )]
    Misfit { table: String, column: String, row: u64, value: String, expected: &'static str },
    #[error("the rows do not make a batch")]
    Batch(#[from] BatchError),
    #[error("the columns do not make rows")]
    Arrow(#[from] ArrowError),
}

/// A column of a result before its rows are known.
#[derive(Debug, Clone)]
pub struct ResultColumn {
    pub name: String,
    pub table: Option<String>,
    pub declared: Option<String>,
    pub column_type: ColumnType,
    pub nullable: bool,
    pub auto_increment: bool,
}

/// The columns of a prepared statement. A column may be non-null only when all come from one table: an outer join makes
/// nulls of another's.
pub fn result_columns(
    statement: &RawStatement,
    connection: &Connection,
    numeric: NumericMapping,
    granularity: TimestampGranularity,
) -> Vec<ResultColumn> {
    let tables: Vec<Option<String>> = (0..statement.column_count()).map(|i| statement.column_table(i)).collect();
    let one_table = tables.windows(2).all(|pair| pair[0] == pair[1]);
    tables
        .into_iter()
        .enumerate()
        .map(|(index, table)| {
            let declared = statement.column_declared_type(index);
            let known = table
                .as_deref()
                .zip(statement.column_origin(index).as_deref())
                .and_then(|(table, origin)| connection.table_column(table, origin));
            let rowid = declared.as_deref().is_some_and(|declared| declared.eq_ignore_ascii_case("INTEGER"));
            let not_null = known.is_some_and(|known| known.not_null || (known.primary_key && rowid));
            ResultColumn {
                name: statement.column_name(index),
                column_type: ColumnType::of_declared(declared.as_deref(), numeric, granularity),
                declared,
                nullable: !(one_table && not_null),
                auto_increment: known.is_some_and(|known| known.auto_increment),
                table,
            }
        })
        .collect()
}

/// Makes batches of a running statement's rows. The first batch decides the types that the table leaves open; they hold for
/// all others.
pub struct Reader {
    options: ReadOptions,
    columns: Vec<ResultColumn>,
    /// Set by the first batch.
    value_field: Option<Field>,
    rows_read: u64,
    /// A step behind the last row would run the statement again.
    done: bool,
}

impl Reader {
    pub fn new(statement: &RawStatement, connection: &Connection, options: ReadOptions) -> Self {
        let columns = result_columns(statement, connection, options.numeric, options.granularity);
        Self { options, columns, value_field: None, rows_read: 0, done: false }
    }

    /// The next rows; `None`: there are no more.
    ///
    /// # Errors
    /// [`ReadError`]; the statement is of no use afterwards.
    pub fn next(&mut self, statement: &mut RawStatement) -> Result<Option<ConnectBatch>, ReadError> {
        let capacity = self.options.max_rows.min(8_192);
        let mut builders: Vec<ColumnBuilder> =
            self.columns.iter().map(|column| ColumnBuilder::new(column.column_type, capacity)).collect();
        let (mut rows, mut bytes) = (0, 0);
        while !self.done && rows < self.options.max_rows && bytes < self.options.max_bytes {
            if !statement.step()? {
                self.done = true;
                break;
            }
            self.rows_read += 1;
            for (index, builder) in builders.iter_mut().enumerate() {
                match builder.append(statement, index) {
                    Ok(size) => bytes += size,
                    Err(expected) => return Err(self.misfit(index, shown(statement, index), expected)),
                }
            }
            rows += 1;
        }
        if rows == 0 {
            return Ok(None);
        }
        let mut arrays = Vec::with_capacity(builders.len());
        for (index, builder) in builders.into_iter().enumerate() {
            arrays.push(self.finish_column(index, builder)?);
        }
        let field = self.value_field.get_or_insert_with(|| value_field(&self.columns)).clone();
        let DataType::Struct(fields) = field.data_type() else { unreachable!("value_field makes a struct") };
        let value: ArrayRef = Arc::new(StructArray::try_new_with_length(fields.clone(), arrays, None, rows)?);
        let first = i64::try_from(self.rows_read).unwrap_or(i64::MAX) - rows as i64;
        Ok(Some(ConnectBatch::builder(self.options.topic.as_str(), &field, value).row_ids_from(first).build()?))
    }

    fn finish_column(&mut self, index: usize, builder: ColumnBuilder) -> Result<ArrayRef, ReadError> {
        let array = match builder {
            ColumnBuilder::Undeclared(values) => {
                let decided = decide(&values);
                self.columns[index].column_type = decided;
                let mut typed = ColumnBuilder::new(decided, values.len());
                for value in &values {
                    typed.append_seen(value);
                }
                typed.finish()?
            }
            mut typed => typed.finish()?,
        };
        if !self.columns[index].nullable && array.null_count() > 0 {
            return Err(self.misfit(index, "NULL".to_owned(), "a value, which the table's NOT NULL promises"));
        }
        Ok(array)
    }

    fn misfit(&self, index: usize, value: String, expected: &'static str) -> ReadError {
        let column = &self.columns[index];
        let table = column.table.as_deref().map_or("the query".to_owned(), |table| format!("table {table:?}"));
        let declared = column.declared.as_deref().unwrap_or("none");
        let value = format!("{value} (declared type {declared})");
        ReadError::Misfit { table, column: column.name.clone(), row: self.rows_read, value, expected }
    }
}

/// The struct's field; its Connect name is the table's when there is one table.
fn value_field(columns: &[ResultColumn]) -> Field {
    let fields: Fields = columns.iter().map(|column| column.column_type.field(&column.name, column.nullable)).collect();
    let field = Field::new("value", DataType::Struct(fields), false);
    match columns.first().and_then(|column| column.table.clone()) {
        Some(table) if columns.iter().all(|column| column.table.as_deref() == Some(&table)) => {
            field.with_metadata(std::collections::HashMap::from([(schema::NAME.to_owned(), table)]))
        }
        _ => field,
    }
}

/// A value as an error shows it, cut so that a large one stays readable.
fn shown(statement: &RawStatement, index: usize) -> String {
    match statement.storage(index) {
        Storage::Null => "NULL".to_owned(),
        Storage::Integer => statement.i64(index).to_string(),
        Storage::Real => statement.f64(index).to_string(),
        Storage::Text => {
            let text = String::from_utf8_lossy(statement.bytes(index)).chars().take(80).collect::<String>();
            format!("the text {text:?}")
        }
        Storage::Blob => format!("a blob of {} bytes", statement.bytes(index).len()),
    }
}

/// A value of a column without declared type, kept until its type is decided.
enum Seen {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

/// Numbers stay numbers, anything with a blob is bytes, the rest is text.
fn decide(values: &[Seen]) -> ColumnType {
    let any = |test: fn(&Seen) -> bool| values.iter().any(test);
    if any(|value| matches!(value, Seen::Blob(_))) {
        ColumnType::Blob
    } else if any(|value| matches!(value, Seen::Text(_))) {
        ColumnType::Text
    } else if any(|value| matches!(value, Seen::Real(_))) {
        ColumnType::Float64
    } else if any(|value| matches!(value, Seen::Integer(_))) {
        ColumnType::Int64
    } else {
        ColumnType::Text
    }
}

enum ColumnBuilder {
    Int8(Int8Builder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float64(Float64Builder),
    Boolean(BooleanBuilder),
    Date(Date32Builder),
    Time(Time32MillisecondBuilder),
    TimestampMs(TimestampMillisecondBuilder),
    TimestampInteger(Int64Builder, TimestampGranularity),
    TimestampText(StringBuilder, TimestampGranularity),
    Decimal(Decimal128Builder, u8, i8),
    Text(StringBuilder),
    Blob(BinaryBuilder),
    Undeclared(Vec<Seen>),
}

/// Runs `$action` with the typed builder of whatever kind.
macro_rules! with_builder {
    ($self:expr, $builder:ident => $action:expr, $seen:ident => $other:expr) => {
        match $self {
            Self::Int8($builder) => $action,
            Self::Int16($builder) => $action,
            Self::Int32($builder) => $action,
            Self::Int64($builder) | Self::TimestampInteger($builder, _) => $action,
            Self::Float64($builder) => $action,
            Self::Boolean($builder) => $action,
            Self::Date($builder) => $action,
            Self::Time($builder) => $action,
            Self::TimestampMs($builder) => $action,
            Self::Decimal($builder, _, _) => $action,
            Self::Text($builder) | Self::TimestampText($builder, _) => $action,
            Self::Blob($builder) => $action,
            Self::Undeclared($seen) => $other,
        }
    };
}

impl ColumnBuilder {
    fn new(column_type: ColumnType, capacity: usize) -> Self {
        let text = || StringBuilder::with_capacity(capacity, capacity * 16);
        match column_type {
            ColumnType::Int8 => Self::Int8(Int8Builder::with_capacity(capacity)),
            ColumnType::Int16 => Self::Int16(Int16Builder::with_capacity(capacity)),
            ColumnType::Int32 => Self::Int32(Int32Builder::with_capacity(capacity)),
            ColumnType::Int64 => Self::Int64(Int64Builder::with_capacity(capacity)),
            ColumnType::Float64 => Self::Float64(Float64Builder::with_capacity(capacity)),
            ColumnType::Boolean => Self::Boolean(BooleanBuilder::with_capacity(capacity)),
            ColumnType::Date => Self::Date(Date32Builder::with_capacity(capacity)),
            ColumnType::Time => Self::Time(Time32MillisecondBuilder::with_capacity(capacity)),
            ColumnType::Timestamp(granularity) => match granularity {
                TimestampGranularity::ConnectLogical => Self::TimestampMs(
                    TimestampMillisecondBuilder::with_capacity(capacity).with_data_type(column_type.data_type()),
                ),
                TimestampGranularity::MicrosLong | TimestampGranularity::NanosLong => {
                    Self::TimestampInteger(Int64Builder::with_capacity(capacity), granularity)
                }
                _ => Self::TimestampText(text(), granularity),
            },
            ColumnType::Decimal { precision, scale } => Self::Decimal(
                Decimal128Builder::with_capacity(capacity).with_data_type(column_type.data_type()),
                precision,
                scale,
            ),
            ColumnType::Text => Self::Text(text()),
            ColumnType::Blob => Self::Blob(BinaryBuilder::with_capacity(capacity, capacity * 16)),
            ColumnType::Undeclared => Self::Undeclared(Vec::with_capacity(capacity)),
        }
    }

    /// Appends the current row's value and answers about how many bytes it takes, or what the value should have been.
    #[inline]
    fn append(&mut self, statement: &RawStatement, index: usize) -> Result<usize, &'static str> {
        let storage = statement.storage(index);
        if storage == Storage::Null {
            with_builder!(self, builder => builder.append_null(), seen => seen.push(Seen::Null));
            return Ok(1);
        }
        match self {
            Self::Int64(builder) if storage == Storage::Integer => builder.append_value(statement.i64(index)),
            Self::Text(builder) => return append_text(builder, statement, index, storage),
            Self::Float64(builder) => {
                builder.append_value(float(statement, index, storage).ok_or("a number that a double holds exactly")?)
            }
            Self::Int64(_) => return Err("an integer"),
            Self::Int8(builder) => {
                let integer = integer(statement, index, storage).and_then(|value| i8::try_from(value).ok());
                builder.append_value(integer.ok_or("an integer of the declared precision")?);
            }
            Self::Int16(builder) => {
                let integer = integer(statement, index, storage).and_then(|value| i16::try_from(value).ok());
                builder.append_value(integer.ok_or("an integer of the declared precision")?);
            }
            Self::Int32(builder) => {
                let integer = integer(statement, index, storage).and_then(|value| i32::try_from(value).ok());
                builder.append_value(integer.ok_or("an integer of the declared precision")?);
            }
            Self::Boolean(builder) => {
                builder.append_value(boolean(statement, index, storage).ok_or("a boolean (0 or 1)")?)
            }
            Self::Date(builder) => {
                let day =
                    instant(statement, index, storage).and_then(|at| i32::try_from(at.seconds.div_euclid(86_400)).ok());
                builder.append_value(day.ok_or("a date (YYYY-MM-DD, or milliseconds)")?);
            }
            Self::Time(builder) => {
                builder.append_value(time_ms(statement, index, storage).ok_or("a time (HH:MM:SS, or milliseconds)")?)
            }
            Self::TimestampMs(builder) => {
                let ms = instant(statement, index, storage).and_then(Instant::ms);
                builder.append_value(ms.ok_or(TIMESTAMP_EXPECTED)?);
            }
            Self::TimestampInteger(builder, granularity) => {
                let at = instant(statement, index, storage).and_then(|at| whole_number(at, *granularity));
                builder.append_value(at.ok_or(TIMESTAMP_EXPECTED)?);
            }
            Self::TimestampText(builder, granularity) => {
                let at = instant(statement, index, storage).and_then(|at| rendered(at, *granularity));
                builder.append_value(at.ok_or(TIMESTAMP_EXPECTED)?);
                return Ok(30);
            }
            Self::Decimal(builder, precision, scale) => {
                let unscaled =
                    unscaled(statement, index, storage, *scale).filter(|value| decimal::fits(*value, *precision));
                builder.append_value(unscaled.ok_or("a number of the declared precision and scale")?);
                return Ok(16);
            }
            Self::Blob(builder) => {
                if !matches!(storage, Storage::Blob | Storage::Text) {
                    return Err("bytes");
                }
                let bytes = statement.bytes(index);
                builder.append_value(bytes);
                return Ok(bytes.len() + 4);
            }
            Self::Undeclared(seen) => return see(seen, statement, index, storage),
        }
        Ok(8)
    }

    /// Appends a value to the builder that [`decide`] chose for it.
    fn append_seen(&mut self, value: &Seen) {
        match (self, value) {
            (Self::Int64(builder), Seen::Integer(value)) => builder.append_value(*value),
            (Self::Float64(builder), Seen::Integer(value)) => builder.append_value(*value as f64),
            (Self::Float64(builder), Seen::Real(value)) => builder.append_value(*value),
            (Self::Text(builder), Seen::Integer(value)) => builder.append_value(value.to_string()),
            (Self::Text(builder), Seen::Real(value)) => builder.append_value(value.to_string()),
            (Self::Text(builder), Seen::Text(value)) => builder.append_value(value),
            (Self::Blob(builder), Seen::Integer(value)) => builder.append_value(value.to_string()),
            (Self::Blob(builder), Seen::Real(value)) => builder.append_value(value.to_string()),
            (Self::Blob(builder), Seen::Text(value)) => builder.append_value(value),
            (Self::Blob(builder), Seen::Blob(value)) => builder.append_value(value),
            (builder, _) => with_builder!(builder, builder => builder.append_null(), _seen => ()),
        }
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(with_builder!(self, builder => Arc::new(builder.finish()) as ArrayRef, _seen => {
            return Err(ArrowError::ComputeError("a column without a decided type".to_owned()));
        }))
    }
}

const TIMESTAMP_EXPECTED: &str = "a timestamp (YYYY-MM-DD HH:MM:SS, or milliseconds)";

fn append_text(
    builder: &mut StringBuilder,
    statement: &RawStatement,
    index: usize,
    storage: Storage,
) -> Result<usize, &'static str> {
    match storage {
        Storage::Text => {
            let text = std::str::from_utf8(statement.bytes(index)).map_err(|_| "text in UTF-8")?;
            builder.append_value(text);
            return Ok(text.len() + 4);
        }
        Storage::Integer => builder.append_value(statement.i64(index).to_string()),
        Storage::Real => builder.append_value(statement.f64(index).to_string()),
        Storage::Blob | Storage::Null => return Err("text"),
    }
    Ok(24)
}

fn see(seen: &mut Vec<Seen>, statement: &RawStatement, index: usize, storage: Storage) -> Result<usize, &'static str> {
    let size = match storage {
        Storage::Text | Storage::Blob => statement.bytes(index).len(),
        _ => 8,
    };
    seen.push(match storage {
        Storage::Null => Seen::Null,
        Storage::Integer => Seen::Integer(statement.i64(index)),
        Storage::Real => Seen::Real(statement.f64(index)),
        Storage::Text => {
            let text = std::str::from_utf8(statement.bytes(index)).map_err(|_| "text in UTF-8")?;
            Seen::Text(text.to_owned())
        }
        Storage::Blob => Seen::Blob(statement.bytes(index).to_vec()),
    });
    Ok(size)
}

fn integer(statement: &RawStatement, index: usize, storage: Storage) -> Option<i64> {
    (storage == Storage::Integer).then(|| statement.i64(index))
}

fn float(statement: &RawStatement, index: usize, storage: Storage) -> Option<f64> {
    /// Integers up to here are doubles without loss.
    const EXACT: i64 = 1 << 53;
    match storage {
        Storage::Real => Some(statement.f64(index)),
        Storage::Integer => {
            Some(statement.i64(index)).filter(|value| (-EXACT..=EXACT).contains(value)).map(|value| value as f64)
        }
        _ => None,
    }
}

fn boolean(statement: &RawStatement, index: usize, storage: Storage) -> Option<bool> {
    match storage {
        Storage::Integer => match statement.i64(index) {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
        Storage::Text => match statement.bytes(index).to_ascii_lowercase().as_slice() {
            b"true" | b"t" | b"1" => Some(true),
            b"false" | b"f" | b"0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn instant(statement: &RawStatement, index: usize, storage: Storage) -> Option<Instant> {
    match storage {
        Storage::Integer => Some(Instant::from_ms(statement.i64(index))),
        Storage::Real => Instant::from_julian_day(statement.f64(index)),
        Storage::Text => Instant::from_text(std::str::from_utf8(statement.bytes(index)).ok()?),
        Storage::Blob | Storage::Null => None,
    }
}

fn time_ms(statement: &RawStatement, index: usize, storage: Storage) -> Option<i32> {
    match storage {
        Storage::Integer => i32::try_from(statement.i64(index).rem_euclid(DAY_MS)).ok(),
        Storage::Text => time_ms_from_text(std::str::from_utf8(statement.bytes(index)).ok()?),
        _ => None,
    }
}

fn unscaled(statement: &RawStatement, index: usize, storage: Storage, scale: i8) -> Option<i128> {
    match storage {
        Storage::Integer => decimal::from_i64(statement.i64(index), scale),
        Storage::Real => decimal::from_f64(statement.f64(index), scale),
        Storage::Text => decimal::from_text(std::str::from_utf8(statement.bytes(index)).ok()?, scale),
        Storage::Blob | Storage::Null => None,
    }
}

fn whole_number(at: Instant, granularity: TimestampGranularity) -> Option<i64> {
    match granularity {
        TimestampGranularity::NanosLong | TimestampGranularity::NanosString => at.nanos_since_epoch(),
        _ => at.micros(),
    }
}

fn rendered(at: Instant, granularity: TimestampGranularity) -> Option<String> {
    match granularity {
        TimestampGranularity::MicrosIso => at.iso(SecondsFormat::Micros),
        TimestampGranularity::NanosIso => at.iso(SecondsFormat::Nanos),
        _ => whole_number(at, granularity).map(|number| number.to_string()),
    }
}
