//! PURE, tests only: random mappings, records and documents. Nothing panics; text and jsonb have the same values; these
//! are the values that a plain reading of the paths gives; and what is no JSON is told, wherever it is.

mod any_text;

use serde_json::Value as Json;

use super::path::Step;
use super::program::Program;
use super::resolve::{ColumnInfo, Resolved, Source, Untaken, resolve};
use super::*;
use crate::document::build::jsonb;
use crate::document::find;
use crate::document::jsonb::Jsonb;
use crate::document::text::Text;
use crate::document::{Value, Watch};
use crate::error::Fault;
use crate::random::{Random, for_seeds};

const ROUNDS: u64 = 50_000;
const COLUMNS: [&str; 6] = ["a", "b", "aa", "é", "gen", "rest"];
const KEYS: [&str; 8] = ["a", "b", "aa", "é", "gen", "rest", "a b", ""];

impl Random {
    fn blank(&mut self) -> &'static str {
        if self.one_in(8) { self.pick(&[" ", "\n", "\t "]) } else { "" }
    }

    /// JSON of a few members with few names, so that paths lead somewhere.
    pub(crate) fn json(&mut self, depth: usize) -> String {
        const SCALARS: [&str; 10] = [
            "null",
            "true",
            "false",
            "0",
            "-17",
            "2.50",
            "\"\"",
            "\"x\"",
            "\"\\u00e9\\n\"",
            "\"[{\\\"\"",
        ];
        let kind = if depth == 0 { 0 } else { self.below(5) };
        let items = self.below(4);
        let text = match kind {
            0 => self.pick(&SCALARS).to_owned(),
            1 | 2 => {
                let items: Vec<String> = (0..items).map(|_| self.json(depth - 1)).collect();
                format!("[{}]", items.join(","))
            }
            _ => self.object(depth),
        };
        format!("{}{text}{}", self.blank(), self.blank())
    }

    fn object(&mut self, depth: usize) -> String {
        let count = self.below(5);
        let mut member = || {
            let key = self.pick(&KEYS);
            let key = if self.one_in(9) { key.replace('a', "\\u0061") } else { key.to_owned() };
            format!(
                "{}\"{key}\"{}:{}",
                self.blank(),
                self.blank(),
                self.json(depth.saturating_sub(1))
            )
        };
        let members: Vec<String> = (0..count).map(|_| member()).collect();
        format!("{{{}}}", members.join(","))
    }

    /// The text with a character more, less or changed.
    fn broken(&mut self, text: &str) -> String {
        let mut characters: Vec<char> = text.chars().collect();
        let at = self.below(characters.len() + 1);
        let new =
            self.pick(&['"', '\\', '{', '}', '[', ']', ',', ':', '1', 'e', ' ', 'x', '\u{1}', 'é']);
        match self.below(3) {
            0 => characters.insert(at, new),
            _ if at == characters.len() => characters.truncate(at / 2),
            1 => characters[at] = new,
            _ => drop(characters.remove(at)),
        }
        characters.into_iter().collect()
    }

    fn path(&mut self, last_each: bool) -> String {
        let steps = self.pick(&[0, 1, 1, 2, 2, 3, 4]);
        let step = |_| match self.below(5) {
            0 | 1 => format!("[{}]", self.below(3)),
            _ => format!(".\"{}\"", self.pick(&KEYS)),
        };
        let steps: String = (0..steps).map(step).collect();
        let each = if last_each && self.one_in(2) { "[*]" } else { "" };
        let text = format!("{}{}${steps}{each}", self.pick(&["", "lax "]), self.blank());
        if self.one_in(50) { self.broken(&text) } else { text }
    }

    /// One path or a list of them, as JSON.
    fn paths(&mut self, last_each: bool) -> Json {
        if self.one_in(2) {
            return (0..1 + self.below(3)).map(|_| self.path(last_each)).collect();
        }
        Json::from(self.path(last_each))
    }

    /// Mostly one that fits the columns.
    fn mapping(&mut self) -> String {
        let mut mapping = serde_json::Map::new();
        if self.one_in(3) {
            mapping.insert("records".into(), self.paths(true));
        }
        if !self.one_in(4) {
            let names =
                [&COLUMNS[..4], if self.one_in(20) { &["gen", "no"] } else { &[] }].concat();
            let columns =
                (0..self.below(4)).map(|_| (self.pick(&names).to_owned(), self.paths(false)));
            mapping.insert("columns".into(), columns.collect());
        }
        if self.one_in(2) {
            mapping.insert("others".into(), self.pick(&["ignore", "error", "rest", "a"]).into());
        }
        if self.one_in(5) {
            mapping.insert("key".into(), vec![self.pick(&COLUMNS)].into());
        }
        if self.one_in(30) {
            mapping.insert("fields_of".into(), self.pick(&["works", "composers", "a"]).into());
        }
        let text = Json::Object(mapping).to_string();
        if self.one_in(20) { self.broken(&text) } else { text }
    }
}

