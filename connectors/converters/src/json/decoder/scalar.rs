//! One number, boolean, string of bytes or Decimal.

use super::{ReadError, ReadResult};
use crate::json::parser::Parser;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use num_bigint::BigInt;
use sluice_data::number;

pub fn read_integer(parser: &mut Parser<'_>, min: i64, max: i64, logical: Option<&str>) -> Result<i64, Box<ReadError>> {
    if !matches!(parser.peek(), Some(b'-' | b'0'..=b'9')) {
        let found = parser.node_type();
        return ReadError::fail(match logical {
            Some(name) => {
                let name = name.rsplit('.').next().unwrap_or(name);
                format!("Invalid type for {name}, underlying representation should be integer but was {found}")
            }
            None => format!("expected an integer but found {found}"),
        });
    }
    let text = parser.number()?;
    let number = std::str::from_utf8(text).expect("a number is ASCII");
    let value = match parse_integer(text) {
        Some(value) => value,
        // 1.0 and 1e3 are integers too.
        None => match number::parse(number, 0).and_then(|value| i64::try_from(value).ok()) {
            Some(value) => value,
            None => return ReadError::fail(format!("{number} is no integer from {min} to {max}")),
        },
    };
    if !(min..=max).contains(&value) {
        return ReadError::fail(format!("{number} is no integer from {min} to {max}"));
    }
    Ok(value)
}

fn parse_integer(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.len() > 18 {
        return std::str::from_utf8(text).ok()?.parse().ok();
    }
    let mut value = 0i64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(digit - b'0');
    }
    Some(if is_negative { -value } else { value })
}

pub fn read_float(parser: &mut Parser<'_>) -> Result<f64, Box<ReadError>> {
    match parser.peek() {
        Some(b'-' | b'0'..=b'9') => {
            let text = std::str::from_utf8(parser.number()?).expect("a number is ASCII");
            Ok(text.parse().expect("JSON numbers are Rust numbers"))
        }
        Some(b'"') => match &*parser.text()? {
            b"NaN" => Ok(f64::NAN),
            b"Infinity" => Ok(f64::INFINITY),
            b"-Infinity" => Ok(f64::NEG_INFINITY),
            _ => ReadError::fail("expected a number but found STRING"),
        },
        _ => ReadError::fail(format!("expected a number but found {}", parser.node_type())),
    }
}

pub fn read_boolean(parser: &mut Parser<'_>) -> Result<bool, Box<ReadError>> {
    match parser.peek() {
        Some(b't') => parser.literal("true").map(|()| true).map_err(Into::into),
        Some(b'f') => parser.literal("false").map(|()| false).map_err(Into::into),
        _ => ReadError::fail(format!("expected a boolean but found {}", parser.node_type())),
    }
}

pub fn read_base64(parser: &mut Parser<'_>, out: &mut Vec<u8>) -> ReadResult {
    if parser.peek() != Some(b'"') {
        return ReadError::fail(format!("expected bytes as a base64 string but found {}", parser.node_type()));
    }
    let text = parser.text()?;
    match STANDARD.decode_vec(&*text, out) {
        Ok(()) => Ok(()),
        Err(error) => ReadError::fail(format!("the string is not base64: {error}")),
    }
}

/// A Decimal in either form as big-endian two's complement, scaled to `scale`.
pub fn read_unscaled(parser: &mut Parser<'_>, scale: i32) -> Result<Vec<u8>, Box<ReadError>> {
    match parser.peek() {
        Some(b'"') => {
            let mut bytes = Vec::new();
            read_base64(parser, &mut bytes)?;
            if bytes.is_empty() { ReadError::fail("a Decimal has at least one byte") } else { Ok(bytes) }
        }
        Some(b'-' | b'0'..=b'9') => {
            let number = std::str::from_utf8(parser.number()?).expect("a number is ASCII");
            match number::parse(number, scale) {
                Some(unscaled) => Ok(BigInt::to_signed_bytes_be(&unscaled)),
                None => ReadError::fail(format!("{number} does not fit a Decimal with scale {scale}")),
            }
        }
        _ => ReadError::fail(format!(
            "Invalid type for Decimal, underlying representation should be numeric or bytes but was {}",
            parser.node_type()
        )),
    }
}

pub fn read_decimal<const N: usize>(parser: &mut Parser<'_>, scale: i32) -> Result<[u8; N], Box<ReadError>> {
    let unscaled = read_unscaled(parser, scale)?;
    match number::widen::<N>(&unscaled) {
        Some(wide) => Ok(wide),
        None => ReadError::fail(format!("the Decimal has more than {} bytes", N)),
    }
}

pub fn check_precision(is_valid: bool, precision: u8) -> ReadResult {
    if is_valid { Ok(()) } else { ReadError::fail(format!("the Decimal has more than {precision} digits")) }
}
