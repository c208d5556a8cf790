//! PURE. From a document to rows ready to be written: steps 1 to 3 of a load, all that needs no server.

use crate::decode::{self, Decoded, Mode};
use crate::document::find::{Found, Resource, find};
use crate::document::jsonb::Jsonb;
use crate::document::text::Text;
use crate::document::{Image, Value, Watch};
use crate::error::{Fault, LoadError, excerpt};
use crate::record::Row;
use crate::record::composer::Composer;
use crate::record::work::Work;
use crate::rows::Rows;
use crate::rows::order::{Order, Repeated};

/// A document in the caller's form.
#[derive(Clone, Copy)]
pub enum Document<'a> {
    /// JSON text in UTF-8.
    Text(&'a [u8]),
    /// jsonb as stored, without its varlena header.
    Jsonb(&'a [u8]),
}

impl Document<'_> {
    /// In bytes.
    pub fn size(self) -> usize {
        match self {
            Document::Text(bytes) | Document::Jsonb(bytes) => bytes.len(),
        }
    }
}

/// A kind of row and the records it is decoded from.
pub trait Loadable<'a>: Row + Sized {
    const RESOURCE: Resource;

    /// The table's key as a user knows it.
    fn key_text(key: &[u8]) -> String;

    fn decode<V: Value<'a>>(
        found: &Found<'a, V>,
        mode: Mode,
        watch: &Watch,
    ) -> Result<Decoded, LoadError>;
}

impl<'a> Loadable<'a> for Composer<'a> {
    const RESOURCE: Resource = Resource::Composers;

    fn key_text(key: &[u8]) -> String {
        String::from_utf8_lossy(key).into_owned()
    }

    fn decode<V: Value<'a>>(
        found: &Found<'a, V>,
        mode: Mode,
        watch: &Watch,
    ) -> Result<Decoded, LoadError> {
        decode::composers(found, mode, watch)
    }
}

impl<'a> Loadable<'a> for Work<'a> {
    const RESOURCE: Resource = Resource::Works;

    fn key_text(key: &[u8]) -> String {
        uuid::Uuid::from_slice(key).map(|id| id.to_string()).unwrap_or_default()
    }

    fn decode<V: Value<'a>>(
        found: &Found<'a, V>,
        mode: Mode,
        watch: &Watch,
    ) -> Result<Decoded, LoadError> {
        decode::works(found, mode, watch)
    }
}

/// Where the records of a document are, for those who speak of them.
pub trait Places: Send {
    fn path(&self, ordinal: u32) -> String;
    fn image(&self, ordinal: u32) -> Option<Image<'_>>;
    /// The composer that a work names.
    fn composer(&self, ordinal: u32) -> Option<Composer<'static>>;
}

impl<'a, V: Value<'a>> Places for Found<'a, V> {
    fn path(&self, ordinal: u32) -> String {
        let record = self.records.get(ordinal as usize);
        record.map_or_else(|| "$".into(), |record| self.path(record, ""))
    }

    fn image(&self, ordinal: u32) -> Option<Image<'_>> {
        self.records.get(ordinal as usize).map(|record| record.value.image())
    }

    fn composer(&self, ordinal: u32) -> Option<Composer<'static>> {
        self.records.get(ordinal as usize).and_then(|record| decode::composer_of(self, record))
    }
}

/// The start of a record, for an error to show.
pub fn show(places: &dyn Places, ordinal: u32) -> Option<String> {
    match places.image(ordinal)? {
        Image::Text(text) => Some(excerpt(&text).into_owned()),
        Image::Container(bytes) => {
            let json = Jsonb::document(bytes).and_then(|value| value.read::<serde_json::Value>());
            json.ok().map(|json| excerpt(&json.to_string()).into_owned())
        }
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
    pub faults: Vec<LoadError>,
    pub places: Box<dyn Places + 'a>,
}

pub fn prepare<'a, R: Loadable<'a>>(
    document: Document<'a>,
    mode: Mode,
    repeated: Repeated,
    watch: &Watch,
) -> Result<Prepared<'a>, LoadError> {
    match document {
        Document::Text(bytes) => {
            let text = simdutf8::compat::from_utf8(bytes).map_err(|error| {
                LoadError::document(Fault::Malformed(format!("the text is no UTF-8: {error}")))
            })?;
            let documents = Text::documents(text, watch).map_err(LoadError::document)?;
            prepare_found::<_, R>(find(documents, R::RESOURCE, watch)?, mode, repeated, watch)
        }
        Document::Jsonb(bytes) => {
            let document = Jsonb::document(bytes).map_err(LoadError::document)?;
            prepare_found::<_, R>(find(vec![document], R::RESOURCE, watch)?, mode, repeated, watch)
        }
    }
}

fn prepare_found<'a, V: Value<'a> + 'a, R: Loadable<'a>>(
    found: Found<'a, V>,
    mode: Mode,
    repeated: Repeated,
    watch: &Watch,
) -> Result<Prepared<'a>, LoadError> {
    let Decoded { rows, received, faults } = R::decode(&found, mode, watch)?;
    let order = rows.order(repeated, mode.parallel);
    watch.check().map_err(LoadError::document)?;
    let source = found.source.name();
    Ok(Prepared { source, received, rows, order, faults, places: Box::new(found) })
}
