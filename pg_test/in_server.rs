//! Tests of the wrappers of the server, and of what only the server's own answer can prove, each in one transaction
//! that is rolled back. pg_test/in_server_run calls them.

#[path = "in_server/inbox.rs"]
mod inbox;
#[path = "in_server/random_values.rs"]
mod random_values;
#[path = "in_server/values.rs"]
mod values;

#[pgrx::pg_schema]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use pgrx::prelude::*;
    use serde_json::{Value as Json, json};

    use crate::document::Value;
    use crate::document::jsonb::Jsonb;
    use crate::pg::argument::{JsonbArgument, RelationArgument};
    use crate::pg::batch::Batch;
    use crate::pg::{encoding, error, interrupt, planned, role, spi, subtransaction, threads};
    use crate::record::{Column, ColumnType, Sink};
    use crate::tuple::Former;

    /// From here on, an extension keeps the rows of a table in another one, for this session.
    #[pg_extern]
    fn keep_elsewhere(table: RelationArgument, elsewhere: RelationArgument) {
        planned::keep_elsewhere(table.oid(), elsewhere.oid());
    }

    /// A document as read in place, written as JSON.
    #[pg_extern]
    fn read_in_place(data: JsonbArgument) -> String {
        let document = Jsonb::document(data.bytes()).and_then(|value| value.read::<Json>());
        document.map_or_else(|fault| format!("fault: {fault}"), |json| json.to_string())
    }

    /// SplitMix64 (Steele, Lea, Flood 2014): the same documents in every run.
    pub(super) struct Random(pub u64);

    impl Random {
        pub fn below(&mut self, limit: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            (mixed ^ (mixed >> 31)) % limit
        }

        pub fn text(&mut self) -> String {
            const PARTS: [&str; 10] =
                ["a", "Z", " ", "é", "🎵", "\"", "\\", "\n", "Dvořák", "0123456789abcdef"];
            let length = [0, 1, 3, 40][self.below(4) as usize];
            (0..length).map(|_| PARTS[self.below(10) as usize]).collect()
        }

        pub fn number(&mut self) -> String {
            let digits: String = (0..=self.below(25)).map(|_| self.below(10).to_string()).collect();
            let whole = digits.trim_start_matches('0');
            let whole = if whole.is_empty() { "0" } else { whole };
            let sign = ["", "-"][self.below(2) as usize];
            match self.below(4) {
                0 => format!("{sign}{whole}"),
                1 => format!("{sign}{whole}.{digits}"),
                2 => format!("{sign}{whole}e{}", self.below(30)),
                _ => format!("{sign}{whole}.{digits}e-{}", self.below(30)),
            }
        }

        pub fn json(&mut self, depth: u64) -> String {
            let quoted = |text: String| Json::from(text).to_string();
            match self.below(if depth == 0 { 5 } else { 8 }) {
                0 => "null".into(),
                1 => "true".into(),
                2 => "false".into(),
                3 => self.number(),
                4 => quoted(self.text()),
                5 | 6 => {
                    let elements: Vec<_> =
                        (0..self.below(70)).map(|_| self.json(depth - 1)).collect();
                    format!("[{}]", elements.join(","))
                }
                _ => {
                    let member = |random: &mut Self| {
                        format!("{}:{}", quoted(random.text()), random.json(depth - 1))
                    };
                    let members: Vec<_> = (0..self.below(50)).map(|_| member(self)).collect();
                    format!("{{{}}}", members.join(","))
                }
            }
        }
    }

    #[pg_test]
    fn jsonb_read_in_place_is_what_the_server_writes_out() {
        let mut random = Random(1);
        let (mut containers, mut bytes) = (0, 0);
        for _ in 0..400 {
            let json = random.json(3);
            let read = Spi::get_two_with_args::<String, String>(
                "SELECT tests.read_in_place($1::jsonb), $1::jsonb::text",
                &[json.as_str().into()],
            );
            let Ok((Some(in_place), Some(written_out))) = read else { panic!("{json}: {read:?}") };
            let parse = |text: &str| serde_json::from_str::<Json>(text).map_err(|e| e.to_string());
            assert_eq!(parse(&in_place), parse(&written_out), "{json}");
            containers += usize::from(json.starts_with(['[', '{']));
            bytes += json.len();
        }
        // The documents were worth it.
        assert!(containers > 100 && bytes > 500_000, "{containers} containers, {bytes} bytes");
    }

    #[pg_test]
    fn tuples_are_read_back_by_the_server() {
        const COLUMNS: &[Column] = &[
            Column::new("a", ColumnType::TEXT),
            Column::new("b", ColumnType::TEXT_ARRAY),
            Column::new("c", ColumnType::UUID),
            Column::new("d", ColumnType::DATE),
            Column::new("e", ColumnType::BOOLEAN),
            Column::new("f", ColumnType::INTEGER),
            Column::new("g", ColumnType::BIGINT),
            Column::new("h", ColumnType::TEXT),
        ];
        let read = spi::connect(|spi| {
            let mut batch = Batch::register(spi, "pg_opus_sample", COLUMNS, 2);
            let mut former = Former::new(encoding::encode());
            let (mut full, mut empty) = (vec![], vec![]);
            let long = "é".repeat(3000);
            former.text(Some("short"));
            former.texts(Some(&["x".into(), "".into(), long.as_str().into(), "y, \"z\"".into()]));
            former.uuid([0xAB; 16]);
            former.date(Some(-114_961));
            former.boolean(Some(true));
            former.int4(Some(i32::MIN));
            former.int8(Some(i64::MAX));
            former.text(Some(&long));
            assert!(former.finish(&mut full));
            former.text(None);
            former.texts(None);
            former.uuid([0; 16]);
            former.date(None);
            former.boolean(None);
            former.int4(None);
            former.int8(None);
            former.text(Some("end"));
            assert!(former.finish(&mut empty));
            batch.fill([full.as_slice(), empty.as_slice()]);
            spi.row(
                "SELECT jsonb_agg(jsonb_build_array(a, b[1], b[2], length(b[3]), b[4], array_length(b, 1), c, d, e, f, g,
                        md5(h)) ORDER BY a COLLATE \"C\" NULLS LAST)::text FROM pg_opus_sample",
                |row| row.get::<String>(1),
            )
        });
        let read: Json =
            serde_json::from_str(&read.flatten().unwrap_or_default()).unwrap_or_default();
        let md5 = |text: &str| {
            Spi::get_one_with_args::<String>("SELECT md5($1)", &[text.into()]).ok().flatten()
        };
        assert_eq!(
            read,
            json!([
                [
                    "short",
                    "x",
                    "",
                    3000,
                    "y, \"z\"",
                    4,
                    "abababab-abab-abab-abab-abababababab",
                    "1685-03-31",
                    true,
                    i32::MIN,
                    i64::MAX,
                    md5(&"é".repeat(3000))
                ],
                [
                    null,
                    null,
                    null,
                    null,
                    null,
                    null,
                    "00000000-0000-0000-0000-000000000000",
                    null,
                    null,
                    null,
                    null,
                    md5("end")
                ]
            ])
        );
    }

    #[pg_test]
    fn a_caught_error_has_all_its_fields() {
        let caught = spi::connect(|spi| {
            spi.run("CREATE TEMP TABLE checked (a int CONSTRAINT positive CHECK (a > 0))");
            subtransaction::within(|| spi.run("INSERT INTO checked VALUES (-1)"))
        });
        let Err(error) = caught else { panic!("the check did not refuse the row") };
        assert_eq!(error.sqlstate(), "23514");
        assert_eq!(error.constraint.as_deref(), Some(b"positive".as_slice()));
        assert_eq!(error.table.as_deref(), Some(b"checked".as_slice()));
        assert!(error.detail.is_some_and(|detail| detail.starts_with(b"Failing row contains")));
        // The subtransaction is undone and the session goes on.
        assert_eq!(Spi::get_one::<i64>("SELECT count(*) FROM checked"), Ok(Some(0)));
    }

    #[pg_test]
    fn a_code_of_the_users_own_is_kept() {
        let caught = error::catch(|| {
            spi::connect(|spi| spi.run("DO $$ BEGIN RAISE 'x' USING ERRCODE = 'OP001'; END $$"))
        });
        assert_eq!(caught.err().map(|error| error.sqlstate()).as_deref(), Some("OP001"));
    }

    /// An error handled inside and another raised after it: the last one is the one that counts.
    #[pg_test]
    fn the_error_that_is_raised_is_the_one_caught() {
        let caught = error::catch(|| {
            spi::connect(|spi| {
                spi.run(
                    "DO $$ BEGIN BEGIN RAISE 'inner'; EXCEPTION WHEN OTHERS THEN NULL; END; \
                     RAISE 'outer' USING HINT = 'hint'; END $$",
                )
            })
        });
        let error = caught.err().unwrap_or_default();
        assert_eq!(
            (error.message.as_slice(), error.hint.as_deref()),
            (b"outer".as_slice(), Some(b"hint".as_slice()))
        );
    }

    /// An error of our own that is raised within a load has what goes with it.
    #[pg_test]
    fn an_error_raised_within_is_caught_with_its_detail_and_hint() {
        let text = |text: &str| Some(text.as_bytes().to_vec());
        let (detail, hint) = (text("detail"), text("hint"));
        let raised = error::ServerError {
            code: pgrx::PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE as i32,
            message: b"message".to_vec(),
            detail: detail.clone(),
            hint: hint.clone(),
            ..error::ServerError::default()
        };
        let again = raised.clone();
        let caught = error::catch(|| error::raise(again).report(pgrx::PgLogLevel::ERROR));
        let caught = caught.err().unwrap_or_default();
        assert_eq!((caught.sqlstate(), caught.message), (raised.sqlstate(), raised.message));
        assert_eq!((caught.detail, caught.hint), (detail, hint));
    }

    #[pg_test]
    fn guards_restore_what_they_found_also_after_an_error() {
        let user = || Spi::get_one::<String>("SELECT current_user::text").ok().flatten();
        let found = user();
        Spi::run("CREATE ROLE opus_owner").expect("a role");
        let owner = Spi::get_one::<pg_sys::Oid>("SELECT 'opus_owner'::regrole::oid").ok().flatten();
        let owner = owner.expect("its oid");
        assert_eq!(role::as_owner(owner, user).as_deref(), Some("opus_owner"));
        assert_eq!(user(), found);
        assert!(
            subtransaction::within(|| role::as_owner(owner, || pgrx::error!("failed"))).is_err()
        );
        assert_eq!(user(), found);
    }

    #[pg_test]
    fn a_panic_in_a_subtransaction_rolls_it_back() {
        let level = || Spi::get_one::<i64>("SELECT count(*) FROM pg_class WHERE relname = 'half'");
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            subtransaction::within(|| {
                Spi::run("CREATE TABLE half ()").expect("a table");
                panic!("on purpose")
            })
        }));
        assert!(outcome.is_err());
        assert_eq!(level(), Ok(Some(0)));
    }

    #[pg_test]
    fn a_panic_on_a_pool_leaves_no_thread_behind() {
        let tasks = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
        let before = tasks();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            threads::with_pool(3, |pool| {
                assert!(tasks() >= before + 3);
                pool.install(|| panic!("on purpose"))
            })
        }));
        assert!(outcome.is_err());
        assert_eq!(tasks(), before);
        assert!(!interrupt::pending());
    }
}
