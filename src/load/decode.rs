//! Steps 1 to 3 of a load: the pool's threads decode, and this one brings the document and looks for interrupts.
//!
//! Nothing of the server ends this thread's work while others run: errors and interrupts wait until they have ended.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use crate::decode::Mode;
use crate::document::{Arrival, Memory, Watch};
use crate::error::{Fault, LoadError};
use crate::options::{OnError, Options};
use crate::pg::error::ServerError;
use crate::pg::progress::Progress;
use crate::pg::{encoding, error, interrupt, memory, threads, transaction};
use crate::prepare::{Document, Prepared, Recipe};
use crate::report::Failure;
use crate::sessions::fault;
use crate::settings;

/// Smaller documents are decoded at once, on this thread: starting a pool takes about as long.
const SMALL: usize = 256 * 1024;

/// How long an interrupt waits at most while a document is decoded.
const LOOK: Duration = Duration::from_millis(20);

/// Steps 1 to 3, and on how many threads they ran.
pub fn decode<'a>(
    recipe: &Recipe,
    document: Document<'a>,
    options: &Options,
    progress: &mut Progress,
) -> Result<(Prepared<'a>, i32), Failure> {
    let threads = settings::decode_threads();
    // Outside UTF-8 the server converts each text, on this thread.
    let alone = document.size() <= SMALL || !encoding::is_utf8();
    let mode = Mode {
        parallel: threads > 1 && !alone,
        stop_at_fault: options.on_error == OnError::Stop,
        most_faults: options.reject_limit,
        encode: encoding::encode(),
    };
    let memory = Memory { is_short: memory::is_short, can_have: memory::can_have };
    let watch = || Watch::of_document(document.size()).of_memory(memory);
    let on_this_thread = || {
        let (mode, watch) = (Mode { parallel: false, ..mode }, watch().asking(interrupt::pending));
        let prepared = recipe.prepare(document, mode, &watch);
        interrupt::check();
        Ok((prepared.map_err(Failure::load)?, 1))
    };
    if alone {
        return on_this_thread();
    }
    let watch = watch();
    let mut brought = Ok(());
    let decoded = threads::with_pool(threads, |pool| {
        pool.in_place_scope(|scope| {
            let (sender, receiver) = channel();
            let watch = &watch;
            scope.spawn(move |_| {
                let prepare = || recipe.prepare(document, mode, watch);
                let prepared = catch_unwind(AssertUnwindSafe(prepare));
                // The receiver is there until the scope ends.
                let _ = sender.send(prepared.unwrap_or_else(|panic| Err(internal(&*panic))));
            });
            brought = bring(document, watch, progress);
            loop {
                while fault::stops("decoding", fault::LEADER) && !interrupt::pending() {
                    std::thread::sleep(LOOK);
                }
                match receiver.recv_timeout(LOOK) {
                    Ok(prepared) => return prepared,
                    Err(RecvTimeoutError::Timeout) => {
                        progress.bytes(watch.bytes());
                        if interrupt::pending() {
                            watch.stop();
                        }
                    }
                    Err(RecvTimeoutError::Disconnected) => return Err(internal(&"no answer")),
                }
            }
        })
    });
    // All threads have ended: the server may act on an interrupt, which raises its error here.
    interrupt::check();
    brought?;
    match decoded {
        Some(prepared) => Ok((prepared.map_err(Failure::load)?, threads as i32)),
        // There are no threads.
        None => {
            bring(document, &watch, progress)?;
            interrupt::check();
            on_this_thread()
        }
    }
}

/// Brings a document that is to be fetched, while others may be reading it. With or without an error, nobody waits for
/// the rest of it when this ends.
fn bring(
    document: Document<'_>,
    watch: &Watch,
    progress: &mut Progress,
) -> Result<(), ServerError> {
    let (Document::Arriving(arrival) | Document::ArrivingJsonb(arrival)) = document else {
        return Ok(());
    };
    let _end = Brought(arrival);
    let mut more = true;
    while more && !interrupt::pending() {
        // What ends the session waits until all threads have ended.
        transaction::hold_interrupts();
        let fetched = error::catch(|| arrival.fetch());
        transaction::allow_interrupts();
        more = fetched.inspect_err(|_| watch.stop())?;
        progress.bytes(watch.bytes());
    }
    Ok(())
}

/// Stops an arrival, when dropped.
struct Brought<'a>(&'a dyn Arrival<'a>);

impl Drop for Brought<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

fn internal(panic: &(dyn std::any::Any + Send)) -> LoadError {
    let text = panic.downcast_ref::<&str>().map(|text| text.to_string());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    LoadError::document(Fault::Internal(text.unwrap_or_else(|| "a thread panicked".into()).into()))
}
