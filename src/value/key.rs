//! PURE. Values of keys as bytes that compare: equal bytes for equal values and no others, and one order.
//!
//! Each part says where it ends, so that the parts of several columns, one behind the other, compare as the values do.
//! Numbers and times are ordered as in SQL, texts by their bytes. Types whose equal values have several images
//! (`numeric`, floats with their two zeros, `json` …) are left out.

use super::oid;

/// How a value becomes a part of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPart {
    /// A number with a sign, in the machine's byte order.
    Signed,
    /// Bytes of one length, which compare as they are.
    Fixed,
    /// Bytes of any length.
    Bytes,
    /// The same, of which blanks at the end do not count.
    BlankPadded,
}

/// Stands for a byte of zero in a text of any length, whose end is two of them.
const ESCAPED_ZERO: [u8; 2] = [0, 0xFF];
const END: [u8; 2] = [0, 0];

impl KeyPart {
    /// For columns of the type; `None` if values are not compared as bytes. Whether the collation of a text says that
    /// different bytes are different texts is for the caller to know.
    pub fn of(type_oid: u32) -> Option<Self> {
        match type_oid {
            oid::SMALLINT | oid::INTEGER | oid::BIGINT => Some(KeyPart::Signed),
            oid::DATE | oid::TIMESTAMP | oid::TIMESTAMPTZ => Some(KeyPart::Signed),
            oid::BOOLEAN | oid::UUID => Some(KeyPart::Fixed),
            oid::TEXT | oid::VARCHAR | oid::BYTEA => Some(KeyPart::Bytes),
            oid::BPCHAR => Some(KeyPart::BlankPadded),
            _ => None,
        }
    }

    /// Appends a datum, of a varlena what stands behind its header.
    pub fn append(self, datum: &[u8], key: &mut Vec<u8>) {
        match self {
            KeyPart::Fixed => key.extend_from_slice(datum),
            KeyPart::Signed => {
                let start = key.len();
                key.extend_from_slice(datum);
                let part = &mut key[start..];
                if cfg!(target_endian = "little") {
                    part.reverse();
                }
                if let Some(first) = part.first_mut() {
                    *first ^= 0x80;
                }
            }
            KeyPart::Bytes => append_bytes(datum, key),
            KeyPart::BlankPadded => {
                let end = datum.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
                append_bytes(&datum[..end], key);
            }
        }
    }
}

fn append_bytes(bytes: &[u8], key: &mut Vec<u8>) {
    let mut rest = bytes;
    while let Some(zero) = memchr::memchr(0, rest) {
        key.extend_from_slice(&rest[..zero]);
        key.extend_from_slice(&ESCAPED_ZERO);
        rest = &rest[zero + 1..];
    }
    key.extend_from_slice(rest);
    key.extend_from_slice(&END);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(type_oid: u32, values: &[&[u8]]) -> Vec<u8> {
        let mut key = vec![];
        let part = KeyPart::of(type_oid).unwrap();
        values.iter().for_each(|value| part.append(value, &mut key));
        key
    }

    /// Values in their order give keys in their order, alone and with another column behind them.
    fn in_order(type_oid: u32, values: &[&[u8]]) {
        let behind: [&[u8]; 2] = [values[0], values[values.len() - 1]];
        for (place, value) in values.iter().enumerate() {
            for (other_place, other) in values.iter().enumerate() {
                for (more, less) in [(behind[0], behind[1]), (behind[1], behind[0]), (value, value)]
                {
                    let keys = (key(type_oid, &[value, more]), key(type_oid, &[other, less]));
                    let places = values.iter().position(|found| *found == more);
                    let other_places = values.iter().position(|found| *found == less);
                    let expected = (place, places).cmp(&(other_place, other_places));
                    assert_eq!(keys.0.cmp(&keys.1), expected, "{value:?} {other:?}");
                }
            }
        }
    }

    #[test]
    fn keys_are_ordered_as_tuples_of_their_values() {
        let bytes = [i32::MIN, -70_000, -256, -1, 0, 1, 255, 256, i32::MAX].map(i32::to_ne_bytes);
        let integers: Vec<&[u8]> = bytes.iter().map(|value| &value[..]).collect();
        in_order(oid::INTEGER, &integers);
        in_order(oid::DATE, &integers);
        let bytes = [i64::MIN, -1 << 40, -1, 0, 1, 1 << 40, i64::MAX].map(i64::to_ne_bytes);
        let bigints: Vec<&[u8]> = bytes.iter().map(|value| &value[..]).collect();
        in_order(oid::BIGINT, &bigints);
        in_order(oid::TIMESTAMPTZ, &bigints);
        let bytes = [i16::MIN, -1, 0, 1, i16::MAX].map(i16::to_ne_bytes);
        let smallints: Vec<&[u8]> = bytes.iter().map(|value| &value[..]).collect();
        in_order(oid::SMALLINT, &smallints);
        in_order(oid::BOOLEAN, &[&[0], &[1]]);
        in_order(oid::UUID, &[&[0; 16], &[1; 16], &[0xFF; 16]]);
        let strings: [&[u8]; 8] =
            [b"", b"\0", b"\0\0", b"\0\xFF", b"a", b"a\0", b"a\0\0b", "é".as_bytes()];
        in_order(oid::BYTEA, &strings);
        in_order(oid::TEXT, &[b"", b"a", b"a ", b"ab", b"b"]);
    }

    #[test]
    fn blanks_at_the_end_of_a_padded_text_do_not_count() {
        let same: [&[u8]; 3] = [b"a b", b"a b ", b"a b   "];
        for text in same {
            assert_eq!(key(oid::BPCHAR, &[text]), key(oid::BPCHAR, &[b"a b"]));
        }
        assert_ne!(key(oid::BPCHAR, &[b"a b"]), key(oid::BPCHAR, &[b"ab"]));
        assert_eq!(key(oid::BPCHAR, &[b"  "]), key(oid::BPCHAR, &[b""]));
    }

    #[test]
    fn values_with_several_images_are_left_out() {
        for type_oid in
            [oid::NUMERIC, oid::REAL, oid::DOUBLE_PRECISION, oid::JSON, oid::JSONB, 1009]
        {
            assert_eq!(KeyPart::of(type_oid), None);
        }
    }
}
