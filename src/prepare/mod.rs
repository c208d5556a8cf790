//! PURE. From a document to rows ready to be written: steps 1 to 3 of a load, all that needs no server.
//!
//! A [`Recipe`] says what the records of a load become. By it a [`Reader`] finds them and makes rows of them: [`source`] of
//! IMSLP and Open Opus, [`mapped`] of a mapping, [`table_rows`] of rows that came out of our own tables.

mod malformed;
pub mod mapped;
mod places;
pub mod source;
mod table_rows;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Mutex;

use self::malformed::{again, may_be_malformed};
use self::mapped::Mapped;
use self::places::Known;
pub use self::places::{Around, Member, Places, Values};
use self::source::Source;
use crate::decode::{self, Decoded, Mode};
use crate::document::find::{self, Before, Found, Past, Records, Resource, Search};
use crate::document::incoming::{Part, Spans};
use crate::document::jsonb::{self, Jsonb};
use crate::document::text::arriving::Arriving;
use crate::document::text::{Text, utf8};
use crate::document::{Arrival, Elements, Value, Watch};
use crate::error::{Fault, LoadError, RecordFault};
use crate::mapping::records::are_elements;
use crate::record::composer::Composer;
use crate::record::work::Work;
use crate::record::{Row, Table};
use crate::rows::Rows;
use crate::rows::keys::Keys;
use crate::rows::order::{BYTES_A_ROW, Order, Repeated};

/// A document in the caller's form.
#[derive(Clone, Copy)]
pub enum Document<'a> {
    /// JSON text in UTF-8.
    Text(&'a [u8]),
    /// JSON text in UTF-8, of which the end is still to come.
    Arriving(&'a dyn Arrival<'a>),
    /// jsonb as stored, without its varlena header.
    Jsonb(&'a [u8]),
    /// The same, of which the end is still to come.
    ArrivingJsonb(&'a dyn Arrival<'a>),
    /// A part of a text in UTF-8 that comes in pieces; with the number of records before it, and what they have shown.
    Part(&'a Part, u64, &'a Mutex<Past>),
}

impl Document<'_> {
    /// In bytes.
    pub fn size(self) -> usize {
        match self {
            Document::Text(bytes) | Document::Jsonb(bytes) => bytes.len(),
            Document::Arriving(arrival) | Document::ArrivingJsonb(arrival) => arrival.size(),
            Document::Part(part, ..) => part.text.len(),
        }
    }
}

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

fn prepare<'a>(
    reader: &impl Reader<'a>,
    document: Document<'a>,
    mode: Mode,
    watch: &Watch,
) -> Result<Prepared<'a>, LoadError> {
    match document {
        Document::Text(bytes) => prepare_text(reader, bytes, mode, watch),
        Document::Arriving(arrival) => {
            let all = || arrival.wait(arrival.size()).map_err(LoadError::document);
            if !reader.takes_elements() {
                return prepare_text(reader, all()?, mode, watch);
            }
            let elements = match Arriving::array(arrival) {
                Ok(Some(elements)) => elements,
                // The whole text says better what it is.
                Ok(None) | Err(Fault::Malformed(_)) => {
                    return prepare_text(reader, all()?, mode, watch);
                }
                Err(fault) => return Err(LoadError::document(fault)),
            };
            let whole = || arrival.wait(arrival.size()).unwrap_or_default();
            let around = || Around::whole(whole());
            let found = reader.find_in_array(Box::new(elements), watch);
            let prepared = found.and_then(|found| reader.prepare(found, &around, mode, watch));
            match prepared {
                Err(error) if may_be_malformed(&error) => {
                    again(reader, around(), error, mode, watch)
                }
                prepared => prepared,
            }
        }
        Document::Jsonb(bytes) => prepare_jsonb(reader, bytes, mode, watch),
        Document::ArrivingJsonb(arrival) => {
            let elements = match reader.takes_elements() {
                true => jsonb::Arriving::array(arrival).map_err(LoadError::document)?,
                false => None,
            };
            let Some(elements) = elements else {
                let all = arrival.wait(arrival.size()).map_err(LoadError::document)?;
                return prepare_jsonb(reader, all, mode, watch);
            };
            let found = reader.find_in_array(Box::new(elements), watch)?;
            reader.prepare(found, &Around::default, mode, watch)
        }
        Document::Part(part, records, past) => {
            prepare_part(reader, part, records, past, mode, watch)
        }
    }
}

/// Of a text that comes in pieces.
fn prepare_part<'a>(
    reader: &impl Reader<'a>,
    part: &'a Part,
    records: u64,
    past: &'a Mutex<Past>,
    mode: Mode,
    watch: &Watch,
) -> Result<Prepared<'a>, LoadError> {
    let Part { text: bytes, spans, start, documents, elements, .. } = part;
    let (start, documents, elements) = (*start, *documents, *elements);
    let around = Around { text: bytes, start: Some(start), records };
    let Some(spans) = spans else {
        return prepare_around(reader, around, mode, watch);
    };
    let located = |error: LoadError| {
        let fault = error.fault.located_behind(bytes, start);
        LoadError { fault, ..error }
    };
    let text = utf8(bytes).map_err(|fault| located(LoadError::document(fault)))?;
    let value = |span: &Range<usize>| Text::span(&text[span.clone()]);
    let values = match spans {
        Spans::Documents(spans) => PartValues::Documents(spans.iter().map(value).collect()),
        Spans::Elements(spans) => {
            PartValues::Elements(Box::new(spans.iter().map(move |span| Ok(value(span)))))
        }
    };
    let before = Before { documents, elements, past: Some(past) };
    let found = reader.find_behind(values, &before, watch);
    let prepared = found.and_then(|found| reader.prepare(found, &|| around, mode, watch));
    prepared.map_err(located)
}

fn prepare_jsonb<'a>(
    reader: &impl Reader<'a>,
    bytes: &'a [u8],
    mode: Mode,
    watch: &Watch,
) -> Result<Prepared<'a>, LoadError> {
    let document = Jsonb::document(bytes).map_err(LoadError::document)?;
    reader.prepare(reader.find(vec![document], watch)?, &Around::default, mode, watch)
}

fn prepare_text<'a>(
    reader: &impl Reader<'a>,
    bytes: &'a [u8],
    mode: Mode,
    watch: &Watch,
) -> Result<Prepared<'a>, LoadError> {
    prepare_around(reader, Around::whole(bytes), mode, watch)
}

fn prepare_around<'a>(
    reader: &impl Reader<'a>,
    around: Around<'a>,
    mode: Mode,
    watch: &Watch,
) -> Result<Prepared<'a>, LoadError> {
    let bytes = around.text;
    let documents =
        utf8(bytes).and_then(|text| Text::documents(text, reader.takes_elements(), watch));
    let documents = documents.map_err(LoadError::document);
    // One of several that is malformed is a bad record, and decides nothing where those are set aside.
    let one_decides =
        mode.stop_at_fault || documents.as_ref().map_or(true, |documents| documents.len() == 1);
    let found = documents.and_then(|documents| reader.find(documents, watch));
    match found.and_then(|found| reader.prepare(found, &|| around, mode, watch)) {
        Err(error) if may_be_malformed(&error) && (one_decides || error.fault.is_malformed()) => {
            again(reader, around, error, mode, watch)
        }
        prepared => prepared,
    }
}

#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod tests;
