//! PURE. A row of `works`, and the identity of a work.
//!
//! `work_id` is a UUIDv5 (RFC 9562 section 5.5) of the source's own identity in the namespace [`NAMESPACE`]:
//! `imslp:<pageid>`, or `imslp:<id>` where there is no page id; `openopus:<id>`; and for the Open Opus dump, which has
//! no ids, `openopus:<composer_id>/<title>/<subtitle>/<n>`, where `n` counts from 0 the works of the document that are
//! equal in the three before it. All of these are taken as composed text (NFC) without invisible characters.

use std::array;
use std::borrow::Cow;
use std::collections::HashMap;

use sha1::{Digest, Sha1};
use uuid::{Builder, Uuid};

use super::name::visible;
use super::{Column, ColumnType, Row, Sink};
use crate::error::Fault;

/// The UUIDv5 of `pg_opus` in RFC 9562's namespace for domain names.
pub const NAMESPACE: Uuid = Uuid::from_u128(0xd46ffb9c_eca1_5806_b039_103925d943c4);

#[derive(Clone, Debug, PartialEq)]
pub struct Work<'a> {
    pub work_id: Uuid,
    pub composer_id: String,
    pub title: Cow<'a, str>,
    pub subtitle: Option<Cow<'a, str>>,
    pub genre: Option<Cow<'a, str>>,
    pub catalogue_number: Option<Cow<'a, str>>,
    pub search_terms: Option<Vec<Cow<'a, str>>>,
    pub popular: Option<bool>,
    pub recommended: Option<bool>,
    pub imslp_id: Option<i64>,
    pub openopus_id: Option<i32>,
    pub permlink: Option<Cow<'a, str>>,
}

#[cfg(test)]
impl Work<'_> {
    /// A row of which tests set what they look at.
    pub fn nameless() -> Self {
        Work {
            work_id: Uuid::nil(),
            composer_id: String::new(),
            title: "".into(),
            subtitle: None,
            genre: None,
            catalogue_number: None,
            search_terms: None,
            popular: None,
            recommended: None,
            imslp_id: None,
            openopus_id: None,
            permlink: None,
        }
    }
}

/// The `work_id` of a source's identity, such as `imslp:` and `1637322`: a UUIDv5 (RFC 9562 section 5.5).
pub fn work_id(source: &str, identity: &str) -> Uuid {
    let identity = visible(identity);
    let hash = Sha1::new().chain_update(NAMESPACE).chain_update(source);
    let hash = hash.chain_update(identity.as_bytes());
    let hash = hash.finalize();
    Builder::from_sha1_bytes(array::from_fn(|byte| hash[byte])).into_uuid()
}

/// Gives works without an id of their own, which is nil, theirs; `works` are those of a document, in its order. `counts`
/// says how many there have been, by the id of the first of those that are equal.
pub fn number<'w, 'a: 'w>(
    works: impl Iterator<Item = &'w mut Work<'a>>,
    counts: &mut HashMap<Uuid, u32>,
) -> Result<(), Fault> {
    for work in works.filter(|work| work.work_id.is_nil()) {
        let subtitle = work.subtitle.as_deref().unwrap_or_default();
        let (title, subtitle) = (visible(&work.title), visible(subtitle));
        let equal = format!("{}/{title}/{subtitle}/", work.composer_id);
        let id = |count: u32| work_id("openopus:", &format!("{equal}{count}"));
        counts.try_reserve(1).map_err(|_| Fault::OutOfMemory)?;
        let first = id(0);
        let count = counts.entry(first).or_default();
        work.work_id = if *count == 0 { first } else { id(*count) };
        *count += 1;
    }
    Ok(())
}

const COLUMNS: &[Column] = &[
    Column::always("work_id", ColumnType::UUID),
    Column::always("composer_id", ColumnType::TEXT),
    Column::always("title", ColumnType::TEXT),
    Column::new("subtitle", ColumnType::TEXT),
    Column::new("genre", ColumnType::TEXT),
    Column::new("catalogue_number", ColumnType::TEXT),
    Column::new("search_terms", ColumnType::TEXT_ARRAY),
    Column::new("popular", ColumnType::BOOLEAN),
    Column::new("recommended", ColumnType::BOOLEAN),
    Column::identity("imslp_id", ColumnType::BIGINT),
    Column::identity("openopus_id", ColumnType::INTEGER),
    Column::new("permlink", ColumnType::TEXT),
];

impl Row for Work<'_> {
    const NAME: &'static str = "works";
    const NOUN: &'static str = "work";
    const COLUMNS: &'static [Column] = COLUMNS;
    const PARENT: Option<&'static [u8]> = Some(b"composer_id");

    /// The works of a composer lie together, and the index on composers is filled in order.
    fn parent(&self) -> &[u8] {
        self.composer_id.as_bytes()
    }

    fn key(&self) -> &[u8] {
        self.work_id.as_bytes()
    }

    fn put(&self, sink: &mut impl Sink) {
        sink.uuid(self.work_id.into_bytes());
        sink.text(Some(&self.composer_id));
        sink.text(Some(&self.title));
        sink.text(self.subtitle.as_deref());
        sink.text(self.genre.as_deref());
        sink.text(self.catalogue_number.as_deref());
        sink.texts(self.search_terms.as_deref());
        sink.boolean(self.popular);
        sink.boolean(self.recommended);
        sink.int8(self.imslp_id);
        sink.int4(self.openopus_id);
        sink.text(self.permlink.as_deref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titled(title: &'static str, subtitle: Option<&'static str>) -> Option<Work<'static>> {
        Some(Work {
            composer_id: "A,_B".into(),
            title: title.into(),
            subtitle: subtitle.map(Cow::Borrowed),
            ..Work::nameless()
        })
    }

    #[test]
    fn the_namespace_is_the_one_documented() {
        assert_eq!(NAMESPACE, Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"pg_opus"));
    }

    #[test]
    fn ids_are_those_of_any_uuid_library() {
        for (source, identity) in [("", ""), ("imslp:", "1637322"), ("openopus:", &"é".repeat(30))]
        {
            let name = [source, identity].concat();
            assert_eq!(work_id(source, identity), Uuid::new_v5(&NAMESPACE, name.as_bytes()));
        }
    }

    #[test]
    fn equal_works_are_counted() {
        let mut works = [titled("T", None), None, titled("T", Some("s")), titled("T", None)];
        let mut counts = HashMap::new();
        // In one part of the document, or in two.
        let (one, two) = works.split_at_mut(2);
        for part in [one, two] {
            number(part.iter_mut().flatten(), &mut counts).unwrap();
        }
        let ids: Vec<Uuid> = works.iter().flatten().map(|work| work.work_id).collect();
        let expected = ["A,_B/T//0", "A,_B/T/s/0", "A,_B/T//1"];
        assert_eq!(ids, expected.map(|identity| work_id("openopus:", identity)));
    }
}
