//! PURE. The elements of a jsonb array that is still arriving, each as soon as it is there.

use super::{Children, Container, IS_ARRAY, IS_SCALAR, Jsonb, WORD, corrupt};
use crate::document::Arrival;
use crate::error::Fault;

pub struct Arriving<'a> {
    arrival: &'a dyn Arrival<'a>,
    /// Those to come, with the bytes that have arrived.
    children: Children<'a>,
    /// Where the children's bytes begin.
    begin: usize,
}

impl<'a> Arriving<'a> {
    /// `None` where the document is no array with elements.
    pub fn array(arrival: &'a dyn Arrival<'a>) -> Result<Option<Self>, Fault> {
        let bytes = arrival.wait(WORD)?;
        let header = u32::from_ne_bytes(*bytes.first_chunk().ok_or_else(corrupt)?);
        if header & (IS_ARRAY | IS_SCALAR) != IS_ARRAY {
            return Ok(None);
        }
        let begin = WORD + WORD * Container { bytes, header }.entries();
        let children = Container::new(arrival.wait(begin)?)?.children();
        let has_elements = children.upcoming().is_some();
        Ok(has_elements.then_some(Arriving { arrival, children, begin }))
    }
}

impl<'a> Iterator for Arriving<'a> {
    type Item = Result<Jsonb<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let (_, end) = self.children.upcoming()?;
        if end > self.children.data.len() {
            match self.arrival.wait(self.begin + end) {
                Ok(bytes) => self.children.data = &bytes[self.begin..],
                Err(fault) => {
                    self.children.entries = &[];
                    return Some(Err(fault));
                }
            }
        }
        self.children.next()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::document::Value as _;
    use crate::document::build::{Slowly, jsonb};

    /// The elements as they arrive, as JSON; `None` where the document is not seen to be an array with elements.
    fn arriving(bytes: &[u8], step: usize) -> Option<Result<Vec<Value>, Fault>> {
        let arrival = Slowly::new(bytes, step);
        match Arriving::array(&arrival) {
            Ok(elements) => Some(elements?.map(|element| element?.read()).collect()),
            Err(fault) => Some(Err(fault)),
        }
    }

    #[test]
    fn elements_are_the_same_however_they_arrive() {
        let many: Vec<u64> = (0..100).collect();
        let documents = [
            json!(["a", {"b": [1, {}]}, null, true, 7, [], "\u{1F3B5}", 1.5]),
            json!([many, {"many": many}, ""]),
            json!([[]]),
        ];
        for document in documents {
            let bytes = jsonb(&document);
            for step in 1..=bytes.len() {
                let elements = arriving(&bytes, step).unwrap().unwrap();
                assert_eq!(Value::from(elements), document, "{step}");
            }
        }
    }

    #[test]
    fn other_documents_are_no_array() {
        for document in [json!({"a": [1]}), json!([]), json!(7), json!("a")] {
            assert_eq!(arriving(&jsonb(&document), 1), None, "{document}");
        }
    }

    #[test]
    fn a_document_that_is_cut_is_corrupt() {
        let bytes = jsonb(&json!(["abc", {"d": 1}, 2]));
        for end in 0..bytes.len() {
            assert_eq!(arriving(&bytes[..end], 1), Some(Err(Fault::Corrupt)), "{end}");
        }
    }
}
