//! Java's forms of numbers.

use num_bigint::BigInt;
use proptest::prelude::*;
use sluice_data::number::{float_text, minimal, parse, to_text, widen};

#[test]
fn decimals_have_javas_text() {
    for (unscaled, scale, expected) in [
        ("156", 2, "1.56"),
        ("-5", 2, "-0.05"),
        ("0", 0, "0"),
        ("0", 2, "0.00"),
        ("1", 6, "0.000001"),
        ("1", 7, "1E-7"),
        ("0", 7, "0E-7"),
        ("123", -2, "1.23E+4"),
        ("-1", -3, "-1E+3"),
        ("123", 12, "1.23E-10"),
    ] {
        assert_eq!(to_text(unscaled, scale), expected);
    }
}

#[test]
fn a_number_is_scaled_exactly_or_not_at_all() {
    for (text, scale, expected) in [
        ("1.5", 2, Some(150)),
        ("1.5", 0, None),
        ("-1.50", 1, Some(-15)),
        ("2e3", 0, Some(2000)),
        ("2000", -3, Some(2)),
        ("0.000", 0, Some(0)),
        ("0e99999999999", 0, Some(0)),
        ("1e1001", 0, None),
        ("1e-9", 2, None),
        ("x", 0, None),
        ("", 0, None),
    ] {
        assert_eq!(parse(text, scale), expected.map(BigInt::from), "{text} at {scale}");
    }
    assert_eq!(parse(&"9".repeat(1001), 0), None);
}

#[test]
fn floats_have_javas_text() {
    for (value, expected) in [
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (1e7, "1.0E7"),
        (9_999_999.0, "9999999.0"),
        (0.001, "0.001"),
        (9.99e-4, "9.99E-4"),
        (1.25e300, "1.25E300"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "Infinity"),
        (f64::NEG_INFINITY, "-Infinity"),
    ] {
        assert_eq!(float_text(&format!("{value:e}")), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn unscaled_bytes_are_minimal_and_come_back(value in any::<i128>(), shift in 0..128u32) {
        let value = value >> shift;
        let wide = value.to_be_bytes();
        prop_assert_eq!(minimal(&wide), BigInt::from(value).to_signed_bytes_be());
        prop_assert_eq!(widen::<16>(minimal(&wide)), Some(wide));
        prop_assert_eq!(widen::<8>(&wide).is_some(), i64::try_from(value).is_ok());
    }

    #[test]
    fn a_decimals_text_is_the_same_number(unscaled in any::<i128>(), scale in -40..40i32) {
        let text = to_text(&unscaled.to_string(), scale);
        prop_assert_eq!(parse(&text, scale), Some(BigInt::from(unscaled)), "{}", text);
    }

    #[test]
    fn a_floats_text_is_the_same_number(value in any::<f64>().prop_filter("a number", |value| !value.is_nan())) {
        let text = float_text(&format!("{value:e}")).replace("Infinity", "inf");
        prop_assert_eq!(text.parse::<f64>().unwrap(), value);
    }

    #[test]
    fn random_text_never_panics(text in "[-+.eE0-9]{0,12}", scale in any::<i32>()) {
        let _ = parse(&text, scale);
    }
}
