//! PURE. A row of `composers`.

use std::borrow::Cow;

use super::name::Name;
use super::{Column, ColumnType, Row, Sink, Table};

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
    Column::always("composer_id", ColumnType::Text),
    Column::always("last_name", ColumnType::Text),
    Column::new("first_name", ColumnType::Text),
    Column::always("complete_name", ColumnType::Text),
    Column::new("birth", ColumnType::Date),
    Column::new("death", ColumnType::Date),
    Column::new("epoch", ColumnType::Text),
    Column::new("portrait", ColumnType::Text),
    Column::new("popular", ColumnType::Boolean),
    Column::new("recommended", ColumnType::Boolean),
    Column::identity("openopus_id", ColumnType::Int4),
    Column::new("permlink", ColumnType::Text),
];

impl Row for Composer<'_> {
    const TABLE: Table = Table { name: "composers", noun: "composer", columns: COLUMNS };

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
