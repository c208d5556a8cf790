//! PURE, tests only: documents made at random, sound and broken. Text and jsonb give the same rows and faults, and nothing
//! panics; bytes that are no jsonb, or no text, are refused or read, and no more.

use serde_json::Value as Json;

use super::tests::{composers_of, works_of};
use super::*;
use crate::document::build::jsonb;
use crate::random::{Random, for_seeds};

const ROUNDS: u64 = 10_000;
const KEYS: [&str; 24] = [
    "id",
    "type",
    "parent",
    "intvals",
    "permlink",
    "composer",
    "worktitle",
    "icatno",
    "pageid",
    "metadata",
    "status",
    "composers",
    "works",
    "name",
    "complete_name",
    "birth",
    "death",
    "epoch",
    "title",
    "subtitle",
    "genre",
    "searchterms",
    "composer_id",
    "x",
];
const SCALARS: [&str; 16] = [
    "null",
    "true",
    "0",
    "-1",
    "12",
    "1e3",
    "2.50",
    "1e400",
    "\"\"",
    "\"1\"",
    "\"2\"",
    "\"Category:Alder, Ann\"",
    "\"Alder, Ann\"",
    "\"1685-03-31\"",
    "\"0000-00-00\"",
    "\"\\u00e9\\ud83c\\udfb5 \\n\"",
];

impl Random {
    /// A value of the shapes that sources have, more or less.
    fn of_source(&mut self, depth: usize) -> String {
        match self.below(if depth == 0 { 3 } else { 8 }) {
            0..3 => self.pick(&SCALARS).to_owned(),
            3 => {
                let count = self.below(4);
                let elements: Vec<String> = (0..count).map(|_| self.of_source(depth - 1)).collect();
                format!("[{}]", elements.join(","))
            }
            _ => {
                let count = self.below(6);
                let member = |_| format!("\"{}\":{}", self.pick(&KEYS), self.of_source(depth - 1));
                format!("{{{}}}", (0..count).map(member).collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// A record of a source, in which a member may have been changed, inserted or left out.
    fn record(&mut self) -> String {
        let sound = self.pick(&[
            r#"{"id":"Category:Alder, Ann","type":"1","parent":"","intvals":[],"permlink":"https://x"}"#,
            r#"{"id":"w","type":"2","intvals":{"composer":"Alder, Ann","worktitle":"W","pageid":"7"}}"#,
            r#"{"id":"3","name":"Alder","complete_name":"Ann Alder","birth":"1685-01-01","epoch":"Baroque"}"#,
            r#"{"id":"7","title":"First","genre":"Keyboard","composer":{"id":"3","name":"Alder","complete_name":"Ann Alder"}}"#,
            r#"{"name":"Alder","complete_name":"Ann Alder","works":[{"title":"First","genre":"Keyboard"}]}"#,
        ]);
        if self.one_in(2) {
            return sound.to_owned();
        }
        if self.one_in(6) {
            return self.of_source(3);
        }
        let Ok(Json::Object(mut record)) = serde_json::from_str(sound) else {
            return String::new();
        };
        let value: Json = serde_json::from_str(&self.of_source(2)).unwrap_or_default();
        record.insert(self.pick(&KEYS).to_owned(), value);
        if self.one_in(3) {
            record.remove(self.pick(&KEYS));
        }
        Json::Object(record).to_string()
    }

    fn document(&mut self) -> String {
        let records: Vec<String> = (0..1 + self.below(4)).map(|_| self.record()).collect();
        let list = records.join(",");
        match self.below(9) {
            0 => records[0].clone(),
            1 => records.join("\n"),
            2 => format!("[[{list}], [{list}]]"),
            3 => format!(r#"{{"status":{{"success":"true"}},"composers":[{list}]}}"#),
            4 => format!(r#"{{"composer":{},"works":[{list}]}}"#, self.record()),
            5 => {
                format!(r#"{{"0":{},"1":{},"metadata":{{"start":0}}}}"#, records[0], self.record())
            }
            6 => self.of_source(4),
            _ => format!("[{list}]"),
        }
    }
}

#[test]
fn text_and_jsonb_are_one_document() {
    for_seeds(ROUNDS, |random| {
        let text = random.document();
        let Ok(json) = serde_json::from_str::<Json>(&text) else {
            // Several, one behind another: as in an array they are told of other paths.
            let _ = (
                composers_of(Document::Text(text.as_bytes())),
                works_of(Document::Text(text.as_bytes())),
            );
            return;
        };
        // The order of members is jsonb's.
        let text = json.to_string();
        let Ok(bytes) = std::panic::catch_unwind(|| jsonb(&json)) else { return };
        let (text, stored) = (Document::Text(text.as_bytes()), Document::Jsonb(&bytes));
        assert_eq!(told(composers_of(text)), told(composers_of(stored)), "{json}");
        assert_eq!(told(works_of(text)), told(works_of(stored)), "{json}");
    });
}

/// Rows, and faults without the places that only a text has.
fn told(found: Result<(usize, Vec<LoadError>), LoadError>) -> Result<(usize, Vec<String>), String> {
    match found {
        Ok((rows, faults)) => Ok((rows, faults.iter().map(LoadError::to_string).collect())),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn broken_bytes_are_no_more_than_refused() {
    for_seeds(ROUNDS, |random| {
        let text = random.document();
        let mut broken = text.clone().into_bytes();
        for _ in 0..1 + random.below(3) {
            let at = random.below(broken.len());
            match random.below(3) {
                0 => broken[at] = random.below(256) as u8,
                1 => drop(broken.remove(at)),
                _ => broken.insert(at, random.pick(b"{}[]\",:\\ \n\r0e-\xEF\xC3")),
            }
            if broken.is_empty() {
                return;
            }
        }
        let _ = (composers_of(Document::Text(&broken)), works_of(Document::Text(&broken)));
        let json = serde_json::from_str::<Json>(&text);
        if let Ok(json @ (Json::Array(_) | Json::Object(_))) = json
            && let Ok(mut bytes) = std::panic::catch_unwind(|| jsonb(&json))
        {
            for _ in 0..1 + random.below(3) {
                let at = random.below(bytes.len());
                bytes[at] = random.below(256) as u8;
            }
            let _ = (composers_of(Document::Jsonb(&bytes)), works_of(Document::Jsonb(&bytes)));
        }
    });
}
