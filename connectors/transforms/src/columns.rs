//! The members of a struct column, taken apart and put together again.

use crate::smt::{SmtResult, refused, rejected};
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Int64Array, Scalar, StringArray, StructArray, UInt32Array, make_array,
};
use arrow_buffer::NullBuffer;
use arrow_cast::cast;
use arrow_schema::{DataType, Field, FieldRef};
use arrow_select::take::take;
use arrow_select::zip::zip;
use sluice_data::schema::{DEFAULT, is_json};
use std::sync::Arc;

/// How a key or value looks to a transformation of fields.
pub enum Operand<'a> {
    /// Null for every row, no schema.
    Nothing,
    Struct(&'a StructArray),
    /// Schemaless.
    Json(&'a StringArray),
    /// One value with a schema.
    Single,
}

pub fn operand<'a>(field: &Field, column: &'a ArrayRef) -> Operand<'a> {
    match column.data_type() {
        DataType::Null => Operand::Nothing,
        DataType::Struct(_) => Operand::Struct(column.as_struct()),
        DataType::Utf8 if is_json(field) => Operand::Json(column.as_string()),
        _ => Operand::Single,
    }
}

/// Source: Kafka `Requirements.requireStruct`.
pub fn refuse_single<T>(purpose: &str, column: &ArrayRef) -> SmtResult<T> {
    Err(rejected(format!("Only Struct objects supported for [{purpose}], found: {}", column.data_type())))
}

/// Kafka's refusal of a null record.
pub fn refuse_null<T>(purpose: &str) -> SmtResult<T> {
    Err(rejected(format!("Only Struct objects supported for [{purpose}], found: null")))
}

/// The members of a struct.
#[derive(Debug, Clone)]
pub struct Members {
    pub fields: Vec<FieldRef>,
    pub columns: Vec<ArrayRef>,
    nulls: Option<NullBuffer>,
    rows: usize,
}

impl Members {
    /// With `use_defaults`, null members that have a default are the default.
    pub fn of(structure: &StructArray, use_defaults: bool) -> SmtResult<Self> {
        let mut columns = structure.columns().to_vec();
        if use_defaults {
            for (field, column) in structure.fields().iter().zip(&mut columns) {
                *column = with_default(field, column)?;
            }
        }
        let fields = structure.fields().iter().cloned().collect();
        Ok(Self { fields, columns, nulls: structure.nulls().cloned(), rows: structure.len() })
    }

    /// No members yet, and no null rows.
    pub fn empty(rows: usize) -> Self {
        Self { fields: Vec::new(), columns: Vec::new(), nulls: None, rows }
    }

    pub fn push(&mut self, field: Field, column: ArrayRef) {
        self.fields.push(Arc::new(field));
        self.columns.push(column);
    }

    pub fn position(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name() == name)
    }

    /// The column again, with the schema's name, version, doc and parameters from `original`.
    pub fn into_column(self, original: &Field) -> SmtResult<(Field, ArrayRef)> {
        for (index, field) in self.fields.iter().enumerate() {
            if self.fields[..index].iter().any(|other| other.name() == field.name()) {
                let name = field.name();
                return Err(rejected(format!("Cannot create field because of field name duplication {name}")));
            }
        }
        let structure = StructArray::try_new_with_length(self.fields.into(), self.columns, self.nulls, self.rows);
        let column: ArrayRef = Arc::new(structure.map_err(refused)?);
        let mut metadata = original.metadata().clone();
        metadata.remove(DEFAULT);
        let field = Field::new(original.name(), column.data_type().clone(), original.is_nullable());
        Ok((field.with_metadata(metadata), column))
    }
}

/// The column with its nulls replaced by the default of `field`, when it has one.
pub fn with_default(field: &Field, column: &ArrayRef) -> SmtResult<ArrayRef> {
    let (Some(default), true) = (field.metadata().get(DEFAULT), column.null_count() > 0) else {
        return Ok(column.clone());
    };
    let default = default_value(field, default)?;
    let is_null = BooleanArray::new(!column.nulls().expect("there are nulls").inner(), None);
    let is_null = BooleanArray::new(is_null.values().clone(), None);
    zip(&is_null, &Scalar::new(default), column).map_err(refused)
}

fn default_value(field: &Field, default: &str) -> SmtResult<ArrayRef> {
    let unsupported = || {
        let name = field.name();
        rejected(format!(
            "the default of field {name:?} cannot be used by a transformation; set {}=false",
            crate::smt::REPLACE_NULL
        ))
    };
    let json: serde_json::Value = serde_json::from_str(default).map_err(|_| unsupported())?;
    let text = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
    match (field.data_type(), &json) {
        (DataType::Utf8, serde_json::Value::String(value)) => Ok(text(value)),
        (DataType::Boolean, serde_json::Value::Bool(value)) => Ok(Arc::new(BooleanArray::from(vec![*value]))),
        (DataType::Float32 | DataType::Float64, serde_json::Value::Number(number)) => {
            cast(&text(&number.to_string()), field.data_type()).map_err(refused)
        }
        (data_type, serde_json::Value::Number(number)) => {
            let number = number.as_i64().ok_or_else(unsupported)?;
            integer_as(number, data_type).ok_or_else(unsupported)
        }
        _ => Err(unsupported()),
    }
}

/// One row of an integer type, or of a logical type over one (milliseconds, days).
pub fn integer_as(value: i64, data_type: &DataType) -> Option<ArrayRef> {
    let integer: ArrayRef = Arc::new(Int64Array::from(vec![value]));
    let narrow = match data_type {
        DataType::Date32 | DataType::Time32(_) => cast(&integer, &DataType::Int32).ok()?,
        _ => integer,
    };
    let ms = match data_type {
        DataType::Timestamp(_, zone) => DataType::Timestamp(arrow_schema::TimeUnit::Millisecond, zone.clone()),
        DataType::Time64(_) => return cast(&narrow, data_type).ok().filter(|array| array.is_valid(0)),
        _ => return cast(&narrow, data_type).ok().filter(|array| array.is_valid(0)),
    };
    cast(&cast(&narrow, &ms).ok()?, data_type).ok().filter(|array| array.is_valid(0))
}

/// `value` (one row) for each row that is not null.
pub fn constant(value: &dyn Array, rows: usize, nulls: Option<&NullBuffer>) -> SmtResult<ArrayRef> {
    let first = UInt32Array::new(vec![0; rows].into(), nulls.cloned());
    take(value, &first, None).map_err(refused)
}

/// The member's values, null also where the struct is.
pub fn under(structure: &StructArray, member: &ArrayRef) -> SmtResult<ArrayRef> {
    let nulls = NullBuffer::union(structure.nulls(), member.nulls());
    if nulls.as_ref().map_or(0, NullBuffer::null_count) == member.null_count() || member.data_type().is_null() {
        return Ok(member.clone());
    }
    let data = member.to_data().into_builder().nulls(nulls).build().map_err(refused)?;
    Ok(make_array(data))
}
