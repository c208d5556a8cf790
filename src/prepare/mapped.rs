//! PURE. The reader of a mapping: records where it says, and rows of any table.

use std::sync::Arc;

use super::{Around, Known, Member, PartValues, Places, Prepared, Reader, Values, order};
use crate::decode::mapped::{Form, records};
use crate::decode::{Decoded, Mode};
use crate::document::content::{Content, Number};
use crate::document::find::{Before, Search};
use crate::document::jsonb::write;
use crate::document::{Elements, Image, Value, Watch};
use crate::error::{Fault, LoadError, Place, RecordFault};
use crate::mapping::path::Path;
use crate::mapping::records;
use crate::record::Absent;
use crate::record::composer::Composer;
use crate::rows::order::{Order, Repeated};

/// Records of a mapping, for the table of its target.
#[derive(PartialEq)]
pub struct Mapped {
    /// Where records are: see [`records`].
    pub records: Vec<Path>,
    pub form: Arc<Form>,
    pub repeated: Repeated,
    /// Only the server can tell whether two keys are equal.
    pub ranked: bool,
}

impl<'a> Reader<'a> for Mapped {
    fn takes_elements(&self) -> bool {
        records::are_elements(&self.records)
    }

    fn find_in_array<V: Value<'a> + 'a>(
        &self,
        elements: Elements<'a, V>,
        _: &Watch,
    ) -> Result<Search<'a, V>, LoadError> {
        Ok(records::find_in_array(elements))
    }

    fn find<V: Value<'a> + 'a>(
        &self,
        documents: Vec<V>,
        watch: &Watch,
    ) -> Result<Search<'a, V>, LoadError> {
        records::find(documents, &self.records, watch)
    }

    fn find_behind<V: Value<'a> + 'a>(
        &self,
        values: PartValues<'a, V>,
        before: &Before<'a>,
        watch: &Watch,
    ) -> Result<Search<'a, V>, LoadError> {
        match values {
            PartValues::Documents(documents) => {
                records::find_behind(documents, &self.records, before, watch)
            }
            PartValues::Elements(elements) => {
                let (found, records) = records::find_in_array(elements);
                Ok((found.goes_on(before), records))
            }
        }
    }

    fn prepare<V: Value<'a> + 'a>(
        &self,
        (found, records): Search<'a, V>,
        text: &dyn Fn() -> Around<'a>,
        mode: Mode,
        watch: &Watch,
    ) -> Result<Prepared<'a>, LoadError> {
        let repeated = (!self.ranked).then_some(self.repeated);
        prepare(self.form.clone(), repeated, (found, records), text, mode, watch)
    }
}

/// Makes rows of the records. They are ordered if that can be done before the server has seen them.
pub fn prepare<'a, V: Value<'a> + 'a>(
    form: Arc<Form>,
    repeated: Option<Repeated>,
    (found, records): Search<'a, V>,
    text: &dyn Fn() -> Around<'a>,
    mode: Mode,
    watch: &Watch,
) -> Result<Prepared<'a>, LoadError> {
    let (Decoded { records, rows, faults }, deferred) = self::records(&form, records, mode, watch)?;
    let order = match repeated.filter(|_| deferred.is_empty()) {
        None => Order::default(),
        Some(repeated) => order(&rows, &form.table, repeated, mode, watch)?,
    };
    let (source, received) = (found.source, records.count);
    let known = Known::new(found, records, text());
    let places = Box::new(Mappeds { known, form });
    Ok(Prepared { source, received, rows, order, faults, places, deferred })
}

/// The records of a document, and what the mapping takes from them.
struct Mappeds<'a, V> {
    known: Known<'a, V>,
    form: Arc<Form>,
}

impl<'a, V: Value<'a>> Places for Mappeds<'a, V> {
    fn path(&self, ordinal: u32) -> String {
        self.known.path(ordinal)
    }

    fn path_to(&self, ordinal: u32, within: &str) -> String {
        self.known.path_to(ordinal, within)
    }

    fn number(&self, ordinal: u32) -> u64 {
        self.known.number(ordinal)
    }

    fn line(&self, ordinal: u32) -> Option<u64> {
        self.known.line(ordinal)
    }

    fn told(&self, fault: RecordFault) -> LoadError {
        self.known.told(fault)
    }

    fn image(&self, ordinal: u32) -> Option<Image<'_>> {
        self.known.image(ordinal)
    }

    fn excerpt(&self, ordinal: u32) -> Option<String> {
        self.known.excerpt(ordinal)
    }

    fn composer(&self, _: u32) -> Option<Composer<'static>> {
        None
    }

    fn composer_ids(&self) -> Vec<(u32, i32)> {
        vec![]
    }

    fn composer_id_place(&self, _: u32) -> Place {
        Place::Field("")
    }

    fn values(&self, ordinal: u32, print: &dyn Fn(&[u8]) -> String) -> Result<Values, Fault> {
        let record = self.known.records.get(ordinal);
        let record = record.ok_or_else(|| Fault::Internal("a record is not kept".into()))?;
        let Form { program, table, others, .. } = &*self.form;
        let json = |value: V| match (value.content(), value.image()) {
            (Ok(scalar @ Content::Number(Number::Numeric(_))), _) => {
                let mut container = vec![];
                // It is shorter than the longest container.
                let _ = write::append_scalar(&scalar, &mut container);
                print(&container)
            }
            (_, Image::Text(text)) => text.into_owned(),
            (_, Image::Container(bytes)) => print(bytes),
        };
        let mut taken = program.taken();
        program.walk(record.value, &mut taken, &Watch::default()).map_err(|misfit| misfit.fault)?;
        let mut values = Values { absent: Absent::default(), members: vec![] };
        for place in 0..table.columns.len() {
            let path = program.place(&taken, place).to_owned();
            if let Some(value) = program.value(&taken, place) {
                values.members.push(Member { place, path, json: json(value) });
            } else if *others == Some(place) {
                let members = taken.others().iter().map(|(key, value)| {
                    format!("{}: {}", serde_json::Value::from(&**key), json(*value))
                });
                let members = members.collect::<Vec<_>>().join(", ");
                values.members.push(Member { place, path, json: format!("{{{members}}}") });
            } else if self.form.tells_absent() {
                values.absent.0.push(place as u16);
            }
        }
        Ok(values)
    }
}
