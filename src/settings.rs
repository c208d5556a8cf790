//! The settings, their defaults and why.

use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting};

/// Foreign keys are proved as a set where that is safe: checking them row by row is the largest cost of loading works.
static SET_BASED_FOREIGN_KEYS: GucSetting<bool> = GucSetting::<bool>::new(true);

/// 0 stands for one thread per core, up to [`MOST_DEFAULT_THREADS`].
static DECODE_THREADS: GucSetting<i32> = GucSetting::<i32>::new(0);

/// Decoding is a small part of a load: more threads than this gain nothing and take cores from other sessions.
const MOST_DEFAULT_THREADS: usize = 8;

const MOST_THREADS: i32 = 256;

pub fn define() {
    GucRegistry::define_bool_guc(
        c"pg_opus.set_based_foreign_keys",
        c"Proves the composers of a load's works once, as a set, where that is safe.",
        c"Off, the foreign key is checked row by row, as by any INSERT.",
        &SET_BASED_FOREIGN_KEYS,
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
        _ => std::thread::available_parallelism()
            .map_or(1, |cores| cores.get().min(MOST_DEFAULT_THREADS)),
    }
}
