//! PURE. From a document to rows ready to be written: steps 1 to 3 of a load, all that needs no server.

use crate::decode::{self, Decoded, Kept, Mode};
use crate::document::find::{Found, Records, Resource, find, find_in_array};
use crate::document::jsonb::Jsonb;
use crate::document::text::arriving::Arriving;
use crate::document::text::{Text, utf8};
use crate::document::{Arrival, Image, Value, Watch};
use crate::error::{Fault, LoadError, Place, RecordFault};
use crate::record::composer::Composer;
use crate::record::work::Work;
use crate::record::{Row, Table};
use crate::rows::Rows;
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
}

impl Document<'_> {
    /// In bytes.
    pub fn size(self) -> usize {
        match self {
            Document::Text(bytes) | Document::Jsonb(bytes) => bytes.len(),
            Document::Arriving(arrival) => arrival.size(),
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

/// Where the records of a document are, for those who speak of them.
pub trait Places: Send {
    fn path(&self, ordinal: u32) -> String;
    /// A fault with the path that it has in the document.
    fn told(&self, fault: RecordFault) -> LoadError;
    fn image(&self, ordinal: u32) -> Option<Image<'_>>;
    /// The beginning of the record, for an error to show.
    fn excerpt(&self, ordinal: u32) -> Option<String>;
    /// The composer that a work names.
    fn composer(&self, ordinal: u32) -> Option<Composer<'static>>;
}

/// The records of a document, and what they stand in.
struct Known<'a, V> {
    found: Found<'a, V>,
    records: Kept<V>,
    /// The whole document, if it is text.
    text: &'a [u8],
}

impl<'a, V: Value<'a>> Known<'a, V> {
    fn path_of(&self, ordinal: u32, place: Place) -> String {
        let record = self.records.get(ordinal);
        record.map_or_else(|| "$".into(), |record| self.found.path(record, place))
    }
}

impl<'a, V: Value<'a>> Places for Known<'a, V> {
    fn path(&self, ordinal: u32) -> String {
        self.path_of(ordinal, Place::Field(""))
    }

    fn told(&self, fault: RecordFault) -> LoadError {
        let path = self.path_of(fault.ordinal, fault.place);
        LoadError { ordinal: Some(fault.ordinal), path, fault: fault.fault.located(self.text) }
    }

    fn image(&self, ordinal: u32) -> Option<Image<'_>> {
        self.records.get(ordinal).map(|record| record.value.image())
    }

    fn excerpt(&self, ordinal: u32) -> Option<String> {
        self.records.get(ordinal)?.value.excerpt()
    }

    fn composer(&self, ordinal: u32) -> Option<Composer<'static>> {
        let record = self.records.get(ordinal)?;
        decode::composer_of(&self.found, record)
    }
}

/// A document's rows, ready to be written.
pub struct Prepared<'a> {
    pub source: &'static str,
    /// How many records the document has.
    pub received: usize,
    pub rows: Rows<'static>,
    pub order: Order,
    /// By ordinal.
    pub faults: Vec<RecordFault>,
    pub places: Box<dyn Places + 'a>,
}

/// How rows are ordered: those of which table, and which of several with one key is written.
pub type Ordering<'t> = (&'t Table, Repeated);

