//! Tables found as any unqualified name is found, and locked in the same step by who may.

use std::ffi::{CStr, CString, c_void};

use pgrx::{PgSqlErrorCode, pg_sys};

use super::encoding;
use super::partition;
use super::spi::Spi;

/// What a load needs of a table while it runs.
#[derive(Clone, Copy)]
pub enum Lock {
    /// As INSERT takes: no trigger, index or constraint comes or goes until the transaction ends.
    Insert,
    /// As SELECT takes.
    Read,
    /// None: the table may be gone a moment later.
    No,
}

impl Lock {
    pub fn mode(self) -> pg_sys::LOCKMODE {
        let mode = match self {
            Lock::Insert => pg_sys::RowExclusiveLock,
            Lock::Read => pg_sys::AccessShareLock,
            Lock::No => pg_sys::NoLock,
        };
        mode as pg_sys::LOCKMODE
    }
}

/// The table's OID, or none where the search_path has no such table. The lock is held to the transaction's end; who lacks
/// the privilege that goes with it gets an error before it.
pub fn find(name: &str, lock: Lock) -> Option<pg_sys::Oid> {
    let name = CString::new(name).ok()?;
    let mut privilege = match lock {
        Lock::Insert => pg_sys::ACL_INSERT,
        Lock::Read => pg_sys::ACL_SELECT,
        Lock::No => 0,
    };
    let check: pg_sys::RangeVarGetRelidCallback =
        if privilege == 0 { None } else { Some(check_before_lock) };
    // SAFETY: the RangeVar and its copy of the name live in the current memory context, longer than the call, and so
    // does the callback's argument.
    let oid = unsafe {
        let name = pg_sys::pstrdup(name.as_ptr());
        let range = pg_sys::makeRangeVar(std::ptr::null_mut(), name, -1);
        let flags = pg_sys::RVROption::RVR_MISSING_OK;
        let argument = (&raw mut privilege).cast();
        pg_sys::RangeVarGetRelidExtended(range, lock.mode(), flags, check, argument)
    };
    (oid != pg_sys::InvalidOid).then_some(oid)
}

/// Called before the lock is taken, and again if the name stands for another table by then.
#[pgrx::pg_guard]
unsafe extern "C-unwind" fn check_before_lock(
    range: *const pg_sys::RangeVar,
    oid: pg_sys::Oid,
    _old: pg_sys::Oid,
    privilege: *mut c_void,
) {
    // SAFETY: the server passes its own range variable, whose name ends with NUL, and the argument of `find`.
    unsafe {
        if oid != pg_sys::InvalidOid && !may_somewhere(oid, *privilege.cast::<u32>()) {
            let name = CStr::from_ptr((*range).relname).to_string_lossy();
            pgrx::ereport!(
                ERROR,
                PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("permission denied for table {name}")
            );
        }
    }
    partition::lock_ancestors(oid);
}

/// Whether the current user may insert into the table, or into any of its columns.
pub fn may_insert(table: pg_sys::Oid) -> bool {
    may_somewhere(table, pg_sys::ACL_INSERT)
}

/// Whether the current user has a privilege on the table or on any of its columns.
fn may_somewhere(table: pg_sys::Oid, privilege: u32) -> bool {
    let ok = pg_sys::AclResult::ACLCHECK_OK;
    // SAFETY: looks at the system cache; a table that is gone gives no privilege.
    unsafe {
        let user = pg_sys::GetUserId();
        let any = pg_sys::AclMaskHow::ACLMASK_ANY;
        pg_sys::pg_class_aclcheck(table, user, privilege as pg_sys::AclMode) == ok
            || pg_sys::pg_attribute_aclcheck_all(table, user, privilege as pg_sys::AclMode, any)
                == ok
    }
}

/// A privilege on a column, or on its table.
#[derive(Clone, Copy)]
pub enum Privilege {
    Insert,
    Select,
    Update,
}

/// Whether the current user has a privilege on each of these columns. One that the table lacks is not looked at.
pub fn may<'c>(
    table: pg_sys::Oid,
    privilege: Privilege,
    columns: impl IntoIterator<Item = &'c [u8]>,
) -> bool {
    let mode = match privilege {
        Privilege::Insert => pg_sys::ACL_INSERT,
        Privilege::Select => pg_sys::ACL_SELECT,
        Privilege::Update => pg_sys::ACL_UPDATE,
    } as pg_sys::AclMode;
    let ok = pg_sys::AclResult::ACLCHECK_OK;
    // SAFETY: as in `may_somewhere`; the names are NUL-terminated strings.
    unsafe {
        let user = pg_sys::GetUserId();
        pg_sys::pg_class_aclcheck(table, user, mode) == ok
            || columns.into_iter().all(|column| {
                let name = CString::new(column).unwrap_or_default();
                let number = pg_sys::get_attnum(table, name.as_ptr());
                number == pg_sys::InvalidAttrNumber as i16
                    || pg_sys::pg_attribute_aclcheck(table, number, user, mode) == ok
            })
    }
}

