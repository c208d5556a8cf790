//! PURE. Where a document's records are.
//!
//! Without `records`: the elements of an array, or else the document itself; of several documents that follow one another,
//! those of each. That is `$[*]` in jsonpath's lax mode, and is found as such; but a single document that is neither
//! array nor object has no records. What stands where a record should is a record, whatever it is.
//!
//! With `records`: in each document, what is at the first of the paths that is there. A document in which none of them
//! is there is an error that says what was found instead. What lies beside the records is checked and left alone.
//!
//! Of several documents, one that is no JSON is one bad record: the others are not lost with it.

use super::path::{Path, Step, member};
use crate::document::find::{self, Before, Found, Record, Records, Search, found_members};
use crate::document::{Elements, Kind, Value, Watch, push};
use crate::error::{Fault, LoadError};

/// The path to records of which nobody says where they are.
static BY_THEMSELVES: [Path; 1] = [Path { steps: vec![], each: true }];

/// Whether the records of a document that is an array are its elements, so that [`find_in_array`] finds them.
pub fn are_elements(paths: &[Path]) -> bool {
    paths.first().is_none_or(|path| *path == BY_THEMSELVES[0])
}

/// Finds the records of a document that is an array with these elements, as they arrive.
pub fn find_in_array<'a, V: Value<'a> + 'a>(elements: Elements<'a, V>) -> Search<'a, V> {
    elements_at("$".into(), elements)
}

/// Finds the records of a document, or of several that follow one another.
pub fn find<'a, V: Value<'a> + 'a>(
    documents: Vec<V>,
    paths: &[Path],
    watch: &Watch,
) -> Result<Search<'a, V>, LoadError> {
    let found = match documents[..] {
        [document] => in_one(document, paths, watch),
        _ => in_several(documents, paths, 0, watch),
    };
    found.map_err(LoadError::document)
}

/// Finds the records of some of the documents that follow one another.
pub fn find_behind<'a, V: Value<'a> + 'a>(
    documents: Vec<V>,
    paths: &[Path],
    before: &Before,
    watch: &Watch,
) -> Result<Search<'a, V>, LoadError> {
    in_several(documents, paths, before.documents, watch).map_err(LoadError::document)
}

fn in_one<'a, V: Value<'a> + 'a>(
    document: V,
    paths: &[Path],
    watch: &Watch,
) -> Result<Search<'a, V>, Fault> {
    let kind = document.kind()?;
    if paths.is_empty() && !matches!(kind, Kind::Array | Kind::Object) {
        document.check()?;
        let found = format!("the document is {kind}, neither array nor object");
        return Err(Fault::NoRecords(found.into()));
    }
    if are_elements(paths) && kind == Kind::Array {
        return Ok(find_in_array(document.elements()?));
    }
    let (mut ends, each) = ends(document, paths, watch, "the document")?;
    // The elements of one array are taken as they are found.
    if let [end] = &mut ends[..]
        && each
        && end.value.kind()? == Kind::Array
    {
        let path = std::mem::take(&mut end.path);
        return Ok(elements_at(path, end.value.elements()?));
    }
    let mut list = List::new(watch);
    list.add(ends, each, 0)?;
    Ok(list.finish())
}

fn in_several<'a, V: Value<'a> + 'a>(
    documents: Vec<V>,
    paths: &[Path],
    first: u64,
    watch: &Watch,
) -> Result<Search<'a, V>, Fault> {
    let whole = paths.first() == Some(&Path::WHOLE);
    let is_record = |document: &V| document.kind() != Ok(Kind::Array);
    if whole || (are_elements(paths) && documents.iter().all(is_record)) {
        return Ok((Found::of_documents(first), Records::documents(documents)));
    }
    let mut list = List::new(watch);
    for (number, document) in (first..).zip(documents) {
        watch.check()?;
        let before = list.lengths();
        let added = ends(document, paths, watch, &format!("document {number}"))
            .and_then(|(ends, each)| list.add(ends, each, number));
        match added {
            Err(fault) if fault.is_malformed() => {
                list.cut(before);
                let end = End { value: document, path: "$".into() };
                list.add(vec![end], false, number)?;
            }
            added => added?,
        }
    }
    Ok(list.finish())
}

fn elements_at<'a, V: Value<'a> + 'a>(base: String, elements: Elements<'a, V>) -> Search<'a, V> {
    (Found::of_mapping(base), Records::elements(vec![], elements))
}

/// Records of one document after another.
struct List<'w, 'a, V> {
    watch: &'w Watch,
    found: Found<'a, V>,
    records: Vec<Record<V>>,
}

impl<'w, 'a, V: Value<'a> + 'a> List<'w, 'a, V> {
    fn new(watch: &'w Watch) -> Self {
        List { watch, found: Found::of_nothing(), records: vec![] }
    }

    fn add(&mut self, ends: Vec<End<V>>, each: bool, document: u64) -> Result<(), Fault> {
        for End { value, path } in ends {
            let holder = self.found.hold(path, document, self.watch)?;
            match value.kind() {
                Ok(Kind::Array) if each => {
                    for (index, element) in (0..).zip(value.elements()?) {
                        self.watch.check()?;
                        self.record(element?, find::Step::Element(index), holder)?;
                    }
                }
                // What is wrong with a record is told when it is decoded.
                _ => self.record(value, find::Step::Whole, holder)?,
            }
        }
        Ok(())
    }

