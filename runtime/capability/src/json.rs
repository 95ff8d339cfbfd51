//! Values as JSON, as Kafka's `JsonConverter` writes them without schemas.
//!
//! Dates are days, times and timestamps milliseconds, bytes base64, decimals base64 of the unscaled value unless numbers
//! are asked for, maps objects when their keys are strings and arrays of pairs otherwise; NaN and the infinities are strings.

use crate::view::View;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io::Write;

/// How decimals are written. Source: Kafka `JsonConverterConfig`'s `decimal.format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DecimalFormat {
    #[default]
    Base64,
    Numeric,
}

/// Appends row `row` of `view`.
pub fn write_value(out: &mut Vec<u8>, view: &View, row: usize, decimals: DecimalFormat) {
    if view.is_null(row) {
        out.extend_from_slice(b"null");
        return;
    }
    match view {
        View::Null => out.extend_from_slice(b"null"),
        View::Boolean(array) => out.extend_from_slice(if array.value(row) { b"true" } else { b"false" }),
        View::Integer(array) | View::Date(array) | View::Time(array) | View::Timestamp(array) => {
            write_integer(out, array.value(row));
        }
        View::Float32(array) => {
            write_float(out, array.value(row).is_finite(), f64::from(array.value(row)), &array.value(row))
        }
        View::Float64(array) => write_float(out, array.value(row).is_finite(), array.value(row), &array.value(row)),
        View::Text(array) => write_string(out, array.value(row)),
        View::Json(array) => out.extend_from_slice(array.value(row).as_bytes()),
        View::Bytes(array) => write_base64(out, array.value(row)),
        View::Decimal(array) => match decimals {
            DecimalFormat::Base64 => write_base64(out, &array.unscaled_bytes(row)),
            DecimalFormat::Numeric => out.extend_from_slice(array.text(row).as_bytes()),
        },
        View::List { offsets, items, .. } => {
            let rows = offsets[row] as usize..offsets[row + 1] as usize;
            write_separated(out, b"[", b"]", rows, |out, item| write_value(out, items, item, decimals));
        }
        View::Map { offsets, keys, values, .. } => {
            let rows = offsets[row] as usize..offsets[row + 1] as usize;
            write_map(out, keys, values, rows, decimals);
        }
        View::Struct { fields, .. } => write_separated(out, b"{", b"}", fields.iter(), |out, field| {
            out.extend_from_slice(&field.json_name);
            write_value(out, &field.view, row, decimals);
        }),
    }
}

fn write_map(out: &mut Vec<u8>, keys: &View, values: &View, rows: std::ops::Range<usize>, decimals: DecimalFormat) {
    if let View::Text(names) = keys {
        write_separated(out, b"{", b"}", rows, |out, entry| {
            write_string(out, names.value(entry));
            out.push(b':');
            write_value(out, values, entry, decimals);
        });
    } else {
        write_separated(out, b"[", b"]", rows, |out, entry| {
            out.push(b'[');
            write_value(out, keys, entry, decimals);
            out.push(b',');
            write_value(out, values, entry, decimals);
            out.push(b']');
        });
    }
}

fn write_separated<T>(
    out: &mut Vec<u8>,
    open: &[u8],
    close: &[u8],
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.extend_from_slice(open);
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.extend_from_slice(close);
}

fn write_float(out: &mut Vec<u8>, finite: bool, value: f64, exact: &impl serde::Serialize) {
    if finite {
        serde_json::to_writer(out, exact).expect("a finite float has a JSON form and a Vec takes every byte");
        return;
    }
    let name: &[u8] = if value.is_nan() {
        b"\"NaN\""
    } else if value > 0.0 {
        b"\"Infinity\""
    } else {
        b"\"-Infinity\""
    };
    out.extend_from_slice(name);
}

fn write_integer(out: &mut Vec<u8>, value: i64) {
    write!(out, "{value}").expect("a Vec takes every byte");
}

fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len() + 1;
    out.push(b'"');
    out.resize(start + base64::encoded_len(bytes.len(), true).unwrap_or(0), 0);
    let written = STANDARD.encode_slice(bytes, &mut out[start..]).expect("room was made for it");
    out.truncate(start + written);
    out.push(b'"');
}

/// A JSON string with its quotes. Runs without anything to escape are copied whole.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (index, byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..0x20 => {
                out.extend_from_slice(&bytes[copied..index]);
                write!(out, "\\u{byte:04x}").expect("a Vec takes every byte");
                copied = index + 1;
                continue;
            }
            _ => continue,
        };
        out.extend_from_slice(&bytes[copied..index]);
        out.extend_from_slice(escape);
        copied = index + 1;
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
}
