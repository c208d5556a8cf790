//! PURE. The records of a document, one after the other as they are found.

use std::vec;

use super::super::{Elements, Value};
use crate::error::Fault;

/// One record: its value, its step from what holds it, and its composer in [`super::Found::composers`].
#[derive(Clone, Copy)]
pub struct Record<V> {
    pub value: V,
    pub step: Step,
    pub composer: Option<u32>,
}

#[derive(Clone, Copy)]
pub enum Step {
    /// The value is the document, or a line of it.
    Whole,
    Element(u32),
    /// A member, by its place in `Found::keys`.
    Member(u32),
    /// The value stands where a composer with works should.
    Composer,
}

/// A document's records, one after the other; those of one long array as they are found. There is none behind a fault.
pub struct Records<'a, V> {
    first: vec::IntoIter<Record<V>>,
    /// Elements that follow those.
    rest: (u32, Elements<'a, V>),
    /// A record that is nobody's stands for its document.
    whole: bool,
}

impl<'a, V: Value<'a> + 'a> Records<'a, V> {
    pub fn all(records: Vec<Record<V>>) -> Self {
        let rest: Elements<'a, V> = Box::new(std::iter::empty());
        Records { first: records.into_iter(), rest: (0, rest), whole: false }
    }

    /// The elements of one array, of which the first have been taken.
    pub fn elements(first: Vec<V>, rest: Elements<'a, V>) -> Self {
        let rest = (first.len() as u32, rest);
        let first: Vec<Record<V>> = elements(first, None).collect();
        Records { first: first.into_iter(), rest, whole: false }
    }

    pub fn whole(self) -> Self {
        Records { whole: true, ..self }
    }
}

impl<'a, V: Value<'a>> Iterator for Records<'a, V> {
    type Item = Result<Record<V>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.first.next().map(Ok).or_else(|| {
            let (index, rest) = &mut self.rest;
            let step = Step::Element(*index);
            *index += 1;
            Some(rest.next()?.map(|value| Record { value, step, composer: None }))
        });
        record.map(|record| {
            let mut record = record?;
            if self.whole && record.composer.is_none() {
                record.step = Step::Whole;
            }
            Ok(record)
        })
    }
}

/// The records that the elements of an array are.
pub fn elements<V>(values: Vec<V>, composer: Option<u32>) -> impl Iterator<Item = Record<V>> {
    let element = move |(index, value)| Record { value, step: Step::Element(index), composer };
    (0..).zip(values).map(element)
}
