//! Notices and warnings of a session without a client, kept for the leader, and sent on by it.

use std::cell::{Cell, RefCell};
use std::ffi::{CString, c_char, c_int};

use pgrx::{PgLogLevel, pg_guard, pg_sys};

use super::encoding;
use super::error::ServerError;

/// A message below ERROR.
pub type Notice = (c_int, ServerError);

thread_local! {
    static KEPT: RefCell<Vec<Notice>> = const { RefCell::new(vec![]) };
    /// What the server's log takes: `log_min_messages` as the caller has it.
    static LOGGED: Cell<c_int> = const { Cell::new(0) };
}

/// From here on, keeps what a client of this session would see.
pub fn keep() {
    // SAFETY: one thread. The hook is called for messages that the log takes; to see the others too the threshold is
    // lowered, and the hook takes those out of the log again.
    unsafe {
        LOGGED.set(pg_sys::log_min_messages);
        let lowest = pg_sys::client_min_messages.min(pg_sys::INFO as c_int);
        let lowest = pg_sys::log_min_messages.min(lowest);
        // As a threshold LOG stands above ERROR.
        let is_log = lowest == pg_sys::LOG as c_int;
        pg_sys::log_min_messages = if is_log { pg_sys::DEBUG1 as c_int } else { lowest };
        pg_sys::emit_log_hook = Some(look);
    }
}

/// What has been kept since the last call.
pub fn take() -> Vec<Notice> {
    KEPT.take()
}

#[pg_guard]
unsafe extern "C-unwind" fn look(data: *mut pg_sys::ErrorData) {
    // SAFETY: the server passes its error data, which is alive during the call.
    unsafe {
        let level = (*data).elevel;
        let to_client = level == pg_sys::INFO as c_int || level >= pg_sys::client_min_messages;
        let own = level == pg_sys::LOG as c_int || level == pg_sys::LOG_SERVER_ONLY as c_int;
        let server_only = level == pg_sys::LOG_SERVER_ONLY as c_int;
        if to_client && !server_only && level < PgLogLevel::ERROR as c_int {
            let notice = (level, ServerError::of_data(&*data));
            KEPT.with_borrow_mut(|kept| kept.push(notice));
            // The caller's session logs it when it sends it on.
            (*data).output_to_server = false;
            return;
        }
        // As is_log_level_output() of elog.c decides.
        let logged = LOGGED.get();
        (*data).output_to_server = match (own, logged == pg_sys::LOG as c_int) {
            (true, _) => logged == pg_sys::LOG as c_int || logged <= PgLogLevel::ERROR as c_int,
            (false, true) => level >= pg_sys::FATAL as c_int,
            (false, false) => level >= logged,
        };
    }
}

/// A NOTICE of this program's, in any encoding.
pub fn notice(text: &str) {
    report(PgLogLevel::NOTICE, text);
}

/// The same as a WARNING.
pub fn warning(text: &str) {
    report(PgLogLevel::WARNING, text);
}

/// A worker's word to the server's log: it is of no use to the session that has started it.
pub fn another_library() {
    let [message, hint] = [
        "the library pg_opus has been replaced since the session of this load has loaded it",
        "The load is written in that session. New sessions have the new library: reconnect.",
    ]
    .map(encoding::for_message);
    let error = ServerError { message, hint: Some(hint), ..ServerError::default() };
    emit(&(PgLogLevel::LOG as c_int, error));
}

fn report(level: PgLogLevel, text: &str) {
    let message = encoding::for_message(text);
    emit(&(level as c_int, ServerError { message, ..ServerError::default() }));
}

/// Whether it is one: what is above ends a statement, a session or the server.
pub fn is_notice((level, _): &Notice) -> bool {
    *level < PgLogLevel::ERROR as c_int
}

/// Sends a notice of another session to the client of this one.
pub fn emit((level, notice): &Notice) {
    let text = |text: &Option<Vec<u8>>| CString::new(text.clone().unwrap_or_default()).ok();
    let message = CString::new(notice.message.clone()).unwrap_or_default();
    let fields = [&notice.detail, &notice.hint, &notice.context, &notice.schema, &notice.table]
        .map(|field| field.as_ref().and(text(field)));
    let at = |field: usize| -> *mut c_char {
        fields[field].as_ref().map_or(std::ptr::null_mut(), |text| text.as_ptr().cast_mut())
    };
    let mut data = pg_sys::ErrorData {
        elevel: *level,
        sqlerrcode: notice.code,
        message: message.as_ptr().cast_mut(),
        detail: at(0),
        hint: at(1),
        context: at(2),
        schema_name: at(3),
        table_name: at(4),
        ..Default::default()
    };
    // SAFETY: the strings outlive the call, which copies them.
    unsafe {
        data.assoc_context = pg_sys::CurrentMemoryContext;
        data.filename = c"pg_opus".as_ptr();
        data.funcname = c"".as_ptr();
        pg_sys::ThrowErrorData(&mut data);
    }
}
