//! PURE, tests only: booleans and numbers.

use super::*;

#[test]
fn booleans_are_words() {
    let words = ["true", r#""t""#, r#""YES""#, r#""On""#, "1", r#""1""#];
    words.iter().for_each(|json| all_give(oid::BOOLEAN, NO_TYPMOD, &[(json, &[1])]));
    let words = ["false", r#""F""#, r#""no""#, r#""off""#, "0", "-0", "0e5"];
    words.iter().for_each(|json| all_give(oid::BOOLEAN, NO_TYPMOD, &[(json, &[0])]));
    let strange = [r#"" true""#, r#""tr""#, r#""o""#, r#""""#, "2", "1.0", "[true]", "{}"];
    none_is_made(oid::BOOLEAN, NO_TYPMOD, &strange);
}

#[test]
fn integers_are_whole_and_in_range() {
    for (json, value) in [
        ("0", 0),
        ("-0", 0),
        ("32767", i16::MAX),
        (r#""-32768""#, i16::MIN),
        (r#""+7""#, 7),
        (r#""007""#, 7),
        ("1.5e1", 15),
        ("3e2", 300),
    ] {
        all_give(oid::SMALLINT, NO_TYPMOD, &[(json, &value.to_ne_bytes())]);
        all_give(oid::INTEGER, NO_TYPMOD, &[(json, &i32::from(value).to_ne_bytes())]);
        all_give(oid::BIGINT, NO_TYPMOD, &[(json, &i64::from(value).to_ne_bytes())]);
    }
    for value in [i64::MIN, i64::MAX, -1, 9_999, 10_000, 100_000_000, 123_400_000_000] {
        all_give(oid::BIGINT, NO_TYPMOD, &[(&value.to_string(), &value.to_ne_bytes())]);
    }
    none_is_made(oid::SMALLINT, NO_TYPMOD, &["32768", "-32769", r#""32768""#]);
    none_is_made(oid::INTEGER, NO_TYPMOD, &["2147483648", "-2147483649", "1e10"]);
    let out_of_range = ["9223372036854775808", "-9223372036854775809", "1e30"];
    none_is_made(oid::BIGINT, NO_TYPMOD, &out_of_range);
    for type_oid in [oid::SMALLINT, oid::INTEGER, oid::BIGINT] {
        let strange = ["1.0", "0.5", r#"" 1""#, r#""1_000""#, r#""0x10""#, r#""""#, "true", "[1]"];
        none_is_made(type_oid, NO_TYPMOD, &strange);
    }
}

#[test]
fn floats_are_the_nearest() {
    for (json, value) in [
        ("0", 0.0),
        ("-0", 0.0),
        ("-0.00", 0.0),
        (r#""-0""#, -0.0),
        ("0.1", 0.1),
        ("-1.5e-7", -1.5e-7),
        ("1e22", 1e22),
        ("9007199254740993", 9_007_199_254_740_992.0),
        (r#""1.7976931348623157e308""#, f64::MAX),
        (r#""2.2250738585072014e-308""#, f64::MIN_POSITIVE),
        ("0.1000000000000000055511151231257827021181583404541015625", 0.1),
    ] {
        all_give(oid::DOUBLE_PRECISION, NO_TYPMOD, &[(json, &f64::to_ne_bytes(value))]);
    }
    // Rounded once: through a double it would be 1.
    let halfway = "1.00000005960464477539062500000000000000001";
    all_give(oid::REAL, NO_TYPMOD, &[(halfway, &1.000_000_1f32.to_ne_bytes())]);
    all_give(oid::REAL, NO_TYPMOD, &[("16777217", &16_777_216f32.to_ne_bytes())]);
    let strange = [r#""1e-310""#, r#""1e309""#, r#""1e-400""#, r#""Infinity""#, r#""NaN""#];
    none_is_made(oid::DOUBLE_PRECISION, NO_TYPMOD, &strange);
    none_is_made(oid::DOUBLE_PRECISION, NO_TYPMOD, &[r#"" 1""#, r#""0x1p3""#, r#""1 ""#, "true"]);
    none_is_made(oid::REAL, NO_TYPMOD, &["1e39", "1e-40", r#""""#, "[]"]);
}

/// A numeric in its short form.
fn numeric(sign: u16, scale: u16, weight: i16, digits: &[u16]) -> Vec<u8> {
    let header = 0x8000 | sign | (scale << 7) | (weight as u16 & 0x7F);
    let words = [header].into_iter().chain(digits.iter().copied());
    short(&words.flat_map(|word| word.to_ne_bytes()).collect::<Vec<_>>())
}

const NEGATIVE: u16 = 0x2000;

#[test]
fn numerics_are_stored_as_the_server_stores_them() {
    for (json, bytes) in [
        ("0", numeric(0, 0, 0, &[])),
        ("-0.00", numeric(0, 2, 0, &[])),
        ("1", numeric(0, 0, 0, &[1])),
        ("9999", numeric(0, 0, 0, &[9999])),
        ("10000", numeric(0, 0, 1, &[1])),
        ("-12345.670", numeric(NEGATIVE, 3, 1, &[1, 2345, 6700])),
        ("0.0001", numeric(0, 4, -1, &[1])),
        ("0.00012", numeric(0, 5, -1, &[1, 2000])),
        ("1e6", numeric(0, 0, 1, &[100])),
        ("1.5e-3", numeric(0, 4, -1, &[15])),
        (r#""+0012.30""#, numeric(0, 2, 0, &[12, 3000])),
    ] {
        all_give(oid::NUMERIC, NO_TYPMOD, &[(json, &bytes)]);
    }
    let strange = [r#""NaN""#, r#"" 1""#, r#""1.""#, r#"".5""#, r#""1_0""#, r#""""#, "true", "{}"];
    none_is_made(oid::NUMERIC, NO_TYPMOD, &strange);
}

#[test]
fn numerics_are_rounded_to_their_columns() {
    let typmod = |precision: i32, scale: i32| 4 + ((precision << 16) | (scale & 0x7FF));
    for (precision, scale, json, bytes) in [
        (5, 2, "1.005", numeric(0, 2, 0, &[1, 100])),
        (5, 2, "-1.005", numeric(NEGATIVE, 2, 0, &[1, 100])),
        (5, 2, "1.0049", numeric(0, 2, 0, &[1])),
        (5, 2, "999.994", numeric(0, 2, 0, &[999, 9900])),
        (5, 2, "0.004", numeric(0, 2, 0, &[])),
        (5, 2, "-0.004", numeric(0, 2, 0, &[])),
        (5, 2, "7", numeric(0, 2, 0, &[7])),
        (2, -3, "12345", numeric(0, 0, 1, &[1, 2000])),
        (2, -3, "499", numeric(0, 0, 0, &[])),
        (2, -3, "500", numeric(0, 0, 0, &[1000])),
        (2, 4, "0.00995", numeric(0, 4, -1, &[100])),
        (6, 0, "9999.5", numeric(0, 0, 1, &[1])),
    ] {
        if json == "0.00995" {
            // One digit more than there is room for, after rounding.
            none_is_made(oid::NUMERIC, typmod(precision, scale), &[json]);
        } else {
            all_give(oid::NUMERIC, typmod(precision, scale), &[(json, &bytes)]);
        }
    }
    none_is_made(oid::NUMERIC, typmod(5, 2), &["1000", "999.995", "1e5"]);
    none_is_made(oid::NUMERIC, typmod(2, -3), &["99500"]);
    none_is_made(oid::NUMERIC, typmod(2, 4), &["0.01"]);
}
