//! PURE, tests only: decimal numbers, compared with the texts that `number` makes of the same.

use super::*;
use crate::document::number;

/// Numbers of JSON with digits, points and exponents in all places that matter to words of 4 digits.
fn numbers() -> Vec<String> {
    let mut numbers = vec![];
    for digits in ["0", "1", "12", "120", "9999", "10000", "12345678", "100000001", "99995000"] {
        for point in 0..=digits.len() {
            let (whole, fraction) = digits.split_at(point);
            let whole = whole.trim_start_matches('0');
            let whole = if whole.is_empty() { "0" } else { whole };
            let number = match fraction {
                "" => whole.to_owned(),
                _ => format!("{whole}.{fraction}"),
            };
            numbers.push(format!("-{number}"));
            for exponent in -9..=9 {
                numbers.push(format!("{number}e{exponent}"));
            }
            numbers.push(number);
        }
    }
    numbers
}

#[test]
fn numbers_are_written_as_numeric_out_does() {
    for json in numbers() {
        let decimal = Decimal::from_text(&json).unwrap();
        assert_eq!(decimal.plain().text(), number::from_json(&json), "{json}");
    }
}

#[test]
fn numerics_are_read_back() {
    for json in numbers() {
        let numeric = Decimal::from_text(&json).unwrap().numeric();
        let plain = number::from_json(&json);
        assert_eq!(number::from_numeric(numeric.bytes()).as_deref(), Some(&*plain), "{json}");
        let back = Decimal::from_numeric(numeric.bytes()).unwrap();
        assert_eq!(back.plain().text(), plain, "{json}");
        assert_eq!(back.numeric().bytes(), numeric.bytes(), "{json}");
        let whole = if plain.contains('.') { None } else { plain.parse().ok() };
        assert_eq!(integer(numeric.bytes()), whole, "{json}");
    }
}

/// Rounded as whole numbers of the last digit that is kept are.
#[test]
fn numbers_are_rounded_half_away_from_zero() {
    for value in (-20_500i64..=20_500).step_by(7).chain(-1_005..=1_005) {
        for (scale, unit) in [(2, 10), (1, 100), (0, 1_000), (-1, 10_000)] {
            let mut decimal = Decimal::from_text(&format!("{value}e-3")).unwrap();
            decimal.round(scale);
            let rounded = (value.abs() + unit / 2) / unit * value.signum();
            let mut expected = Decimal::from_text(&format!("{rounded}e{}", -scale)).unwrap();
            expected.round(scale);
            assert_eq!(decimal.plain().text(), expected.plain().text(), "{value}e-3 to {scale}");
            assert_eq!(decimal.numeric().bytes(), expected.numeric().bytes(), "{value}e-3");
        }
    }
}

#[test]
fn long_numbers_are_left() {
    let nines = "9".repeat(MOST);
    assert!(Decimal::from_text(&format!("{nines}.{nines}")).is_some());
    assert!(Decimal::from_text(&format!("1{nines}")).is_none());
    assert!(Decimal::from_text(&format!("0.1{nines}")).is_none());
    assert!(Decimal::from_text("1e64").is_none());
    assert!(Decimal::from_text("1e-65").is_none());
    // Rounded, it has a digit more.
    let mut decimal = Decimal::from_text(&format!("{nines}.9")).unwrap();
    decimal.round(0);
    assert_eq!(decimal.plain().text(), format!("1{}", "0".repeat(MOST)));
    assert_eq!(number::from_numeric(decimal.numeric().bytes()).unwrap().len(), MOST + 1);
}

#[test]
fn no_bytes_are_too_strange() {
    for length in 0..12 {
        for byte in 0..=255 {
            let _ = Decimal::from_numeric(&vec![byte; length]);
            let _ = integer(&vec![byte; length]);
        }
    }
}
