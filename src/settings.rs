//! The settings, their defaults and why.

use std::sync::OnceLock;

use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting};

/// Foreign keys are proved as a set where that is safe: checking them row by row is the largest cost of loading works.
static SET_BASED_FOREIGN_KEYS: GucSetting<bool> = GucSetting::<bool>::new(true);

/// 0 stands for one thread per core, up to [`MOST_DEFAULT_THREADS`].
static DECODE_THREADS: GucSetting<i32> = GucSetting::<i32>::new(0);

/// Decoding is a small part of a load: more threads than this gain nothing and take cores from other sessions.
const MOST_DEFAULT_THREADS: usize = 8;

const MOST_THREADS: i32 = 256;

/// New rows are written as COPY writes them where the table allows it: at half the cost of an INSERT.
static BULK_INSERT: GucSetting<bool> = GucSetting::<bool>::new(true);

/// A load in parallel sessions commits by itself: only for who asks for it.
static WORKERS: GucSetting<i32> = GucSetting::<i32>::new(0);

/// Fewer rows are written about as soon in one session. Measured on 2 cores, a table with a CHECK constraint, one session
/// beside two: 20,000 works 79 and 98 ms, 50,000 166 and 194 ms, 100,000 316 and 326 ms, 267,000 810 and 657 ms.
static MIN_PARALLEL_ROWS: GucSetting<i32> = GucSetting::<i32>::new(100_000);

/// How much of a document that comes in pieces, with its rows, is held at a time. In kB.
static STREAM_MEMORY: GucSetting<i32> = GucSetting::<i32>::new(64 << 10);

const LEAST_STREAM_MEMORY: i32 = 1;

/// The text of a part takes a sixth of it: its rows, their order and what is kept of its records take up to twice as much,
/// the next part comes meanwhile, and the C library keeps some of what is freed. In bytes.
const STREAM_MEMORY_A_BYTE: usize = 6;

pub fn define() {
    GucRegistry::define_bool_guc(
        c"pg_opus.set_based_foreign_keys",
        c"Proves the composers of a load's works once, as a set, where that is safe.",
        c"Off, the foreign key is checked row by row, as by any INSERT.",
        &SET_BASED_FOREIGN_KEYS,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"pg_opus.bulk_insert",
        c"Writes new rows as COPY does, where the table allows it.",
        c"Off, every row is written by an INSERT statement.",
        &BULK_INSERT,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"pg_opus.decode_threads",
        c"How many threads decode a document.",
        c"0 takes one for each core, up to 8; 1 decodes in the session itself.",
        &DECODE_THREADS,
        0,
        MOST_THREADS,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"pg_opus.workers",
        c"The most parallel sessions that write a load.",
        c"0 writes in the caller's session, in the caller's transaction. A load in parallel sessions commits by itself.",
        &WORKERS,
        0,
        MOST_THREADS,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"pg_opus.min_parallel_rows",
        c"The fewest rows to write for which a load takes parallel sessions.",
        c"Rows that are there already and would not change do not count.",
        &MIN_PARALLEL_ROWS,
        0,
        i32::MAX,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"pg_opus.stream_memory",
        c"How much of a document that comes through an inbox is held at a time, with its rows.",
        c"What a part is does not change the result, only the order of rows in the table.",
        &STREAM_MEMORY,
        LEAST_STREAM_MEMORY,
        i32::MAX >> 1,
        GucContext::Userset,
        GucFlags::UNIT_KB,
    );
    reserve_prefix();
}

/// A misspelt pg_opus.* setting is an error, as one of the server's own.
fn reserve_prefix() {
    crate::pg::guc::reserve_prefix(c"pg_opus");
}

pub fn set_based_foreign_keys() -> bool {
    SET_BASED_FOREIGN_KEYS.get()
}

pub fn decode_threads() -> usize {
    match usize::try_from(DECODE_THREADS.get()) {
        Ok(threads) if threads > 0 => threads,
        _ => cores().min(MOST_DEFAULT_THREADS),
    }
}

fn cores() -> usize {
    // Asking takes longer than writing a row.
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, |cores| cores.get()))
}

/// How many sessions a load may have whose caller names no number.
pub fn workers() -> usize {
    usize::try_from(WORKERS.get()).unwrap_or_default()
}

/// How many bytes of text make a part of a document that comes in pieces.
pub fn part_size() -> usize {
    let memory = usize::try_from(STREAM_MEMORY.get()).unwrap_or_default() << 10;
    memory / STREAM_MEMORY_A_BYTE
}

pub fn bulk_insert() -> bool {
    BULK_INSERT.get()
}

pub fn min_parallel_rows() -> usize {
    usize::try_from(MIN_PARALLEL_ROWS.get()).unwrap_or_default()
}
