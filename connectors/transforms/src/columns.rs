//! The members of a struct column, taken apart and put together again.

use crate::smt::{SmtResult, refused, rejected};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, Scalar, StringArray, StructArray, UInt32Array, make_array};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, FieldRef};
use arrow_select::take::take;
use arrow_select::zip::zip;
use sluice_data::schema::{DEFAULT, holds_tombstones, is_json, payload_to_row};
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

/// Whether no row has a value, which most transformations pass on as it is.
pub fn is_all_null(column: &ArrayRef) -> bool {
    column.logical_null_count() == column.len()
}

/// Source: Kafka `Requirements.requireStruct`.
pub fn refuse_single<T>(purpose: &str, column: &ArrayRef) -> SmtResult<T> {
    Err(rejected(format!("Only Struct objects supported for [{purpose}], found: {}", column.data_type())))
}

/// Kafka's refusal of a null record.
pub fn refuse_null<T>(purpose: &str) -> SmtResult<T> {
    Err(rejected(format!("Only Struct objects supported for [{purpose}], found: null")))
}

/// What becomes of one member.
pub type Change<'a> = dyn FnMut(&Field, &ArrayRef) -> SmtResult<(Field, ArrayRef)> + 'a;

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

    /// Replaces the member at the end of `path` by what `change` makes of it; `false` when there is none.
    ///
    /// # Errors
    /// What `change` says, and a name on the way that is no struct.
    pub fn change_at(&mut self, path: &[String], change: &mut Change<'_>) -> SmtResult<bool> {
        let Some((index, rest)) = self.step(path) else { return Ok(false) };
        let (field, column) = (Arc::clone(&self.fields[index]), Arc::clone(&self.columns[index]));
        if rest.is_empty() {
            let (field, column) = change(&field, &column)?;
            (self.fields[index], self.columns[index]) = (Arc::new(field), column);
            return Ok(true);
        }
        let mut inner = Self::inside(&field, &column)?;
        let found = inner.change_at(rest, change)?;
        self.put_back(index, inner, &field)?;
        Ok(found)
    }

    /// Takes out the member at the end of `path`; nothing happens when there is none.
    ///
    /// # Errors
    /// A name on the way that is no struct.
    pub fn remove_at(&mut self, path: &[String]) -> SmtResult<()> {
        let Some((index, rest)) = self.step(path) else { return Ok(()) };
        if rest.is_empty() {
            self.fields.remove(index);
            self.columns.remove(index);
            return Ok(());
        }
        let field = Arc::clone(&self.fields[index]);
        let mut inner = Self::inside(&field, &self.columns[index])?;
        inner.remove_at(rest)?;
        self.put_back(index, inner, &field)
    }

    fn step<'p>(&self, path: &'p [String]) -> Option<(usize, &'p [String])> {
        let (name, rest) = path.split_first()?;
        Some((self.position(name)?, rest))
    }

    fn inside(field: &Field, column: &ArrayRef) -> SmtResult<Self> {
        match column.data_type() {
            DataType::Struct(_) => Self::of(column.as_struct(), false),
            _ => refuse_single(&format!("nested field access of {}", field.name()), column),
        }
    }

    fn put_back(&mut self, index: usize, inner: Self, field: &Field) -> SmtResult<()> {
        let (field, column) = inner.into_column(field)?;
        (self.fields[index], self.columns[index]) = (Arc::new(field), column);
        Ok(())
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
    let unusable = || rejected(format!("the default of field {:?} does not fit its schema: {default}", field.name()));
    let payload = serde_json::from_str(default).map_err(|_| unusable())?;
    payload_to_row(field, &payload).ok_or_else(unusable)
}

/// `value` (one row) for each row that is not null.
pub fn constant(value: &dyn Array, rows: usize, nulls: Option<&NullBuffer>) -> SmtResult<ArrayRef> {
    let first = UInt32Array::new(vec![0; rows].into(), nulls.cloned());
    take(value, &first, None).map_err(refused)
}

/// The member at the end of `path` and its values, null also where a struct on the way is; `None` when there is none.
///
/// # Errors
/// A name on the way that is no struct.
pub fn member_at(
    field: &FieldRef,
    column: &ArrayRef,
    path: &[String],
    use_defaults: bool,
) -> SmtResult<Option<(FieldRef, ArrayRef)>> {
    // Whether the whole may be null is the caller's business.
    let (mut field, mut column) = (Arc::new(field.as_ref().clone().with_nullable(false)), Arc::clone(column));
    for (depth, name) in path.iter().enumerate() {
        let DataType::Struct(fields) = field.data_type() else {
            return if depth == 0 { Ok(None) } else { refuse_single("nested field access", &column) };
        };
        let Some((index, member)) = fields.find(name) else { return Ok(None) };
        let structure = column.as_struct();
        let mut values = structure.column(index).clone();
        if use_defaults || depth + 1 < path.len() {
            values = with_default(member, &values)?;
        }
        values = under(structure.nulls(), &values)?;
        let is_nullable = member.is_nullable() || (field.is_nullable() && !holds_tombstones(&field));
        (field, column) = (Arc::new(member.as_ref().clone().with_nullable(is_nullable)), values);
    }
    Ok(Some((field, column)))
}

/// The member's values, null also where its struct is.
pub fn under(nulls: Option<&NullBuffer>, member: &ArrayRef) -> SmtResult<ArrayRef> {
    let nulls = NullBuffer::union(nulls, member.nulls());
    if nulls.as_ref().map_or(0, NullBuffer::null_count) == member.null_count() || member.data_type().is_null() {
        return Ok(member.clone());
    }
    let data = member.to_data().into_builder().nulls(nulls).build().map_err(refused)?;
    Ok(make_array(data))
}
