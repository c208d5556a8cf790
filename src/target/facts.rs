//! PURE. What the server knows of a table, as `pg/relcache.rs` reads it from the locked table itself.
//!
//! Names are bytes of the database's encoding. OIDs are plain numbers. Column numbers count from 1 (`attnum`).

use std::collections::HashSet;

/// OIDs below this one belong to objects that initdb made (`FirstNormalObjectId` of `transam.h`).
pub const FIRST_NORMAL_OID: u32 = 16384;

/// `RI_FKey_check_ins()`: the trigger that checks a foreign key for new rows (`pg_proc.dat`).
pub const RI_FKEY_CHECK_INS: u32 = 1644;

/// `=` of two texts (`pg_operator.dat`).
pub const TEXT_EQUAL: u32 = 98;

/// The access method `heap` (`pg_am.dat`).
pub const HEAP: u32 = 2;

/// `pg_class.relkind`, as far as an INSERT takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationKind {
    Table,
    PartitionedTable,
    ForeignTable,
    View,
    /// What no INSERT takes: the server says so.
    Other,
}

#[derive(Clone, Debug)]
pub struct TableFacts {
    pub oid: u32,
    pub kind: RelationKind,
    /// Of the table; 0 for what has no storage.
    pub access_method: u32,
    pub is_partition: bool,
    /// The tables that it is a partition of.
    pub ancestors: Vec<u32>,
    /// What its partitions have, and it has not ([`super::partitions`]).
    pub in_partitions: InPartitions,
    /// Row security decides about the caller's rows.
    pub row_security: bool,
    /// Rules that rewrite an INSERT.
    pub insert_rules: bool,
    /// Rules of any kind: with one for UPDATE too, the server refuses ON CONFLICT.
    pub any_rules: bool,
    /// How many blocks are in use; none for what has no storage.
    pub blocks: Option<u32>,
    /// By number; dropped ones too.
    pub columns: Vec<ColumnFacts>,
    /// Enforced CHECK constraints.
    pub checks: Vec<Expression>,
    pub triggers: Vec<TriggerFacts>,
    pub indexes: Vec<IndexFacts>,
    pub foreign_keys: Vec<ForeignKeyFacts>,
}

/// What partitions of a table have of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InPartitions {
    /// Rows may meet by more than the keys of the table: there is a unique index, or a foreign key to rows of the table.
    pub meet: bool,
    /// Triggers for each row before an INSERT.
    pub before_insert: bool,
}

#[derive(Clone, Debug)]
pub struct ColumnFacts {
    pub name: Vec<u8>,
    /// `pg_type.oid`; 0 where the column was dropped.
    pub type_oid: u32,
    pub typmod: i32,
    /// `attlen` and `attalign`, the second in bytes.
    pub length: i16,
    pub alignment: u8,
    pub dropped: bool,
    pub not_null: bool,
    pub generated: Generated,
    pub identity: Identity,
    /// Rows that are shorter than the table have a value here all the same (`atthasmissing`).
    pub has_missing: bool,
    pub is_domain: bool,
    /// What a row without a value gets, or how a generated column is computed.
    pub default: Option<Expression>,
    /// The default calls a volatile function, which may be `nextval()`, or is that of an identity.
    pub default_is_volatile: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generated {
    No,
    Stored,
    Virtual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    No,
    ByDefault,
    Always,
}

/// An expression that the server evaluates for each row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expression {
    /// It calls a volatile function, other than `nextval()`.
    pub volatile: bool,
    /// It may run statements, or code that is not the server's own.
    pub foreign_code: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct TriggerFacts {
    pub function: u32,
    /// The constraint that it belongs to, or 0.
    pub constraint: u32,
    pub timing: Timing,
    pub for_each_row: bool,
    pub on_insert: bool,
    pub deferrable: bool,
    /// It fires under the session's replication role, and is not disabled.
    pub fires: bool,
    /// Its WHEN condition, which the server evaluates for each row when the row is written.
    pub when: Expression,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    Before,
    After,
    InsteadOf,
}

#[derive(Clone, Debug)]
pub struct IndexFacts {
    pub oid: u32,
    pub unique: bool,
    /// Of an exclusion constraint, or a key WITHOUT OVERLAPS.
    pub exclusion: bool,
    /// Of the primary key.
    pub primary: bool,
    /// NULLS NOT DISTINCT.
    pub nulls_equal: bool,
    /// Checked at once for each row, and not at the end of the statement.
    pub immediate: bool,
    pub valid: bool,
    /// New rows are to be entered.
    pub ready: bool,
    /// It has a predicate.
    pub partial: bool,
    /// Key columns; 0 stands for an expression.
    pub key: Vec<i16>,
    /// It has columns behind its key (INCLUDE).
    pub includes: bool,
    /// For each column of the key, the type that its operator class takes (`pg_opclass.opcintype`).
    pub input_types: Vec<u32>,
    /// And the operator family, which says what values are equal.
    pub families: Vec<u32>,
    /// Access method, operator families, the functions that it calls and the types of its columns are the server's own.
    pub built_in: bool,
    /// No collation of its columns holds different texts for equal.
    pub deterministic: bool,
    /// What its expressions and its predicate are.
    pub expressions: Expression,
}

#[derive(Clone, Debug)]
pub struct ForeignKeyFacts {
    pub constraint: u32,
    pub references: u32,
    pub columns: Vec<i16>,
    pub referenced_columns: Vec<i16>,
    /// The operators that compare a parent's column with the child's.
    pub operators: Vec<u32>,
    /// Each of these is an equality: those of a temporal key (PERIOD) are not.
    pub equalities: bool,
    pub enforced: bool,
}

impl Expression {
    /// One that is both, if either is.
    pub fn and(self, other: Expression) -> Expression {
        Expression {
            volatile: self.volatile || other.volatile,
            foreign_code: self.foreign_code || other.foreign_code,
        }
    }
}

impl TableFacts {
    /// An ordinary table: it has rows of its own, in a heap or another access method.
    pub fn is_ordinary(&self) -> bool {
        self.kind == RelationKind::Table
    }

