//! PURE. The mapping's own JSON.

use serde_json::{Map, Value};

use super::fault::{MappingFault, Problem, found};
use super::path::{Path, member};
use super::{Columns, Mapping, Others, fields_of, json};
use crate::document::find::Resource;

const MEMBERS: &str =
    "one of the members \"records\", \"columns\", \"key\", \"others\" and \"fields_of\"";
const PATHS: &str = "a path or a list of paths";

impl Mapping {
    /// From its JSON.
    pub fn parse(text: &str) -> Result<Mapping, MappingFault> {
        let json = json::parse(text)?;
        let Value::Object(members) = &json else {
            return Err(MappingFault::unexpected("$", "an object", found(&json)));
        };
        const KNOWN: [&str; 5] = ["records", "columns", "key", "others", "fields_of"];
        if let Some(name) = members.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            let path = format!("${}", member(name));
            return Err(MappingFault::unexpected(path, MEMBERS, "another one"));
        }
        let fields_of = members.get("fields_of").map(resource).transpose()?;
        if fields_of.is_some()
            && let Some(name) =
                ["records", "others"].into_iter().find(|name| members.contains_key(*name))
        {
            let path = format!("${}", member(name));
            return Err(MappingFault::new(path, Problem::NotTogether("fields_of")));
        }
        let records = members.get("records").map(records).transpose()?.unwrap_or_default();
        let key = members.get("key").map(key).transpose()?;
        let others = members.get("others").map(others).transpose()?.unwrap_or_default();
        let columns = match (members.get("columns"), fields_of) {
            (None, _) => Columns::ByName,
            (Some(Value::Object(columns)), Some(resource)) => by_field(columns, resource)?,
            (Some(Value::Object(columns)), None) => by_path(columns, &others)?,
            (Some(other), _) => {
                return Err(MappingFault::unexpected("$.columns", "an object", found(other)));
            }
        };
        Ok(Mapping { records, columns, key, others, fields_of })
    }
}

fn resource(value: &Value) -> Result<Resource, MappingFault> {
    match value.as_str() {
        Some("composers") => Ok(Resource::Composers),
        Some("works") => Ok(Resource::Works),
        _ => {
            let expected = "\"composers\" or \"works\"";
            Err(MappingFault::unexpected("$.fields_of", expected, found(value)))
        }
    }
}

fn records(value: &Value) -> Result<Vec<Path>, MappingFault> {
    let mut seen = Seen::default();
    paths(value, "$.records", &mut seen)
}

fn key(value: &Value) -> Result<Vec<String>, MappingFault> {
    const EXPECTED: &str = "a list of one or more names of columns";
    let names = value.as_array().filter(|names| !names.is_empty());
    let names = names.ok_or_else(|| MappingFault::unexpected("$.key", EXPECTED, empty(value)))?;
    let mut seen = Seen::default();
    let name = |(index, value): (usize, &Value)| {
        let path = format!("$.key[{index}]");
        let name = name(value, &path, "the name of a column")?;
        seen.add(format!("column \"{name}\""), &path)?;
        Ok(name.to_owned())
    };
    names.iter().enumerate().map(name).collect()
}

fn others(value: &Value) -> Result<Others, MappingFault> {
    const EXPECTED: &str = "\"ignore\", \"error\" or the name of a column";
    Ok(match name(value, "$.others", EXPECTED)? {
        "ignore" => Others::Ignore,
        "error" => Others::Error,
        column => Others::Column(column.to_owned()),
    })
}

