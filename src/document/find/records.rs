//! PURE. The records of a document, one after the other as they are found.

use super::super::{Elements, Value};
use crate::error::Fault;

/// One record: its value, what holds it, by its place in [`super::Found::holders`], and the step from there.
#[derive(Clone, Copy)]
pub struct Record<V> {
    pub value: V,
    pub step: Step,
    pub holder: u32,
}

#[derive(Clone, Copy)]
pub enum Step {
    /// The value is the holder itself.
    Whole,
    /// The value is one of several documents, by its place among those of the holder.
    Document(u32),
    Element(u32),
    /// A member, by its place in `Found::keys`.
    Member(u32),
}

/// A document's records, one after the other; those of one long array as they are found. There is none behind a fault.
pub struct Records<'a, V>(Box<dyn Iterator<Item = Result<Record<V>, Fault>> + Send + 'a>);

impl<'a, V: Value<'a> + 'a> Records<'a, V> {
    pub fn all<I>(records: I) -> Self
    where
        I: IntoIterator<Item = Record<V>>,
        I::IntoIter: Send + 'a,
    {
        Records(Box::new(records.into_iter().map(Ok)))
    }

    /// Documents each of which is a record.
    pub fn documents(documents: Vec<V>) -> Self {
        let record = |(index, value)| Record { value, step: Step::Document(index), holder: 0 };
        Records::all((0..).zip(documents).map(record))
    }

    /// The elements of one array, of which the first have been taken.
    pub fn elements(first: Vec<V>, rest: Elements<'a, V>) -> Self {
        let values = first.into_iter().map(Ok).chain(rest);
        let record = |(index, value): (u32, Result<V, Fault>)| {
            value.map(|value| Record { value, step: Step::Element(index), holder: 0 })
        };
        Records(Box::new((0..).zip(values).map(record)))
    }
}

impl<V> Iterator for Records<'_, V> {
    type Item = Result<Record<V>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}
