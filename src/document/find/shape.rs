//! PURE. What an object is, told by its members: a record, or something that has records in it.

use std::borrow::Cow;

use super::{Resource, Source};
use crate::document::{Kind, Value, Watch};
use crate::error::{Fault, excerpt};
use crate::record::scalar::Scalar;

/// What IMSLP puts before the name of a person's page.
const CATEGORY: &str = "Category:";

/// The most members that an error names.
const MOST_NAMED: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A row of our own table of these: `{"composer_id":"A,_B","last_name":"A",…}`.
    Row(Resource),
    /// A person or work of IMSLP: `{"id":"Category:A, B","type":"1",…}`.
    Imslp,
    /// A composer of Open Opus, with works or without: `{"name":"A","complete_name":"B A",…}`.
    Person,
    /// A work of Open Opus with its composer in it: `{"composer":{…},"id":"7","title":"T",…}`.
    OwnedWork,
    /// A page of IMSLP: `{"0":{…},"1":{…},"metadata":{…}}`.
    Page,
    /// `{"composers":[…]}`.
    Composers,
    /// `{"composer":{…},"works":[…]}`, or works with their composers in them.
    Works,
    /// `{"composer":{…},"work":{…}}`.
    Detail,
    /// `{"results":[{"composer":{…},"work":{…}},…]}`.
    Results,
    /// Nothing that is known.
    Other,
}

impl Shape {
    pub fn source(self) -> Source {
        match self {
            Shape::Imslp | Shape::Page | Shape::Other => Source::Imslp,
            Shape::Row(_) => Source::TableRows,
            _ => Source::OpenOpus,
        }
    }
}

pub fn get<'a, V: Value<'a>>(members: &[(Cow<'a, str>, V)], name: &str) -> Option<V> {
    members.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
}

pub fn shape<'a, V: Value<'a>>(members: &[(Cow<'a, str>, V)]) -> Result<Shape, Fault> {
    let get = |name| get(members, name);
    let is = |name, kinds: &[Kind]| match get(name) {
        Some(value) => value.kind().map(|kind| kinds.contains(&kind)),
        None => Ok(false),
    };
    let object = &[Kind::Object];
    let has = |one, other| get(one).is_some() && get(other).is_some();
    // What no source has, whatever columns the owner has added.
    Ok(if has("work_id", "composer_id") {
        Shape::Row(Resource::Works)
    } else if has("composer_id", "last_name") {
        Shape::Row(Resource::Composers)
    } else if get("complete_name").is_some() {
        Shape::Person
    } else if get("intvals").is_some() || is_typed(get("type")) || is_person(get("id")) {
        Shape::Imslp
    } else if is("composers", &[Kind::Array])? {
        Shape::Composers
    } else if is("works", &[Kind::Array, Kind::Object])? {
        Shape::Works
    } else if is("results", &[Kind::Array])? {
        Shape::Results
    } else if is("composer", object)? && is("work", object)? {
        Shape::Detail
    } else if is("composer", object)? && get("title").is_some() {
        Shape::OwnedWork
    } else if is_page(members)? {
        Shape::Page
    } else {
        Shape::Other
    })
}

fn is_typed<'a, V: Value<'a>>(value: Option<V>) -> bool {
    match value.map(|value| value.read::<Scalar>()) {
        Some(Ok(Scalar::Number(kind))) => matches!(&*kind, "1" | "2"),
        Some(Ok(Scalar::String(kind))) => matches!(kind.trim(), "1" | "2"),
        _ => false,
    }
}

fn is_person<'a, V: Value<'a>>(id: Option<V>) -> bool {
    match id.map(|id| id.read::<Scalar>()) {
        Some(Ok(Scalar::String(id))) => id.trim_start().starts_with(CATEGORY),
        _ => false,
    }
}

/// With a key that is a number, or with metadata and nothing but objects beside it.
fn is_page<'a, V: Value<'a>>(members: &[(Cow<'a, str>, V)]) -> Result<bool, Fault> {
    let is_number = |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_digit());
    if members.iter().any(|(key, _)| is_number(key)) {
        return Ok(true);
    }
    for (key, value) in members {
        if key != "metadata" && value.kind()? != Kind::Object {
            return Ok(false);
        }
    }
    Ok(members.iter().any(|(key, _)| key == "metadata"))
}

/// For an error: an object with these members.
pub fn found_members<V>(members: &[(Cow<'_, str>, V)]) -> String {
    let names: Vec<_> = members.iter().take(MOST_NAMED).map(|(key, _)| excerpt(key)).collect();
    let more = if members.len() > MOST_NAMED { ", ..." } else { "" };
    match names.len() {
        0 => "an object without members".into(),
        1 => format!("an object with the member {}", names[0]),
        _ => format!("an object with the members {}{more}", names.join(", ")),
    }
}

/// Open Opus says `{"status":{"success":"false","error":"…"}}` when it has nothing.
pub fn refuse_error_answer<'a, V: Value<'a>>(
    members: &[(Cow<'a, str>, V)],
    watch: &Watch,
) -> Result<(), Fault> {
    let Some(status) = get(members, "status") else { return Ok(()) };
    if status.kind()? != Kind::Object {
        return Ok(());
    }
    let status = status.members(watch)?;
    let text = |name| get(&status, name)?.read::<Scalar>().ok().map(|scalar| scalar.display());
    match text("success").as_deref() {
        Some("false" | "0") => {
            let reason = text("error").unwrap_or_else(|| "no reason given".into());
            Err(Fault::SourceError(reason.into()))
        }
        _ => Ok(()),
    }
}
