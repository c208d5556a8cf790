//! PURE. Which source a document is of, which shape it has, and where its records are.
//!
//! The shapes are those of README.md ([`shape`] tells them by the members of an object). A document may be several: one
//! behind another, one a line, or the elements of an array; their records are numbered through. The first record that
//! fits a source decides the source of all. What stands where records stand is a record, whatever it is; what surrounds
//! the records (status, metadata) is checked and left alone; a document in which nothing fits is an error that says what
//! was found. Records are numbered from 0 in the order of the document; in an object keyed by number or id, in jsonb's
//! order of keys, which is the same for text and jsonb.

mod expand;
mod records;
mod shape;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use self::expand::Expansion;
pub use self::records::{Record, Records, Step};
pub use self::shape::found_members;
use self::shape::{Shape, refuse_error_answer, shape};
use super::{Elements, Kind, Value, Watch, push};
use crate::error::{Fault, LoadError, Place};

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

/// What the first records of a document have shown it to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// What stands where records stand is a record of this source.
    Records(Source),
    /// Records stand within what stands there; of this source, as far as that is known.
    Within(Source),
}

/// What came before a part of a document.
#[derive(Clone, Copy, Debug, Default)]
pub struct Before {
    /// Documents before the first of these, or before the array.
    pub documents: u64,
    /// Elements of the array before the first of these.
    pub elements: u64,
    pub decided: Option<Decided>,
}

/// What holds some of the records.
pub struct Holder<V> {
    /// Its path.
    base: String,
    /// The composer that works belong to, and its path.
    pub composer: Option<(V, String)>,
    /// True if works need no id of their own (the Open Opus dump).
    pub dump: bool,
    /// Which of several documents it is in, from 0.
    document: Option<u64>,
    /// The number of the first element, if it is an array of which others have gone before.
    first: u64,
}

/// What a document holds, but for its records.
pub struct Found<'a, V> {
    pub source: Source,
    /// By [`Record::holder`].
    pub holders: Vec<Holder<V>>,
    /// Keys of records that stand in an object.
    keys: Vec<Cow<'a, str>>,
    /// For the parts behind this one, if others are to come. A mapping decides it for all.
    pub decided: Option<Decided>,
}

impl<'a, V: Value<'a>> Found<'a, V> {
    /// Records all of which stand in the document itself.
    fn new(source: Source) -> Self {
        let decided = Some(Decided::Records(source));
        Found { source, decided, ..Found::of_mapping("$".into()) }
    }

    /// What holds the records is an array that has begun before.
    pub fn goes_on(mut self, before: &Before) -> Self {
        if let Some(array) = self.holders.first_mut() {
            array.first = before.elements;
            array.document = (before.documents > 0).then_some(before.documents);
        }
        self
    }

    /// Records where a mapping says, all of which are held by what is at this path.
    pub fn of_mapping(base: String) -> Self {
        let holder = Holder { base, composer: None, dump: false, document: None, first: 0 };
        Found { holders: vec![holder], ..Found::of_nothing() }
    }

    /// The same without a holder yet: see [`Found::hold`].
    pub fn of_nothing() -> Self {
        Found { source: Source::Mapping, holders: vec![], keys: vec![], decided: None }
    }

    /// Adds what holds records: its path, and which of several documents it is in. Its place in `holders`.
    pub fn hold(
        &mut self,
        base: String,
        document: Option<u64>,
        watch: &Watch,
    ) -> Result<u32, Fault> {
        watch.take(size_of::<Holder<V>>() + base.len())?;
        push(&mut self.holders, Holder { base, composer: None, dump: false, document, first: 0 })?;
        Ok(self.holders.len() as u32 - 1)
    }

    /// The SQL/JSON path of a place in a record, and the document that it is in, if there are several.
    pub fn path(&self, record: &Record<V>, place: Place) -> String {
        let field = match &place {
            Place::Composer(field) | Place::Field(field) => *field,
            Place::Path(path) => return self.path_within(record, path),
        };
        let within = if field.is_empty() { String::new() } else { format!(".{field}") };
        let holder = self.holders.get(record.holder as usize);
        match (place, holder) {
            (Place::Composer(_), Some(Holder { composer: Some((_, base)), document, .. })) => {
                in_document(format!("{base}{within}"), *document)
            }
            _ => self.path_within(record, &within),
        }
    }

    /// The same for a place that a path from the record leads to, without its `$`: as in `.a[0]`.
    pub fn path_within(&self, record: &Record<V>, within: &str) -> String {
        let Some(holder) = self.holders.get(record.holder as usize) else { return "$".into() };
        let step = match record.step {
            Step::Whole => String::new(),
            Step::Element(index) => format!("[{}]", holder.first + u64::from(index)),
            Step::Member(index) => member(&self.keys[index as usize]),
        };
        in_document(format!("{}{step}{within}", holder.base), holder.document)
    }
}

fn in_document(path: String, document: Option<u64>) -> String {
    match document {
        Some(document) => format!("{path} of document {document}"),
        None => path,
    }
}

/// The step of a path to the member of an object with this key.
fn member(key: &str) -> String {
    format!(".\"{}\"", key.escape_default())
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
    listed(elements, resource, watch).map_err(LoadError::document)
}

