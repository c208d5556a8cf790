//! PURE. Which source a document is of, which shape it has, and where its records are.
//!
//! The shapes are those of README.md. Whatever surrounds the records (status, metadata) is checked and left alone.
//! Records are numbered from 0 in the order of the document; in an object keyed by number or id, in jsonb's order of
//! keys, which is the same for text and jsonb.

mod records;

use std::borrow::Cow;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

pub use self::records::{Record, Records};
use self::records::{Step, elements};
use super::{Elements, Kind, Value, Watch};
use crate::error::{Fault, LoadError, Place};
use crate::record::scalar::Scalar;

/// Who published the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Imslp,
    OpenOpus,
}

impl Source {
    pub fn name(self) -> &'static str {
        match self {
            Source::Imslp => "IMSLP",
            Source::OpenOpus => "Open Opus",
        }
    }
}

/// What the caller wants to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resource {
    Composers,
    Works,
}

/// What a document holds, but for its records.
pub struct Found<'a, V> {
    pub source: Source,
    /// True where works have no id of their own (the Open Opus dump).
    pub dump: bool,
    /// The composers that the works of an Open Opus document belong to.
    pub composers: Vec<V>,
    /// Keys of records that stand in an object.
    keys: Vec<Cow<'a, str>>,
    /// Path of what holds the records, or, in a dump, of what holds the composers.
    base: &'static str,
}

/// The elements of an array, all of them.
fn all<'a, V: Value<'a>>(elements: Elements<'a, V>, watch: &Watch) -> Result<Vec<V>, Fault> {
    let watched = elements.map(|element| watch.check().and(element));
    watched.collect()
}

impl<'a, V: Value<'a>> Found<'a, V> {
    fn new(source: Source, base: &'static str) -> Self {
        Found { source, dump: false, composers: vec![], keys: vec![], base }
    }

    /// The records that the members of an object are.
    fn members(
        &mut self,
        members: impl IntoIterator<Item = (Cow<'a, str>, V)>,
        composer: Option<u32>,
    ) -> impl Iterator<Item = Record<V>> {
        members.into_iter().map(move |(key, value)| {
            let step = Step::Member(self.keys.len() as u32);
            self.keys.push(key);
            Record { value, step, composer }
        })
    }

    /// The SQL/JSON path of a place in a record.
    pub fn path(&self, record: &Record<V>, place: Place) -> String {
        let field = match place {
            Place::Field(field) => field,
            Place::Composer(field) => return self.composer_path(record, field),
        };
        let mut path = self.base.to_string();
        if let (true, Some(composer)) = (self.dump, record.composer) {
            let _ = write!(path, "[{composer}]");
            if !matches!(record.step, Step::Composer) {
                path.push_str(".works");
            }
        }
        match record.step {
            Step::Whole | Step::Composer => {}
            Step::Element(index) => {
                let _ = write!(path, "[{index}]");
            }
            Step::Member(index) => {
                let key = self.keys[index as usize].escape_default();
                let _ = write!(path, ".\"{key}\"");
            }
        }
        if !field.is_empty() {
            let _ = write!(path, ".{field}");
        }
        path
    }

    /// The path of a field of the composer that a record belongs to.
    fn composer_path(&self, record: &Record<V>, field: &str) -> String {
        match (self.dump, record.composer) {
            (true, Some(composer)) => format!("{}[{composer}].{field}", self.base),
            _ => format!("$.composer.{field}"),
        }
    }
}

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
    listed(elements, resource, "$", watch).map_err(LoadError::document)
}

type Search<'a, V> = (Found<'a, V>, Records<'a, V>);

fn find_in<'a, V: Value<'a> + 'a>(
    documents: Vec<V>,
    resource: Resource,
    watch: &Watch,
) -> Result<Search<'a, V>, Fault> {
    let [document] = documents[..] else { return whole(documents, resource, watch) };
    match document.kind()? {
        Kind::Array => listed(document.elements()?, resource, "$", watch),
        Kind::Object => object(document, resource, watch),
        kind => {
            document.check()?;
            Err(Fault::UnknownShape(
                format!("the document is {kind}, neither array nor object").into(),
            ))
        }
    }
}

/// Documents each of which is a record, or a composer with works.
fn whole<'a, V: Value<'a> + 'a>(
    documents: Vec<V>,
    resource: Resource,
    watch: &Watch,
) -> Result<Search<'a, V>, Fault> {
    let documents = Box::new(documents.into_iter().map(Ok));
    let (found, records) = listed(documents, resource, "$", watch)?;
    Ok((found, records.whole()))
}

/// Records side by side: of IMSLP, or Open Opus composers with or without their works. The first object decides.
fn listed<'a, V: Value<'a> + 'a>(
    mut values: Elements<'a, V>,
    resource: Resource,
    base: &'static str,
    watch: &Watch,
) -> Result<Search<'a, V>, Fault> {
    let mut first: Vec<V> = vec![];
    let is_object = |value: &V| value.kind() == Ok(Kind::Object);
    while !first.last().is_some_and(is_object)
        && let Some(value) = values.next()
    {
        first.push(value?);
    }
    if source_of(&first, watch) == Source::OpenOpus {
        first.extend(all(values, watch)?);
        return open_opus_composers(first, resource, base, watch);
    }
    Ok((Found::new(Source::Imslp, base), Records::elements(first, values)))
}

