//! PURE. The reader of a source: records of IMSLP and Open Opus, and the fields that their transforms make.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;

use super::{Around, Known, Loadable, PartValues, Prepared, Reader, mapped, order};
use crate::decode::{Decoded, Mode};
use crate::document::find::{
    self, Before, Resource, Search, find, find_behind, find_in_array, find_in_array_behind,
};
use crate::document::{Elements, Value, Watch};
use crate::error::LoadError;
use crate::record::Table;
use crate::rows::Fields;
use crate::rows::keys::Keys;
use crate::rows::order::Repeated;
use crate::value::Encoding;

/// Records of a source, for a table.
#[derive(PartialEq)]
pub struct Source {
    pub resource: Resource,
    pub table: Table,
    pub repeated: Repeated,
    /// For each of the source's fields, whether it is a column of the table.
    pub fields: Vec<bool>,
    /// What tells rows apart, if that is not what tells the source's.
    pub keys: Option<Keys>,
    /// The database's.
    pub encoding: Encoding,
}

/// A source whose records become these rows.
pub struct Of<'s, R> {
    pub source: &'s Source,
    row: PhantomData<fn() -> R>,
}

impl Source {
    /// For a table that has columns of the fields' names.
    pub fn into<'a, R: Loadable<'a>>(table: Table, repeated: Repeated, encoding: Encoding) -> Self {
        let fields = table.fields::<R>();
        Source { resource: R::RESOURCE, table, repeated, fields, keys: None, encoding }
    }

    pub fn keys(&self) -> Cow<'_, Keys> {
        self.keys.as_ref().map_or_else(|| Cow::Owned(Keys::of(&self.table)), Cow::Borrowed)
    }

    /// The reader, whose rows are those of the source's resource.
    pub fn of<R>(&self) -> Of<'_, R> {
        Of { source: self, row: PhantomData }
    }
}

impl<'a, R: Loadable<'a>> Reader<'a> for Of<'_, R> {
    fn takes_elements(&self) -> bool {
        true
    }

    fn find_in_array<V: Value<'a> + 'a>(
        &self,
        elements: Elements<'a, V>,
        watch: &Watch,
    ) -> Result<Search<'a, V>, LoadError> {
        find_in_array(elements, R::RESOURCE, watch)
    }

    fn find<V: Value<'a> + 'a>(
        &self,
        documents: Vec<V>,
        watch: &Watch,
    ) -> Result<Search<'a, V>, LoadError> {
        find(documents, R::RESOURCE, watch)
    }

    fn find_behind<V: Value<'a> + 'a>(
        &self,
        values: PartValues<'a, V>,
        before: &Before<'a>,
        watch: &Watch,
    ) -> Result<Search<'a, V>, LoadError> {
        match values {
            PartValues::Documents(documents) => find_behind(documents, R::RESOURCE, before, watch),
            PartValues::Elements(elements) => {
                find_in_array_behind(elements, R::RESOURCE, before, watch)
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
        let Source { table, repeated, fields, keys, .. } = self.source;
        if found.source == find::Source::TableRows {
            let form = Arc::new(self.of_table_rows());
            return mapped::prepare(form, Some(*repeated), (found, records), text, mode, watch);
        }
        let Decoded { records, mut rows, faults } = R::decode(&found, records, mode, watch)?;
        if fields.contains(&false) || keys.is_some() {
            let fields = Fields { columns: R::COLUMNS, kept: fields, keys: keys.as_ref() };
            rows = rows.project(&fields, mode.parallel).map_err(LoadError::document)?;
        }
        let order = order(&rows, table, *repeated, mode, watch)?;
        let (source, received) = (found.source, records.count);
        let places = Box::new(Known::new(found, records, text()));
        Ok(Prepared { source, received, rows, order, faults, places, deferred: vec![] })
    }
}
