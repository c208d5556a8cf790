//! PURE. Records out of what holds them: pages, answers, composers with their works, in one document or in several.

mod answers;

use std::borrow::Cow;
use std::collections::HashSet;

use super::past::{Beside, Decided, open};
use super::shape::{Shape, get, refuse_error_answer, shape};
use super::{Before, Found, Record, Records, Resource, Search, Step, member};
use crate::document::{Kind, Value, Watch, push};
use crate::error::Fault;

pub struct Expansion<'w, 'a, V> {
    resource: Resource,
    watch: &'w Watch,
    found: Found<'a, V>,
    records: Vec<Record<V>>,
    /// Which of several documents is being read.
    document: u64,
    /// Records stand within values, and not only in arrays.
    opens: bool,
    beside: Beside,
    /// The composers within works that are records already.
    composers: HashSet<Vec<u8>>,
}

impl<'w, 'a, V: Value<'a> + 'a> Expansion<'w, 'a, V> {
    pub fn new(
        resource: Resource,
        decided: Decided,
        before: &Before<'a>,
        watch: &'w Watch,
    ) -> Self {
        let found = Found { source: decided.source(), past: before.past, ..Found::of_nothing() };
        let (beside, composers) =
            found.with_past(|past| (past.beside, std::mem::take(&mut past.composers)));
        Expansion {
            resource,
            watch,
            found,
            records: vec![],
            document: before.documents,
            opens: matches!(decided, Decided::Within(_)),
            beside,
            composers,
        }
    }