/// The table's name, qualified and quoted, in the database's encoding; none where it is gone.
pub fn qualified_name(table: pg_sys::Oid) -> Option<Vec<u8>> {
    // SAFETY: the look-ups give copies, or null pointers where there is nothing of that OID.
    unsafe {
        let schema = pg_sys::get_namespace_name(pg_sys::get_rel_namespace(table));
        let name = pg_sys::get_rel_name(table);
        if schema.is_null() || name.is_null() {
            return None;
        }
        let quoted = pg_sys::quote_qualified_identifier(schema, name);
        Some(CStr::from_ptr(quoted).to_bytes().to_vec())
    }
}

/// A relation's name for a message, as UTF-8 and without its schema; none where there is nothing of that OID.
pub fn display_name(table: pg_sys::Oid) -> Option<String> {
    // SAFETY: gives a copy, or a null pointer.
    unsafe {
        let name = pg_sys::get_rel_name(table);
        (!name.is_null()).then(|| encoding::of_message(CStr::from_ptr(name).to_bytes()))
    }
}

/// Whether it is gone when the session ends.
pub fn is_temporary(table: pg_sys::Oid) -> bool {
    // SAFETY: looks at the system cache; of a table that is gone it gives zero.
    unsafe { pg_sys::get_rel_persistence(table) as u8 == pg_sys::RELPERSISTENCE_TEMP }
}

/// A type's name as a statement has it, with its schema and without a length, in the database's encoding. That of bpchar
/// is not `character`, which stands for a length of 1.
pub fn type_name(oid: u32) -> Vec<u8> {
    const NO_LENGTH: i32 = -1;
    type_with_length(oid, NO_LENGTH)
}

/// The same with a length, or what else the type's modifier says.
pub fn type_with_length(oid: u32, typmod: i32) -> Vec<u8> {
    let flags = pg_sys::FORMAT_TYPE_TYPEMOD_GIVEN | pg_sys::FORMAT_TYPE_FORCE_QUALIFY;
    // SAFETY: gives a copy; without the flag for it, never a null pointer.
    unsafe {
        let oid = pg_sys::Oid::from(oid);
        let name = pg_sys::format_type_extended(oid, typmod, flags as pg_sys::bits16);
        CStr::from_ptr(name).to_bytes().to_vec()
    }
}

/// The type of a table's rows.
pub fn row_type(table: pg_sys::Oid) -> pg_sys::Oid {
    // SAFETY: looks at the system cache.
    unsafe { pg_sys::get_rel_type_id(table) }
}

/// Locks a table as INSERT does, by its OID; whether the current user may insert into any of its columns. Who may not
/// takes no lock.
pub fn lock_for_insert(table: pg_sys::Oid) -> bool {
    if !may_insert(table) {
        return false;
    }
    partition::lock_ancestors(table);
    // SAFETY: a table that is gone is locked for nothing; whoever opens it then finds nothing.
    unsafe { pg_sys::LockRelationOid(table, Lock::Insert.mode()) };
    may_insert(table)
}

/// A column's name, in the database's encoding; none where it is gone.
pub fn column_name(table: pg_sys::Oid, number: i16) -> Option<Vec<u8>> {
    // SAFETY: gives a copy, or a null pointer where there is no such column.
    unsafe {
        let name = pg_sys::get_attname(table, number, true);
        (!name.is_null()).then(|| CStr::from_ptr(name).to_bytes().to_vec())
    }
}

/// A constraint's name, in the database's encoding.
pub fn constraint_name(constraint: u32) -> Option<Vec<u8>> {
    // SAFETY: gives a copy, or a null pointer where there is nothing of that OID.
    unsafe {
        let name = pg_sys::get_constraint_name(pg_sys::Oid::from(constraint));
        (!name.is_null()).then(|| CStr::from_ptr(name).to_bytes().to_vec())
    }
}

/// An operator as a statement names it: with its schema, in the database's encoding.
pub fn operator(operator: u32) -> Option<Vec<u8>> {
    // SAFETY: looks at the system cache; the entry is released behind the look, and the names are copies.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::OPEROID as i32;
        let tuple = pg_sys::SearchSysCache1(cache, pg_sys::Datum::from(operator));
        if tuple.is_null() {
            return None;
        }
        let form = pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_operator>();
        let name = CStr::from_ptr((*form).oprname.data.as_ptr()).to_bytes().to_vec();
        let schema = pg_sys::get_namespace_name((*form).oprnamespace);
        pg_sys::ReleaseSysCache(tuple);
        if schema.is_null() {
            return None;
        }
        let schema = quoted(CStr::from_ptr(schema).to_bytes());
        Some([b"OPERATOR(", &*schema, b".", &name, b")"].concat())
    }
}

