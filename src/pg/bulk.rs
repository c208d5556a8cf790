//! New rows into an ordinary table, many at a time, as COPY writes them.
//!
//! The calls and their order are those of `CopyFrom()` and `CopyMultiInsertBufferFlush()` in `copyfrom.c` of PostgreSQL,
//! for the method `CIM_MULTI`: [`crate::target::rules`] says for which tables that is all that an INSERT would do, and
//! what each call stands for. Three things differ:
//!
//! - The triggers of foreign keys are taken out of this statement's own list of triggers, if the caller has locked the
//!   parents of all rows.
//! - A unique index waits for nobody: a key that somebody else has, or is just writing, is an error at once, as ON
//!   CONFLICT finds it. The caller then writes by INSERT, which waits. So entries may be made in any order: no deadlock
//!   can come of it.
//! - The index of a uuid key gets its entries at the end, in its own order, if nothing can look in between
//!   ([`crate::target::rules::late_key`]). That costs a third of entering them in the order of the rows.

mod index;
mod memory;
mod state;

use std::ptr;

use pgrx::pg_sys;

use self::index::{Entry, Late, insert_index_tuples, refuse};
use self::memory::{expression_context, per_tuple, reset_per_tuple};
use super::batch::{self, prefetch};
use super::interrupt::{self, out_of_memory};
use super::relation;
use crate::record::{Absent, Column};
use crate::target::facts::{Generated, TableFacts};
use crate::target::rules;
use crate::tuple;

/// How many rows are written at once: as many as COPY takes (MAX_BUFFERED_TUPLES).
const AT_ONCE: usize = 1000;

// What pgrx leaves out of nodeModifyTable.h.
unsafe extern "C-unwind" {
    fn ExecComputeStoredGenerated(
        relation: *mut pg_sys::ResultRelInfo,
        state: *mut pg_sys::EState,
        slot: *mut pg_sys::TupleTableSlot,
        command: pg_sys::CmdType::Type,
    );
}

/// One statement that inserts rows: open from its first row to its last trigger.
///
/// It belongs to the (sub)transaction that opened it: [`BulkInsert::finish`] comes in the same one. What an error leaves
/// open, the end of that (sub)transaction closes.
pub struct BulkInsert {
    state: *mut pg_sys::EState,
    relation: *mut pg_sys::ResultRelInfo,
    transition: *mut pg_sys::TransitionCaptureState,
    command: pg_sys::CommandId,
    options: i32,
    /// A copy, which is not counted: a thousand slots that each hold the table's own take as long as their rows.
    descriptor: pg_sys::TupleDesc,
    slots: Vec<*mut pg_sys::TupleTableSlot>,
    layout: Layout,
    constraints: bool,
    generated: bool,
    partition: bool,
    after_row: bool,
    late: Option<Late>,
}

/// How a tuple of the batch becomes one of the table.
enum Layout {
    /// It is one.
    Same,
    /// Its columns go where the table has them, beside defaults.
    Mapped { tuples: pg_sys::TupleDesc, columns: Vec<Source> },
}

/// Where a column's value comes from.
#[derive(Clone, Copy)]
struct Source {
    /// From this column of the tuple, if the row has a value for it.
    tuple: Option<usize>,
    /// Else from this expression; null without one.
    default: Option<*mut pg_sys::ExprState>,
}

/// A row that is to be inserted: a tuple of the statement's columns, and those that it has no value for.
pub type NewRow<'r> = (&'r [u8], &'r Absent);