    pub fn finish(self) -> Result<Search<'a, V>, Fault> {
        let Expansion { resource, found, records, beside, composers, .. } = self;
        match found.past {
            // It is judged when all parts have come.
            Some(past) => {
                let mut past = open(past);
                (past.beside, past.composers) = (beside, composers);
                past.lacks = beside.judge(resource).err();
            }
            None => beside.judge(resource)?,
        }
        Ok((found, Records::all(records)))
    }

    /// One of the documents.
    pub fn document(&mut self, document: V, number: u64) -> Result<(), Fault> {
        self.document = number;
        let holder = self.holder("$".into())?;
        if document.kind() != Ok(Kind::Array) {
            return self.value(document, Step::Whole, holder, || "$".into());
        }
        let before = (self.found.holders.len(), self.records.len());
        match self.elements(document, holder) {
            // It is one bad record: the other documents are not lost with it.
            Err(fault) if fault.is_malformed() => {
                self.found.holders.truncate(before.0);
                self.records.truncate(before.1);
                self.record(document, Step::Whole, holder)
            }
            expanded => expanded,
        }
    }

    fn elements(&mut self, array: V, holder: u32) -> Result<(), Fault> {
        for (index, element) in (0..).zip(array.elements()?) {
            self.watch.check()?;
            self.value(element?, Step::Element(index), holder, || format!("$[{index}]"))?;
        }
        Ok(())
    }

    /// One element of the array that is the document; `gone` elements have come before the first of these.
    pub fn element(&mut self, value: V, index: u32, gone: u64) -> Result<(), Fault> {
        if self.found.holders.is_empty() {
            self.holder("$".into())?;
        }
        self.value(value, Step::Element(index), 0, || format!("$[{}]", gone + u64::from(index)))
    }

    fn holder(&mut self, base: String) -> Result<u32, Fault> {
        self.found.hold(base, self.document, self.watch)
    }

    fn record(&mut self, value: V, step: Step, holder: u32) -> Result<(), Fault> {
        self.watch.take(size_of::<Record<V>>())?;
        push(&mut self.records, Record { value, step, holder })
    }

    /// The step to a member of an object.
    fn key(&mut self, key: Cow<'a, str>) -> Result<Step, Fault> {
        self.watch.take(size_of_val(&key))?;
        push(&mut self.found.keys, key)?;
        Ok(Step::Member(self.found.keys.len() as u32 - 1))
    }

    /// A value that stands where a record, or a document with records, may stand.
    fn value(
        &mut self,
        value: V,
        step: Step,
        holder: u32,
        path: impl Fn() -> String,
    ) -> Result<(), Fault> {
        self.watch.check()?;
        // What is wrong with a record is told when it is decoded.
        if !self.opens || value.kind() != Ok(Kind::Object) {
            return self.record(value, step, holder);
        }
        let Ok(members) = value.members(self.watch) else {
            return self.record(value, step, holder);
        };
        refuse_error_answer(&members, self.watch)?;
        let found = shape(&members)?;
        let taken: &[&str] = match found {
            Shape::Page => return self.page(members, path()),
            Shape::Person => return self.person(value, members, step, holder, path),
            Shape::OwnedWork => {
                self.beside.any_works = true;
                return match self.resource {
                    Resource::Composers => self.composer_within(&members, &path()),
                    Resource::Works => self.record(value, step, holder),
                };
            }
            Shape::Row(of) if of != self.resource => {
                self.beside.composers_without_works |= of == Resource::Composers;
                self.beside.works_without_composer |= of == Resource::Works;
                return value.check();
            }
            Shape::Row(_) | Shape::Imslp | Shape::Other => {
                return self.record(value, step, holder);
            }
            Shape::Composers => &["composers"],
            Shape::Works => &["works"],
            Shape::Results => &["results"],
            Shape::Detail => &["work"],
        };
        let others = members.iter().filter(|(key, _)| !taken.contains(&&**key));
        others.map(|(_, value)| value).try_for_each(|value| value.check())?;
        match (found, get(&members, taken[0])) {
            (Shape::Composers, Some(composers)) => self.people(composers, &members, path()),
            (Shape::Works, Some(works)) => self.works(works, get(&members, "composer"), &path()),
            (Shape::Results, Some(results)) => self.results(results, &path()),
            (_, work) => self.detail(work, &members, &path()),
        }
    }

    /// All but the metadata are records.
    fn page(&mut self, members: Vec<(Cow<'a, str>, V)>, path: String) -> Result<(), Fault> {
        let holder = self.holder(path)?;
        for (key, value) in members {
            if key == "metadata" {
                value.check()?;
                continue;
            }
            let step = self.key(key)?;
            self.record(value, step, holder)?;
        }
        Ok(())
    }

    fn people(
        &mut self,
        composers: V,
        members: &[(Cow<'a, str>, V)],
        path: String,
    ) -> Result<(), Fault> {
        // Works with their composers beside a list of composers.
        if let (Resource::Works, Some(works)) = (self.resource, get(members, "works"))
            && matches!(works.kind()?, Kind::Array | Kind::Object)
        {
            composers.check()?;
            return self.works(works, get(members, "composer"), &path);
        }
        let path = path + ".composers";
        let holder = self.holder(path.clone())?;
        for (index, composer) in (0..).zip(composers.elements()?) {
            self.watch.check()?;
            let (composer, step) = (composer?, Step::Element(index));
            // Whatever stands here is a composer, or a bad one.
            let members = match composer.kind() {
                Ok(Kind::Object) => composer.members(self.watch),
                _ => Err(Fault::Missing),
            };
            match members {
                Ok(members) => {
                    self.person(composer, members, step, holder, || format!("{path}[{index}]"))?
                }
                Err(_) => {
                    self.beside.any_works = true;
                    self.record(composer, step, holder)?;
                }
            }
        }
        Ok(())
    }

    /// A composer of Open Opus, or the works of one.
    fn person(
        &mut self,
        value: V,
        members: Vec<(Cow<'a, str>, V)>,
        step: Step,
        holder: u32,
        path: impl Fn() -> String,
    ) -> Result<(), Fault> {
        if self.resource == Resource::Composers {
            return self.record(value, step, holder);
        }
        let mut works = None;
        for (key, member) in members {
            match &*key {
                "works" => works = Some(member),
                _ => member.check()?,
            }
        }
        let Some(works) = works else {
            self.beside.composers_without_works = true;
            return Ok(());
        };
        self.beside.any_works = true;
        let path = path();
        let holder = self.holder(format!("{path}.works"))?;
        if let Some(last) = self.found.holders.last_mut() {
            (last.composer, last.dump) = (Some((value, path)), true);
        }
        self.each(works, |expansion, work, step, _| expansion.record(work, step, holder))
    }

    /// The elements or members of what should hold works. What holds none stands for itself.
    fn each(
        &mut self,
        works: V,
        mut take: impl FnMut(&mut Self, V, Step, String) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        match works.kind()? {
            Kind::Array => {
                for (index, work) in (0..).zip(works.elements()?) {
                    self.watch.check()?;
                    take(self, work?, Step::Element(index), format!("[{index}]"))?;
                }
            }
            Kind::Object => {
                for (key, work) in works.members(self.watch)? {
                    let path = member(&key);
                    let step = self.key(key)?;
                    take(self, work, step, path)?;
                }
            }
            _ => take(self, works, Step::Whole, String::new())?,
        }
        Ok(())
    }
}
