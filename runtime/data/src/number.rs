//! Java's forms of numbers: `BigInteger` bytes and `BigDecimal` text, which Connect's Decimal is made of, and the text of floats.

use num_bigint::BigInt;

/// Big-endian two's complement in as few bytes as hold it. Source: Java `BigInteger.toByteArray`.
#[must_use]
pub fn minimal(bytes: &[u8]) -> &[u8] {
    let mut bytes = bytes;
    while let [first @ (0 | 0xFF), second, ..] = bytes
        && (first ^ second) & 0x80 == 0
    {
        bytes = &bytes[1..];
    }
    bytes
}

/// Two's complement widened to `N` bytes; `None` when it does not fit or is empty.
#[must_use]
pub fn widen<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let bytes = if bytes.len() > N { minimal(bytes) } else { bytes };
    let sign = if bytes.first()? & 0x80 == 0 { 0 } else { 0xFF };
    let mut wide = [sign; N];
    wide.get_mut(N.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    Some(wide)
}

/// `unscaled`, an integer's text, · 10^-`scale` as text. Source: Java `BigDecimal.toString`.
#[must_use]
pub fn to_text(unscaled: &str, scale: i32) -> String {
    let (sign, digits) = unscaled.strip_prefix('-').map_or(("", unscaled), |digits| ("-", digits));
    let adjusted = digits.len() as i64 - 1 - i64::from(scale);
    if scale == 0 {
        return unscaled.to_owned();
    }
    if scale > 0 && adjusted >= -6 {
        let scale = scale as usize;
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        return format!("{sign}{whole}.{fraction}");
    }
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let exponent = if adjusted == 0 { String::new() } else { format!("E{adjusted:+}") };
    format!("{sign}{first}{point}{rest}{exponent}")
}

/// A JSON number times 10^`scale`; `None` when that is no integer, or so large that nobody meant it.
#[must_use]
pub fn parse(number: &str, scale: i32) -> Option<BigInt> {
    /// A number like `1e999999999` must not allocate its digits.
    const DIGITS_MAX: i64 = 1000;
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let shift = exponent.parse::<i64>().ok()?.checked_sub(fraction.len() as i64)?.checked_add(i64::from(scale))?;
    if digits.len() > DIGITS_MAX as usize {
        return None;
    }
    let unscaled: BigInt = digits.parse().ok()?;
    if unscaled == BigInt::ZERO {
        return Some(unscaled);
    }
    if shift.abs() > DIGITS_MAX {
        return None;
    }
    let power = BigInt::from(10).pow(shift.unsigned_abs() as u32);
    if shift >= 0 {
        return Some(unscaled * power);
    }
    let quotient = &unscaled / &power;
    (&quotient * power == unscaled).then_some(quotient)
}

/// `scientific` is `format!("{:e}")` of a float of either width. Source: Java `Float.toString` and `Double.toString`.
#[must_use]
pub fn float_text(scientific: &str) -> String {
    let mut out = String::new();
    write_float(scientific, &mut out);
    out
}

fn write_float(scientific: &str, out: &mut String) {
    match scientific {
        "inf" => return out.push_str("Infinity"),
        "-inf" => return out.push_str("-Infinity"),
        "NaN" => return out.push_str("NaN"),
        _ => {}
    }
    let (mantissa, exponent) = scientific.split_once('e').expect("the format has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is an integer");
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |mantissa| ("-", mantissa));
    let digits = mantissa.replace('.', "");
    out.push_str(sign);
    if !(-3..7).contains(&exponent) {
        let (first, rest) = digits.split_at(1);
        let rest = if rest.is_empty() { "0" } else { rest };
        out.push_str(&format!("{first}.{rest}E{exponent}"));
        return;
    }
    if exponent < 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', (-exponent - 1) as usize));
        out.push_str(&digits);
        return;
    }
    let whole = exponent as usize + 1;
    let padded = format!("{digits:0<whole$}");
    let (whole, fraction) = padded.split_at(whole);
    out.push_str(whole);
    out.push('.');
    out.push_str(if fraction.is_empty() { "0" } else { fraction });
}
