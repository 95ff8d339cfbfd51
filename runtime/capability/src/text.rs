//! Values as text, as Java's `toString` renders Connect's objects: what FileStreamSink writes.
//!
//! A string is itself; `Struct{a=1,b=x}` leaves null fields out; maps are `{a=1, b=x}`, lists `[1, 2]`, no value is `null`.
//! Bytes are written as they are (Java would print an object's address).

use crate::view::View;
use serde_json::Value;
use std::io::Write;

/// Appends row `row` of `view`.
pub fn write_value(out: &mut Vec<u8>, view: &View, row: usize) {
    if view.is_null(row) {
        out.extend_from_slice(b"null");
        return;
    }
    match view {
        View::Null => out.extend_from_slice(b"null"),
        View::Boolean(array) => push(out, array.value(row)),
        View::Integer(array) => out.extend_from_slice(itoa::Buffer::new().format(array.value(row)).as_bytes()),
        View::Float32(array) => match array.value(row) {
            value if is_plain(value.into()) => push(out, format_args!("{value:?}")),
            value => write_float(out, value.into(), &format!("{value:e}")),
        },
        View::Float64(array) => write_double(out, array.value(row)),
        View::Text(array) => out.extend_from_slice(array.value(row).as_bytes()),
        View::Json(array) => write_json_text(out, array.value(row)),
        View::Bytes(array) => out.extend_from_slice(array.value(row)),
        View::Decimal(array) => out.extend_from_slice(array.text(row).as_bytes()),
        View::Date(array) => write_date(out, array.value(row).saturating_mul(86_400_000)),
        View::Time(array) | View::Timestamp(array) => write_date(out, array.value(row)),
        View::List { offsets, items, .. } => {
            let rows = offsets[row] as usize..offsets[row + 1] as usize;
            write_separated(out, [b"[", b", ", b"]"], rows, |out, item| write_value(out, items, item));
        }
        View::Map { offsets, keys, values, .. } => {
            let rows = offsets[row] as usize..offsets[row + 1] as usize;
            write_separated(out, [b"{", b", ", b"}"], rows, |out, entry| {
                write_value(out, keys, entry);
                out.push(b'=');
                write_value(out, values, entry);
            });
        }
        View::Struct { fields, .. } => {
            let present = fields.iter().filter(|field| !field.view.is_null(row));
            write_separated(out, [b"Struct{", b",", b"}"], present, |out, field| {
                out.extend_from_slice(field.name.as_bytes());
                out.push(b'=');
                write_value(out, &field.view, row);
            });
        }
    }
}

fn write_separated<T>(
    out: &mut Vec<u8>,
    [open, separator, close]: [&[u8]; 3],
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.extend_from_slice(open);
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.extend_from_slice(separator);
        }
        write(out, item);
    }
    out.extend_from_slice(close);
}

fn write_json_text(out: &mut Vec<u8>, json: &str) {
    match serde_json::from_str::<Value>(json) {
        Ok(value) => write_json(out, &value),
        Err(_) => out.extend_from_slice(json.as_bytes()),
    }
}

fn write_json(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::String(text) => out.extend_from_slice(text.as_bytes()),
        Value::Array(items) => write_separated(out, [b"[", b", ", b"]"], items.iter(), write_json),
        Value::Object(members) => {
            write_separated(out, [b"{", b", ", b"}"], members.iter(), |out, (name, value)| {
                out.extend_from_slice(name.as_bytes());
                out.push(b'=');
                write_json(out, value);
            });
        }
        Value::Number(number) if number.is_f64() => write_double(out, number.as_f64().unwrap_or(f64::NAN)),
        other => push(out, other),
    }
}

fn write_double(out: &mut Vec<u8>, value: f64) {
    if is_plain(value) {
        push(out, format_args!("{value:?}"));
    } else {
        write_float(out, value, &format!("{value:e}"));
    }
}