impl BulkInsert {
    /// Begins the statement for a table that the transaction has locked for writing; BEFORE STATEMENT triggers fire
    /// here. `table` is of the same lock, and [`rules::bulk_insert`] allows it. `proved` are the foreign keys
    /// whose parents are locked.
    pub fn open(table: &TableFacts, columns: &[Column], proved: &[u32]) -> Self {
        let oid = pg_sys::Oid::from(table.oid);
        relation::refuse_read_only("INSERT", || Some(oid));
        // SAFETY: the calls of CopyFrom() up to its loop, in their order. What is allocated lives in the statement's own
        // memory context; the one that is current is put back.
        unsafe {
            // As each statement of SPI sees what was done before it.
            pg_sys::CommandCounterIncrement();
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
            let state = pg_sys::CreateExecutorState();
            let before = pg_sys::MemoryContextSwitchTo((*state).es_query_cxt);
            let command = pg_sys::GetCurrentCommandId(true);
            state::range_table(state, oid, table, columns);
            let relation =
                state::make_node::<pg_sys::ResultRelInfo>(pg_sys::NodeTag::T_ResultRelInfo);
            pg_sys::ExecInitResultRelation(state, relation, 1);
            state::check_result_relation(relation);
            pg_sys::ExecOpenIndices(relation, false);
            for constraint in proved {
                state::leave_out(relation, *constraint);
            }
            pg_sys::AfterTriggerBeginQuery();
            let heap = (*relation).ri_RelationDesc;
            let transition = pg_sys::MakeTransitionCaptureState(
                (*heap).trigdesc,
                oid,
                pg_sys::CmdType::CMD_INSERT,
            );
            let descriptor = pg_sys::CreateTupleDescCopy((*heap).rd_att);
            let layout = match rules::tuples_fit(table, columns) {
                true => Layout::Same,
                false => Layout::Mapped {
                    tuples: batch::descriptor(columns),
                    columns: state::sources(state, heap, table, columns),
                },
            };
            let triggers = (*relation).ri_TrigDesc;
            let mut bulk = BulkInsert {
                state,
                relation,
                transition,
                command,
                options: state::options(heap),
                descriptor,
                slots: vec![],
                layout,
                constraints: rules::has_constraints(table, columns),
                generated: table.columns.iter().any(|it| it.generated == Generated::Stored),
                partition: table.is_partition,
                after_row: !triggers.is_null()
                    && ((*triggers).trig_insert_after_row || (*triggers).trig_insert_new_table),
                late: None,
            };
            let late = rules::late_key(table, columns, pg_sys::UUIDOID.to_u32());
            bulk.late = late.and_then(|index| bulk.take_index(pg_sys::Oid::from(index)));
            pg_sys::ExecBSInsertTriggers(state, relation);
            pg_sys::MemoryContextSwitchTo(before);
            bulk
        }
    }

