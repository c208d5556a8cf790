//! How the server calls a trigger function: for whom, when, with which arguments and which row.
//!
//! Anybody may attach a trigger function to a relation of his own, or call it as no trigger at all: nothing is taken for
//! granted.

use std::ffi::CStr;

use pgrx::{PgList, PgLogLevel, PgSqlErrorCode, pg_guard, pg_sys};

use super::argument::detoasted;
use super::error;
use super::relcache::attribute_of;
use crate::report::Failure;

/// When a trigger fires.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    BeforeStatement,
    InsteadOfRow,
    AfterStatement,
}

impl Moment {
    fn event(self) -> u32 {
        pg_sys::TRIGGER_EVENT_INSERT
            | match self {
                Moment::BeforeStatement => pg_sys::TRIGGER_EVENT_BEFORE,
                Moment::InsteadOfRow => pg_sys::TRIGGER_EVENT_INSTEAD | pg_sys::TRIGGER_EVENT_ROW,
                Moment::AfterStatement => pg_sys::TRIGGER_EVENT_AFTER,
            }
    }
}

/// A text and bytes, either of which may be null.
pub type TextAndBytes<'c> = (Option<&'c [u8]>, Option<&'c [u8]>);

/// A call by the trigger of an INSERT into a view.
pub struct Call<'c>(&'c pg_sys::TriggerData);

impl<'c> Call<'c> {
    /// None if the call is anything else.
    ///
    /// SAFETY: `fcinfo` is that of a running call.
    unsafe fn of(fcinfo: pg_sys::FunctionCallInfo, moment: Moment) -> Option<Self> {
        const KIND: u32 = pg_sys::TRIGGER_EVENT_OPMASK
            | pg_sys::TRIGGER_EVENT_ROW
            | pg_sys::TRIGGER_EVENT_TIMINGMASK;
        // SAFETY: the context of a call by a trigger is its data, and lives as long as the call.
        unsafe {
            if !pgrx::trigger_support::called_as_trigger(fcinfo) {
                return None;
            }
            let data = &*(*fcinfo).context.cast::<pg_sys::TriggerData>();
            let relation = &*data.tg_relation;
            let is_view = (*relation.rd_rel).relkind as u8 == pg_sys::RELKIND_VIEW;
            (is_view && data.tg_event & KIND == moment.event()).then_some(Call(data))
        }
    }

    pub fn view(&self) -> pg_sys::Oid {
        // SAFETY: the relation is open while the trigger runs.
        unsafe { (*self.0.tg_relation).rd_id }
    }

    /// The arguments of the trigger, in the database's encoding.
    pub fn arguments(&self) -> Vec<&'c [u8]> {
        // SAFETY: the trigger has as many arguments as it says, each a C string; both live as long as the call.
        unsafe {
            let trigger = &*self.0.tg_trigger;
            let count = usize::try_from(trigger.tgnargs).unwrap_or_default();
            (0..count).map(|place| CStr::from_ptr(*trigger.tgargs.add(place)).to_bytes()).collect()
        }
    }

    /// The one relation that the view reads; none if it reads none, or several.
    pub fn base(&self) -> Option<pg_sys::Oid> {
        // SAFETY: the query of a view is kept with its relation. Version 15 has entries for the view itself in it.
        unsafe {
            let query = pg_sys::get_view_query(self.0.tg_relation);
            let entries = PgList::<pg_sys::RangeTblEntry>::from_pg((*query).rtable);
            let relations = entries.iter_ptr().filter_map(|entry| {
                let entry = &*entry;
                let is_other =
                    entry.rtekind == pg_sys::RTEKind::RTE_RELATION && entry.relid != self.view();
                is_other.then_some(entry.relid)
            });
            let mut relations = relations.collect::<Vec<_>>().into_iter();
            relations.next().filter(|_| relations.next().is_none())
        }
    }

    /// Whether the view has one column of type text, and then one of type bytea, and no others.
    pub fn has_text_and_bytea(&self) -> bool {
        // SAFETY: the descriptor of the open relation has as many columns as it says.
        unsafe {
            let descriptor = (*self.0.tg_relation).rd_att;
            (*descriptor).natts == 2
                && (*attribute_of(descriptor, 0)).atttypid == pg_sys::TEXTOID
                && (*attribute_of(descriptor, 1)).atttypid == pg_sys::BYTEAOID
        }
    }

    /// The row's text and its bytes; none of a view of which [`Call::has_text_and_bytea`] is not true. It may be another
    /// one than it was when its statement began.
    pub fn text_and_bytes(&self) -> Option<TextAndBytes<'c>> {
        if !self.has_text_and_bytea() {
            return None;
        }
        let (mut values, mut nulls) = ([pg_sys::Datum::null(); 2], [true; 2]);
        // SAFETY: the tuple is of the descriptor, which has two columns. A value that is not null is a varlena; its copy
        // lives as long as the call.
        unsafe {
            let descriptor = (*self.0.tg_relation).rd_att;
            let (values, nulls) = (&mut values, &mut nulls);
            pg_sys::heap_deform_tuple(
                self.0.tg_trigtuple,
                descriptor,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            );
            let bytes = |place: usize| detoasted(values[place]);
            Some(((!nulls[0]).then(|| bytes(0)), (!nulls[1]).then(|| bytes(1))))
        }
    }
}

/// Runs the function of a trigger that fires at this moment.
///
/// SAFETY: `fcinfo` is that of a running call.
unsafe fn run(
    fcinfo: pg_sys::FunctionCallInfo,
    moment: Moment,
    work: fn(&Call<'_>) -> Result<(), Failure>,
) -> pg_sys::Datum {
    // SAFETY: the caller's promise.
    let call = unsafe { Call::of(fcinfo, moment) };
    let worked = match &call {
        Some(call) => work(call),
        None => Err(Failure::Refused {
            code: PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
            message: "an inbox's function was called by no trigger of an inbox".into(),
            hint: Some("create_inbox() makes the view with its triggers.".into()),
        }),
    };
    if let Err(failure) = worked {
        error::raise(failure.into()).report(PgLogLevel::ERROR);
    }
    match call {
        // The row counts as inserted. ExecIRInsertTriggers() frees the tuple that it has formed if another one comes
        // back, and only then: of the same one, all rows of a COPY would stay in memory to its end.
        Some(call) if moment == Moment::InsteadOfRow => {
            // SAFETY: the tuple is that of the call; the copy lives as long as the row's memory context.
            pg_sys::Datum::from(unsafe { pg_sys::heap_copytuple(call.0.tg_trigtuple) })
        }
        _ => pg_sys::Datum::null(),
    }
}

macro_rules! trigger_function {
    ($name:ident, $info:ident, $moment:expr, $work:path) => {
        #[pg_guard]
        #[unsafe(no_mangle)]
        unsafe extern "C-unwind" fn $name(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
            // SAFETY: the server calls it.
            unsafe { run(fcinfo, $moment, $work) }
        }

        #[unsafe(no_mangle)]
        extern "C" fn $info() -> *const pg_sys::Pg_finfo_record {
            static VERSION_1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
            &VERSION_1
        }
    };
}

trigger_function!(inbox_begin, pg_finfo_inbox_begin, Moment::BeforeStatement, crate::inbox::begin);
trigger_function!(inbox_take, pg_finfo_inbox_take, Moment::InsteadOfRow, crate::inbox::take);
trigger_function!(inbox_end, pg_finfo_inbox_end, Moment::AfterStatement, crate::inbox::end);
