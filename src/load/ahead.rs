//! A part of a document that is decoded on threads of its own, while the session receives what comes behind it.
//!
//! The threads have all that they work on, so the server may raise an error or end the session meanwhile. Who no longer
//! wants the part drops it: then they stop, and have ended.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use self_cell::self_cell;

use super::decode::{Decoded, LOOK, answer, internal, is_for_this_thread, watch};
use crate::decode::Mode;
use crate::document::Watch;
use crate::document::find::Past;
use crate::document::incoming::Part;
use crate::error::LoadError;
use crate::pg::interrupt;
use crate::pg::memory::Reserve;
use crate::pg::progress::Progress;
use crate::pg::threads::{beside, with_pool};
use crate::prepare::{Document, Recipe};
use crate::report::Failure;
use crate::sessions::fault;
use crate::settings;

/// A part, and what becomes of its records.
pub struct Task {
    pub part: Part,
    pub recipe: Arc<Recipe>,
    pub mode: Mode,
    /// Records of the parts before it, and what they have shown.
    pub records: u64,
    pub past: Arc<Mutex<Past>>,
}

self_cell!(
    /// A task, and what has become of its records, which are read from it.
    struct Done {
        owner: Arc<Task>,
        #[covariant]
        dependent: Decoded,
    }
);

/// A part that is being decoded, or is to be.
pub struct Ahead {
    task: Arc<Task>,
    /// None if it is decoded when it is wanted.
    running: Option<Running>,
    reserve: Reserve,
}

/// A part that has been decoded.
pub struct Ready {
    done: Done,
    _reserve: Reserve,
}

impl Ahead {
    /// Begins to decode; `beside` if the session has something else to do meanwhile.
    pub fn begin(task: Task, beside: bool) -> Result<Self, Failure> {
        let size = task.part.text.len();
        let (task, reserve) = (Arc::new(task), Reserve::hold(size)?);
        let threads = settings::decode_threads() - usize::from(beside);
        let alone = threads == 0 || is_for_this_thread(size);
        let running = if alone { None } else { Running::start(&task, threads) };
        Ok(Ahead { task, running, reserve })
    }

    /// Whether nothing is gained by waiting.
    pub fn is_decoded(&self) -> bool {
        self.running.as_ref().is_none_or(Running::has_ended)
    }

    /// Waits until the part is decoded.
    pub fn finish(self) -> Result<Ready, Failure> {
        let Ahead { task, running, reserve } = self;
        let done = match running {
            Some(running) => running.wait(),
            None => {
                let watch = watch(task.part.text.len()).asking(interrupt::pending);
                Done::try_new(task, |task| task.decode(1, &watch))
            }
        };
        // No thread runs: the server may act on an interrupt, which raises its error here.
        interrupt::check();
        Ok(Ready { done: done.map_err(Failure::load)?, _reserve: reserve })
    }
}

impl Task {
    fn decode(&self, threads: usize, watch: &Watch) -> Result<Decoded<'_>, LoadError> {
        let document = Document::Part(&self.part, self.records, &self.past);
        let prepare = |mode| self.recipe.prepare(document, mode, watch);
        let mode = |parallel| Mode { parallel, ..self.mode };
        let in_pool = || with_pool(threads, |pool| pool.install(|| prepare(mode(true))));
        let prepared = if threads > 1 { in_pool() } else { None };
        let (prepared, threads) = match prepared {
            Some(prepared) => (prepared, threads),
            None => (prepare(mode(false)), 1),
        };
        Ok(Decoded { prepared: prepared?, threads: threads as i32 })
    }
}

impl Ready {
    pub fn task(&self) -> &Arc<Task> {
        self.done.borrow_owner()
    }

    /// The text of the part, for another.
    pub fn into_text(self) -> Vec<u8> {
        // The threads have ended: nobody else has the task.
        Arc::into_inner(self.done.into_owner()).map_or(vec![], |task| task.part.text)
    }

    pub fn with<T>(&mut self, work: impl FnOnce(&mut Decoded<'_>) -> T) -> T {
        self.done.with_dependent_mut(|_, decoded| work(decoded))
    }
}

/// The thread that decodes. When dropped it stops, and has ended.
struct Running {
    watch: Arc<Watch>,
    answers: Receiver<Result<Done, LoadError>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start(task: &Arc<Task>, threads: usize) -> Option<Self> {
        let (sender, answers) = channel();
        let watch = Arc::new(watch(task.part.text.len()));
        let (of_thread, task) = (watch.clone(), task.clone());
        let thread = beside(move || {
            while fault::stops("ahead", fault::LEADER) && of_thread.check().is_ok() {
                std::thread::sleep(LOOK);
            }
            let decode = || Done::try_new(task, |task| task.decode(threads, &of_thread));
            let done = catch_unwind(AssertUnwindSafe(decode));
            // Who no longer wants it does not wait for it.
            let _ = sender.send(done.unwrap_or_else(|panic| Err(internal(&*panic))));
        });
        Some(Running { watch, answers, thread: Some(thread?) })
    }

    fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn wait(self) -> Result<Done, LoadError> {
        let done = answer(&self.answers, &self.watch, &mut Progress::none());
        done.unwrap_or_else(|| Err(internal(&"no answer")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.watch.stop();
        if let Some(thread) = self.thread.take() {
            // What it panics with, it has sent.
            let _ = thread.join();
        }
    }
}