/// Whether Rust's debug form is Java's: the shortest digits, plain, with a fraction.
fn is_plain(value: f64) -> bool {
    (1e-3..1e7).contains(&value.abs())
}

/// Java's `Double.toString`: plain between 10^-3 and 10^7, else `d.dE±n`; `shortest` is the shortest form that reads back
/// as the same number, with an exponent.
fn write_float(out: &mut Vec<u8>, value: f64, shortest: &str) {
    if !value.is_finite() {
        let name = if value.is_nan() { "NaN" } else { "Infinity" };
        return push(out, format_args!("{}{name}", if value < 0.0 { "-" } else { "" }));
    }
    let (mantissa, exponent) = shortest.split_once('e').expect("{:e} writes an exponent");
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-3..1e7).contains(&magnitude) {
        let fraction = if mantissa.contains('.') { "" } else { ".0" };
        return push(out, format_args!("{mantissa}{fraction}E{exponent}"));
    }
    let exponent: i32 = exponent.parse().expect("{:e} writes an integer exponent");
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let scale = digits.len() as i32 - 1 - exponent;
    let sign = if mantissa.starts_with('-') { "-" } else { "" };
    let plain = crate::view::decimal_text(&digits, scale);
    let fraction = if plain.contains('.') { "" } else { ".0" };
    push(out, format_args!("{sign}{plain}{fraction}"));
}

/// `java.util.Date.toString` in UTC: `Thu Jan 01 00:00:00 UTC 1970`.
fn write_date(out: &mut Vec<u8>, millis: i64) {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = millis.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil_from_days(days);
    out.extend_from_slice(DAYS[days.rem_euclid(7) as usize].as_bytes());
    out.push(b' ');
    out.extend_from_slice(MONTHS[month as usize - 1].as_bytes());
    for (before, number) in [(b' ', day), (b' ', second / 3600), (b':', second / 60 % 60), (b':', second % 60)] {
        out.extend_from_slice(&[before, b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]);
    }
    push(out, format_args!(" UTC {year:04}"));
}

/// Year, month (1–12) and day of a day since 1970-01-01. Source: Howard Hinnant, `civil_from_days`.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn push(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    write!(out, "{value}").expect("a Vec takes every byte");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_float(value: f64, expected: &str) {
        let mut out = Vec::new();
        write_double(&mut out, value);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        if value.is_finite() {
            let mut written = Vec::new();
            write_float(&mut written, value, &format!("{value:e}"));
            assert_eq!(String::from_utf8(written).unwrap(), expected, "the long way");
        }
    }

    #[test]
    fn floats_look_as_in_java() {
        check_float(1.0, "1.0");
        check_float(-0.5, "-0.5");
        check_float(123_456.75, "123456.75");
        check_float(1e7, "1.0E7");
        check_float(1.25e-4, "1.25E-4");
        check_float(-0.001, "-0.001");
        check_float(9_999_999.999_999, "9999999.999999");
        check_float(-0.0, "-0.0");
        check_float(0.0, "0.0");
        check_float(f64::NEG_INFINITY, "-Infinity");
    }

    #[test]
    fn dates_look_as_in_java() {
        let mut out = Vec::new();
        write_date(&mut out, 0);
        assert_eq!(out, b"Thu Jan 01 00:00:00 UTC 1970");
        out.clear();
        write_date(&mut out, 1_709_210_096_000);
        assert_eq!(out, b"Thu Feb 29 12:34:56 UTC 2024");
        out.clear();
        write_date(&mut out, -1);
        assert_eq!(out, b"Wed Dec 31 23:59:59 UTC 1969");
    }

    #[test]
    fn schemaless_json_looks_like_a_java_map() {
        let mut out = Vec::new();
        write_json_text(&mut out, r#"{"a":1,"b":["x",null,2.5],"c":{"d":true}}"#);
        assert_eq!(String::from_utf8(out).unwrap(), "{a=1, b=[x, null, 2.5], c={d=true}}");
    }
}
