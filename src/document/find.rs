//! PURE. Which source a document is of, which shape it has, and where its records are.
//!
//! The shapes are those of README.md ([`shape`] tells them by the members of an object). A document may be several: one
//! behind another, one a line, or the elements of an array; their records are numbered through. The first record that
//! fits a source decides the source of all. What stands where records stand is a record, whatever it is; what surrounds
//! the records (status, metadata) is checked and left alone; a document in which nothing fits is an error that says what
//! was found. Records are numbered from 0 in the order of the document; in an object keyed by number or id, in jsonb's
//! order of keys, which is the same for text and jsonb.

mod expand;
mod found;
mod past;
mod records;
mod shape;

use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use self::expand::Expansion;
use self::found::member;
pub use self::found::{Found, Holder};
use self::past::Decided;
pub use self::past::{Past, judge};
pub use self::records::{Record, Records, Step};
pub use self::shape::found_members;
use self::shape::{Shape, refuse_error_answer, shape};
use super::{Elements, Kind, Value, Watch, push};
use crate::error::{Fault, LoadError};

/// Who published the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Imslp,
    OpenOpus,
    /// Rows of our own tables, as `json_agg()` writes them: see [`crate::prepare::table_rows`].
    TableRows,
    /// A mapping says where its values are.
    Mapping,
}

impl Source {
    pub fn name(self) -> &'static str {
        match self {
            Source::Imslp => "IMSLP",
            Source::OpenOpus => "Open Opus",
            Source::TableRows => "rows of the table",
            Source::Mapping => "mapping",
        }
    }
}

/// What the caller wants to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resource {
    Composers,
    Works,
}

/// What came before a part of a document.
#[derive(Clone, Copy, Default)]
pub struct Before<'a> {
    /// Documents before the first of these, or before the array.
    pub documents: u64,
    /// Elements of the array before the first of these.
    pub elements: u64,
    /// None if the document is whole.
    pub past: Option<&'a Mutex<Past>>,
}

/// The most elements of an array that are looked at for one that has a shape.
const MOST_SHAPELESS: usize = 10_000;

/// Finds the records of a document, or of several that follow one another.
pub fn find<'a, V: Value<'a> + 'a>(
    documents: Vec<V>,
    resource: Resource,
    watch: &Watch,
) -> Result<Search<'a, V>, LoadError> {
    find_in(documents, resource, watch).map_err(LoadError::document)
}

/// The same in a document that is an array with these elements.
pub fn find_in_array<'a, V: Value<'a> + 'a>(
    elements: Elements<'a, V>,
    resource: Resource,
    watch: &Watch,
) -> Result<Search<'a, V>, LoadError> {
    listed(elements, resource, &Before::default(), watch).map_err(LoadError::document)
}

/// Finds the records of some of the documents that follow one another.
pub fn find_behind<'a, V: Value<'a> + 'a>(
    documents: Vec<V>,
    resource: Resource,
    before: &Before<'a>,
    watch: &Watch,
) -> Result<Search<'a, V>, LoadError> {
    several(documents, resource, before, watch).map_err(LoadError::document)
}

/// Finds those in an array that goes on with these elements.
pub fn find_in_array_behind<'a, V: Value<'a> + 'a>(
    elements: Elements<'a, V>,
    resource: Resource,
    before: &Before<'a>,
    watch: &Watch,
) -> Result<Search<'a, V>, LoadError> {
    let found = listed(elements, resource, before, watch).map_err(LoadError::document);
    found.map(|(found, records)| (found.goes_on(before), records))
}

/// What holds the records of a document, and the records.
pub type Search<'a, V> = (Found<'a, V>, Records<'a, V>);

fn find_in<'a, V: Value<'a> + 'a>(
    documents: Vec<V>,
    resource: Resource,
    watch: &Watch,
) -> Result<Search<'a, V>, Fault> {
    let all = &Before::default();
    let [document] = documents[..] else { return several(documents, resource, all, watch) };
    match document.kind()? {
        Kind::Array => listed(document.elements()?, resource, all, watch),
        Kind::Object => {
            let members = document.members(watch)?;
            refuse_error_answer(&members, watch)?;
            match shape(&members)? {
                Shape::Other => Err(unknown("", &found_members(&members))),
                _ => several(documents, resource, all, watch),
            }
        }
        kind => {
            document.check()?;
            Err(Fault::UnknownShape(
                format!("the document is {kind}, neither array nor object").into(),
            ))
        }
    }
}

fn unknown(before: &str, found: &str) -> Fault {
    Fault::UnknownShape(format!("the document is no known catalogue: it is {before}{found}").into())
}

