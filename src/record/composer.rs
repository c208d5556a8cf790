//! PURE. A row of `composers`.

use std::borrow::Cow;

use super::name::Name;
use super::{Column, ColumnType, Row, Sink};

#[derive(Clone, Debug, PartialEq)]
pub struct Composer<'a> {
    pub composer_id: String,
    pub last_name: Cow<'a, str>,
    pub first_name: Option<Cow<'a, str>>,
    pub complete_name: Cow<'a, str>,
    /// Days since 2000-01-01.
    pub birth: Option<i32>,
    pub death: Option<i32>,
    pub epoch: Option<Cow<'a, str>>,
    pub portrait: Option<Cow<'a, str>>,
    pub popular: Option<bool>,
    pub recommended: Option<bool>,
    pub openopus_id: Option<i32>,
    pub permlink: Option<Cow<'a, str>>,
}

impl<'a> Composer<'a> {
    /// A composer of whom no more than the name is known.
    pub fn named(name: Name<'a>) -> Self {
        Composer {
            composer_id: name.key(),
            complete_name: name.complete().into(),
            last_name: name.last,
            first_name: name.first,
            birth: None,
            death: None,
            epoch: None,
            portrait: None,
            popular: None,
            recommended: None,
            openopus_id: None,
            permlink: None,
        }
    }

    /// The same composer, borrowing nothing.
    pub fn into_owned(self) -> Composer<'static> {
        let owned = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        Composer {
            composer_id: self.composer_id,
            last_name: owned(self.last_name),
            first_name: self.first_name.map(owned),
            complete_name: owned(self.complete_name),
            birth: self.birth,
            death: self.death,
            epoch: self.epoch.map(owned),
            portrait: self.portrait.map(owned),
            popular: self.popular,
            recommended: self.recommended,
            openopus_id: self.openopus_id,
            permlink: self.permlink.map(owned),
        }
    }
}

const COLUMNS: &[Column] = &[
    Column::always("composer_id", ColumnType::TEXT),
    Column::always("last_name", ColumnType::TEXT),
    Column::new("first_name", ColumnType::TEXT),
    Column::always("complete_name", ColumnType::TEXT),
    Column::new("birth", ColumnType::DATE),
    Column::new("death", ColumnType::DATE),
    Column::new("epoch", ColumnType::TEXT),
    Column::new("portrait", ColumnType::TEXT),
    Column::new("popular", ColumnType::BOOLEAN),
    Column::new("recommended", ColumnType::BOOLEAN),
    Column::identity("openopus_id", ColumnType::INTEGER),
    Column::new("permlink", ColumnType::TEXT),
];

impl Row for Composer<'_> {
    const NAME: &'static str = "composers";
    const NOUN: &'static str = "composer";
    const COLUMNS: &'static [Column] = COLUMNS;
    const PARENT: Option<&'static [u8]> = None;

    fn parent(&self) -> &[u8] {
        &[]
    }

    fn key(&self) -> &[u8] {
        self.composer_id.as_bytes()
    }

    fn put(&self, sink: &mut impl Sink) {
        sink.text(Some(&self.composer_id));
        sink.text(Some(&self.last_name));
        sink.text(self.first_name.as_deref());
        sink.text(Some(&self.complete_name));
        sink.date(self.birth);
        sink.date(self.death);
        sink.text(self.epoch.as_deref());
        sink.text(self.portrait.as_deref());
        sink.boolean(self.popular);
        sink.boolean(self.recommended);
        sink.int4(self.openopus_id);
        sink.text(self.permlink.as_deref());
    }
}
