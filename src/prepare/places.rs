//! PURE. Where the records of a document are: their numbers, lines and paths, and what they say of themselves.

use std::borrow::Cow;

use crate::decode::{self, Kept};
use crate::document::find::Found;
use crate::document::{Image, Value};
use crate::error::{Fault, LoadError, Place, Position, RecordFault, TextPlaces};
use crate::record::Absent;
use crate::record::composer::Composer;

/// Where the records of a document are, for those who speak of them.
pub trait Places: Send {
    /// The number of a record, from 0, in all that the load reads.
    fn number(&self, ordinal: u32) -> u64;
    /// The line on which the record begins, from 1, in a text that comes in pieces.
    fn line(&self, ordinal: u32) -> Option<u64>;
    fn path(&self, ordinal: u32) -> String;
    /// Of the value at a path from the record, such as `.a[0]`.
    fn path_to(&self, ordinal: u32, within: &str) -> String;
    /// A fault with the path that it has in the document.
    fn told(&self, fault: RecordFault) -> LoadError;
    fn image(&self, ordinal: u32) -> Option<Image<'_>>;
    /// The beginning of the record, for an error to show.
    fn excerpt(&self, ordinal: u32) -> Option<String>;
    /// The composer that a work names.
    fn composer(&self, ordinal: u32) -> Option<Composer<'static>>;
    /// The ids of the composers that works name, with the works' ordinals, where the document tells them.
    fn composer_ids(&self) -> Vec<(u32, i32)>;
    /// Where such an id is.
    fn composer_id_place(&self, ordinal: u32) -> Place;
    /// The values of a record of a mapping, as JSON; `print` writes a container of a jsonb.
    fn values(&self, ordinal: u32, print: &dyn Fn(&[u8]) -> String) -> Result<Values, Fault>;
}

/// What a record has for the columns of a table.
pub struct Values {
    pub absent: Absent,
    pub members: Vec<Member>,
}

pub struct Member {
    /// Of the column, among those that are written.
    pub place: usize,
    /// Where the value is in the record, as in `.a[0]`.
    pub path: String,
    pub json: String,
}

/// The records of a document, and what they stand in.
pub struct Known<'a, V> {
    pub found: Found<'a, V>,
    pub records: Kept<V>,
    around: Around<'a>,
    places: TextPlaces<'a>,
}

/// The text that records stand in, if they do.
#[derive(Clone, Copy, Default)]
pub struct Around<'a> {
    pub text: &'a [u8],
    /// Of a part of a longer text: where it begins, and how many records are before it.
    pub start: Option<Position>,
    pub records: u64,
}

impl<'a> Around<'a> {
    pub fn whole(text: &'a [u8]) -> Self {
        Around { text, ..Around::default() }
    }
}

impl<'a, V: Value<'a>> Known<'a, V> {
    pub fn new(found: Found<'a, V>, records: Kept<V>, around: Around<'a>) -> Self {
        let places = TextPlaces::new(around.text, around.start.unwrap_or_default());
        Known { found, records, around, places }
    }

    fn path_of(&self, ordinal: u32, place: Place) -> String {
        let record = self.records.get(ordinal);
        let path = |record| self.found.path(record, self.number(ordinal), place);
        record.map_or_else(|| "$".into(), path)
    }
}

impl<'a, V: Value<'a>> Places for Known<'a, V> {
    fn number(&self, ordinal: u32) -> u64 {
        self.around.records + u64::from(ordinal)
    }

    fn line(&self, ordinal: u32) -> Option<u64> {
        self.around.start?;
        let Image::Text(Cow::Borrowed(record)) = self.records.get(ordinal)?.value.image() else {
            return None;
        };
        Some(self.places.of(record.as_ptr() as usize)?.line + 1)
    }

    fn path(&self, ordinal: u32) -> String {
        self.path_of(ordinal, Place::Field(""))
    }

    fn path_to(&self, ordinal: u32, within: &str) -> String {
        self.path_of(ordinal, Place::Path(within.into()))
    }

    fn told(&self, fault: RecordFault) -> LoadError {
        let path = self.path_of(fault.ordinal, fault.place);
        let (ordinal, line) = (Some(self.number(fault.ordinal)), self.line(fault.ordinal));
        let fault = fault.fault.located_at(&self.places);
        LoadError { ordinal, line, path, fault }
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

    fn composer_ids(&self) -> Vec<(u32, i32)> {
        decode::composer_ids(&self.found, &self.records)
    }

    fn composer_id_place(&self, ordinal: u32) -> Place {
        let holder = self.records.get(ordinal).map(|record| record.holder as usize);
        let holder = holder.and_then(|holder| self.found.holders.get(holder));
        match holder.is_some_and(|holder| holder.composer.is_some()) {
            true => Place::Composer("id"),
            false => Place::Field("composer.id"),
        }
    }

    fn values(&self, _: u32, _: &dyn Fn(&[u8]) -> String) -> Result<Values, Fault> {
        Err(Fault::Internal("a record without a mapping".into()))
    }
}
