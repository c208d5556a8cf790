//! PURE, tests only. Writes jsonb as the server does, so that the reader is tested without one.
//!
//! The server's own bytes are compared in pg_test; this writer knows just what the pure tests need.

use serde_json::Value;

use crate::document::number;

const OFFSET_STRIDE: usize = 32;

/// The bytes behind the varlena header of `document` as jsonb.
pub fn jsonb(document: &Value) -> Vec<u8> {
    match document {
        Value::Array(_) | Value::Object(_) => container(document),
        scalar => {
            let mut bytes = container(&Value::Array(vec![scalar.clone()]));
            bytes[..4].copy_from_slice(&(0x5000_0000_u32 | 1).to_ne_bytes());
            bytes
        }
    }
}

fn container(value: &Value) -> Vec<u8> {
    let (flag, count, children) = match value {
        Value::Object(map) => {
            let mut members: Vec<_> = map.iter().collect();
            members.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
            let keys = members.iter().map(|(key, _)| Value::from(key.as_str()));
            let values = members.iter().map(|(_, value)| (*value).clone());
            (0x2000_0000, members.len(), keys.chain(values).collect())
        }
        Value::Array(elements) => (0x4000_0000, elements.len(), elements.clone()),
        _ => (0, 0, vec![]),
    };
    let mut entries = vec![flag | count as u32];
    let mut data: Vec<u8> = vec![];
    for (index, child) in children.iter().enumerate() {
        let start = data.len();
        let kind: u32 = match child {
            Value::Null => 0x4000_0000,
            Value::Bool(false) => 0x2000_0000,
            Value::Bool(true) => 0x3000_0000,
            Value::String(text) => {
                data.extend(text.as_bytes());
                0
            }
            Value::Number(number) => {
                data.resize(data.len().next_multiple_of(4), 0);
                data.extend(numeric(&number::from_json(&number.to_string())));
                0x1000_0000
            }
            nested => {
                data.resize(data.len().next_multiple_of(4), 0);
                data.extend(container(nested));
                0x5000_0000
            }
        };
        let length = (data.len() - start) as u32;
        entries.push(if index % OFFSET_STRIDE == 0 {
            kind | 0x8000_0000 | data.len() as u32
        } else {
            kind | length
        });
    }
    let mut bytes: Vec<u8> = entries.iter().flat_map(|entry| entry.to_ne_bytes()).collect();
    bytes.extend(data);
    bytes
}

/// A numeric in the short form with its 4-byte header, from plain decimal text.
fn numeric(text: &str) -> Vec<u8> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (0x2000_u16, rest),
        None => (0, text),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole = format!("{:0>1$}", whole, whole.len().next_multiple_of(4));
    let padded = format!("{whole}{:0<1$}", fraction, fraction.len().next_multiple_of(4));
    let mut words: Vec<u16> = padded
        .as_bytes()
        .chunks(4)
        .map(|w| std::str::from_utf8(w).unwrap().parse().unwrap())
        .collect();
    let mut weight = (whole.len() / 4) as i16 - 1;
    while words.first() == Some(&0) {
        words.remove(0);
        weight -= 1;
    }
    while words.last() == Some(&0) {
        words.pop();
    }
    let weight = if words.is_empty() { 0 } else { weight };
    let header = 0x8000 | sign | ((fraction.len() as u16) << 7) | (weight as u16 & 0x7F);
    words.insert(0, header);
    let mut bytes = ((4 + 2 * words.len() as u32) << 2).to_ne_bytes().to_vec();
    bytes.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
    bytes
}