pub fn prepare<'a, R: Loadable<'a>>(
    document: Document<'a>,
    mode: Mode,
    order: Ordering<'_>,
    watch: &Watch,
) -> Result<Prepared<'a>, LoadError> {
    match document {
        Document::Text(bytes) => prepare_text::<R>(bytes, mode, order, watch),
        Document::Arriving(arrival) => {
            let elements = match Arriving::array(arrival) {
                Ok(Some(elements)) => elements,
                // The whole text says better what it is.
                Ok(None) | Err(Fault::Malformed(_)) => {
                    let all = arrival.wait(arrival.size()).map_err(LoadError::document)?;
                    return prepare_text::<R>(all, mode, order, watch);
                }
                Err(fault) => return Err(LoadError::document(fault)),
            };
            let whole = || arrival.wait(arrival.size()).unwrap_or_default();
            let found = find_in_array(Box::new(elements), R::RESOURCE, watch);
            let prepared =
                found.and_then(|found| prepare_found::<_, R>(found, &whole, mode, order, watch));
            match prepared {
                Err(error) if may_be_malformed(&error) => {
                    again::<R>(whole(), error, mode, order, watch)
                }
                prepared => prepared,
            }
        }
        Document::Jsonb(bytes) => {
            let document = Jsonb::document(bytes).map_err(LoadError::document)?;
            let found = find(vec![document], R::RESOURCE, watch)?;
            prepare_found::<_, R>(found, &|| &[], mode, order, watch)
        }
    }
}

fn prepare_text<'a, R: Loadable<'a>>(
    bytes: &'a [u8],
    mode: Mode,
    order: Ordering<'_>,
    watch: &Watch,
) -> Result<Prepared<'a>, LoadError> {
    let documents = utf8(bytes).and_then(|text| Text::documents(text, watch));
    let documents = documents.map_err(LoadError::document);
    let found = documents.and_then(|documents| find(documents, R::RESOURCE, watch));
    match found.and_then(|found| prepare_found::<_, R>(found, &|| bytes, mode, order, watch)) {
        Err(error) if may_be_malformed(&error) => again::<R>(bytes, error, mode, order, watch),
        prepared => prepared,
    }
}

/// Whether the syntax of the whole document decides what is wrong: it comes before shapes.
fn may_be_malformed(error: &LoadError) -> bool {
    let shape = matches!(
        error.fault,
        Fault::Malformed(_) | Fault::UnknownShape(_) | Fault::NoRecords(_) | Fault::SourceError(_)
    );
    error.ordinal.is_none() && shape
}

/// Several documents, if that is what the text is; else its first mistake, or the error that was found before.
fn again<'a, R: Loadable<'a>>(
    bytes: &'a [u8],
    error: LoadError,
    mode: Mode,
    order: Ordering<'_>,
    watch: &Watch,
) -> Result<Prepared<'a>, LoadError> {
    let located = |fault: Fault| LoadError::document(fault.located(bytes));
    let text = utf8(bytes).map_err(located)?;
    let several = match error.fault {
        Fault::Malformed(_) => Text::several(text, watch),
        _ => None,
    };
    let error = match several.map(|documents| find(documents, R::RESOURCE, watch)) {
        None => error,
        Some(found) => {
            let prepared =
                found.and_then(|found| prepare_found::<_, R>(found, &|| bytes, mode, order, watch));
            match prepared {
                Err(error) if may_be_malformed(&error) => error,
                prepared => return prepared,
            }
        }
    };
    Text::mistake(text, watch).map_err(located)?;
    Err(LoadError { fault: error.fault.located(bytes), ..error })
}

fn prepare_found<'a, V: Value<'a> + 'a, R: Loadable<'a>>(
    (found, records): (Found<'a, V>, Records<'a, V>),
    text: &dyn Fn() -> &'a [u8],
    mode: Mode,
    order: Ordering<'_>,
    watch: &Watch,
) -> Result<Prepared<'a>, LoadError> {
    let Decoded { records, rows, faults } = R::decode(&found, records, mode, watch)?;
    let (table, repeated) = order;
    let order = watch.take(rows.len() * BYTES_A_ROW);
    let order = order.and_then(|()| rows.order(table, repeated, mode.parallel));
    let order = order.map_err(LoadError::document)?;
    watch.check().map_err(LoadError::document)?;
    let (source, received) = (found.source.name(), records.count);
    let places = Box::new(Known { found, records, text: text() });
    Ok(Prepared { source, received, rows, order, faults, places })
}

#[cfg(test)]
mod tests;
