//! PURE, tests only: what a fault says.

use super::*;

#[test]
fn an_excerpt_is_cut_at_a_character() {
    assert_eq!(excerpt("short"), "short");
    let long = "é".repeat(80);
    let cut = excerpt(&long);
    assert!(cut.len() <= EXCERPT_BYTES && cut.ends_with("é..."), "{cut}");
}

#[test]
fn places_of_a_text_are_found_in_any_order() {
    let text = "é\n\nabcü\u{1F600}\r\nx\n".as_bytes();
    let start = Position { line: 5, column: 3, byte: 100 };
    let places = TextPlaces::new(text, start);
    let address = text.as_ptr() as usize;
    let forwards = 0..=text.len();
    for byte in forwards.clone().chain(forwards.rev()).chain([7, 2, 9, 9, 0, 4]) {
        assert_eq!(places.of(address + byte), Some(start.behind(&text[..byte])), "{byte}");
    }
    assert_eq!(places.of(address + text.len() + 1), None);
    assert_eq!(places.of(address - 1), None);
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
