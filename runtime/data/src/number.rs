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

/// Whether the text is a number as Java's `BigDecimal` takes it: digits, a point, an exponent, no blanks.
#[must_use]
pub fn is_decimal(text: &str) -> bool {
    decimal_parts(text).is_some()
}

/// The integer part of a decimal number, its low 64 bits. Source: Java `BigDecimal.longValue`.
#[must_use]
pub fn long_of_decimal(text: &str) -> Option<i64> {
    let (unscaled, scale) = decimal_parts(text)?;
    Some(low_bits(&unscaled, scale))
}

/// The integer part of `unscaled` · 10^-`scale`, its low 64 bits. Source: Java `BigDecimal.longValue`.
#[must_use]
pub fn low_bits(unscaled: &BigInt, scale: i32) -> i64 {
    // 10^64 has 64 zero bits at its end; a fraction of more digits than the number has is nothing.
    let digits = unscaled.bits() / 3 + 1;
    if scale <= -64 || i64::from(scale) > digits as i64 {
        return 0;
    }
    let power = BigInt::from(10).pow(scale.unsigned_abs());
    let whole = if scale >= 0 { unscaled / power } else { unscaled * power };
    let bytes = whole.to_signed_bytes_le();
    let sign = if bytes.last().is_some_and(|last| last & 0x80 != 0) { 0xFF } else { 0 };
    let mut low = [sign; 8];
    let kept = bytes.len().min(8);
    low[..kept].copy_from_slice(&bytes[..kept]);
    i64::from_le_bytes(low)
}

/// Unscaled value and scale. Source: Java `BigDecimal(String)`.
#[must_use]
pub fn decimal_parts(text: &str) -> Option<(BigInt, i32)> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i64>().ok()?),
        None => (text, 0),
    };
    let unsigned = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let scale = i32::try_from((fraction.len() as i64).checked_sub(exponent)?).ok()?;
    let unscaled: BigInt = digits.parse().ok()?;
    Some((if mantissa.starts_with('-') { -unscaled } else { unscaled }, scale))
}

/// A text as Java's `Double.parseDouble` takes it, for either width of float: blanks around it, `NaN`, `Infinity`, a suffix
/// `f` or `d`. Hexadecimal floats are not taken.
#[must_use]
pub fn parse_java_float<T: std::str::FromStr>(text: &str) -> Option<T> {
    let text = text.trim_matches(|character| character <= ' ');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, "NaN" | "Infinity") {
        return text.parse().ok();
    }
    let text = text.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(text);
    let is_float = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if is_float { text.parse().ok() } else { None }
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
