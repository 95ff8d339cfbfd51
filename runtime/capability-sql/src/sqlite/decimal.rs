//! Numbers as unscaled 128-bit decimals.

/// `text` (plain or with an exponent) times ten to the `scale`; `None` when it is no number or needs more than `scale`
/// digits behind the point.
pub fn from_text(text: &str, scale: i8) -> Option<i128> {
    parse(text, scale, Excess::Refuse)
}

/// As JDBC does, digits behind the scale are rounded half up: a double has no exact decimals to lose.
pub fn from_f64(number: f64, scale: i8) -> Option<i128> {
    number.is_finite().then(|| parse(&number.to_string(), scale, Excess::Round))?
}

pub fn from_i64(number: i64, scale: i8) -> Option<i128> {
    i128::from(number).checked_mul(10_i128.checked_pow(u32::try_from(scale).ok()?)?)
}

pub fn fits(unscaled: i128, precision: u8) -> bool {
    10_u128.checked_pow(u32::from(precision)).is_some_and(|limit| unscaled.unsigned_abs() < limit)
}

/// Its plain text: `-12.30`.
pub fn to_text(unscaled: &str, scale: i32) -> String {
    let (sign, digits) = unscaled.strip_prefix('-').map_or(("", unscaled), |digits| ("-", digits));
    match usize::try_from(scale) {
        Ok(0) => format!("{sign}{digits}"),
        Ok(scale) => {
            let digits = format!("{digits:0>width$}", width = scale + 1);
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            format!("{sign}{whole}.{fraction}")
        }
        Err(_) => format!("{sign}{digits}{}", "0".repeat(usize::try_from(-i64::from(scale)).unwrap_or(0))),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Excess {
    Refuse,
    Round,
}

fn parse(text: &str, scale: i8, excess: Excess) -> Option<i128> {
    let text = text.trim();
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let negative = mantissa.starts_with('-');
    let mantissa = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.len() + fraction.len() == 0 {
        return None;
    }
    let digits: String = [whole, fraction].concat();
    // How many of the digits stand in front of the wanted scale's end.
    let keep = i64::try_from(whole.len()).ok()? + i64::from(exponent) + i64::from(scale);
    let (mut unscaled, mut rest) = (0_i128, "");
    if keep < 0 {
        rest = "0";
        if !digits.bytes().all(|digit| digit == b'0') && excess == Excess::Refuse {
            return None;
        }
    }
    let keep = usize::try_from(keep.max(0)).ok()?;
    for digit in digits.bytes().take(keep).chain(std::iter::repeat_n(b'0', keep.saturating_sub(digits.len()).min(400)))
    {
        let digit = char::from(digit).to_digit(10)?;
        unscaled = unscaled.checked_mul(10)?.checked_add(i128::from(digit))?;
    }
    if rest.is_empty() && keep < digits.len() {
        rest = &digits[keep..];
    }
    if !rest.bytes().all(|digit| digit.is_ascii_digit()) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    match excess {
        Excess::Refuse if rest.bytes().any(|digit| digit != b'0') => return None,
        Excess::Round if rest.as_bytes().first().is_some_and(|&digit| digit >= b'5') => {
            unscaled = unscaled.checked_add(1)?
        }
        _ => {}
    }
    Some(if negative { -unscaled } else { unscaled })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_their_digits_or_are_refused() {
        assert_eq!(from_text("12.3", 2), Some(1230));
        assert_eq!(from_text("-0.05", 2), Some(-5));
        assert_eq!(from_text("1e3", 2), Some(100_000));
        assert_eq!(from_text("12.345", 2), None);
        assert_eq!(from_text("12.340", 2), Some(1234));
        assert_eq!(from_text("0.0001", 2), None);
        for text in ["", "-", ".", "1.2.3", "abc", "1e", "12ä"] {
            assert_eq!(from_text(text, 2), None, "{text}");
        }
        assert_eq!(from_f64(0.1 + 0.2, 2), Some(30));
        assert_eq!(from_f64(-1.005, 2), Some(-101));
        assert_eq!(from_f64(0.001, 2), Some(0));
        assert_eq!(from_f64(f64::NAN, 2), None);
        assert_eq!(from_f64(1e300, 2), None);
        assert_eq!(from_i64(-7, 3), Some(-7000));
        assert!(fits(999, 3) && !fits(1000, 3) && fits(-999, 3));
        assert_eq!(to_text("-5", 2), "-0.05");
        assert_eq!(to_text("1230", 2), "12.30");
        assert_eq!(to_text("12", 0), "12");
        assert_eq!(to_text("12", -2), "1200");
    }
}
