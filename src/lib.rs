//! pg_opus: catalogues of composers and works, from JSON into tables, in one call.
//!
//! ```text
//! api ─▶ load ─▶ prepare ─▶ write ─▶ report
//!                (rayon)    (SPI)
//! ```
//!
//! Pure, without a word of Postgres: [`document`] finds and reads records, [`source`] knows their shapes, [`mapping`]
//! where in a record the values of any table are, [`value`] what they become, [`record`] the rows of sources, [`tuple`]
//! how rows lie in memory, [`decode`] runs that on threads, [`rows`] decides what is written in which order, [`prepare`]
//! is all of it in a row, [`error`] what can be wrong. With the server: [`target`] the table, [`write`] the statements,
//! [`sessions`] the parallel ones, [`load`] the whole of it, [`inbox`] the views that take documents through COPY, [`report`] what the caller sees,
//! [`alike`] which composers may be one, [`settings`] and [`options`]
//! what the caller may set. Unsafe: [`pg`], and nothing else.

#![deny(unsafe_code, unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

mod alike;
mod api;
mod decode;
mod document;
mod error;
mod inbox;
mod load;
mod mapping;
mod options;
#[allow(unsafe_code)]
mod pg;
mod prepare;
#[cfg(test)]
mod random;
mod record;
mod report;
mod rows;
mod sessions;
mod settings;
mod source;
mod target;
mod tuple;
mod value;
mod write;

#[cfg(all(feature = "pg_test", not(test)))]
#[path = "../pg_test/in_server.rs"]
mod in_server;

pgrx::pg_module_magic!(name, version);

pgrx::extension_sql_file!("../sql/inbox.sql", name = "inbox");
pgrx::extension_sql_file!("../sql/load_rows.sql", name = "load_rows");
pgrx::extension_sql_file!("../sql/comments.sql", name = "comments", finalize);

/// Called by the server when it loads the library.
#[allow(non_snake_case)]
#[pgrx::pg_guard]
pub extern "C-unwind" fn _PG_init() {
    settings::define();
}

/// What a worker of a parallel load runs.
#[allow(unsafe_code)]
#[pgrx::pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn pg_opus_worker(_argument: pgrx::pg_sys::Datum) {
    sessions::session::main();
}
