//! PURE. Records out of answers: works with their composers in them, and hits of a search.

use std::borrow::Cow;

use super::Expansion;
use crate::document::find::shape::get;
use crate::document::find::{Resource, Step};
use crate::document::{Image, Kind, Value, with_room};
use crate::error::Fault;

impl<'a, V: Value<'a> + 'a> Expansion<'_, 'a, V> {
    /// Works, with one composer in front or with their composers in them.
    pub(super) fn works(&mut self, works: V, composer: Option<V>, path: &str) -> Result<(), Fault> {
        self.beside.any_works = true;
        if let (Resource::Composers, Some(composer)) = (self.resource, composer) {
            let holder = self.holder(format!("{path}.composer"))?;
            works.check()?;
            return self.record(composer, Step::Whole, holder);
        }
        let base = format!("{path}.works");
        let holder = self.holder(base.clone())?;
        if let (Some(composer), Some(last)) = (composer, self.found.holders.last_mut()) {
            last.composer = Some((composer, format!("{path}.composer")));
        }
        self.each(works, |expansion, work, step, path| {
            let members = match work.kind() {
                Ok(Kind::Object) => work.members(expansion.watch).unwrap_or_default(),
                _ => vec![],
            };
            match expansion.resource {
                Resource::Works => {
                    let is_owned = composer.is_some() || get(&members, "composer").is_some();
                    expansion.beside.owned_works |= is_owned;
                    expansion.beside.works_without_composer |= !is_owned;
                    expansion.record(work, step, holder)
                }
                Resource::Composers => {
                    work.check()?;
                    expansion.composer_within(&members, &format!("{base}{path}"))
                }
            }
        })
    }

    /// The composer within a work, unless an earlier work has the same.
    pub(super) fn composer_within(
        &mut self,
        members: &[(Cow<'a, str>, V)],
        path: &str,
    ) -> Result<(), Fault> {
        let Some(composer) = get(members, "composer") else {
            self.beside.works_without_composer = true;
            return Ok(());
        };
        self.beside.owned_works = true;
        let image = composer.image();
        let bytes = match &image {
            Image::Text(text) => text.as_bytes(),
            Image::Container(bytes) => bytes,
        };
        if self.composers.contains(bytes) {
            return Ok(());
        }
        self.watch.take(size_of::<Vec<u8>>() + bytes.len())?;
        let mut kept = with_room(bytes.len())?;
        kept.extend_from_slice(bytes);
        self.composers.try_reserve(1).map_err(|_| Fault::OutOfMemory)?;
        self.composers.insert(kept);
        let holder = self.holder(format!("{path}.composer"))?;
        self.record(composer, Step::Whole, holder)
    }

    /// Hits of a search: each has a composer, and perhaps a work.
    pub(super) fn results(&mut self, results: V, path: &str) -> Result<(), Fault> {
        self.beside.any_works = true;
        let base = format!("{path}.results");
        for (index, result) in (0..).zip(results.elements()?) {
            let result = result?;
            let path = format!("{base}[{index}]");
            let members = match result.kind()? {
                Kind::Object => result.members(self.watch)?,
                _ => {
                    let holder = self.holder(base.clone())?;
                    self.record(result, Step::Element(index), holder)?;
                    continue;
                }
            };
            members.iter().filter(|(key, _)| key != "work").try_for_each(|(_, v)| v.check())?;
            self.detail(get(&members, "work"), &members, &path)?;
        }
        Ok(())
    }

    /// A composer and one work.
    pub(super) fn detail(
        &mut self,
        work: Option<V>,
        members: &[(Cow<'a, str>, V)],
        path: &str,
    ) -> Result<(), Fault> {
        self.beside.any_works = true;
        if let Some(work) = work {
            work.check()?;
        }
        if self.resource == Resource::Composers {
            return self.composer_within(members, path);
        }
        let Some(work) = work.filter(|work| work.kind() != Ok(Kind::Null)) else { return Ok(()) };
        let holder = self.holder(format!("{path}.work"))?;
        if let (Some(composer), Some(last)) =
            (get(members, "composer"), self.found.holders.last_mut())
        {
            last.composer = Some((composer, format!("{path}.composer")));
        }
        self.record(work, Step::Whole, holder)
    }
}
