//! PURE, tests only. Documents as jsonb, so that the reader is tested without a server.

use serde_json::Value;

use crate::document::Value as _;
use crate::document::jsonb::write;
use crate::document::text::Text;

/// The bytes behind the varlena header of `document` as jsonb.
pub fn jsonb(document: &Value) -> Vec<u8> {
    let text = document.to_string();
    let mut bytes = vec![];
    let written = match document {
        Value::Array(_) | Value::Object(_) => write::append(&text, &mut bytes),
        _ => write::append_scalar(&Text::span(&text).content().unwrap(), &mut bytes),
    };
    assert_eq!(written, Ok(true));
    bytes
}
