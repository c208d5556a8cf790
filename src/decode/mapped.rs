//! PURE. Records → rows by a mapping.
//!
//! A value becomes a column's only where it is known what the server would make of it. A record with another value is
//! the server's as a whole: it is deferred, and the server makes a row of it, or says what is wrong.

use super::faults::Faults;
use super::{Decoded, Mode, Part, Placed, of_parts};
use std::borrow::Cow;

use crate::document::content::Content;
use crate::document::find::Records;
use crate::document::jsonb::print;
use crate::document::text::Text;
use crate::document::{Image, Kind, Value, Watch, push};
use crate::error::{Fault, LoadError, Place, RecordFault};
use crate::mapping::program::{Misfit, Program, Taken};
use crate::record::{Absent, Null, Table};
use crate::rows::keys::Keys;
use crate::rows::{Forming, Rows, Slice};
use crate::tuple::Former;
use crate::value::{Decoder, Made as Put};

/// What a record of a mapping becomes.
#[derive(PartialEq)]
pub struct Form {
    pub program: Program,
    pub table: Table,
    /// For each column; none if all its values are the server's.
    pub decoders: Vec<Option<Decoder>>,
    /// For each column, whether it takes a null without a look: its type is no domain.
    pub takes_null: Vec<bool>,
    /// The column that takes the members that no other takes, by its place.
    pub others: Option<usize>,
    pub keys: Keys,
}

/// What has become of a record.
enum Made {
    Row,
    Deferred,
    Faulty(Placed),
}

impl From<Misfit<'_>> for Made {
    fn from(misfit: Misfit<'_>) -> Self {
        Made::Faulty((Place::Path(misfit.path.into()), misfit.fault))
    }
}

/// Records as rows; and the ordinals of those that are deferred, in order.
pub fn records<'a, V: Value<'a>>(
    form: &Form,
    records: Records<'a, V>,
    mode: Mode,
    watch: &Watch,
) -> Result<(Decoded<V>, Vec<u32>), LoadError> {
    let faults = Faults::new(mode, watch);
    let of_part = |part: &Part<V>| {
        let mut forming = Forming::new(part.records.len(), mode.encode);
        let mut taken = form.program.taken();
        let mut deferred = vec![];
        for (ordinal, record) in part.numbered() {
            if faults.behind(ordinal) {
                continue;
            }
            match form.row(record.value, ordinal, &mut taken, &mut forming, watch)? {
                Made::Row => {}
                Made::Deferred => push(&mut deferred, ordinal)?,
                Made::Faulty((place, fault)) => faults.add(RecordFault { ordinal, place, fault }),
            }
        }
        let slice = forming.into_slice();
        watch.take(slice.bytes() + size_of_val(&deferred[..]))?;
        Ok((slice, deferred))
    };
    let (records, made) = of_parts(records, &faults, watch, of_part)?;
    let (slices, deferred): (Vec<Slice>, Vec<Vec<u32>>) = made.into_iter().unzip();
    watch.check().map_err(LoadError::document)?;
    for &ordinal in slices.iter().flat_map(|slice| &slice.unencodable) {
        let (place, fault) = (Place::Field(""), Fault::Untranslatable);
        faults.add(RecordFault { ordinal, place, fault });
    }
    let faults = faults.into_ordered().map_err(LoadError::document)?;
    let lowest = faults.first().map(|fault| fault.ordinal).filter(|_| mode.stop_at_fault);
    let matters = |ordinal: &u32| lowest.is_none_or(|lowest| *ordinal < lowest);
    let deferred = deferred.into_iter().flatten().filter(matters).collect();
    Ok((Decoded { records, rows: Rows::new(slices), faults }, deferred))
}

impl Form {
    fn row<'a, V: Value<'a>>(
        &self,
        record: V,
        ordinal: u32,
        taken: &mut Taken<'a, V>,
        forming: &mut Forming,
        watch: &Watch,
    ) -> Result<Made, Fault> {
        if let Err(misfit) = self.program.walk(record, taken, watch) {
            return Ok(misfit.into());
        }
        let mut absent = Absent::default();
        if let Some(place) = self.lacks(taken) {
            let path = self.program.place(taken, place);
            let fault = record.check().err().unwrap_or(Fault::Missing);
            return Ok(Made::Faulty((Place::Path(path.into()), fault)));
        }
        for (place, decoder) in self.decoders.iter().enumerate() {
            let value = self.program.value(taken, place);
            let former = &mut forming.former;
            let made = match (value, decoder) {
                (Some(value), Some(decoder)) => decoder.put(value, former),
                (Some(value), None) if value.kind() == Ok(Kind::Null) && self.takes_null[place] => {
                    former.null();
                    Ok(Put::Null)
                }
                (Some(_), None) => Ok(Put::Server),
                (None, Some(decoder)) if self.others == Some(place) => {
                    put_others(*decoder, taken.others(), former)
                }
                (None, _) => {
                    if self.tells_absent() {
                        absent.0.push(place as u16);
                    }
                    former.null();
                    continue;
                }
            };
            match made {
                Ok(Put::Value | Put::Null) => {}
                Ok(Put::Server) => {
                    forming.former.clear();
                    // What is no JSON is no matter of the server's types.
                    let own = |fault| Made::Faulty((Place::Field(""), fault));
                    return Ok(record.check().map_or_else(own, |()| Made::Deferred));
                }
                Err(fault) => {
                    forming.former.clear();
                    let path = self.program.place(taken, place);
                    let fault = record.check().err().unwrap_or(fault);
                    return Ok(Made::Faulty((Place::Path(path.into()), fault)));
                }
            }
        }
        let columns = &self.table.columns;
        forming.finish(ordinal, absent, |tuple, absent, keys| {
            self.keys.append(tuple, absent, columns, keys)
        })?;
        Ok(Made::Row)
    }

    /// Whether a column without a value is told from one with null.
    pub fn tells_absent(&self) -> bool {
        self.table.null == Null::Value
    }

    /// The first column that has a value in every row, and for which this record has none.
    fn lacks<'a, V: Value<'a>>(&self, taken: &Taken<'a, V>) -> Option<usize> {
        let is_there = |place| {
            let value = self.program.value(taken, place);
            value.is_some_and(|value| value.kind() != Ok(Kind::Null))
        };
        let columns = self.table.columns.iter().enumerate();
        let mut always = columns.filter(|(_, column)| column.always);
        always.find(|(place, _)| !is_there(*place)).map(|(place, _)| place)
    }
}

/// Puts the members that no column takes, as an object.
fn put_others<'a, V: Value<'a>>(
    decoder: Decoder,
    others: &[(Cow<'a, str>, V)],
    former: &mut Former,
) -> Result<Put, Fault> {
    let mut object = b"{".to_vec();
    for (place, (key, value)) in others.iter().enumerate() {
        if place > 0 {
            object.extend_from_slice(b", ");
        }
        print::append_scalar(&Content::String(Cow::Borrowed(key)), &mut object)?;
        object.extend_from_slice(b": ");
        let printed = match (value.content()?, value.image()) {
            (Content::Container, Image::Text(text)) => {
                object.try_reserve(text.len()).map_err(|_| Fault::OutOfMemory)?;
                object.extend_from_slice(text.as_bytes());
                true
            }
            (Content::Container, Image::Container(bytes)) => print::append(bytes, &mut object)?,
            (scalar, _) => print::append_scalar(&scalar, &mut object)?,
        };
        if !printed {
            return Ok(Put::Server);
        }
    }
    object.push(b'}');
    let object = String::from_utf8(object).map_err(|_| Fault::NoUtf8)?;
    decoder.put(Text::span(&object), former)
}
