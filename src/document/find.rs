//! PURE. Which source a document is of, which shape it has, and where its records are.
//!
//! The shapes are those of README.md. Whatever surrounds the records (status, metadata) is checked and left alone.
//! Records are numbered from 0 in the order of the document; in an object keyed by number or id, in jsonb's order of
//! keys, which is the same for text and jsonb.

use std::borrow::Cow;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::{Kind, Value, Watch};
use crate::error::{Fault, LoadError};
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

/// A document's records.
pub struct Found<'a, V> {
    pub source: Source,
    /// True where works have no id of their own (the Open Opus dump).
    pub dump: bool,
    pub records: Vec<Record<V>>,
    /// The composers that the works of an Open Opus document belong to.
    pub composers: Vec<V>,
    /// Keys of records that stand in an object.
    keys: Vec<Cow<'a, str>>,
    /// Path of what holds the records, or, in a dump, of what holds the composers.
    base: &'static str,
}

/// One record: its value, its step from what holds it, and its composer in [`Found::composers`].
#[derive(Clone, Copy)]
pub struct Record<V> {
    pub value: V,
    step: Step,
    pub composer: Option<u32>,
}

#[derive(Clone, Copy)]
enum Step {
    /// The value is the document, or a line of it.
    Whole,
    Element(u32),
    /// A member, by its place in [`Found::keys`].
    Member(u32),
    /// The value stands where a composer with works should.
    Composer,
}

impl<'a, V: Value<'a>> Found<'a, V> {
    fn new(source: Source, base: &'static str) -> Self {
        Found { source, dump: false, records: vec![], composers: vec![], keys: vec![], base }
    }

    fn add(&mut self, value: V, step: Step, composer: Option<u32>) {
        self.records.push(Record { value, step, composer });
    }

    fn add_elements(&mut self, values: Vec<V>, composer: Option<u32>) {
        let elements = (0..).zip(values);
        self.records.extend(elements.map(|(index, value)| {
            let step = Step::Element(index);
            Record { value, step, composer }
        }));
    }

    fn add_members(&mut self, members: Vec<(Cow<'a, str>, V)>, composer: Option<u32>) {
        for (key, value) in members {
            let step = Step::Member(self.keys.len() as u32);
            self.keys.push(key);
            self.add(value, step, composer);
        }
    }

    /// The SQL/JSON path of a record, and of `field` in it.
    pub fn path(&self, record: &Record<V>, field: &str) -> String {
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
    pub fn composer_path(&self, record: &Record<V>, field: &str) -> String {
        match (self.dump, record.composer) {
            (true, Some(composer)) => format!("{}[{composer}].{field}", self.base),
            _ => format!("$.composer.{field}"),
        }
    }
}

/// Finds the records of a document, or of several that follow one another.
pub fn find<'a, V: Value<'a>>(
    documents: Vec<V>,
    resource: Resource,
    watch: &Watch,
) -> Result<Found<'a, V>, LoadError> {
    find_in(documents, resource, watch).map_err(LoadError::document)
}

fn find_in<'a, V: Value<'a>>(
    documents: Vec<V>,
    resource: Resource,
    watch: &Watch,
) -> Result<Found<'a, V>, Fault> {
    let [document] = documents[..] else {
        let mut found = listed(documents, resource, "$", watch)?;
        found.records.iter_mut().for_each(|record| record.step = Step::Whole);
        return Ok(found);
    };
    match document.kind()? {
        Kind::Array => listed(document.elements(watch)?, resource, "$", watch),
        Kind::Object => object(document, resource, watch),
        kind => {
            document.check()?;
            Err(Fault::UnknownShape(format!("the document is {kind}, neither array nor object")))
        }
    }
}

/// Records side by side: of IMSLP, or Open Opus composers with or without their works.
fn listed<'a, V: Value<'a>>(
    values: Vec<V>,
    resource: Resource,
    base: &'static str,
    watch: &Watch,
) -> Result<Found<'a, V>, Fault> {
    if source_of(&values, watch) == Source::OpenOpus {
        return open_opus_composers(values, resource, base, watch);
    }
    let mut found = Found::new(Source::Imslp, base);
    found.add_elements(values, None);
    Ok(found)
}

/// Open Opus calls a composer's name `complete_name`, and IMSLP has no such key: the first object decides.
fn source_of<'a, V: Value<'a>>(values: &[V], watch: &Watch) -> Source {
    let first = values.iter().find(|value| value.kind() == Ok(Kind::Object));
    match first.map(|value| value.members(watch)) {
        Some(Ok(members)) if members.iter().any(|(key, _)| key == "complete_name") => {
            Source::OpenOpus
        }
        _ => Source::Imslp,
    }
}

fn open_opus_composers<'a, V: Value<'a>>(
    composers: Vec<V>,
    resource: Resource,
    base: &'static str,
    watch: &Watch,
) -> Result<Found<'a, V>, Fault> {
    let mut found = Found::new(Source::OpenOpus, base);
    if resource == Resource::Composers {
        found.add_elements(composers, None);
        return Ok(found);
    }
    found.dump = true;
    let mut any_works = composers.is_empty();
    for (index, composer) in composers.iter().enumerate() {
        let composer_index = Some(index as u32);
        if composer.kind()? != Kind::Object {
            // Reported in its place, as a record that is no object.
            any_works = true;
            found.add(*composer, Step::Composer, composer_index);
            continue;
        }
        for (key, value) in composer.members(watch)? {
            match (&*key, value.kind()?) {
                ("works", Kind::Array) => {
                    found.add_elements(value.elements(watch)?, composer_index)
                }
                ("works", Kind::Object) => found.add_members(value.members(watch)?, composer_index),
                ("works", _) => found.add(value, Step::Whole, composer_index),
                _ => value.check()?,
            }
            any_works |= key == "works";
        }
    }
    if !any_works {
        return Err(Fault::UnknownShape("the document has composers and no works".into()));
    }
    found.composers = composers;
    Ok(found)
}

fn object<'a, V: Value<'a>>(
    document: V,
    resource: Resource,
    watch: &Watch,
) -> Result<Found<'a, V>, Fault> {
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
            open_opus_composers(composers.elements(watch)?, resource, "$.composers", watch)
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
            match works.kind()? {
                Kind::Array => found.add_elements(works.elements(watch)?, Some(0)),
                _ => found.add_members(works.members(watch)?, Some(0)),
            }
            Ok(found)
        }
        _ if member("complete_name").is_some()
            || member("intvals").is_some()
            || member("id").is_some() =>
        {
            let mut found = listed(vec![document], resource, "$", watch)?;
            for record in &mut found.records {
                if record.composer.is_none() {
                    record.step = Step::Whole;
                }
            }
            Ok(found)
        }
        _ if member("0").is_some() || member("metadata").is_some() => {
            check_others(&[])?;
            let numbered = |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_digit());
            let mut found = Found::new(Source::Imslp, "$");
            let records = members.into_iter().filter(|(key, _)| numbered(key)).collect();
            found.add_members(records, None);
            Ok(found)
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
        Some("false" | "0") => {
            Err(Fault::SourceError(text("error").unwrap_or_else(|| "no reason given".into())))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
