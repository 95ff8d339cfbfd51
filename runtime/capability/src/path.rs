//! Columns by path: `value`, `key.id`, `value.customer.name`, `timestamp`.

use crate::bindings::errors::Error;
use crate::error::CapabilityError;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, make_array};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, FieldRef};
use sluice_data::ConnectBatch;
use sluice_data::schema::is_json;

/// The column at `path`, null wherever one of its parents is. Shares the batch's buffers.
///
/// # Errors
/// Rejected `batch.no-column`: another batch, of another schema, may have it.
pub fn resolve(batch: &ConnectBatch, path: &str) -> Result<(FieldRef, ArrayRef), Error> {
    let (top, rest) = path.split_once('.').map_or((path, None), |(top, rest)| (top, Some(rest)));
    let Some((index, field)) = batch.records().schema_ref().column_with_name(top) else {
        return Err(no_column(path, &format!("a batch of topic {:?} has no top-level column {top:?}", batch.topic())));
    };
    let _ = field;
    let field = batch.records().schema_ref().fields()[index].clone();
    let column = batch.records().column(index).clone();
    match rest {
        None => Ok((field, column)),
        Some(rest) => descend(&field, &column, rest, path),
    }
}

/// A field's name may hold dots itself: the longest name that fits wins.
fn descend(field: &FieldRef, column: &ArrayRef, rest: &str, path: &str) -> Result<(FieldRef, ArrayRef), Error> {
    let DataType::Struct(fields) = field.data_type() else {
        let remedy =
            if is_json(field) { "is schemaless JSON: parse it with a schema first" } else { "is not a struct" };
        return Err(no_column(path, &format!("column {:?} {remedy}", field.name())));
    };
    let fits = |name: &str| {
        let behind = rest.strip_prefix(name)?;
        (behind.is_empty() || behind.starts_with('.')).then(|| behind.strip_prefix('.'))
    };
    let found = fields.iter().enumerate().filter_map(|(index, field)| fits(field.name()).map(|behind| (index, behind)));
    let Some((index, behind)) = found.max_by_key(|(index, _)| fields[*index].name().len()) else {
        let names: Vec<&str> = fields.iter().take(20).map(|field| field.name().as_str()).collect();
        return Err(no_column(path, &format!("{:?} has the fields {}", field.name(), names.join(", "))));
    };
    let parent = column.as_struct();
    let child = masked(parent.column(index), parent.nulls());
    match behind {
        None => Ok((fields[index].clone(), child)),
        Some(behind) => descend(&fields[index], &child, behind, path),
    }
}

/// `child`, null where its parent is.
#[must_use]
pub fn masked(child: &ArrayRef, parent: Option<&NullBuffer>) -> ArrayRef {
    if parent.is_none_or(|nulls| nulls.null_count() == 0) || child.data_type() == &DataType::Null {
        return child.clone();
    }
    let nulls = NullBuffer::union(child.nulls(), parent);
    let data = child.to_data().into_builder().nulls(nulls).build();
    make_array(data.expect("only the nulls changed, and they have the same length"))
}

fn no_column(path: &str, reason: &str) -> Error {
    CapabilityError::rejected("batch.no-column", format!("there is no column {path:?}: {reason}"))
}
