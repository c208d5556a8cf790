//! `create_inbox()`: the view and its triggers.
//!
//! The view reads its target, and no row of it. So the target is found by what it is and not by its name: an inbox
//! follows a table that is renamed or moved, pg_dump restores it behind its table, and it goes with it.

use pgrx::pg_sys;

use crate::load::stream::{Order, Stream};
use crate::pg::spi::Spi;
use crate::pg::{encoding, relation};
use crate::report::{BadArgument, Failure};

/// What an inbox is made with, as its trigger has it: the words of `on_conflict` and `on_error`, as they were checked.
pub struct Words<'w> {
    pub name: &'w str,
    pub on_conflict: &'w str,
    pub on_error: &'w str,
    pub reject_limit: Option<i64>,
}

/// Makes an inbox for a table that the mapping fits.
pub fn create(spi: &Spi, words: &Words<'_>, order: Order) -> Result<(), Failure> {
    let (target, mapping) = (order.target, order.mapping.clone());
    Stream::begin(order)?;
    let table = relation::qualified_name(target)
        .ok_or_else(|| Failure::replaced(&target.to_u32().to_string()))?;
    let literal = |text: &str| relation::literal(&encoding::for_message(text));
    let view = qualified(spi, target, words.name)?;
    let schema = relation::extension_schema(spi);
    let create: &[u8] = match relation::is_temporary(target) {
        true => b"CREATE TEMPORARY VIEW ",
        false => b"CREATE VIEW ",
    };
    let view_of = [
        create,
        &view,
        b" (line, chunk) AS SELECT NULL::pg_catalog.text, NULL::pg_catalog.bytea FROM ",
        &table,
        b" WHERE false",
    ];
    spi.prepare(&view_of.concat()).execute();
    let reject_limit = words.reject_limit.map(|limit| limit.to_string()).unwrap_or_default();
    let arguments =
        [&*mapping.unwrap_or_default(), words.on_conflict, words.on_error, &reject_limit];
    let arguments = arguments.map(literal).join(&b", "[..]);
    let triggers: [(&str, &str, &str, &[u8]); 3] = [
        ("inbox_begin", "BEFORE", "STATEMENT", &arguments),
        ("inbox_take", "INSTEAD OF", "ROW", b""),
        ("inbox_end", "AFTER", "STATEMENT", b""),
    ];
    for (function, moment, each, arguments) in triggers {
        let create = format!("CREATE TRIGGER {function} {moment} INSERT ON ").into_bytes();
        let execute = format!(" FOR EACH {each} EXECUTE FUNCTION ").into_bytes();
        let function = format!(".{function}(").into_bytes();
        let parts = [&*create, &view, &execute, &schema, &function, arguments, b")"];
        spi.prepare(&parts.concat()).execute();
    }
    Ok(())
}

/// The view's name, quoted and with the schema in which it is made, in the database's encoding.
fn qualified(spi: &Spi, target: pg_sys::Oid, name: &str) -> Result<Vec<u8>, Failure> {
    let literal = relation::literal(&encoding::for_message(name));
    let parts = [
        b"SELECT pg_catalog.string_agg(pg_catalog.quote_ident(part), '.' ORDER BY number), pg_catalog.count(*) \
          FROM pg_catalog.unnest(pg_catalog.parse_ident(",
        &*literal,
        b")) WITH ORDINALITY AS parts(part, number)",
    ];
    let read = |row: &crate::pg::spi::Row| (row.get::<Vec<u8>>(1), row.get::<i64>(2));
    let (quoted, count) = spi.row(&parts.concat(), read).unwrap_or_default();
    let quoted = quoted.ok_or_else(|| Failure::argument("name", BadArgument::Null))?;
    if count != Some(1) {
        return Ok(quoted);
    }
    let schema = match relation::is_temporary(target) {
        true => b"pg_temp".to_vec(),
        false => match relation::current_schema() {
            Some((_, name)) => relation::quoted(&name),
            // The server says that there is none.
            None => return Ok(quoted),
        },
    };
    Ok([&*schema, b".", &quoted].concat())
}