fn by_path(columns: &Map<String, Value>, others: &Others) -> Result<Columns, MappingFault> {
    let takes_others = matches!(others, Others::Column(_));
    if columns.is_empty() && !takes_others {
        let expected = "one or more columns";
        return Err(MappingFault::unexpected("$.columns", expected, "an empty object"));
    }
    let mut seen = Seen::default();
    let column = |(column, value): (&String, &Value)| {
        let path = place_of(column)?;
        if *others == Others::Column(column.clone()) {
            let what = format!("column \"{column}\"");
            let first = "$.others".into();
            return Err(MappingFault::new(path, Problem::Twice { what, first }));
        }
        let paths = paths(value, &path, &mut seen)?;
        match paths.iter().position(|path| path.each) {
            None => Ok((column.clone(), paths)),
            Some(index) => {
                let path = if value.is_array() { format!("{path}[{index}]") } else { path };
                let expected = "a path to a single value";
                let found = format!("{}, which leads to many", paths[index]);
                Err(MappingFault::unexpected(path, expected, found))
            }
        }
    };
    Ok(Columns::Paths(columns.iter().map(column).collect::<Result<_, _>>()?))
}

fn by_field(columns: &Map<String, Value>, resource: Resource) -> Result<Columns, MappingFault> {
    if columns.is_empty() {
        let expected = "one or more columns";
        return Err(MappingFault::unexpected("$.columns", expected, "an empty object"));
    }
    let mut fields = fields_of(resource);
    let mut seen = Seen::default();
    let column = |(column, value): (&String, &Value)| {
        let path = place_of(column)?;
        let Some(field) =
            value.as_str().and_then(|name| fields.clone().find(|field| *field == name))
        else {
            let names: Vec<&str> = fields.by_ref().collect();
            let expected = format!("one of the fields {}", names.join(", "));
            return Err(MappingFault::unexpected(path, expected, found(value)));
        };
        seen.add(format!("field \"{field}\""), &path)?;
        Ok((column.clone(), field))
    };
    Ok(Columns::Fields(columns.iter().map(column).collect::<Result<_, _>>()?))
}

/// The place in the mapping of what it says of a column.
fn place_of(column: &str) -> Result<String, MappingFault> {
    let path = format!("$.columns{}", member(column));
    match column {
        "" => Err(MappingFault::unexpected(path, "the name of a column", "an empty name")),
        _ => Ok(path),
    }
}

fn paths(value: &Value, place: &str, seen: &mut Seen) -> Result<Vec<Path>, MappingFault> {
    let mut path = |value: &Value, place: &str| {
        let text =
            value.as_str().ok_or_else(|| MappingFault::unexpected(place, PATHS, found(value)))?;
        let path = Path::parse(text).map_err(|fault| {
            MappingFault::new(place, Problem::NoPath { text: text.to_owned(), fault })
        })?;
        seen.add(format!("path {path}"), place)?;
        Ok(path)
    };
    match value {
        Value::Array(list) if !list.is_empty() => {
            let numbered = list.iter().enumerate();
            numbered.map(|(index, value)| path(value, &format!("{place}[{index}]"))).collect()
        }
        Value::Array(_) => Err(MappingFault::unexpected(place, PATHS, empty(value))),
        value => Ok(vec![path(value, place)?]),
    }
}

fn name<'v>(value: &'v Value, path: &str, expected: &str) -> Result<&'v str, MappingFault> {
    let name = value.as_str().filter(|name| !name.is_empty());
    name.ok_or_else(|| MappingFault::unexpected(path, expected, empty(value)))
}

/// As [`found`], for places at which something empty is wrong too.
fn empty(value: &Value) -> String {
    match value {
        Value::Array(list) if list.is_empty() => "an empty array".into(),
        Value::String(text) if text.is_empty() => "an empty string".into(),
        other => found(other),
    }
}

/// What may stand in the mapping once, and where it has been seen.
#[derive(Default)]
struct Seen(Vec<(String, String)>);

impl Seen {
    fn add(&mut self, what: String, path: &str) -> Result<(), MappingFault> {
        if let Some((_, first)) = self.0.iter().find(|(seen, _)| *seen == what) {
            let first = first.clone();
            return Err(MappingFault::new(path, Problem::Twice { what, first }));
        }
        self.0.push((what, path.to_owned()));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