fn columns() -> Vec<ColumnInfo<'static>> {
    let column = |name: &&'static str| ColumnInfo {
        name,
        generated: *name == "gen",
        identity_always: false,
        is_jsonb: *name == "rest",
    };
    COLUMNS.iter().map(column).collect()
}

/// What a path leads to, as the documentation of jsonpath's lax mode says it.
fn follow<'j>(value: &'j Json, steps: &[Step]) -> Vec<&'j Json> {
    let Some((step, rest)) = steps.split_first() else { return vec![value] };
    let next: Vec<&Json> = match (step, value) {
        (Step::Member(name), Json::Object(members)) => members.get(name).into_iter().collect(),
        (Step::Member(name), Json::Array(elements)) => {
            elements.iter().filter_map(|element| element.as_object()?.get(name)).collect()
        }
        (Step::Element(index), Json::Array(elements)) => {
            elements.get(*index as usize).into_iter().collect()
        }
        (Step::Element(0), value) => vec![value],
        _ => vec![],
    };
    next.into_iter().flat_map(|value| follow(value, rest)).collect()
}

/// The values by the place of their columns, and the others' names; or the fault.
type Values = Result<(Vec<Option<Json>>, Vec<(String, Json)>), Fault>;

/// As the walk and decoders that read all that they are given find it.
fn walked<'a, V: Value<'a>>(resolved: &Resolved, record: V) -> Values {
    let program = Program::new(resolved);
    let mut taken = program.taken();
    program.walk(record, &mut taken, &Watch::default()).map_err(|misfit| misfit.fault)?;
    let read = |place| program.value(&taken, place).map(|value| value.read()).transpose();
    let values: Result<_, Fault> = (0..resolved.written.len()).map(read).collect();
    let others = taken.others().iter().map(|(name, value)| Ok((name.to_string(), value.read()?)));
    Ok((values?, others.collect::<Result<_, Fault>>()?))
}

