//! PURE. What is asked of the parents that rows refer to.

use super::{TableName, join, of};

/// A table that others refer to, and by which of its columns.
pub struct Referenced<'r> {
    pub name: &'r TableName,
    /// The columns, quoted, each with the operator that compares it with the child's: the first with c1 of the batch, and
    /// so on.
    pub columns: &'r [(Vec<u8>, Vec<u8>)],
}

impl Referenced<'_> {
    /// Which parents of the batch are there: an array of their places, which the batch has in `o`; with `lock`, they are
    /// locked against deletion and change of key; `one_by_one` they are looked up by their index, where the planner would
    /// read all of them for a few.
    pub fn present(&self, batch: &str, lock: bool, one_by_one: bool) -> Vec<u8> {
        let lock: &[u8] = if lock { b" FOR KEY SHARE OF parent" } else { b"" };
        let table = self.name.from();
        let equal = self.equal();
        let batch = batch.as_bytes();
        let parts: &[&[u8]] = match one_by_one {
            true => &[
                b"SELECT pg_catalog.array_agg(child.o) FROM ",
                batch,
                b" child, LATERAL (SELECT FROM ",
                &table,
                b" parent WHERE ",
                &equal,
                b" OFFSET 0",
                lock,
                b") there",
            ],
            false => &[
                b"SELECT pg_catalog.array_agg(o) FROM (SELECT child.o FROM ",
                batch,
                b" child JOIN ",
                &table,
                b" parent ON ",
                &equal,
                lock,
                b") there",
            ],
        };
        parts.concat()
    }

    /// What the parents of the batch have in a column of integers, which is quoted: arrays of their places, as in
    /// [`Referenced::present`], and of the values, without nulls. They are looked up `one_by_one`,
    /// or joined.
    pub fn values(&self, batch: &str, column: &[u8], one_by_one: bool) -> Vec<u8> {
        if !one_by_one {
            let (value, equal) = (of("parent", column), self.equal());
            let select = [b"SELECT pg_catalog.array_agg(child.o), pg_catalog.array_agg(", &*value];
            let from = [b"::pg_catalog.int8) FROM ", batch.as_bytes(), b" child JOIN "];
            let on = [&*self.name.from(), b" parent ON ", &equal, b" WHERE ", &value];
            return [&select.concat(), &from.concat(), &on.concat(), &b" IS NOT NULL"[..]].concat();
        }
        let value = of("there", column);
        let aggregate = b"SELECT pg_catalog.array_agg(child.o), pg_catalog.array_agg(";
        let from = [b"::pg_catalog.int8) FROM ", batch.as_bytes(), b" child, LATERAL (SELECT "];
        let parents = [&*of("parent", column), b" FROM ", &self.name.from(), b" parent WHERE "];
        let equal = self.equal();
        let end = [b" OFFSET 0) there WHERE ", &*value, b" IS NOT NULL"].concat();
        [&aggregate[..], &value, &from.concat(), &parents.concat(), &equal, &end].concat()
    }

    /// That a parent is the one of a row of the batch.
    fn equal(&self) -> Vec<u8> {
        let equal = self.columns.iter().enumerate().map(|(place, (name, operator))| {
            let child = format!("child.c{}", place + 1);
            [&*of("parent", name), b" ", operator, b" ", child.as_bytes()].concat()
        });
        join(equal, " AND ")
    }
}
