//! Columns of a batch by path: `key`, `value`, `timestamp`, `offset`, `partition`, `row_id`, or a field inside the key or the
//! value, as `value.customer.name`.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, FieldRef};
use sluice_data::ConnectBatch;

/// A column with the nulls of the structs around it.
#[derive(Debug, Clone)]
pub struct Resolved {
    pub field: FieldRef,
    pub array: ArrayRef,
    pub nulls: Option<NullBuffer>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("the batch of topic {topic:?} has no column {path:?}")]
    Missing { topic: String, path: String },
    #[error(
        "{path:?} leads into {at:?}, which is {found} and has no fields; configure a converter with schemas (for instance JsonConverter with schemas.enable=true)"
    )]
    NoFields { path: String, at: String, found: DataType },
}

/// # Errors
/// [`PathError`].
pub fn resolve(batch: &ConnectBatch, path: &str) -> Result<Resolved, PathError> {
    let missing = || PathError::Missing { topic: batch.topic().to_string(), path: path.to_owned() };
    let (top, rest) = path.split_once('.').map_or((path, None), |(top, rest)| (top, Some(rest)));
    let (index, _) = batch.records().schema_ref().column_with_name(top).ok_or_else(missing)?;
    let array = batch.records().column(index).clone();
    let mut at =
        Resolved { field: batch.records().schema_ref().fields()[index].clone(), nulls: array.logical_nulls(), array };
    let mut rest = rest;
    while let Some(path_left) = rest {
        let DataType::Struct(fields) = at.field.data_type() else {
            let found = at.field.data_type().clone();
            return Err(PathError::NoFields { path: path.to_owned(), at: at.field.name().clone(), found });
        };
        let (index, left) = find(fields, path_left).ok_or_else(missing)?;
        let array = at.array.as_struct().column(index).clone();
        let nulls = NullBuffer::union(at.nulls.as_ref(), array.logical_nulls().as_ref());
        at = Resolved { field: fields[index].clone(), array, nulls };
        rest = left;
    }
    Ok(at)
}

/// The field that a path begins with. A field's own name may hold a dot: the whole path is tried first.
fn find<'p>(fields: &[FieldRef], path: &'p str) -> Option<(usize, Option<&'p str>)> {
    let named = |name: &str| fields.iter().position(|field: &std::sync::Arc<Field>| field.name() == name);
    if let Some(index) = named(path) {
        return Some((index, None));
    }
    let (name, left) = path.split_once('.')?;
    Some((named(name)?, Some(left)))
}
