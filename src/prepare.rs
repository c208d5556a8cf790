//! PURE. From a document to rows ready to be written: steps 1 to 3 of a load, all that needs no server.

use crate::decode::{self, Decoded, Mode};
use crate::document::find::{Found, Resource, find};
use crate::document::jsonb::Jsonb;
use crate::document::text::Text;
use crate::document::{Image, Value, Watch};
use crate::error::{Fault, LoadError, excerpt};
use crate::order::{Order, Repeated, order};
use crate::record::Row;
use crate::record::composer::Composer;
use crate::record::work::Work;

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

    fn decode<V: Value<'a>>(
        found: &Found<'a, V>,
        mode: Mode,
        watch: &Watch,
    ) -> Result<Decoded<Self>, LoadError>;
}

impl<'a> Loadable<'a> for Composer<'a> {
    const RESOURCE: Resource = Resource::Composers;

    fn decode<V: Value<'a>>(
        found: &Found<'a, V>,
        mode: Mode,
        watch: &Watch,
    ) -> Result<Decoded<Self>, LoadError> {
        decode::composers(found, mode, watch)
    }
}

impl<'a> Loadable<'a> for Work<'a> {
    const RESOURCE: Resource = Resource::Works;

    fn decode<V: Value<'a>>(
        found: &Found<'a, V>,
        mode: Mode,
        watch: &Watch,
    ) -> Result<Decoded<Self>, LoadError> {
        decode::works(found, mode, watch)
    }
}

/// Where the records of a document are, for those who speak of them.
pub trait Places: Send {
    fn path(&self, ordinal: u32) -> String;
    fn image(&self, ordinal: u32) -> Option<Image<'_>>;
}

impl<'a, V: Value<'a>> Places for Found<'a, V> {
    fn path(&self, ordinal: u32) -> String {
        let record = self.records.get(ordinal as usize);
        record.map_or_else(|| "$".into(), |record| self.path(record, ""))
    }

    fn image(&self, ordinal: u32) -> Option<Image<'_>> {
        self.records.get(ordinal as usize).map(|record| record.value.image())
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

/// The rows of a document.
pub struct Prepared<'a, R> {
    pub source: &'static str,
    /// By ordinal; none where the record is faulty.
    pub rows: Vec<Option<R>>,
    /// By ordinal.
    pub faults: Vec<LoadError>,
    pub order: Order,
    pub places: Box<dyn Places + 'a>,
}

pub fn prepare<'a, R: Loadable<'a>>(
    document: Document<'a>,
    mode: Mode,
    repeated: Repeated,
    watch: &Watch,
) -> Result<Prepared<'a, R>, LoadError> {
    match document {
        Document::Text(bytes) => {
            let text = simdutf8::compat::from_utf8(bytes).map_err(|error| {
                LoadError::document(Fault::Malformed(format!("the text is no UTF-8: {error}")))
            })?;
            let documents = Text::documents(text, watch).map_err(LoadError::document)?;
            prepare_found(find(documents, R::RESOURCE, watch)?, mode, repeated, watch)
        }
        Document::Jsonb(bytes) => {
            let document = Jsonb::document(bytes).map_err(LoadError::document)?;
            prepare_found(find(vec![document], R::RESOURCE, watch)?, mode, repeated, watch)
        }
    }
}

fn prepare_found<'a, V: Value<'a> + 'a, R: Loadable<'a>>(
    found: Found<'a, V>,
    mode: Mode,
    repeated: Repeated,
    watch: &Watch,
) -> Result<Prepared<'a, R>, LoadError> {
    let Decoded { rows, faults } = R::decode(&found, mode, watch)?;
    let order = order(&rows, repeated, mode.parallel);
    watch.check().map_err(LoadError::document)?;
    Ok(Prepared { source: found.source.name(), rows, faults, order, places: Box::new(found) })
}
#[cfg(test)]
mod timing {
    use super::*;
    use std::time::Instant;
    #[test]
    fn timing() {
        let bytes = std::fs::read("/tmp/gen/works.json").unwrap();
        let watch = Watch::default();
        for threads in [1usize, 2] {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            for _ in 0..2 {
            let t = Instant::now();
            let text = simdutf8::compat::from_utf8(&bytes).unwrap();
            let t1 = t.elapsed();
            let documents = Text::documents(text, &watch).unwrap();
            let t2 = t.elapsed();
            let found = find(documents, Resource::Works, &watch).unwrap();
            let t3 = t.elapsed();
            let mode = Mode { parallel: true, stop_at_fault: true };
            let d = decode::works(&found, mode, &watch).unwrap();
            let t4 = t.elapsed();
            let o = order(&d.rows, Repeated::LastWins, true);
            let t5 = t.elapsed();
            drop(d); drop(o); drop(found);
            let t6 = t.elapsed();
            eprintln!("{threads}: utf8 {t1:?} docs {:?} find {:?} decode {:?} order {:?} drop {:?}", t2-t1, t3-t2, t4-t3, t5-t4, t6-t5);
            }
            });
        }
    }
}
