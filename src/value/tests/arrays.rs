//! PURE, tests only: arrays.

use super::*;

#[test]
fn arrays_have_one_dimension() {
    // dimensions, no nulls, type, elements, lower bound
    let header = |element, count| words(&[1, 0, element, count, 1]);
    let numbers = [header(oid::SMALLINT, 2), vec![7, 0, 0xFF, 0xFF]].concat();
    let empty = words(&[0, 0, oid::SMALLINT]);
    if cfg!(target_endian = "little") {
        let values: [(&str, &[u8]); 2] =
            [("[7, -1]", &short(&numbers)), (" [ ] ".trim(), &short(&empty))];
        all_give(1005, NO_TYPMOD, &values);
    }
    // A bitmap, and what fills it up to a multiple of 8.
    let nulls = [words(&[1, 32, oid::BOOLEAN, 3, 1]), vec![0b101, 0, 0, 0, 0, 0, 0, 0], vec![1, 0]];
    all_give(1000, NO_TYPMOD, &[("[true, null, false]", &short(&nulls.concat()))]);
    // Each text has a long header, and what fills it up to a multiple of 4.
    let length = |bytes: u32| if cfg!(target_endian = "little") { bytes << 2 } else { bytes };
    let texts = [
        header(oid::TEXT, 2),
        words(&[length(5)]),
        b"a\0\0\0".to_vec(),
        words(&[length(7)]),
        b"[1]\0".to_vec(),
    ];
    all_give(1009, NO_TYPMOD, &[(r#"["a", [1]]"#, &short(&texts.concat()))]);
    let strange =
        ["[[1]]", "[[], 1]", r#""{1,2}""#, "1", "{}", "[1, {}]", "[1, [2]]", "[1, 99999]"];
    none_is_made(1005, NO_TYPMOD, &strange);
}

/// Nine elements need two bytes of bitmap, and long arrays of 8 bytes each begin at a multiple of 8.
#[test]
fn long_arrays_are_aligned() {
    let json = "[1,null,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]";
    let mut former = Former::new(as_utf8);
    Decoder::of(oid::BOOLEAN, NO_TYPMOD, Encoding::Utf8)
        .map(|decoder| decoder.put(Text::span("true"), &mut former));
    let made = decoder(1016, NO_TYPMOD).put(Text::span(json), &mut former);
    assert_eq!(made, Ok(Made::Value));
    let mut tuple = vec![];
    former.finish(&mut tuple);
    let data = columns(&tuple);
    assert_eq!(data[..8], [1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(data.len(), 8 + 32 + 16 * 8);
    assert_eq!(data[32..35], [0b1111_1101, 0xFF, 1]);
    assert_eq!(data[40..48], 1i64.to_ne_bytes());
}

#[test]
fn large_arrays_are_the_servers() {
    let ones = format!("[{}1]", "1,".repeat(600_000));
    assert_eq!(put(decoder(1007, NO_TYPMOD), Text::span(&ones)).0, Made::Server);
    // Filled up with blanks, they would be 40 MB.
    let padded = format!("[{}\"\"]", "\"\",".repeat(40_000));
    assert_eq!(put(decoder(1014, 1004), Text::span(&padded)).0, Made::Server);
    assert_eq!(put(decoder(1014, 104), Text::span(&padded)).0, Made::Value);
}
