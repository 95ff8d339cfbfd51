//! The formats with one record after another: `json`, `text` and `bytes`.

use super::{CHUNK_BYTES, Options, wrong_option};
use crate::bindings::errors::Error;
use crate::error::CapabilityError;
use crate::json::{self, DecimalFormat};
use crate::state::{BatchEncoder, ByteSink};
use crate::text;
use crate::view::View;
use sluice_data::ConnectBatch;
use std::ops::Range;

enum Rendering {
    /// One JSON value a line; schemaless JSON passes as it is.
    Json(DecimalFormat),
    /// Java's `toString`, a line a record.
    Text,
    /// Raw bytes and text, each record followed by the separator.
    Bytes,
}

/// Renders records one after another.
pub struct LineEncoder {
    rendering: Rendering,
    separator: Vec<u8>,
    pending: Vec<u8>,
    /// Where each record lies in `pending`, by its row id, when all of them are put in order at the end.
    unordered: Option<Vec<(i64, Range<usize>)>>,
    output: Box<dyn ByteSink>,
}

impl LineEncoder {
    /// Options: `separator` (`bytes` only, default LF), `decimal-format` (`json` only: base64, numeric), `order` (`row-id`: records of
    /// all batches ascend by their row ids; they are held in memory until the end).
    ///
    /// # Errors
    /// Fatal `writer.option`.
    pub fn open(format: &str, options: &mut Options, output: Box<dyn ByteSink>) -> Result<Self, Error> {
        let mut separator = b"\n".to_vec();
        let rendering = match format {
            "json" => Rendering::Json(decimal_format(options)?),
            "text" => Rendering::Text,
            _ => {
                separator = options.take("separator").map_or(separator, String::into_bytes);
                Rendering::Bytes
            }
        };
        let unordered = match options.take("order") {
            None => None,
            Some(order) if order == "row-id" => Some(Vec::new()),
            Some(order) => return Err(wrong_option("order", &order, "row-id")),
        };
        Ok(Self { rendering, separator, pending: Vec::new(), unordered, output })
    }

    fn render(&mut self, view: &View, row: usize) -> Result<(), Error> {
        match &self.rendering {
            Rendering::Json(decimals) => match view {
                View::Json(array) if !view.is_null(row) => push_one_line(&mut self.pending, array.value(row)),
                _ => json::write_value(&mut self.pending, view, row, *decimals),
            },
            Rendering::Text => text::write_value(&mut self.pending, view, row),
            Rendering::Bytes => match view {
                View::Bytes(array) => self.pending.extend_from_slice(array.value(row)),
                View::Text(array) | View::Json(array) => self.pending.extend_from_slice(array.value(row).as_bytes()),
                View::Null => {}
                _ => {
                    let message = "the format \"bytes\" takes bytes or text, not structured values";
                    return Err(CapabilityError::rejected("writer.type", message));
                }
            },
        }
        self.pending.extend_from_slice(&self.separator);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Error> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.pending);
        self.output.write(bytes.into()).await
    }
}

#[async_trait::async_trait]
impl BatchEncoder for LineEncoder {
    async fn write(&mut self, batch: &ConnectBatch) -> Result<(), Error> {
        let view = View::new(batch.value_field(), batch.value())
            .map_err(|error| CapabilityError::rejected("writer.type", error.to_string()))?;
        for row in 0..batch.len() {
            let begin = self.pending.len();
            self.render(&view, row)?;
            match &mut self.unordered {
                Some(records) => records.push((batch.row_ids().value(row), begin..self.pending.len())),
                None if self.pending.len() >= CHUNK_BYTES => self.flush().await?,
                None => {}
            }
        }
        Ok(())
    }

    fn size_bytes(&self) -> u64 {
        self.output.size_bytes() + self.pending.len() as u64
    }

    async fn finish(mut self: Box<Self>) -> Result<String, Error> {
        if let Some(mut records) = self.unordered.take() {
            records.sort_by_key(|(row_id, _)| *row_id);
            let unordered = std::mem::take(&mut self.pending);
            for (_, place) in records {
                self.pending.extend_from_slice(&unordered[place]);
                if self.pending.len() >= CHUNK_BYTES {
                    self.flush().await?;
                }
            }
        }
        self.flush().await?;
        self.output.finish().await
    }
}

/// Pretty-printed JSON must not break "one object a line": outside of strings, line ends are white space.
fn push_one_line(out: &mut Vec<u8>, json: &str) {
    let start = out.len();
    out.extend_from_slice(json.trim_ascii().as_bytes());
    // A line end inside a JSON string would not be JSON: each one found is white space.
    for byte in out[start..].iter_mut().filter(|byte| matches!(**byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
}

fn decimal_format(options: &mut Options) -> Result<DecimalFormat, Error> {
    match options.take("decimal-format") {
        None => Ok(DecimalFormat::default()),
        Some(text) => match text.to_ascii_lowercase().as_str() {
            "base64" => Ok(DecimalFormat::Base64),
            "numeric" => Ok(DecimalFormat::Numeric),
            _ => Err(wrong_option("decimal-format", &text, "base64 or numeric")),
        },
    }
}
