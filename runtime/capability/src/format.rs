//! Format encoders: batches in, bytes out.
//!
//! Encoders are deterministic: the same rows make the same bytes, so that a replayed delivery overwrites an object with itself.
//! No clock and no randomness goes into them, and where the rows were cut into batches does not show.

pub mod lines;
pub mod parquet;

use crate::bindings::errors::Error;
use crate::error::CapabilityError;
use crate::state::{BatchEncoder, ByteSink};
use std::collections::BTreeMap;

/// Encoded bytes go to the output in pieces of about this size.
pub const CHUNK_BYTES: usize = 1 << 20;

/// A writer's options, each looked at once: what is left over is a mistake.
pub struct Options(BTreeMap<String, String>);

impl Options {
    fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    fn take_number(&mut self, name: &str) -> Result<Option<usize>, Error> {
        let Some(text) = self.take(name) else { return Ok(None) };
        match text.parse() {
            Ok(number) if number > 0 => Ok(Some(number)),
            _ => Err(wrong_option(name, &text, "a number above 0")),
        }
    }

    fn finish(self, format: &str) -> Result<(), Error> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => {
                let message = format!("the format {format:?} has no option {name:?}");
                Err(CapabilityError::fatal("writer.option", message))
            }
        }
    }
}

fn wrong_option(name: &str, value: &str, expected: &str) -> Error {
    CapabilityError::fatal("writer.option", format!("option {name:?} is {value:?}, but must be {expected}"))
}

/// Opens an encoder of `format` over `output`.
///
/// # Errors
/// Fatal `writer.format`, `writer.option`.
pub fn open(
    format: &str,
    options: &[(String, String)],
    output: Box<dyn ByteSink>,
) -> Result<Box<dyn BatchEncoder>, Error> {
    let mut options = Options(options.iter().cloned().collect());
    let encoder: Box<dyn BatchEncoder> = match format {
        "parquet" => Box::new(parquet::ParquetEncoder::open(&mut options, output)?),
        "json" | "text" | "bytes" => Box::new(lines::LineEncoder::open(format, &mut options, output)?),
        other => {
            let message = format!("there is no format {other:?}: choose parquet, json, text or bytes");
            return Err(CapabilityError::fatal("writer.format", message));
        }
    };
    options.finish(format)?;
    Ok(encoder)
}
