//! What lies in a local bucket folder, read back by the Parquet crate.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use arrow_array::{Array as _, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::{FileReader as _, SerializedFileReader};

/// The finished objects with this ending beneath a folder, in a stable order; an object itself is its own list. None when the
/// folder is missing.
pub fn object_names(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    if folder.is_file() {
        return Ok(vec![folder.to_owned()]);
    }
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // What begins with a dot is an upload that is not finished.
            if name.starts_with('.') {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Rows of all Parquet objects beneath a folder, from their footers alone.
pub fn parquet_rows(folder: &Path) -> Result<u64> {
    let mut rows = 0;
    for path in object_names(folder, ".parquet")? {
        let reader = SerializedFileReader::new(open(&path)?).with_context(|| path.display().to_string())?;
        rows += reader.metadata().file_metadata().num_rows().unsigned_abs();
    }
    Ok(rows)
}

/// A column of every Parquet object beneath a folder as integers.
pub fn parquet_integers(folder: &Path, column: &str) -> Result<Vec<i64>> {
    let mut values = Vec::new();
    each_column(folder, column, |array| {
        let array = arrow_cast::cast(array, &DataType::Int64)?;
        values.extend(array.as_primitive::<Int64Type>().iter().flatten());
        Ok(())
    })?;
    Ok(values)
}

/// A column of every Parquet object beneath a folder as text.
pub fn parquet_strings(folder: &Path, column: &str) -> Result<Vec<String>> {
    let mut values = Vec::new();
    each_column(folder, column, |array| {
        let array = arrow_cast::cast(array, &DataType::Utf8)?;
        values.extend(array.as_string::<i32>().iter().flatten().map(str::to_owned));
        Ok(())
    })?;
    Ok(values)
}

fn each_column(folder: &Path, column: &str, mut visit: impl FnMut(&ArrayRef) -> Result<()>) -> Result<()> {
    for path in object_names(folder, ".parquet")? {
        for batch in ParquetRecordBatchReaderBuilder::try_new(open(&path)?)?.build()? {
            let batch: RecordBatch = batch.with_context(|| path.display().to_string())?;
            let Some(array) = batch.column_by_name(column) else {
                bail!("{} has no column {column:?}: {:?}", path.display(), batch.schema().fields());
            };
            if array.null_count() > 0 {
                bail!("{}: column {column:?} has nulls", path.display());
            }
            visit(array)?;
        }
    }
    Ok(())
}

fn open(path: &Path) -> Result<File> {
    File::open(path).with_context(|| format!("cannot open {}", path.display()))
}
