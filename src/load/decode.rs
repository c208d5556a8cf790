//! Steps 1 to 3 of a load: the pool's threads decode, and this one brings the document and looks for interrupts.
//!
//! Nothing of the server ends this thread's work while others run: errors and interrupts wait until they have ended.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
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

/// A document's rows, and on how many threads they were made.
pub struct Decoded<'a> {
    pub prepared: Prepared<'a>,
    pub threads: i32,
}

/// Smaller documents are decoded at once, on this thread: starting a pool takes about as long.
const SMALL: usize = 256 * 1024;

/// How long an interrupt waits at most while a document is decoded.
pub const LOOK: Duration = Duration::from_millis(20);

/// Whether a document of so many bytes is decoded on the session's own thread.
pub fn is_for_this_thread(size: usize) -> bool {
    // Outside UTF-8 the server converts each text, on this thread.
    size <= SMALL || !encoding::is_utf8()
}

/// How records are decoded; `parallel` on a pool.
pub fn mode(options: &Options, parallel: bool) -> Mode {
    Mode {
        parallel,
        stop_at_fault: options.on_error == OnError::Stop,
        most_faults: options.reject_limit,
        encode: encoding::encode(),
    }
}

/// For a document of so many bytes.
pub fn watch(size: usize) -> Watch {
    let memory = Memory { is_short: memory::is_short, can_have: memory::can_have };
    Watch::of_document(size).of_memory(memory)
}

/// Steps 1 to 3.
pub fn decode<'a>(
    recipe: &Recipe,
    document: Document<'a>,
    options: &Options,
    progress: &mut Progress,
) -> Result<Decoded<'a>, Failure> {
    let on_this_thread = || {
        let watch = watch(document.size()).asking(interrupt::pending);
        let prepared = recipe.prepare(document, mode(options, false), &watch);
        interrupt::check();
        Ok(Decoded { prepared: prepared.map_err(Failure::load)?, threads: 1 })
    };
    if is_for_this_thread(document.size()) {
        return on_this_thread();
    }
    let threads = settings::decode_threads();
    let (mode, watch) = (mode(options, threads > 1), watch(document.size()));
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
            answer(&receiver, watch, progress).unwrap_or_else(|| Err(internal(&"no answer")))
        })
    });
    // All threads have ended: the server may act on an interrupt, which raises its error here.
    interrupt::check();
    brought?;
    match decoded {
        Some(prepared) => {
            Ok(Decoded { prepared: prepared.map_err(Failure::load)?, threads: threads as i32 })
        }
        // There are no threads.
        None => {
            bring(document, &watch, progress)?;
            interrupt::check();
            on_this_thread()
        }
    }
}

/// Waits for what a thread that decodes has to answer, and stops it where an interrupt is pending; none if it has ended
/// without.
pub fn answer<T>(receiver: &Receiver<T>, watch: &Watch, progress: &mut Progress) -> Option<T> {
    loop {
        while fault::stops("decoding", fault::LEADER) && !interrupt::pending() {
            std::thread::sleep(LOOK);
        }
        match receiver.recv_timeout(LOOK) {
            Ok(answer) => return Some(answer),
            Err(RecvTimeoutError::Timeout) => {
                progress.bytes(watch.bytes());
                if interrupt::pending() {
                    watch.stop();
                }
            }
            Err(RecvTimeoutError::Disconnected) => return None,
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

/// A panic as the error that it is.
pub fn internal(panic: &(dyn std::any::Any + Send)) -> LoadError {
    let text = panic.downcast_ref::<&str>().map(|text| text.to_string());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    LoadError::document(Fault::Internal(text.unwrap_or_else(|| "a thread panicked".into()).into()))
}
