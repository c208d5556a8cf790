//! Inboxes: views that take a document through COPY or INSERT, in lines or in pieces, and load it.
//!
//! ```text
//! COPY works_json(line) FROM …
//!   BEFORE STATEMENT    begin   the options are the trigger's arguments, the target is the table that the view reads
//!   INSTEAD OF each row take    a line, or a piece: loaded whenever there is enough for a part (load/stream.rs)
//!   AFTER STATEMENT     end     the rest is loaded; what came of all is the session's last load
//! ```
//!
//! All runs in the statement, as its user. The loads that are under way stand on a stack: a statement within a statement
//! has one of its own. What an error ends is taken off by the end of its (sub)transaction. A statement that ended
//! without an error before its load did (who executes an INSERT … RETURNING may stop behind a row) is still there when
//! its (sub)transaction is to commit, and is an error then.

mod create;

use std::cell::RefCell;

use pgrx::PgSqlErrorCode::*;
use pgrx::{PgLogLevel, pg_sys};

pub use self::create::{Words, create};
use crate::load::stream::{Order, Stream};
use crate::options::Options;
use crate::pg::ending::{self, End};
use crate::pg::trigger::Call;
use crate::pg::{encoding, error, version};
use crate::report::{Failure, LoadReport};

/// A statement that loads.
struct Open {
    view: pg_sys::Oid,
    /// The (sub)transaction that it began in.
    within: pg_sys::SubTransactionId,
    /// None while a part is loaded.
    stream: Option<Box<Stream>>,
}

thread_local! {
    /// Those that have begun, the innermost last.
    static OPEN: RefCell<Vec<Open>> = const { RefCell::new(vec![]) };
}

/// The statement begins.
pub fn begin(call: &Call<'_>) -> Result<(), Failure> {
    version::check()?;
    let order = order(call)?;
    ending::listen(transaction_ends);
    let stream = Some(Box::new(Stream::begin(order)?));
    let open = Open { view: call.view(), within: ending::current(), stream };
    OPEN.with_borrow_mut(|all| all.push(open));
    Ok(())
}

/// A row comes.
pub fn take(call: &Call<'_>) -> Result<(), Failure> {
    let view = call.view();
    let row = call.text_and_bytes().ok_or_else(no_inbox)?;
    let innermost = |all: &mut Vec<Open>| {
        let place = all.iter().rposition(|open| open.view == view)?;
        Some((place, all[place].stream.take()?))
    };
    let (place, mut stream) = OPEN.with_borrow_mut(innermost).ok_or_else(no_inbox)?;
    match row {
        (Some(_), Some(_)) => return Err(both()),
        (None, Some(piece)) => stream.piece(piece)?,
        (Some(line), None) => stream.line(&encoding::to_utf8(line))?,
        (None, None) => stream.nothing()?,
    }
    OPEN.with_borrow_mut(|all| {
        if let Some(open) = all.get_mut(place) {
            open.stream = Some(stream);
        }
    });
    Ok(())
}

/// The statement ends.
pub fn end(call: &Call<'_>) -> Result<(), Failure> {
    let view = call.view();
    let innermost = |all: &mut Vec<Open>| {
        let place = all.iter().rposition(|open| open.view == view)?;
        all.remove(place).stream
    };
    let stream = OPEN.with_borrow_mut(innermost).ok_or_else(no_inbox)?;
    if let Some(report) = stream.end()? {
        report.keep();
    }
    Ok(())
}

fn order(call: &Call<'_>) -> Result<Order, Failure> {
    let target = call.base().filter(|_| call.has_text_and_bytea()).ok_or_else(no_inbox)?;
    let arguments: Vec<String> = call.arguments().into_iter().map(encoding::of_message).collect();
    let [mapping, on_conflict, on_error, reject_limit] = &arguments[..] else {
        return Err(no_inbox());
    };
    let given = |argument: &'_ String| (!argument.is_empty()).then(|| argument.clone());
    let reject_limit = given(reject_limit).map(|limit| limit.parse().map_err(|_| no_inbox()));
    let options = Options::new(
        Some(on_conflict),
        Some(on_error),
        reject_limit.transpose()?,
        Some(0),
        Some(false),
    )?;
    Ok(Order { target, mapping: given(mapping), options })
}

fn no_inbox() -> Failure {
    Failure::Refused {
        code: ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
        message: "the view and its triggers are no inbox".into(),
        hint: Some("create_inbox() makes the view with its triggers.".into()),
    }
}

fn both() -> Failure {
    Failure::Refused {
        code: ERRCODE_INVALID_PARAMETER_VALUE,
        message: "a row of an inbox has a line or a chunk, not both".into(),
        hint: None,
    }
}

/// What began in the (sub)transaction ends with it.
fn transaction_ends(end: End, id: pg_sys::SubTransactionId) {
    // One that is being loaded is its frame's, which the error has left.
    let ended = OPEN.with_borrow_mut(|all| {
        let first = all.iter().position(|open| open.within >= id).unwrap_or(all.len());
        all.split_off(first)
    });
    if ended.is_empty() {
        return;
    }
    LoadReport::forget();
    if end == End::BeforeCommit {
        let failure = Failure::Refused {
            code: ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            message: "a statement into an inbox ended before its load did".into(),
            hint: Some("An INSERT … RETURNING must be executed to its end.".into()),
        };
        error::raise(failure.into()).report(PgLogLevel::ERROR);
    }
}
