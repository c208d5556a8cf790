//! PURE. `boolean`: the words of `boolin`, in full or as their first letter.

use crate::document::content::Content;

const TRUE: [&str; 6] = ["true", "t", "yes", "y", "on", "1"];
const FALSE: [&str; 6] = ["false", "f", "no", "n", "off", "0"];

pub fn decode(scalar: &Content<'_>) -> Option<bool> {
    if let Content::Boolean(value) = scalar {
        return Some(*value);
    }
    scalar.with_text(|text| {
        let is_one = |words: [&str; 6]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
        match (is_one(TRUE), is_one(FALSE)) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    })
}