    /// Writes rows, tuples of the columns that `open` was given. `written` is told how many each time.
    pub fn insert<'r>(
        &mut self,
        mut rows: impl ExactSizeIterator<Item = NewRow<'r>>,
        mut written: impl FnMut(usize),
    ) {
        let mut tuples = Vec::with_capacity(AT_ONCE.min(rows.len()));
        if let Some(late) = &mut self.late
            && late.entries.try_reserve(rows.len()).is_err()
        {
            out_of_memory();
        }
        while rows.len() > 0 {
            interrupt::check();
            tuples.clear();
            tuples.extend(rows.by_ref().take(AT_ONCE).inspect(|(tuple, _)| prefetch(tuple)));
            self.insert_some(&tuples);
            written(tuples.len());
        }
    }

    fn insert_some(&mut self, tuples: &[NewRow<'_>]) {
        let header = |(tuple, _): &NewRow<'_>| pg_sys::HeapTupleData {
            t_len: tuple.len() as u32,
            t_data: tuple.as_ptr().cast_mut().cast(),
            ..Default::default()
        };
        let mut headers: Vec<pg_sys::HeapTupleData> = tuples.iter().map(header).collect();
        // SAFETY: the tuples are of the batch's columns, whole, as `tuple` forms them. Whatever a slot does not own
        // outlives the call: heap_multi_insert() makes each slot copy its own first. The memory context is put back.
        unsafe {
            let before = pg_sys::MemoryContextSwitchTo((*self.state).es_query_cxt);
            while self.slots.len() < tuples.len() {
                let slot =
                    pg_sys::MakeSingleTupleTableSlot(self.descriptor, &pg_sys::TTSOpsHeapTuple);
                self.slots.push(slot);
            }
            for ((header, slot), (_, absent)) in headers.iter_mut().zip(&self.slots).zip(tuples) {
                self.store(header, absent, *slot);
            }
            let slots = &mut self.slots[..tuples.len()];
            pg_sys::MemoryContextSwitchTo(per_tuple(self.state));
            pg_sys::table_multi_insert(
                (*self.relation).ri_RelationDesc,
                slots.as_mut_ptr(),
                tuples.len() as i32,
                self.command,
                self.options,
                // COPY's ring of buffers makes each of its rounds wait for the log: measured, slower by a tenth.
                ptr::null_mut(),
            );
            pg_sys::MemoryContextSwitchTo((*self.state).es_query_cxt);
            if let Some(late) = &mut self.late {
                late.entries.extend(tuples.iter().zip(&*slots).filter_map(|((tuple, _), slot)| {
                    let key = *tuple::columns(tuple).first_chunk()?;
                    Some(Entry { key, place: (**slot).tts_tid })
                }));
            }
            for slot in &self.slots[..tuples.len()] {
                self.index_and_queue(*slot);
            }
            reset_per_tuple(self.state);
            pg_sys::MemoryContextSwitchTo(before);
        }
    }

    /// Makes a row of the table of a tuple of the batch, and checks it.
    ///
    /// SAFETY: as in `insert_some`.
    unsafe fn store(
        &self,
        tuple: &mut pg_sys::HeapTupleData,
        absent: &Absent,
        slot: *mut pg_sys::TupleTableSlot,
    ) {
        // SAFETY: the caller's promise; the slot has room for the table's columns.
        unsafe {
            let table = (*self.relation).ri_RelationDesc;
            match &self.layout {
                Layout::Same => {
                    pg_sys::ExecStoreHeapTuple(tuple, slot, false);
                }
                Layout::Mapped { tuples, columns } => {
                    self.map(tuple, absent, *tuples, columns, slot);
                }
            }
            // Constraints may name the column tableoid.
            (*slot).tts_tableOid = (*table).rd_id;
            if self.generated {
                let command = pg_sys::CmdType::CMD_INSERT;
                pg_sys::ffi::pg_guard_ffi_boundary(|| {
                    ExecComputeStoredGenerated(self.relation, self.state, slot, command);
                });
            }
            if self.partition {
                pg_sys::ExecPartitionCheck(self.relation, slot, self.state, true);
            }
            if self.constraints {
                pg_sys::ExecConstraints(self.relation, slot, self.state);
            }
            if self.constraints || self.generated {
                reset_per_tuple(self.state);
            }
        }
    }

    /// SAFETY: as in `insert_some`; `tuples` describes the tuple.
    unsafe fn map(
        &self,
        tuple: &mut pg_sys::HeapTupleData,
        absent: &Absent,
        tuples: pg_sys::TupleDesc,
        columns: &[Source],
        slot: *mut pg_sys::TupleTableSlot,
    ) {
        // SAFETY: both pairs of arrays have as many places as their descriptors have columns. Defaults live in the
        // memory of one row until the slot has copied them.
        unsafe {
            let count = (*tuples).natts as usize;
            let (mut values, mut nulls) = (vec![pg_sys::Datum::null(); count], vec![true; count]);
            pg_sys::heap_deform_tuple(tuple, tuples, values.as_mut_ptr(), nulls.as_mut_ptr());
            pg_sys::ExecClearTuple(slot);
            let context = expression_context(self.state);
            for (place, source) in columns.iter().enumerate() {
                let mut null = true;
                let given = source.tuple.filter(|from| !absent.contains(*from));
                let value = match (given, source.default) {
                    (Some(from), _) => {
                        null = nulls[from];
                        values[from]
                    }
                    (None, Some(default)) => {
                        pg_sys::ExecEvalExprSwitchContext(default, context, &mut null)
                    }
                    (None, None) => pg_sys::Datum::null(),
                };
                (*slot).tts_values.add(place).write(value);
                (*slot).tts_isnull.add(place).write(null);
            }
            pg_sys::ExecStoreVirtualTuple(slot);
            pg_sys::ExecMaterializeSlot(slot);
            reset_per_tuple(self.state);
        }
    }

    /// Enters a row that is in the table into its indexes, and queues the triggers that come after it.
    ///
    /// SAFETY: the slot holds the row with its place.
    unsafe fn index_and_queue(&self, slot: *mut pg_sys::TupleTableSlot) {
        // SAFETY: the calls of CopyMultiInsertBufferFlush() for each row.
        unsafe {
            let mut rechecks = ptr::null_mut();
            if (*self.relation).ri_NumIndices > 0 {
                let mut conflict = false;
                rechecks = insert_index_tuples(self.relation, slot, self.state, &mut conflict);
                if conflict {
                    refuse(rechecks);
                }
            }
            if self.after_row || !rechecks.is_null() {
                pg_sys::ExecARInsertTriggers(
                    self.state,
                    self.relation,
                    slot,
                    rechecks,
                    self.transition,
                );
                pg_sys::list_free(rechecks);
            }
            pg_sys::ExecClearTuple(slot);
        }
    }

    /// Ends the statement: late entries, AFTER STATEMENT triggers, and all triggers that have been queued. Sessions that
    /// write at once begin their late entries each in its own place of the index, at its `share` of them, from 0 to 1:
    /// side by side they would wait for the same pages, and the one that comes second would find them full.
    pub fn finish(mut self, share: f64) {
        // SAFETY: the calls of CopyFrom() behind its loop, in their order.
        unsafe {
            let before = pg_sys::MemoryContextSwitchTo((*self.state).es_query_cxt);
            if let Some(late) = self.late.take() {
                self.enter_late(late, share);
            }
            pg_sys::ExecASInsertTriggers(self.state, self.relation, self.transition);
            pg_sys::AfterTriggerEndQuery(self.state);
            pg_sys::MemoryContextSwitchTo(before);
            for slot in &self.slots {
                pg_sys::ExecDropSingleTupleTableSlot(*slot);
            }
            pg_sys::ExecResetTupleTable((*self.state).es_tupleTable, false);
            pg_sys::ExecCloseResultRelations(self.state);
            pg_sys::ExecCloseRangeTableRelations(self.state);
            pg_sys::FreeExecutorState(self.state);
            pg_sys::PopActiveSnapshot();
            pg_sys::CommandCounterIncrement();
        }
    }
}
