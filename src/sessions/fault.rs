//! Tests only: named points at which a session or the leader stops until the test lets it go on.
//!
//! A point stops where the file `pg_opus_stop.<point>.<session>` lies in the data directory, and for as long as it
//! does; it says so in pg_stat_activity. The leader is told apart by the number [`LEADER`].

use std::path::Path;
use std::time::Duration;

use crate::pg::{background, interrupt, queue};

/// The leader's number.
pub const LEADER: usize = 999;

/// Whether this point stops now. Servers run in their data directory.
pub fn stops(name: &str, session: usize) -> bool {
    Path::new(&format!("pg_opus_stop.{name}.{session}")).exists()
}

/// Stops, and acts on interrupts where they are not held.
pub fn point(name: &str, session: usize) {
    while stops(name, session) {
        background::report_running(format!("pg_opus stops at {name}.{session}").as_bytes());
        interrupt::check();
        queue::wait(Duration::from_millis(10));
    }
}