    fn record(&mut self, value: V, step: find::Step, holder: u32) -> Result<(), Fault> {
        self.watch.take(size_of::<Record<V>>())?;
        push(&mut self.records, Record { value, step, holder })
    }

    fn lengths(&self) -> (usize, usize) {
        (self.found.holders.len(), self.records.len())
    }

    fn cut(&mut self, (holders, records): (usize, usize)) {
        self.found.holders.truncate(holders);
        self.records.truncate(records);
    }

    fn finish(self) -> Search<'a, V> {
        (self.found, Records::all(self.records))
    }
}

/// What is at a path.
struct End<V> {
    value: V,
    /// Its own path: without the arrays that lax mode opens by itself.
    path: String,
}

/// What is at the first of the paths that is there, and whether each element of it is a record.
fn ends<'a, V: Value<'a>>(
    document: V,
    paths: &[Path],
    watch: &Watch,
    name: &str,
) -> Result<(Vec<End<V>>, bool), Fault> {
    let mut dead_end: Option<DeadEnd> = None;
    for path in if paths.is_empty() { &BY_THEMSELVES } else { paths } {
        let mut walk = Walk { watch, ends: vec![], beside: vec![], dead_end: None };
        walk.value(document, &path.steps, "$".into(), 0)?;
        if !walk.ends.is_empty() {
            walk.beside.into_iter().try_for_each(|value| value.check())?;
            return Ok((walk.ends, path.each));
        }
        let further = |end: &DeadEnd| dead_end.as_ref().is_none_or(|other| end.steps > other.steps);
        if let Some(end) = walk.dead_end.filter(further) {
            dead_end = Some(end);
        }
    }
    // What is no JSON has no shape.
    document.check()?;
    let paths: Vec<String> = paths.iter().map(Path::to_string).collect();
    let paths = paths.join(" or ");
    let found = dead_end.map(|end| format!(": {} is {}", end.path, end.found)).unwrap_or_default();
    Err(Fault::NoRecords(format!("{name} has nothing at {paths}{found}").into()))
}

/// Follows one path through a document.
struct Walk<'w, V> {
    watch: &'w Watch,
    ends: Vec<End<V>>,
    /// What the path leaves aside.
    beside: Vec<V>,
    /// Where the path goes no further: at the first of the places that are the furthest.
    dead_end: Option<DeadEnd>,
}

struct DeadEnd {
    steps: usize,
    path: String,
    found: String,
}

impl<V> Walk<'_, V> {
    /// `done` steps lead to the value at `path`.
    fn value<'a>(
        &mut self,
        value: V,
        steps: &[Step],
        path: String,
        done: usize,
    ) -> Result<(), Fault>
    where
        V: Value<'a>,
    {
        self.watch.check()?;
        let Some((step, rest)) = steps.split_first() else {
            return push(&mut self.ends, End { value, path });
        };
        match (step, value.kind()?) {
            (Step::Member(name), Kind::Object) => self.member(value, name, rest, &path, done),
            (Step::Member(name), Kind::Array) => {
                for (index, element) in (0..).zip(value.elements()?) {
                    let element = element?;
                    match element.kind()? {
                        Kind::Object => {
                            let path = format!("{path}{}", Step::Element(index));
                            self.member(element, name, rest, &path, done)?;
                        }
                        _ => self.leave(element)?,
                    }
                }
                self.stop(done, &path, || "an array without objects".into());
                Ok(())
            }
            (Step::Element(number), Kind::Array) => {
                let mut count = 0;
                for (index, element) in (0..).zip(value.elements()?) {
                    let element = element?;
                    if index == *number {
                        self.value(element, rest, format!("{path}{step}"), done + 1)?;
                    } else {
                        self.leave(element)?;
                    }
                    count += 1;
                }
                if count <= *number {
                    self.stop(done, &path, || format!("an array of {count} elements"));
                }
                Ok(())
            }
            (Step::Element(0), _) => self.value(value, rest, path, done + 1),
            (_, kind) => {
                self.stop(done, &path, || kind.to_string());
                self.leave(value)
            }
        }
    }

    fn member<'a>(
        &mut self,
        object: V,
        name: &str,
        rest: &[Step],
        path: &str,
        done: usize,
    ) -> Result<(), Fault>
    where
        V: Value<'a>,
    {
        let members = object.members(self.watch)?;
        if members.iter().all(|(key, _)| key != name) {
            self.stop(done, path, || found_members(&members));
        }
        for (key, value) in members {
            match key == name {
                true => self.value(value, rest, format!("{path}{}", member(name)), done + 1)?,
                false => self.leave(value)?,
            }
        }
        Ok(())
    }

    fn leave(&mut self, value: V) -> Result<(), Fault> {
        push(&mut self.beside, value)
    }

    fn stop(&mut self, steps: usize, path: &str, found: impl Fn() -> String) {
        if self.dead_end.as_ref().is_none_or(|end| steps > end.steps) {
            self.dead_end = Some(DeadEnd { steps, path: path.to_owned(), found: found() });
        }
    }
}

#[cfg(test)]
mod tests;
