//! PURE. What holds the records of a document, and their paths.

use std::borrow::Cow;
use std::sync::Mutex;

use super::past::{Past, open};
use super::{Before, Record, Source, Step};
use crate::document::{Value, Watch, push};
use crate::error::{Fault, Place};

/// What holds some of the records.
pub struct Holder<V> {
    /// Its path.
    base: String,
    /// The composer that works belong to, and its path.
    pub composer: Option<(V, String)>,
    /// True if works need no id of their own (the Open Opus dump).
    pub dump: bool,
    /// Which of several documents it is in, from 0.
    document: u64,
    /// The number of the first element, or of the first document, if others have gone before.
    first: u64,
}

/// What a document holds, but for its records.
pub struct Found<'a, V> {
    pub source: Source,
    /// By [`Record::holder`].
    pub holders: Vec<Holder<V>>,
    /// Keys of records that stand in an object.
    pub(super) keys: Vec<Cow<'a, str>>,
    /// Of a part: what all parts have in common.
    pub(super) past: Option<&'a Mutex<Past>>,
}

impl<'a, V: Value<'a>> Found<'a, V> {
    /// Records all of which stand in the document itself.
    pub(super) fn new(source: Source) -> Self {
        Found { source, ..Found::of_mapping("$".into()) }
    }

    /// Gives what parts have in common to `work`; of a whole document that is nothing yet.
    pub fn with_past<T>(&self, work: impl FnOnce(&mut Past) -> T) -> T {
        match self.past {
            Some(past) => work(&mut open(past)),
            None => work(&mut Past::default()),
        }
    }

    /// What holds the records is an array that has begun before.
    pub fn goes_on(mut self, before: &Before) -> Self {
        if let Some(array) = self.holders.first_mut() {
            array.first = before.elements;
            array.document = before.documents;
        }
        self
    }

    /// Records where a mapping says, all of which are held by what is at this path.
    pub fn of_mapping(base: String) -> Self {
        Found::held(base, 0)
    }

    /// Records each of which is a document, the first of them this one.
    pub fn of_documents(first: u64) -> Self {
        Found::held("$".into(), first)
    }

    fn held(base: String, first: u64) -> Self {
        let holder = Holder { base, composer: None, dump: false, document: 0, first };
        Found { holders: vec![holder], ..Found::of_nothing() }
    }

    /// The same without a holder yet: see [`Found::hold`].
    pub fn of_nothing() -> Self {
        Found { source: Source::Mapping, holders: vec![], keys: vec![], past: None }
    }

    /// Adds what holds records: its path, and which of several documents it is in. Its place in `holders`.
    pub fn hold(&mut self, base: String, document: u64, watch: &Watch) -> Result<u32, Fault> {
        watch.take(size_of::<Holder<V>>() + base.len())?;
        push(&mut self.holders, Holder { base, composer: None, dump: false, document, first: 0 })?;
        Ok(self.holders.len() as u32 - 1)
    }

    /// The SQL/JSON path of a place in the record of this number, and the document that it is in, behind the first. A
    /// document that is a record of the same number needs no other.
    pub fn path(&self, record: &Record<V>, number: u64, place: Place) -> String {
        let field = match &place {
            Place::Composer(field) | Place::Field(field) => *field,
            Place::Path(path) => return self.path_within(record, number, path),
        };
        let within = if field.is_empty() { String::new() } else { format!(".{field}") };
        let holder = self.holders.get(record.holder as usize);
        match (place, holder) {
            (Place::Composer(_), Some(Holder { composer: Some((_, base)), document, .. })) => {
                in_document(format!("{base}{within}"), *document)
            }
            _ => self.path_within(record, number, &within),
        }
    }

    /// The same for a place that a path from the record leads to, without its `$`: as in `.a[0]`.
    fn path_within(&self, record: &Record<V>, number: u64, within: &str) -> String {
        let Some(holder) = self.holders.get(record.holder as usize) else { return "$".into() };
        let place = |index: u32| holder.first + u64::from(index);
        let (step, document) = match record.step {
            Step::Whole => (String::new(), holder.document),
            Step::Document(index) => (String::new(), place(index)),
            Step::Element(index) => (format!("[{}]", place(index)), holder.document),
            Step::Member(index) => (member(&self.keys[index as usize]), holder.document),
        };
        let path = format!("{}{step}", holder.base);
        let document = if path == "$" && document == number { 0 } else { document };
        in_document(format!("{path}{within}"), document)
    }
}

fn in_document(path: String, document: u64) -> String {
    match document {
        0 => path,
        _ => format!("{path} of document {document}"),
    }
}

/// The step of a path to the member of an object with this key.
pub fn member(key: &str) -> String {
    format!(".{}", serde_json::Value::from(key))
}
