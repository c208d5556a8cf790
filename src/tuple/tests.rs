//! PURE, tests only: heap tuples.

use super::formed::with_int4;
use super::former::{SHORT_MAX, short_header};
use super::*;
use crate::record::{ColumnType, Sink};

fn formed(put: impl FnOnce(&mut Former)) -> Vec<u8> {
    let mut former = Former::new(as_utf8);
    let mut tuple = vec![];
    put(&mut former);
    assert!(former.finish(&mut tuple));
    tuple
}

#[test]
fn columns_are_aligned_behind_the_header() {
    let tuple = formed(|row| {
        row.boolean(Some(true));
        row.int4(Some(7));
        row.text(Some("ab"));
        row.int8(Some(9));
    });
    assert_eq!(tuple[HOFF_AT], 24);
    assert_eq!(tuple[INFOMASK2_AT], 4);
    assert_eq!(tuple[24], 1);
    assert_eq!(tuple[28..32], 7i32.to_ne_bytes());
    assert_eq!(&tuple[33..35], b"ab");
    assert_eq!(tuple[40..48], 9i64.to_ne_bytes());
}

#[test]
fn columns_may_be_of_any_type() {
    let mut former = Former::new(as_utf8);
    former.fixed_bytes(&[9], 1);
    former.clear();
    former.fixed_bytes(&[1], 1);
    former.fixed_bytes(&[2, 2], 2);
    former.null();
    former.varlena_bytes(b"x", 8);
    former.varlena_bytes(&[7; 200], 8);
    let mut tuple = vec![];
    assert!(former.finish(&mut tuple));
    let data = columns(&tuple);
    assert_eq!((tuple[INFOMASK2_AT], tuple[23]), (5, 0b11011));
    assert_eq!(data[..4], [1, 0, 2, 2]);
    assert_eq!(data[4..6], [short_header(2), b'x']);
    // Only a long varlena is aligned.
    assert_eq!(data.len(), 8 + VARLENA_HEADER + 200);
}

#[test]
fn nulls_take_a_bit_each_and_no_room() {
    let tuple = formed(|row| {
        for column in 0..9 {
            row.int4((column == 8).then_some(5));
        }
    });
    assert_eq!((tuple[HOFF_AT], tuple[23], tuple[24]), (32, 0, 1));
    assert_eq!(tuple.len(), 36);
}

#[test]
fn a_column_more_is_as_if_it_had_been_there() {
    // Up to where the bitmap takes another byte, and moves the data.
    for columns in [1, 7, 8, 12, 72, 73] {
        for null in [None, Some(0), Some(columns - 1)] {
            let put = |row: &mut Former| {
                for column in 0..columns {
                    row.text((Some(column) != null).then_some("abc"));
                }
            };
            let expected = formed(|row| {
                put(row);
                row.int4(Some(-7));
            });
            let mut found = vec![1, 2, 3];
            with_int4(&formed(put), -7, &mut found);
            assert_eq!(found[3..], expected, "{columns} {null:?}");
            // Taken out again, it leaves no padding.
            let kinds = vec![Column::new("c", ColumnType::TEXT); columns];
            let without = without_int4(&expected, &kinds);
            assert_eq!(super::columns(&without), super::columns(&formed(put)));
            assert!(is_sound(&expected) && is_sound(&without), "{columns} {null:?}");
        }
    }
}

#[test]
fn values_are_read_as_they_were_put() {
    const COLUMNS: &[Column] = &[
        Column::new("a", ColumnType::BOOLEAN),
        Column::new("b", ColumnType::TEXT),
        Column::new("c", ColumnType::TEXT),
        Column::identity("d", ColumnType::BIGINT),
        Column::new("e", ColumnType::UUID),
        Column::new("f", ColumnType::TEXT_ARRAY),
        Column::new("g", ColumnType::DATE),
        Column::identity("h", ColumnType::INTEGER),
        Column::identity("i", ColumnType::INTEGER),
    ];
    for length in [0, 1, 2, 3, 125, 126, 127, 300] {
        for null in [false, true] {
            let text = "x".repeat(length);
            let texts = [text.clone().into(), "y".into()];
            let tuple = formed(|row| {
                row.boolean((!null).then_some(true));
                row.text(Some(&text));
                row.text((!null).then_some(&text));
                row.int8(Some(-1 << 40));
                row.uuid([7; 16]);
                row.texts((!null).then_some(&texts));
                row.date(Some(9));
                row.int4(None);
                row.int4(Some(-5));
            });
            let found: Vec<_> = values(&tuple, COLUMNS).collect();
            assert_eq!(found[0], (!null).then_some(&[1][..]));
            assert_eq!(found[1], Some(text.as_bytes()));
            assert_eq!(found[2], (!null).then_some(text.as_bytes()));
            assert_eq!(found[4], Some(&[7; 16][..]));
            assert_eq!(found[5].is_none(), null);
            assert_eq!(found[6], Some(&9i32.to_ne_bytes()[..]));
            assert_eq!(identity(&tuple, COLUMNS), [Some(-1 << 40), None, Some(-5)]);
        }
    }
}

#[test]
fn long_texts_have_long_headers() {
    for length in [0, 1, 125, 126, 127, 128, 5000] {
        let text = "x".repeat(length);
        let tuple = formed(|row| row.text(Some(&text)));
        let header = if length < SHORT_MAX { 1 } else { 4 };
        assert_eq!(tuple.len(), 24 + header + length, "{length}");
    }
}

#[test]
fn a_text_that_cannot_be_encoded_spoils_its_row_alone() {
    let ascii: Encode = |text| text.is_ascii().then_some(Cow::Borrowed(text.as_bytes()));
    let mut tuples = Tuples::new(ascii);
    assert!(tuples.add(|row| row.text(Some("a"))));
    assert!(!tuples.add(|row| row.text(Some("é"))));
    assert!(tuples.add(|row| row.text(Some("bc"))));
    assert_eq!(tuples.formed().iter().map(<[u8]>::len).collect::<Vec<_>>(), [26, 27]);
}