    /// The number of a column, by its name.
    pub fn column(&self, name: &[u8]) -> Option<i16> {
        let place = self.columns.iter().position(|c| !c.dropped && c.name == name)?;
        i16::try_from(place + 1).ok()
    }

    /// A column by its name.
    pub fn column_facts(&self, name: &[u8]) -> Option<&ColumnFacts> {
        self.columns.iter().find(|column| !column.dropped && column.name == name)
    }

    /// Whether a foreign key refers to the table itself, or to one that has its rows.
    pub fn refers_to_itself(&self) -> bool {
        self.foreign_keys.iter().any(|key| self.is_itself(key.references))
    }

    /// Whether it is this table, or one that has its rows.
    pub fn is_itself(&self, table: u32) -> bool {
        table == self.oid || self.ancestors.contains(&table)
    }

    /// Whether rows may meet by more than the key of these columns.
    pub fn has_other_keys(&self, key: &[i16]) -> bool {
        self.in_partitions.meet || self.other_keys(key).next().is_some()
    }

    /// The indexes by which rows may meet by more than the key of these columns. One of the same columns is among them if it
    /// may hold other values for equal.
    pub fn other_keys<'f>(&'f self, key: &'f [i16]) -> impl Iterator<Item = &'f IndexFacts> {
        let own = self.key(Some(key));
        let is_own = move |index: &IndexFacts| own.is_some_and(|own| index.is_as_unique_as(own));
        let all = self.indexes.iter().filter(|index| index.unique || index.exclusion);
        all.filter(move |index| !is_own(index))
    }

    /// Whether a new row of a table has null in this column where the statement says nothing of it.
    pub fn defaults_to_null(&self, name: &[u8]) -> bool {
        let is_stored = matches!(self.kind, RelationKind::Table | RelationKind::PartitionedTable);
        let is_null = |column: &ColumnFacts| {
            column.default.is_none()
                // Of a domain it may be refused.
                && !column.is_domain
                && column.identity == Identity::No
                && column.generated == Generated::No
        };
        is_stored && self.column_facts(name).is_some_and(is_null)
    }

    /// Whether a new row needs a value of its record for this column.
    pub fn must_be_given(&self, name: &[u8]) -> bool {
        self.column_facts(name).is_some_and(|column| {
            let has_default = column.default.is_some()
                || column.identity != Identity::No
                || column.generated != Generated::No;
            (column.not_null || column.is_domain) && !has_default
        })
    }

    /// Whether ON CONFLICT finds an index for a key of these columns, in any order.
    pub fn has_key(&self, columns: &[i16]) -> bool {
        self.indexes.iter().any(|index| index.is_key_of(columns))
    }

    /// The index that tells rows apart: of these columns, in any order; or of the primary key.
    pub fn key(&self, columns: Option<&[i16]>) -> Option<&IndexFacts> {
        self.indexes.iter().find(|index| match columns {
            Some(columns) => index.is_key_of(columns),
            None => index.primary && index.is_key_of(&index.key),
        })
    }

    /// The trigger that checks a foreign key for new rows.
    pub fn check_trigger(&self, constraint: u32) -> Option<&TriggerFacts> {
        self.triggers.iter().find(|trigger| {
            trigger.constraint == constraint && trigger.function == RI_FKEY_CHECK_INS
        })
    }
}

impl IndexFacts {
    /// Whether ON CONFLICT finds it by these columns, in any order.
    pub fn is_key_of(&self, columns: &[i16]) -> bool {
        let same = self.key.len() == columns.len()
            && columns.iter().all(|column| self.key.contains(column));
        let fits = self.unique && !self.exclusion && self.immediate;
        fits && self.valid && !self.partial && same
    }

    /// Whether it refuses just the rows that the key `own` refuses.
    fn is_as_unique_as(&self, own: &IndexFacts) -> bool {
        let compared = |index: &IndexFacts| {
            let columns = index.key.iter().copied().zip(index.families.iter().copied());
            columns.collect::<HashSet<(i16, u32)>>()
        };
        let is_alike =
            self.deterministic && own.deterministic && self.nulls_equal == own.nulls_equal;
        self.is_key_of(&own.key)
            && (self.oid == own.oid || is_alike && compared(self) == compared(own))
    }
}

impl TriggerFacts {
    /// A trigger of a constraint, of the server's own making: it sees the rows that are there at the end, whatever
    /// statements brought them.
    pub fn is_of_constraint(&self) -> bool {
        self.constraint != 0 && self.function < FIRST_NORMAL_OID
    }

    /// A trigger that sees each row before it is written, and may change it or take it away.
    pub fn is_before_row(&self) -> bool {
        self.fires && self.for_each_row && self.timing == Timing::Before
    }
}