/// What there is in some values: the first shape, or what was found in its place.
struct Seen {
    shape: Option<Shape>,
    members: Option<String>,
}

impl Seen {
    fn nothing() -> Self {
        Seen { shape: None, members: None }
    }

    /// Looks at the next value, and into it if it is an array and `opens`; true once a shape is known. A value that is
    /// wrong in itself says nothing.
    fn look<'a, V: Value<'a>>(
        &mut self,
        value: V,
        opens: bool,
        watch: &Watch,
    ) -> Result<bool, Fault> {
        watch.check()?;
        let shape = match value.kind() {
            // Not an array in an array, which has no place in any catalogue.
            Ok(Kind::Array) if opens => return self.look_into(value, watch),
            Ok(Kind::Object) => value.members(watch).and_then(|members| {
                let shape = shape(&members)?;
                if shape == Shape::Other && self.members.is_none() {
                    value.check()?;
                    self.members = Some(found_members(&members));
                }
                Ok(shape)
            }),
            _ => Ok(Shape::Other),
        };
        self.shape = shape.ok().filter(|shape| *shape != Shape::Other);
        Ok(self.shape.is_some())
    }

    fn look_into<'a, V: Value<'a>>(&mut self, array: V, watch: &Watch) -> Result<bool, Fault> {
        let Ok(elements) = array.elements() else { return Ok(false) };
        for element in elements.take(MOST_SHAPELESS) {
            let Ok(element) = element else { return Ok(false) };
            if self.look(element, false, watch)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What that makes of all values; `what` they are, for an error if none of them is known. None if no value says
    /// anything.
    fn decide(self, resource: Resource, what: &str) -> Result<Option<Decided>, Fault> {
        let shape = match (self.shape, self.members) {
            (Some(shape), _) => shape,
            (None, Some(members)) => return Err(unknown(what, &members)),
            (None, None) => return Ok(None),
        };
        let is_record = match shape {
            Shape::Imslp => true,
            Shape::Row(of) => of == resource,
            Shape::Person => resource == Resource::Composers,
            Shape::OwnedWork => resource == Resource::Works,
            _ => false,
        };
        let source = shape.source();
        Ok(Some(if is_record { Decided::Records(source) } else { Decided::Within(source) }))
    }
}

/// Documents that follow one another: each is a record, an array of such, or has records in it. The first that has a shape
/// decides.
fn several<'a, V: Value<'a> + 'a>(
    documents: Vec<V>,
    resource: Resource,
    before: &Before<'a>,
    watch: &Watch,
) -> Result<Search<'a, V>, Fault> {
    let decided = before.decided(|| {
        let mut seen = Seen::nothing();
        for document in &documents {
            if seen.look(*document, true, watch)? {
                break;
            }
        }
        seen.decide(
            resource,
            match documents.len() {
                1 => "",
                _ => "several documents without any record, the first of them ",
            },
        )
    })?;
    let is_record = |document: &V| document.kind() != Ok(Kind::Array);
    if let Decided::Records(source) = decided
        && documents.iter().all(is_record)
    {
        let found = Found { source, past: before.past, ..Found::of_documents(before.documents) };
        return Ok((found, Records::documents(documents)));
    }
    let mut expansion = Expansion::new(resource, decided, before, watch);
    for (number, document) in (before.documents..).zip(documents) {
        expansion.document(document, number)?;
    }
    expansion.finish()
}

/// The elements of an array: records, or documents with records in them. The first that has a shape decides.
fn listed<'a, V: Value<'a> + 'a>(
    mut values: Elements<'a, V>,
    resource: Resource,
    before: &Before<'a>,
    watch: &Watch,
) -> Result<Search<'a, V>, Fault> {
    let mut first: Vec<V> = vec![];
    let decided = before.decided(|| {
        let mut seen = Seen::nothing();
        while first.len() < MOST_SHAPELESS
            && let Some(value) = values.next()
        {
            let value = value?;
            push(&mut first, value)?;
            if seen.look(value, false, watch)? {
                break;
            }
        }
        seen.decide(resource, "an array whose first object is ")
    })?;
    if let Decided::Records(source) = decided {
        let found = Found { past: before.past, ..Found::new(source) };
        return Ok((found, Records::elements(first, values)));
    }
    let mut expansion = Expansion::new(resource, decided, before, watch);
    for (index, value) in (0..).zip(first.into_iter().map(Ok).chain(values)) {
        expansion.element(value?, index, before.elements)?;
    }
    expansion.finish()
}

#[cfg(test)]
mod tests;
