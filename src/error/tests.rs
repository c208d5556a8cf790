//! PURE, tests only: what a fault says.

use super::*;

#[test]
fn an_excerpt_is_cut_at_a_character() {
    assert_eq!(excerpt("short"), "short");
    let long = "é".repeat(80);
    let cut = excerpt(&long);
    assert!(cut.len() <= EXCERPT_BYTES && cut.ends_with("é..."), "{cut}");
}

/// What a million bad records take.
#[test]
fn a_fault_is_small() {
    assert!(size_of::<Fault>() <= 24);
    assert!(size_of::<RecordFault>() <= 56);
}

#[test]
fn an_error_names_its_record_and_path() {
    let error = LoadError {
        ordinal: Some(17),
        line: None,
        path: "$[17].intvals.pageid".into(),
        fault: Fault::Invalid { expected: SqlType::Bigint, value: quoted("abc").into() },
    };
    assert_eq!(
        error.to_string(),
        "record 17: invalid value for type bigint: \"abc\" at $[17].intvals.pageid"
    );
}