/// Open Opus calls a composer's name `complete_name`, and IMSLP has no such key.
fn source_of<'a, V: Value<'a>>(values: &[V], watch: &Watch) -> Source {
    let first = values.iter().find(|value| value.kind() == Ok(Kind::Object));
    match first.map(|value| value.members(watch)) {
        Some(Ok(members)) if members.iter().any(|(key, _)| key == "complete_name") => {
            Source::OpenOpus
        }
        _ => Source::Imslp,
    }
}

fn open_opus_composers<'a, V: Value<'a> + 'a>(
    composers: Vec<V>,
    resource: Resource,
    base: &'static str,
    watch: &Watch,
) -> Result<Search<'a, V>, Fault> {
    let mut found = Found::new(Source::OpenOpus, base);
    if resource == Resource::Composers {
        return Ok((found, Records::all(elements(composers, None).collect())));
    }
    let mut records = vec![];
    found.dump = true;
    let mut any_works = composers.is_empty();
    for (index, composer) in composers.iter().enumerate() {
        let composer_index = Some(index as u32);
        if composer.kind()? != Kind::Object {
            // Reported in its place, as a record that is no object.
            any_works = true;
            let step = Step::Composer;
            records.push(Record { value: *composer, step, composer: composer_index });
            continue;
        }
        for (key, value) in composer.members(watch)? {
            match (&*key, value.kind()?) {
                ("works", Kind::Array) => {
                    records.extend(elements(all(value.elements()?, watch)?, composer_index))
                }
                ("works", Kind::Object) => {
                    records.extend(found.members(value.members(watch)?, composer_index))
                }
                ("works", _) => {
                    let step = Step::Whole;
                    records.push(Record { value, step, composer: composer_index });
                }
                _ => value.check()?,
            }
            any_works |= key == "works";
        }
    }
    if !any_works {
        return Err(Fault::UnknownShape("the document has composers and no works".into()));
    }
    found.composers = composers;
    Ok((found, Records::all(records)))
}

fn object<'a, V: Value<'a> + 'a>(
    document: V,
    resource: Resource,
    watch: &Watch,
) -> Result<Search<'a, V>, Fault> {
    let members = document.members(watch)?;
    let member = |name: &str| members.iter().find(|(key, _)| key == name).map(|(_, value)| *value);
    let check_others = |taken: &[&str]| {
        let others = members.iter().filter(|(key, _)| !taken.contains(&&**key));
        others.map(|(_, value)| value).try_for_each(|value| value.check())
    };
    if let Some(status) = member("status") {
        refuse_error_answer(status, watch)?;
    }
    match (member("composers"), member("works")) {
        (Some(composers), _) if composers.kind()? == Kind::Array => {
            check_others(&["composers"])?;
            let composers = all(composers.elements()?, watch)?;
            open_opus_composers(composers, resource, "$.composers", watch)
        }
        (_, Some(works))
            if matches!(works.kind()?, Kind::Array | Kind::Object)
                && member("complete_name").is_none() =>
        {
            if resource == Resource::Composers {
                return Err(Fault::UnknownShape("the document has works and no composers".into()));
            }
            let Some(composer) = member("composer") else {
                return Err(Fault::UnknownShape("the document has works and no composer".into()));
            };
            check_others(&["works"])?;
            let mut found = Found::new(Source::OpenOpus, "$.works");
            found.composers = vec![composer];
            let records = match works.kind()? {
                Kind::Array => elements(all(works.elements()?, watch)?, Some(0)).collect(),
                _ => found.members(works.members(watch)?, Some(0)).collect(),
            };
            Ok((found, Records::all(records)))
        }
        _ if member("complete_name").is_some()
            || member("intvals").is_some()
            || member("id").is_some() =>
        {
            whole(vec![document], resource, watch)
        }
        _ if member("0").is_some() || member("metadata").is_some() => {
            check_others(&[])?;
            let numbered = |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_digit());
            let mut found = Found::new(Source::Imslp, "$");
            let members = members.into_iter().filter(|(key, _)| numbered(key));
            let records = found.members(members, None).collect();
            Ok((found, Records::all(records)))
        }
        _ => Err(Fault::UnknownShape("the document has the shape of no known source".into())),
    }
}

/// Open Opus says `{"status":{"success":"false","error":"…"}}` when it has nothing.
fn refuse_error_answer<'a, V: Value<'a>>(status: V, watch: &Watch) -> Result<(), Fault> {
    if status.kind()? != Kind::Object {
        return Ok(());
    }
    let members = status.members(watch)?;
    let text = |name: &str| {
        let value = members.iter().find(|(key, _)| key == name).map(|(_, value)| *value)?;
        value.read::<Scalar>().ok().map(|scalar| scalar.display())
    };
    match text("success").as_deref() {
        Some("false" | "0") => Err(Fault::SourceError(
            text("error").unwrap_or_else(|| "no reason given".into()).into(),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
