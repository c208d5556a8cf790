//! PURE. Which rows of a batch are there, by the key, and what they are to the rows that are.

use super::{ALL, Statements, cast, join, of};
use crate::options::OnConflict;
use crate::record::EQUAL;

impl Statements<'_> {
    /// For the column with ids in which a new row differs from the old one, what `each` makes of its number and its name;
    /// null where there is none.
    fn unlike(&self, each: impl Fn(usize, &[u8]) -> Vec<u8>) -> Vec<u8> {
        let columns = self.columns();
        let ids = columns.iter().filter(|column| column.column.identity).enumerate();
        let when = ids.map(|(number, id)| {
            let equal = equal(&of("new", &id.batch), &of("old", &id.name));
            [b"WHEN ", &*equal, b" IS FALSE THEN ", &each(number, &id.name), b" "].concat()
        });
        [b"CASE ", &*when.collect::<Vec<_>>().concat(), b"WHEN false THEN 0 END"].concat()
    }

    /// That a row of the table, under this name, has the key of the row `new`.
    pub(super) fn has_key(&self, old: &str) -> Vec<u8> {
        let same = self.table.key.iter().map(|key| {
            let column = self.table.columns.get(key.place);
            let name = column.map(|column| (self.quote)(&column.name)).unwrap_or_default();
            let old = of(old, &name);
            let new = format!("new.c{}", key.place + 1).into_bytes();
            // A row whose columns are all null IS NULL, and is none; an index knows IS NULL alone.
            let null = [&*old, b" IS NULL AND ", &is_null(&old), b" AND ", &is_null(&new)].concat();
            let new = cast(cast(new, column.and_then(|it| it.cast.as_ref())), key.takes.as_ref());
            let collate = key.collation.as_ref().map(|name| [b" COLLATE ", &**name].concat());
            let collate = collate.unwrap_or_default();
            let compared = cast(old, key.takes.as_ref());
            let equal = [&*compared, &collate, b" ", &key.equal, b" ", &new].concat();
            [equal, null]
        });
        let same: Vec<[Vec<u8>; 2]> = same.collect();
        if !self.table.nulls_equal {
            return join(same.into_iter().map(|[equal, _]| equal), " AND ");
        }
        if same.len() > MOST_WITH_NULLS {
            let either = same.iter().map(|[equal, null]| either(equal, null));
            return join(either, " AND ");
        }
        // The server combines several looks into an index where all of the key stands in each alternative.
        let first = same.first().map(|both| both.to_vec()).unwrap_or_default();
        let ways = same.iter().skip(1).fold(first, |ways, both| {
            let with = |way: &Vec<u8>| both.each_ref().map(|it| [way, &b" AND "[..], it].concat());
            ways.iter().flat_map(with).collect()
        });
        [b"((", &*join(ways, ") OR ("), b"))"].concat()
    }

    /// A row for each one of a few that is about another thing than the row that is there. They are looked up one by
    /// one.
    pub fn others(&self) -> Vec<u8> {
        let batch = self.batch;
        let number = self.unlike(|number, _| number.to_string().into_bytes());
        let from = [b"SELECT true FROM ", batch, b" new, LATERAL (SELECT * FROM "].concat();
        let key = self.has_key("parent");
        let there = [&*self.name.from(), b" parent WHERE ", &key, b" OFFSET 0) old"].concat();
        [&*from, &there, b" WHERE ", &number, b" IS NOT NULL"].concat()
    }

    /// All rows of the table: these columns, by their places.
    pub fn read(&self, places: &[usize]) -> Vec<u8> {
        let name = |place: &usize| of("old", &(self.quote)(&self.table.columns[*place].name));
        let columns = join(places.iter().map(name), ", ");
        [b"SELECT ", &*columns, b" FROM ", &self.name.from(), b" old"].concat()
    }

    /// Which rows of the batch are there: arrays of the ordinals of those that would change, of those that would not, and
    /// of those that are about another thing than the row that is there; for each of these the number of the column that
    /// tells it, among those with ids, and the id that is there. At last, and not among the first, those that would
    /// change in one of the columns at the places `meeting`. The ordinals are the batch's column `o`.
    /// `elsewhere` if somebody else plans the query.
    pub fn compare(
        &self,
        on_conflict: OnConflict,
        meeting: Option<&[usize]>,
        elsewhere: bool,
    ) -> Vec<u8> {
        let differs = |places| match on_conflict {
            OnConflict::Update => self.differs(places, "new", |column| column.batch.clone()),
            OnConflict::Skip | OnConflict::Error => b"false".to_vec(),
        };
        let (moves, differs) = (differs(meeting), differs(ALL));
        let number = self.unlike(|number, _| number.to_string().into_bytes());
        let id = self.unlike(|_, name| [&*of("old", name), b"::pg_catalog.int8"].concat());
        let select = b"SELECT \
             pg_catalog.array_agg(o) FILTER (WHERE number IS NULL AND differs AND NOT moves), \
             pg_catalog.array_agg(o) FILTER (WHERE number IS NULL AND NOT differs), \
             pg_catalog.array_agg(o) FILTER (WHERE number IS NOT NULL), \
             pg_catalog.array_agg(number) FILTER (WHERE number IS NOT NULL), \
             pg_catalog.array_agg(id) FILTER (WHERE number IS NOT NULL), \
             pg_catalog.array_agg(o) FILTER (WHERE number IS NULL AND differs AND moves) \
             FROM (SELECT new.o, (";
        let moves = [&*moves, b") AS moves, "].concat();
        let values = [&*moves, &differs, b" AS differs, ", &number, b" AS number, (", &id].concat();
        let from = [b")::pg_catalog.int8 AS id FROM ", self.batch, b" new JOIN "];
        let on = [&*self.name.from(), b" old ON ", &self.has_key("old")].concat();
        // What the join has of both rows may be more columns than the server can hand on; so it hands on what they are to
        // each other. Somebody else need not plan an OFFSET as the server does.
        let offset: &[u8] = if elsewhere { b"" } else { b" OFFSET 0" };
        [select, &*values, &from.concat(), &on, offset, b") there"].concat()
    }
}

/// Whether a value is null: a row of nulls, of which `IS NULL` says so, is none.
pub fn is_null(value: &[u8]) -> Vec<u8> {
    [b"(pg_catalog.num_nulls(", value, b") OPERATOR(pg_catalog.=) 1)"].concat()
}

/// Whether two ids are equal; null if one of them is.
pub(super) fn equal(one: &[u8], other: &[u8]) -> Vec<u8> {
    [b"(", one, b" ", EQUAL, b" ", other, b")"].concat()
}

/// Of more columns of a key, each has its own alternative of two nulls.
const MOST_WITH_NULLS: usize = 4;

fn either(one: &[u8], other: &[u8]) -> Vec<u8> {
    [b"(", one, b" OR ", other, b")"].concat()
}