/// A name quoted as an identifier of SQL, where it must be.
pub fn quoted(name: &[u8]) -> Vec<u8> {
    let name = CString::new(name).unwrap_or_default();
    // SAFETY: the result is the argument itself or a copy in the current memory context.
    unsafe { CStr::from_ptr(pg_sys::quote_identifier(name.as_ptr())).to_bytes().to_vec() }
}

/// A text quoted as a literal of SQL, both in the database's encoding.
pub fn literal(text: &[u8]) -> Vec<u8> {
    let text = CString::new(text).unwrap_or_default();
    // SAFETY: the result is a copy in the current memory context.
    unsafe { CStr::from_ptr(pg_sys::quote_literal_cstr(text.as_ptr())).to_bytes().to_vec() }
}

/// Locks a table as the check of a foreign key does.
pub fn lock_for_check(table: pg_sys::Oid) {
    partition::lock_ancestors(table);
    // SAFETY: a table that is gone is locked for nothing; whoever opens it then gets the server's error.
    unsafe { pg_sys::LockRelationOid(table, pg_sys::RowShareLock as pg_sys::LOCKMODE) };
}

/// Raises the server's error about a command where the transaction is read-only, and the table is not a temporary one.
pub fn refuse_read_only(command: &str, table: impl FnOnce() -> Option<pg_sys::Oid>) {
    // SAFETY: a setting of the transaction, read on the session's thread.
    if !unsafe { pg_sys::XactReadOnly } {
        return;
    }
    // SAFETY: what belongs to a table that is gone is no temporary schema.
    let is_temporary = |table| unsafe { pg_sys::isTempNamespace(pg_sys::get_rel_namespace(table)) };
    if table().is_some_and(is_temporary) {
        return;
    }
    let Ok(command) = CString::new(command) else { return };
    // SAFETY: a NUL-terminated string; its value is copied into the message.
    unsafe { pg_sys::PreventCommandIfReadOnly(command.as_ptr()) };
}

/// Whether each statement of the transaction sees what has been committed before it.
pub fn reads_committed() -> bool {
    // SAFETY: reads a variable of the backend.
    unsafe { pg_sys::XactIsoLevel <= pg_sys::XACT_READ_COMMITTED as i32 }
}

/// `session_replication_role`, which decides which triggers fire.
pub fn replication_role() -> i32 {
    // SAFETY: reads a setting of the backend.
    unsafe { pg_sys::SessionReplicationRole }
}

/// The schema in which tables are made, and its name; none where the search_path has none.
pub fn current_schema() -> Option<(pg_sys::Oid, Vec<u8>)> {
    // SAFETY: the list is a copy; the name is a copy, or a null pointer where the schema is gone.
    unsafe {
        let path = pgrx::PgList::<pg_sys::Oid>::from_pg(pg_sys::fetch_search_path(false));
        let schema = path.get_oid(0)?;
        let name = pg_sys::get_namespace_name(schema);
        (!name.is_null()).then(|| (schema, CStr::from_ptr(name).to_bytes().to_vec()))
    }
}

/// The schema of the extension's functions, quoted.
pub fn extension_schema(spi: &Spi) -> Vec<u8> {
    let schema = "SELECT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_extension e \
        JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace \
        WHERE e.extname OPERATOR(pg_catalog.=) 'pg_opus'";
    spi.row(schema, |row| row.get::<Vec<u8>>(1)).flatten().unwrap_or_default()
}

/// Whether a schema has a relation of this name.
pub fn is_in(schema: pg_sys::Oid, name: &str) -> bool {
    let name = CString::new(name).unwrap_or_default();
    // SAFETY: looks at the system cache.
    unsafe { pg_sys::get_relname_relid(name.as_ptr(), schema) != pg_sys::InvalidOid }
}

/// Whether the current user may make tables in a schema.
pub fn may_create_in(schema: pg_sys::Oid) -> bool {
    let mode = pg_sys::ACL_CREATE as pg_sys::AclMode;
    // SAFETY: looks at the system cache.
    let result = unsafe {
        let user = pg_sys::GetUserId();
        #[cfg(feature = "pg15")]
        let result = pg_sys::pg_namespace_aclcheck(schema, user, mode);
        #[cfg(not(feature = "pg15"))]
        let result = pg_sys::object_aclcheck(pg_sys::NamespaceRelationId, schema, user, mode);
        result
    };
    result == pg_sys::AclResult::ACLCHECK_OK
}