/// Finds the records of some of the documents that follow one another.
pub fn find_behind<'a, V: Value<'a> + 'a>(
    documents: Vec<V>,
    resource: Resource,
    before: &Before,
    watch: &Watch,
) -> Result<Search<'a, V>, LoadError> {
    several(documents, resource, Some(before), watch).map_err(LoadError::document)
}

/// Finds those in an array that goes on with these elements.
pub fn find_in_array_behind<'a, V: Value<'a> + 'a>(
    elements: Elements<'a, V>,
    resource: Resource,
    before: &Before,
    watch: &Watch,
) -> Result<Search<'a, V>, LoadError> {
    let found = listed_behind(elements, resource, before, watch).map_err(LoadError::document);
    found.map(|(found, records)| (found.goes_on(before), records))
}

/// What holds the records of a document, and the records.
pub type Search<'a, V> = (Found<'a, V>, Records<'a, V>);

fn find_in<'a, V: Value<'a> + 'a>(
    documents: Vec<V>,
    resource: Resource,
    watch: &Watch,
) -> Result<Search<'a, V>, Fault> {
    let [document] = documents[..] else { return several(documents, resource, None, watch) };
    match document.kind()? {
        Kind::Array => listed(document.elements()?, resource, watch),
        Kind::Object => {
            let members = document.members(watch)?;
            refuse_error_answer(&members, watch)?;
            match shape(&members)? {
                Shape::Other => Err(unknown("", &found_members(&members))),
                _ => several(documents, resource, None, watch),
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

    /// Looks at the next value; true once a shape is known. A value that is wrong in itself says nothing.
    fn look<'a, V: Value<'a>>(&mut self, value: V, watch: &Watch) -> Result<bool, Fault> {
        watch.check()?;
        let shape = match value.kind() {
            Ok(Kind::Array) => Ok(Shape::Array),
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

    /// What that makes of all values; `what` they are, for an error if nothing is known of them.
    fn decide(self, resource: Resource, what: &str) -> Result<Decided, Fault> {
        Ok(match (self.shape, self.members) {
            (Some(Shape::Imslp), _) => Decided::Records(Source::Imslp),
            (Some(Shape::Row(of)), _) if of == resource => Decided::Records(Source::TableRows),
            (Some(Shape::Person), _) if resource == Resource::Composers => {
                Decided::Records(Source::OpenOpus)
            }
            (Some(Shape::OwnedWork), _) if resource == Resource::Works => {
                Decided::Records(Source::OpenOpus)
            }
            (Some(shape), _) => Decided::Within(shape.source()),
            (None, Some(members)) => return Err(unknown(what, &members)),
            (None, None) => Decided::Records(Source::Imslp),
        })
    }
}

/// Documents that follow one another: each is a record, or has records in it. They are all, or some of them.
fn several<'a, V: Value<'a> + 'a>(
    documents: Vec<V>,
    resource: Resource,
    before: Option<&Before>,
    watch: &Watch,
) -> Result<Search<'a, V>, Fault> {
    let known = before.and_then(|before| before.decided);
    let decided = match known {
        Some(decided) => decided,
        None => {
            let mut seen = Seen::nothing();
            for document in &documents {
                if seen.look(*document, watch)? {
                    break;
                }
            }
            seen.decide(resource, "")?
        }
    };
    let Decided::Records(source) = decided else {
        let mut expansion = Expansion::new(resource, known, watch);
        let first = before.map_or(0, |before| before.documents);
        let many = documents.len() > 1 || before.is_some();
        for (number, document) in (first..).zip(documents) {
            expansion.document(document, many.then_some(number))?;
        }
        return expansion.finish();
    };
    let documents =
        documents.into_iter().map(|value| Record { value, step: Step::Whole, holder: 0 });
    Ok((Found::new(source), Records::all(documents)))
}

/// The elements of an array: records, or documents with records in them. The first that has a shape decides.
fn listed<'a, V: Value<'a> + 'a>(
    values: Elements<'a, V>,
    resource: Resource,
    watch: &Watch,
) -> Result<Search<'a, V>, Fault> {
    listed_behind(values, resource, &Before::default(), watch)
}

fn listed_behind<'a, V: Value<'a> + 'a>(
    mut values: Elements<'a, V>,
    resource: Resource,
    before: &Before,
    watch: &Watch,
) -> Result<Search<'a, V>, Fault> {
    let mut first: Vec<V> = vec![];
    let decided = match before.decided {
        Some(decided) => decided,
        None => {
            let mut seen = Seen::nothing();
            while first.len() < MOST_SHAPELESS
                && let Some(value) = values.next()
            {
                let value = value?;
                push(&mut first, value)?;
                // An array in an array has no place in any catalogue.
                if value.kind() == Ok(Kind::Object) && seen.look(value, watch)? {
                    break;
                }
            }
            seen.decide(resource, "an array whose first object is ")?
        }
    };
    let Decided::Records(source) = decided else {
        let mut expansion = Expansion::new(resource, before.decided, watch);
        for (index, value) in (0..).zip(first.into_iter().map(Ok).chain(values)) {
            expansion.element(value?, index, before.elements)?;
        }
        return expansion.finish();
    };
    Ok((Found::new(source), Records::elements(first, values)))
}

#[cfg(test)]
mod tests;
