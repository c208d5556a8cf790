//! Records of which the server makes rows, by `jsonb_populate_record()`: those with a value that the program leaves to it.
//!
//! Columns that a record has no value for are null in the row, and no type is asked about that. A batch that the server
//! refuses is halved until the bad records stand alone, and of those each value is tried by itself.

use crate::document::push;
use crate::error::Fault;
use crate::pg::argument::print;
use crate::pg::batch::Batch;
use crate::pg::error::ServerError;
use crate::pg::spi::{Plan, Spi};
use crate::pg::{encoding, interrupt, relation, subtransaction};
use crate::prepare::{Member, Places, Prepared, Values};
use crate::record::{Column, ColumnType, ORDINAL, Sink, Table};
use crate::report::Failure;
use crate::rows::Slice;
use crate::rows::keys::Keys;
use crate::target::Target;
use crate::tuple::{self, Tuples};
use crate::write::statement::batch_name;

/// How many records the server converts in one statement, and how many bytes of them, but for one long record.
const BATCH: usize = 1000;
const BATCH_BYTES: usize = 4 << 20;

/// A record of which the server can make no row.
pub struct Unconverted {
    pub ordinal: u32,
    /// Where the value is that it refuses: a path from the record.
    pub within: String,
    pub error: ServerError,
}

/// A record that waits for its row.
struct Waiting {
    ordinal: u32,
    values: Values,
}

/// Makes rows of the deferred records. Those that cannot be made are given back, by ordinal. With so many of them as
/// `enough` the load ends, and nothing more is converted.
pub fn convert(
    spi: &Spi,
    target: &Target,
    keys: &Keys,
    prepared: &mut Prepared<'_>,
    enough: u64,
) -> Result<Vec<Unconverted>, Failure> {
    let name = batch_name("deferred");
    let batch = Batch::register(spi, &name, COLUMNS, BATCH);
    let plan = spi.prepare_with_empty_row(&sql(target, &name), relation::row_type(target.oid));
    let deferred = std::mem::take(&mut prepared.deferred);
    let places = &*prepared.places;
    let mut made = Slice::default();
    let mut converter = Converter {
        target,
        keys,
        batch,
        plan,
        names: names(&target.table),
        made: &mut made,
        refused: vec![],
        enough,
    };
    let mut rest = &deferred[..];
    while !rest.is_empty() && (converter.refused.len() as u64) < enough {
        interrupt::check();
        converter.put(&take(places, &mut rest)?)?;
    }
    let refused = converter.refused;
    prepared.rows.add(made);
    Ok(refused)
}

/// The next records.
fn take(places: &dyn Places, rest: &mut &[u32]) -> Result<Vec<Waiting>, Failure> {
    let (mut waiting, mut bytes) = (vec![], 0);
    while let Some((&ordinal, behind)) = rest.split_first()
        && waiting.len() < BATCH
        && bytes < BATCH_BYTES
    {
        *rest = behind;
        let values = places.values(ordinal, &json)?;
        bytes += values.members.iter().map(|member| member.json.len() + 1).sum::<usize>();
        waiting.push(Waiting { ordinal, values });
    }
    Ok(waiting)
}

/// The names of the columns as keys of JSON.
pub fn names(table: &Table) -> Vec<String> {
    let name = |column: &Column| serde_json::Value::from(encoding::of_message(&column.name));
    table.columns.iter().map(|column| name(column).to_string()).collect()
}

/// The members of a record under the names of their columns.
pub fn object<'m>(names: &[String], members: impl Iterator<Item = &'m Member>) -> String {
    let members = members.map(|member| format!("{}: {}", names[member.place], member.json));
    format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
}

/// A container of a jsonb as text.
pub fn json(container: &[u8]) -> String {
    String::from_utf8_lossy(&print(container)).into_owned()
}

/// The columns of the target, made of the batch's JSON on top of the row $1, and the ordinal.
fn sql(target: &Target, batch: &str) -> Vec<u8> {
    let mut sql = b"SELECT ".to_vec();
    for column in &target.table.columns {
        sql.extend_from_slice(b"(r).");
        sql.extend_from_slice(&relation::quoted(&column.name));
        sql.extend_from_slice(b", ");
    }
    sql.extend_from_slice(
        b"o FROM (SELECT pg_catalog.jsonb_populate_record($1, c1::pg_catalog.jsonb) AS r, o FROM ",
    );
    sql.extend_from_slice(batch.as_bytes());
    sql.extend_from_slice(b" OFFSET 0) populated");
    sql
}

