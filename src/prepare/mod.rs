//! PURE. From a document to rows ready to be written: steps 1 to 3 of a load, all that needs no server.
//!
//! A [`Recipe`] says what the records of a load become. By it a [`Reader`] finds them and makes rows of them: [`source`] of
//! IMSLP and Open Opus, [`mapped`] of a mapping, [`table_rows`] of rows that came out of our own tables.

mod forms;
mod malformed;
pub mod mapped;
mod places;
pub mod source;
mod table_rows;

use std::borrow::Cow;

pub use self::forms::Document;
use self::forms::prepare;
use self::mapped::Mapped;
use self::places::Known;
pub use self::places::{Around, Member, Places, Values};
use self::source::Source;
use crate::decode::{self, Decoded, Mode};
use crate::document::find::{self, Before, Found, Records, Resource, Search};
use crate::document::{Elements, Value, Watch};
use crate::error::{LoadError, RecordFault};
use crate::mapping::records::are_elements;
use crate::record::composer::Composer;
use crate::record::work::Work;
use crate::record::{Row, Table};
use crate::rows::Rows;
use crate::rows::keys::Keys;
use crate::rows::order::{BYTES_A_ROW, Order, Repeated};

/// A kind of row and the records it is decoded from.
pub trait Loadable<'a>: Row + Sized {
    const RESOURCE: Resource;

    fn decode<V: Value<'a>>(
        found: &Found<'a, V>,
        records: Records<'a, V>,
        mode: Mode,
        watch: &Watch,
    ) -> Result<Decoded<V>, LoadError>;
}

impl<'a> Loadable<'a> for Composer<'a> {
    const RESOURCE: Resource = Resource::Composers;

    fn decode<V: Value<'a>>(
        found: &Found<'a, V>,
        records: Records<'a, V>,
        mode: Mode,
        watch: &Watch,
    ) -> Result<Decoded<V>, LoadError> {
        decode::composers(found, records, mode, watch)
    }
}

impl<'a> Loadable<'a> for Work<'a> {
    const RESOURCE: Resource = Resource::Works;

    fn decode<V: Value<'a>>(
        found: &Found<'a, V>,
        records: Records<'a, V>,
        mode: Mode,
        watch: &Watch,
    ) -> Result<Decoded<V>, LoadError> {
        decode::works(found, records, mode, watch)
    }
}

/// A document's rows, ready to be written.
pub struct Prepared<'a> {
    pub source: find::Source,
    /// How many records the document has.
    pub received: usize,
    pub rows: Rows<'static>,
    pub order: Order,
    /// By ordinal.
    pub faults: Vec<RecordFault>,
    pub places: Box<dyn Places + 'a>,
    /// By ordinal: records of which the server is to make rows. Until it has, rows are in no order.
    pub deferred: Vec<u32>,
}

/// How the records of a document are found, and what becomes of them.
pub trait Reader<'a>: Sync {
    /// Whether the records of a document that is an array are its elements.
    fn takes_elements(&self) -> bool;

    fn find_in_array<V: Value<'a> + 'a>(
        &self,
        elements: Elements<'a, V>,
        watch: &Watch,
    ) -> Result<Search<'a, V>, LoadError>;

    fn find<V: Value<'a> + 'a>(
        &self,
        documents: Vec<V>,
        watch: &Watch,
    ) -> Result<Search<'a, V>, LoadError>;

    /// The same in a part of a longer text.
    fn find_behind<V: Value<'a> + 'a>(
        &self,
        values: PartValues<'a, V>,
        before: &Before<'a>,
        watch: &Watch,
    ) -> Result<Search<'a, V>, LoadError>;

    /// Makes rows of the records; `text` is what they stand in, if it is one.
    fn prepare<V: Value<'a> + 'a>(
        &self,
        search: Search<'a, V>,
        text: &dyn Fn() -> Around<'a>,
        mode: Mode,
        watch: &Watch,
    ) -> Result<Prepared<'a>, LoadError>;
}

/// What stands in a part of a longer text.
pub enum PartValues<'a, V> {
    Documents(Vec<V>),
    /// Of an array that may have begun before.
    Elements(Elements<'a, V>),
}

/// What the records of a load become, whatever the document.
#[derive(PartialEq)]
pub enum Recipe {
    /// Rows of the values at the paths of a mapping.
    Paths(Mapped),
    /// Rows of the fields of a source's records.
    Fields(Source),
}

impl Recipe {
    /// Whether the records of a document that is an array are its elements.
    pub fn takes_elements(&self) -> bool {
        match self {
            Recipe::Paths(mapped) => are_elements(&mapped.records),
            Recipe::Fields(_) => true,
        }
    }

    /// The table whose rows they become.
    pub fn table(&self) -> &Table {
        match self {
            Recipe::Paths(mapped) => &mapped.form.table,
            Recipe::Fields(source) => &source.table,
        }
    }

    /// What the rows' parents and keys are made of.
    pub fn keys(&self) -> Cow<'_, Keys> {
        match self {
            Recipe::Paths(mapped) => Cow::Borrowed(&mapped.form.keys),
            Recipe::Fields(source) => source.keys(),
        }
    }

    /// Makes rows of a document's records.
    pub fn prepare<'a>(
        &self,
        document: Document<'a>,
        mode: Mode,
        watch: &Watch,
    ) -> Result<Prepared<'a>, LoadError> {
        match self {
            Recipe::Paths(mapped) => prepare(mapped, document, mode, watch),
            Recipe::Fields(source) => match source.resource {
                Resource::Composers => prepare(&source.of::<Composer<'a>>(), document, mode, watch),
                Resource::Works => prepare(&source.of::<Work<'a>>(), document, mode, watch),
            },
        }
    }
}

fn order(
    rows: &Rows<'_>,
    table: &Table,
    repeated: Repeated,
    mode: Mode,
    watch: &Watch,
) -> Result<Order, LoadError> {
    let order = watch.take(rows.len() * BYTES_A_ROW);
    let order = order.and_then(|()| rows.order(table, repeated, mode.parallel));
    let order = order.map_err(LoadError::document)?;
    watch.check().map_err(LoadError::document)?;
    Ok(order)
}

#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod tests;
