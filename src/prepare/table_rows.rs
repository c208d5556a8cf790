//! PURE. Rows that came out of our own tables, as `json_agg()`, `jsonb_agg()` and `row_to_json()` write them.
//!
//! Nothing is transformed: each column has the value of the member of its name, as in a load by a mapping without a word.
//! A null says nothing, as in all documents of a source: what is there stays.

use super::source::Of;
use crate::decode::mapped::Form;
use crate::mapping::path::Path;
use crate::mapping::program::Program;
use crate::mapping::resolve::{self, Resolved, Untaken, Written};
use crate::record::Row;
use crate::value::Decoder;

impl<R: Row> Of<'_, R> {
    /// What becomes of rows that came out of the table.
    pub fn of_table_rows(&self) -> Form {
        let kept = R::COLUMNS.iter().zip(&self.source.fields).filter(|(_, kept)| **kept);
        let written = kept.enumerate().map(|(column, (field, _))| {
            let path = Path::to_member(field.name_text());
            Written { column, source: resolve::Source::Paths(vec![path]) }
        });
        let resolved = Resolved {
            written: written.collect(),
            key: None,
            untaken: Untaken::Ignore,
            passed_over: vec![],
            left_out: vec![],
        };
        let (table, encoding) = (&self.source.table, self.source.encoding);
        let columns = &table.columns;
        let decoders = columns.iter().map(|it| Decoder::of(it.kind.oid, it.kind.typmod, encoding));
        Form {
            program: Program::new(&resolved),
            decoders: decoders.collect(),
            takes_null: vec![true; columns.len()],
            table: table.clone(),
            others: None,
            keys: self.source.keys().into_owned(),
        }
    }
}