/// Tuples of the target's columns, with the ordinals of their records.
type Converted = Vec<(Vec<u8>, u32)>;

/// Whether the error is the fault of a value: also where its type has no input, or it calls what the caller may not.
fn is_about_values(error: &ServerError) -> bool {
    const NOT_ABOUT_VALUES: [&str; 9] = ["08", "25", "40", "53", "55", "57", "58", "F0", "XX"];
    // Some types of extensions refuse a text by an error without a code: XX000.
    let state = error.sqlstate();
    state == "XX000" || !NOT_ABOUT_VALUES.contains(&&state[..2])
}

struct Converter<'c, 's> {
    target: &'c Target,
    keys: &'c Keys,
    batch: Batch<'s>,
    plan: Plan<'s>,
    /// Of the columns, as JSON.
    names: Vec<String>,
    made: &'c mut Slice<'static>,
    refused: Vec<Unconverted>,
    /// Only where that is one, all of its error is told.
    enough: u64,
}

impl Converter<'_, '_> {
    /// Makes rows of all of these records that it can be done of.
    fn put(&mut self, waiting: &[Waiting]) -> Result<(), Failure> {
        let rows = match self.try_all(waiting, None)? {
            Ok(rows) => rows,
            Err(error) if !is_about_values(&error) => return Err(error.into()),
            Err(error) => {
                if let [one] = waiting {
                    self.refuse(one, error)?;
                    return Ok(());
                }
                let (first, second) = waiting.split_at(waiting.len() / 2);
                self.put(first)?;
                return self.put(second);
            }
        };
        for ((tuple, ordinal), waiting) in rows.iter().zip(waiting) {
            assert_eq!(*ordinal, waiting.ordinal, "the server has changed the order of the batch");
            let columns = &self.target.table.columns;
            let absent = &waiting.values.absent;
            let keys =
                |tuple: &[u8], out: &mut Vec<u8>| self.keys.append(tuple, absent, columns, out);
            self.made.push(tuple, columns, *ordinal, absent, keys)?;
        }
        Ok(())
    }

    /// Which of the values the server refuses, and why.
    fn refuse(&mut self, one: &Waiting, error: ServerError) -> Result<(), Failure> {
        let mut refused = Unconverted { ordinal: one.ordinal, within: String::new(), error };
        for (place, member) in one.values.members.iter().enumerate() {
            if let Err(error) = self.try_all(std::slice::from_ref(one), Some(place))? {
                refused.within.clone_from(&member.path);
                refused.error = error;
                break;
            }
        }
        if self.enough > 1 {
            refused.error = refused.error.in_brief();
        }
        push(&mut self.refused, refused)?;
        Ok(())
    }

    /// The rows of these records, or of one value of each; with their ordinals, in the order given.
    fn try_all(
        &mut self,
        waiting: &[Waiting],
        only: Option<usize>,
    ) -> Result<Result<Converted, ServerError>, Failure> {
        let mut tuples = Tuples::new(encoding::encode());
        for Waiting { ordinal, values } in waiting {
            let members = values.members.iter().enumerate();
            let members = members.filter(|(place, _)| only.is_none_or(|only| only == *place));
            let json = object(&self.names, members.map(|(_, member)| member));
            let encodable = tuples.add(|row| {
                row.text(Some(&json));
                row.int4(Some(*ordinal as i32));
            });
            if !encodable {
                return Ok(Err(Failure::from(Fault::Untranslatable).into()));
            }
        }
        if tuples.bytes().is_err() {
            interrupt::out_of_memory();
        }
        self.batch.fill(tuples.formed().iter());
        let number = self.target.table.columns.len() as i32 + 1;
        Ok(subtransaction::within(|| {
            self.plan.rows(|row| {
                let ordinal = row.get::<i32>(number).unwrap_or_default();
                (tuple::without_int4(row.bytes(), &self.target.table.columns), ordinal as u32)
            })
        }))
    }
}

const COLUMNS: &[Column] = &[Column::new("c1", ColumnType::TEXT), ORDINAL];