fn expected(resolved: &Resolved, record: &Json) -> Values {
    let paths = resolved.written.iter().filter_map(|written| match &written.source {
        Source::Paths(paths) => Some(paths),
        _ => None,
    });
    let firsts: Vec<Option<&Step>> = paths.flatten().map(|path| path.steps.first()).collect();
    let member = |first: &Option<&Step>| matches!(first, Some(Step::Member(_)));
    let Json::Object(members) = record else {
        if firsts.iter().any(member) || firsts.is_empty() {
            return Err(Fault::NotAnObject(crate::document::Kind::Null));
        }
        return Ok((of_columns(resolved, record)?, vec![]));
    };
    let is_taken = |name: &str| {
        let step = Step::Member(name.to_owned());
        firsts.contains(&Some(&step)) || resolved.passed_over.iter().any(|passed| passed == name)
    };
    let mut others: Vec<(String, Json)> = members
        .iter()
        .filter(|(name, _)| resolved.untaken != Untaken::Ignore && !is_taken(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    others.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
    if resolved.untaken == Untaken::Error && !others.is_empty() {
        return Err(Fault::UnexpectedMember(crate::error::quoted(&others[0].0).into()));
    }
    Ok((of_columns(resolved, record)?, others))
}

fn of_columns(resolved: &Resolved, record: &Json) -> Result<Vec<Option<Json>>, Fault> {
    let value = |source: &Source| {
        let Source::Paths(paths) = source else { return Ok(None) };
        let found =
            paths.iter().map(|path| follow(record, &path.steps)).find(|found| !found.is_empty());
        match found.as_deref() {
            None => Ok(None),
            Some([one]) => Ok(Some((*one).clone())),
            Some(_) => Err(Fault::SeveralValues),
        }
    };
    resolved.written.iter().map(|written| value(&written.source)).collect()
}

/// Equal but for a kind of which the plain reading does not tell.
fn agree<T: PartialEq>(a: &Result<T, Fault>, b: &Result<T, Fault>) -> bool {
    let no_object = |found: &Result<T, Fault>| matches!(found, Err(Fault::NotAnObject(_)));
    a == b || no_object(a) && no_object(b)
}

#[test]
fn records() {
    for_seeds(ROUNDS, |random| {
        let mapping = random.mapping();
        let resolved = Mapping::parse(&mapping).and_then(|mapping| resolve(&mapping, &columns()));
        let resolved = match resolved {
            Err(fault) => return assert!(!fault.to_string().is_empty()),
            Ok(resolved) => resolved,
        };
        let record = if random.one_in(5) { random.json(3) } else { random.object(4) };
        let record = record.trim();
        let text = Text::documents(record, true, &Watch::default()).unwrap()[0];
        let json: Json = text.read().unwrap();
        let found = walked(&resolved, text);
        assert!(agree(&found, &expected(&resolved, &json)), "{mapping} {record} {found:?}");
        let mut bytes = jsonb(&json);
        let from_jsonb = walked(&resolved, Jsonb::document(&bytes).unwrap());
        assert_eq!(found, from_jsonb, "{mapping} {record}");
        // Whatever has become of the document.
        let at = random.below(bytes.len());
        bytes[at] = random.below(256) as u8;
        if let Ok(document) = Jsonb::document(&bytes) {
            let _ = walked(&resolved, document);
        }
        for _ in 0..4 {
            let broken = random.broken(record);
            let documents = Text::documents(&broken, true, &Watch::default());
            let Ok([text]) = documents.as_deref() else { continue };
            match (text.check(), walked(&resolved, *text)) {
                (Ok(()), Err(fault)) => {
                    assert!(!fault.is_malformed(), "{mapping} {broken} {fault}")
                }
                (Err(_), Ok(found)) => panic!("{mapping} {broken} {found:?}"),
                _ => (),
            }
        }
    });
}

#[test]
fn documents() {
    let found = |search: Result<find::Search<Text>, crate::error::LoadError>| {
        let (_, records) = search.map_err(|error| error.fault)?;
        records.map(|record| record?.value.read::<Json>()).collect::<Result<Vec<Json>, Fault>>()
    };
    for_seeds(ROUNDS, |random| {
        let texts = [random.path(true), random.path(true)];
        let count = random.below(3);
        let Ok(paths) =
            texts[..count].iter().map(|text| Path::parse(text)).collect::<Result<Vec<_>, _>>()
        else {
            return;
        };
        let document = random.json(4);
        let watch = Watch::default();
        let text = Text::documents(&document, true, &watch).unwrap();
        let [one] = text[..] else { panic!("{document}") };
        let json: Json = one.read().unwrap();
        let from_text = found(records::find(text, &paths, &watch));
        let bytes = jsonb(&json);
        let from_jsonb = records::find(vec![Jsonb::document(&bytes).unwrap()], &paths, &watch)
            .map_err(|error| error.fault)
            .and_then(|(_, records)| records.map(|record| record?.value.read::<Json>()).collect());
        assert_eq!(from_text, from_jsonb, "{texts:?} {document}");
        let by_themselves = [Path { steps: vec![], each: true }];
        let scalar = !matches!(json, Json::Array(_) | Json::Object(_));
        let first = if paths.is_empty() { &by_themselves[..] } else { &paths[..] }
            .iter()
            .map(|path| (path.each, follow(&json, &path.steps)))
            .find(|(_, found)| !found.is_empty())
            .filter(|_| !(paths.is_empty() && scalar));
        let each = |value: &Json| match value {
            Json::Array(elements) => elements.clone(),
            other => vec![other.clone()],
        };
        let expected = first.map(|(is_each, found)| match is_each {
            true => found.into_iter().flat_map(each).collect::<Vec<Json>>(),
            false => found.into_iter().cloned().collect(),
        });
        match (&from_text, &expected) {
            (Err(Fault::NoRecords(_)), None) => (),
            (found, Some(_)) => {
                assert_eq!(found.as_ref().ok(), expected.as_ref(), "{texts:?} {document}")
            }
            other => panic!("{texts:?} {document} {other:?}"),
        }
        // Broken ones are told, or are no part of what is found and found to be broken as a record.
        let broken = random.broken(&document);
        if let Ok(text) = Text::documents(&broken, true, &watch)
            && let [one] = text[..]
            && one.check().is_err()
        {
            let found = found(records::find(text, &paths, &watch));
            assert!(found.is_err(), "{texts:?} {broken} {found:?}");
        }
    });
}

#[test]
fn paths_are_read_as_they_are_shown() {
    for_seeds(ROUNDS, |random| {
        let text = random.path(true);
        if let Ok(path) = Path::parse(&text) {
            assert_eq!(Path::parse(&path.to_string()), Ok(path), "{text}");
        }
    });
}
