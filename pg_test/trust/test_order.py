"""Rows that meet or refer to one another come in the document's order: each is accepted or refused as by an INSERT of its own.

What stands beside the load is that loop of INSERTs, with what the server says of each record.
"""

import json

import psycopg
import pytest

PARENTS = """CREATE TABLE pair (a int, b int, PRIMARY KEY (a, b)); INSERT INTO pair VALUES (1, 1);
    CREATE TABLE one (a int PRIMARY KEY); INSERT INTO one VALUES (1);"""
# Enough rows that foreign keys are proved as a set, and for parallel sessions.
ENOUGH = 600
FOR_SESSIONS = 1600
TO_PAIR = "a int, b int, FOREIGN KEY (a, b) REFERENCES pair"
NULL_IN_PART, WHOLE = {"a": None, "b": 2}, {"a": 1, "b": 1}

# Tables and the first records; the others are good.
CASES = {
    "a parent of its own table, null in part": (f"id int PRIMARY KEY, up int REFERENCES t, {TO_PAIR}", [
        {"id": 1, "up": None} | NULL_IN_PART, {"id": 2, "up": 1} | WHOLE]),
    "another key, null in part": (f"id int PRIMARY KEY, u int UNIQUE, {TO_PAIR}", [
        {"id": 1, "u": 5} | NULL_IN_PART, {"id": 2, "u": 5} | WHOLE]),
    "another key, null in part, MATCH FULL": (f"id int PRIMARY KEY, u int UNIQUE, {TO_PAIR} MATCH FULL", [
        {"id": 1, "u": 5} | NULL_IN_PART, {"id": 2, "u": 5} | WHOLE]),
    "the key, null in part": (f"id int PRIMARY KEY, {TO_PAIR}", [{"id": 1} | NULL_IN_PART, {"id": 1} | WHOLE]),
    "another key, an orphan": ("id int PRIMARY KEY, u int UNIQUE, a int REFERENCES one", [
        {"id": 1, "u": 5, "a": 99}, {"id": 2, "u": 5, "a": 1}]),
    "the key, an orphan": ("id int PRIMARY KEY, a int REFERENCES one", [{"id": 1, "a": 99}, {"id": 1, "a": 1}]),
    "an orphan beside good ones": ("id int PRIMARY KEY, a int REFERENCES one", [{"id": 1, "a": 99}, {"id": 2, "a": 1}]),
}
# The same, with records of one key that add up.
ADDING_UP = {
    "a value that the second gives up": ("id int PRIMARY KEY, u int UNIQUE, p int", [
        {"id": 1, "u": 5}, {"id": 1, "u": 6, "p": 1}, {"id": 2, "u": 5}]),
    "a value that the third wants too early": ("id int PRIMARY KEY, u int UNIQUE, p int", [
        {"id": 1, "u": 5}, {"id": 2, "u": 5}, {"id": 1, "u": 6, "p": 1}]),
    "a parent that the second makes": ("id int PRIMARY KEY, code text UNIQUE, name text, up text REFERENCES t(code)", [
        {"id": 1, "name": "a"}, {"id": 1, "code": "x"}, {"id": 2, "up": "x"}]),
    "three of one key": ("id int PRIMARY KEY, u int UNIQUE, p int", [
        {"id": 1, "u": 5}, {"id": 2, "u": 6}, {"id": 1, "p": 6}, {"id": 2, "u": 7, "p": 7}, {"id": 3, "u": 6}, {"id": 1, "u": 8}, {"id": 4, "u": 5}]),
}
# A default that nobody sees, and that is not evaluated for a row that is there.
VOLATILE = ", z int DEFAULT (random() * 0)::int"
# Tables, what they have, and a document, of which some rows are there.
MIXED = {
    "a changed row refers to a new one": ("id int PRIMARY KEY, u int UNIQUE, up int REFERENCES t", [{"id": 1, "u": 1, "up": None}], [
        {"id": 2, "u": 2, "up": None}, {"id": 1, "u": 1, "up": 2}]),
    "by the other key": ("id int PRIMARY KEY, u int UNIQUE, up int REFERENCES t(u)", [{"id": 1, "u": 1, "up": None}], [
        {"id": 2, "u": 2, "up": None}, {"id": 1, "u": 1, "up": 2}]),
    "a new row takes what one gives up": ("id int PRIMARY KEY, u int UNIQUE", [{"id": 1, "u": 1}], [
        {"id": 1, "u": 3}, {"id": 2, "u": 1}]),
    "a new row comes before the one that gives up": ("id int PRIMARY KEY, u int UNIQUE", [{"id": 1, "u": 1}], [
        {"id": 2, "u": 1}, {"id": 1, "u": 3}]),
    "a changed row wants what a new one has": ("id int PRIMARY KEY, u int UNIQUE", [{"id": 1, "u": 1}], [
        {"id": 2, "u": 5}, {"id": 1, "u": 5}]),
    "a changed row takes what another gives up": ("id int PRIMARY KEY, u int UNIQUE", [{"id": 1, "u": 1}, {"id": 2, "u": 2}], [
        {"id": 1, "u": 5}, {"id": 2, "u": 1}]),
    "a changed row comes before the one that gives up": ("id int PRIMARY KEY, u int UNIQUE", [{"id": 1, "u": 1}, {"id": 2, "u": 2}], [
        {"id": 2, "u": 1}, {"id": 1, "u": 5}]),
    "a new row wants what a changed one has": ("id int PRIMARY KEY, u int UNIQUE", [{"id": 1, "u": 1}], [
        {"id": 1, "u": 5}, {"id": 2, "u": 5}]),
    "an index of several columns": ("id int PRIMARY KEY, u int, v int, UNIQUE (u, v)", [{"id": 1, "u": 1, "v": 1}], [
        {"id": 1, "u": 1, "v": 2}, {"id": 2, "u": 1, "v": 1}]),
    "a predicate": ("id int PRIMARY KEY, u int, is_used boolean, EXCLUDE (u WITH =) WHERE (is_used)", [{"id": 1, "u": 1, "is_used": True}], [
        {"id": 1, "u": 1, "is_used": False}, {"id": 2, "u": 1, "is_used": True}]),
    "an expression": ("id int PRIMARY KEY, u int, v int, EXCLUDE ((u - v) WITH =)", [{"id": 1, "u": 1, "v": 0}], [
        {"id": 1, "u": 1, "v": 9}, {"id": 2, "u": 1, "v": 0}]),
    "a generated column": ("id int PRIMARY KEY, u int, v int, w int GENERATED ALWAYS AS (u - v) STORED UNIQUE", [{"id": 1, "u": 1, "v": 0}], [
        {"id": 1, "u": 1, "v": 9}, {"id": 2, "u": 1, "v": 0}]),
}


def good(like, n):
    """A record that meets and refers to no other."""
    return like | {"id": n} | {name: value for name, value in {"u": 1000 + n, "up": None}.items() if name in like}


def one_by_one(session, records, policy):
    """The numbers and SQLSTATEs of the records that the server refuses."""
    refused = []
    for number, record in enumerate(records):
        columns = ", ".join(record)
        taken = ", ".join(f"{name} = excluded.{name}" for name in record if name != "id")
        conflict = f"ON CONFLICT (id) DO UPDATE SET {taken}" if policy == "update" else ""
        try:
            session.run(f"""INSERT INTO t ({columns}) SELECT {columns} FROM jsonb_populate_record(NULL::t, %s) {conflict}""", json.dumps(record))
        except psycopg.Error as error:
            refused.append((number, error.sqlstate))
    return refused


def compared(session, before, records, policy, workers=0):
    """The load does under `ignore` what the loop does, and ends under `stop` with the first that is refused."""
    session.run("DELETE FROM t")
    one_by_one(session, before, policy)
    expected = one_by_one(session, records, policy), session.run("TABLE t ORDER BY id")
    session.run("DELETE FROM t; TRUNCATE rejected_records")
    one_by_one(session, before, policy)
    text = json.dumps(records)
    load = "SELECT load_records('t', %s, on_conflict => %s, workers => %s, on_error => %s)"
    session.run(load, text, policy, workers, "ignore")
    refused = session.run("SELECT ordinal, sqlstate FROM rejected_records ORDER BY ordinal")
    assert (refused, session.run("TABLE t ORDER BY id")) == expected
    session.run("DELETE FROM t")
    one_by_one(session, before, policy)
    if not expected[0]:
        session.run(load, text, policy, workers, "stop")
        assert session.run("TABLE t ORDER BY id") == expected[1]
        return
    number, state = expected[0][0]
    error = session.fails(state, load, text, policy, workers, "stop")
    assert f"record {number}" in f"{error.diag.message_primary} {error.diag.message_detail} {error.diag.context}"


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("policy", ["update", "error"])
@pytest.mark.parametrize("name", CASES)
def test_new_rows(catalogue, name, policy, workers):
    table, first = CASES[name]
    if policy == "update" and first[0]["id"] == first[1]["id"]:
        pytest.skip("the later record of a key takes its place")
    catalogue.run(f"{PARENTS} CREATE TABLE t ({table}); SET pg_opus.min_parallel_rows = 0")
    count = FOR_SESSIONS if workers else ENOUGH
    compared(catalogue, [], first + [good(first[1], n) for n in range(10, 10 + count)], policy, workers)


@pytest.mark.parametrize("more", ["", VOLATILE])
@pytest.mark.parametrize("others, workers", [(0, 0), (3, 0), (ENOUGH, 0), (FOR_SESSIONS, 2)])
@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize("name", MIXED)
def test_new_and_changed_rows(catalogue, name, is_known, others, workers, more):
    """Whether or not the session has loaded into the table before, and a row that is there may be proposed."""
    table, before, first = MIXED[name]
    catalogue.run(f"CREATE TABLE t ({table}{more}); SET pg_opus.min_parallel_rows = 0")
    for n in range(-10, -10 + 3 * is_known):
        catalogue.run("SELECT load_records('t', %s)", json.dumps([good(first[0], n - 10), good(first[0], n)]))
    compared(catalogue, before, first + [good(first[0], n) for n in range(10, 10 + others)], "update", workers)


@pytest.mark.parametrize("is_read", [False, True])
@pytest.mark.parametrize("clash", [[], [{"id": 5000, "u": 3, "name": "b"}]])
def test_rows_that_keep_what_others_could_want(catalogue, clash, is_read):
    """Rows that change in nothing by which rows meet are written as if there were no such column, and new ones in bulk."""
    catalogue.run("CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE, name text)")
    if not is_read:
        # Too many rows to be read for these.
        catalogue.run("INSERT INTO t SELECT n, n, repeat('n', 500) FROM generate_series(-50000, -1) n")
    before = [{"id": n, "u": n, "name": "a"} for n in range(ENOUGH)]
    records = [{"id": n, "u": n, "name": "b"} for n in range(2 * ENOUGH)]
    compared(catalogue, before, records[:10] + clash + records[10:], "update")
    catalogue.run("DELETE FROM t")
    one_by_one(catalogue, before, "update")
    catalogue.run("SELECT load_records('t', %s)", json.dumps(records))
    assert (catalogue.last_load()["write_method"], catalogue.last_load()["updated"]) == ("bulk insert", ENOUGH)
    catalogue.run("CREATE FUNCTION swaps() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.u := -NEW.u; RETURN NEW; END'; "
                  "CREATE TRIGGER swaps BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION swaps()")
    more = [record | {"name": "c"} for record in records] + [{"id": 9000, "u": 9000, "name": "c"}]
    catalogue.run("SELECT load_records('t', %s)", json.dumps(more))
    assert catalogue.last_load()["write_method"] == "insert: rows may meet by more than their key"


@pytest.mark.parametrize("others, workers", [(0, 0), (ENOUGH, 0), (FOR_SESSIONS, 2)])
@pytest.mark.parametrize("name", ADDING_UP)
def test_records_that_add_up(catalogue, name, others, workers):
    table, first = ADDING_UP[name]
    catalogue.run(f"CREATE TABLE t ({table}); SET pg_opus.min_parallel_rows = 0")
    compared(catalogue, [], first + [good(first[0], n) for n in range(10, 10 + others)], "update", workers)


def test_references_of_rows_that_lack_what_a_new_one_needs(session):
    """A row that is there may come to refer to a new one before it in the document."""
    session.run("CREATE TABLE t (code text PRIMARY KEY, u int UNIQUE, name text NOT NULL, parent text REFERENCES t); INSERT INTO t VALUES ('B', 1, 'old')")
    session.run("SELECT load_records('t', %s)", json.dumps([{"code": "A", "name": "new"}, {"code": "B", "parent": "A"}]))
    assert session.run("TABLE t ORDER BY code") == [("A", None, "new", None), ("B", 1, "old", "A")]


@pytest.mark.parametrize("index", ["", ", UNIQUE (u)"])
def test_triggers_of_new_rows(session, index):
    """Triggers before an INSERT see new rows and no others, whatever indexes there are."""
    session.run(f"CREATE TABLE t (id int PRIMARY KEY, p int, u int{index}); INSERT INTO t VALUES (1, 0, 0)")
    session.run("CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.p := NEW.p + 1; RETURN NEW; END'; "
                "CREATE TRIGGER more BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION more()")
    session.run("SELECT load_records('t', %s)", json.dumps([{"id": 1, "p": 5, "u": 1}, {"id": 2, "p": 5, "u": 0}]))
    assert session.run("TABLE t ORDER BY id") == [(1, 5, 1), (2, 6, 0)]


def test_a_row_that_could_be_no_new_one(session):
    """A record of a row that is there may lack what a new row needs, beside a new one too."""
    session.run("CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE, name text NOT NULL); INSERT INTO t VALUES (1, 1, 'a')")
    session.run("SELECT load_records('t', %s)", json.dumps([{"id": 1, "u": 3}, {"id": 2, "u": 1, "name": "b"}]))
    assert session.run("TABLE t ORDER BY id") == [(1, 3, "a"), (2, 1, "b")]


# A table, a row of it, a part of that row that changes a column of another unique index, and what else a part may be.
PARTS = {
    "a CHECK of two columns": ("u int UNIQUE, a int, b int, CHECK (a IS NOT NULL OR b IS NOT NULL))", {"u": 1, "a": 1}, {"u": 7}, {"b": 3}),
    "a CHECK of a default": ("u int UNIQUE, a int DEFAULT 0 CHECK (a > 0))", {"u": 1, "a": 1}, {"u": 7}, {"a": 2}),
    "a generated column that is given": ("u int UNIQUE, a int, g int GENERATED ALWAYS AS (a * 2) STORED NOT NULL)", {"u": 1, "a": 1}, {"u": 7}, {"a": 2}),
    "a generated column that cannot be computed": ("u int UNIQUE, a int DEFAULT 0, g int GENERATED ALWAYS AS (10 / a) STORED)", {"u": 1, "a": 1}, {"u": 7}, {"a": 2}),
    "a default that cannot be computed": ("u int UNIQUE, a text DEFAULT current_setting('no.such'))", {"u": 1, "a": "x"}, {"u": 7}, {"a": "y"}),
    "an index with an expression": ("a int, b text CHECK (b IS NOT NULL)); CREATE UNIQUE INDEX ON t ((a + 1))", {"a": 1, "b": "x"}, {"a": 7}, {"b": "y"}),
    "an index with a predicate": ("a int, b int NOT NULL CHECK (b > 0)); CREATE UNIQUE INDEX ON t (a) WHERE (b > 5)", {"a": 1, "b": 1}, {"a": 7}, {"b": 9}),
}


@pytest.mark.parametrize("policy", ["stop", "ignore"])
@pytest.mark.parametrize("count", [1, 3, 700])
@pytest.mark.parametrize("name", PARTS)
def test_parts_of_rows_that_would_be_no_new_ones(session, name, count, policy):
    """Alone, beside new rows, and beside a record of no row that is there: it alone is refused."""
    more, row, part, other = PARTS[name]
    session.run(f"CREATE TABLE t (id int PRIMARY KEY, {more}")
    u = next(iter(part))
    rows = [{"id": n, **row, u: -n} for n in range(count)]
    assert session.value("SELECT load_records('t', %s)", json.dumps(rows)) == count
    parts = [{"id": n, **(other if n % 3 == 2 else {u: part[u] + n})} for n in range(count)]
    new = [{"id": count + n, **row, u: -count - n} for n in range(count // 2)]
    together = [record for both in zip(parts, new) for record in both] + parts[len(new):]
    assert session.value("SELECT load_records('t', %s, on_error => %s)", json.dumps(together), policy) == count + len(new)
    expected = {record["id"]: record for record in rows + new}
    for record in parts:
        expected[record["id"]] |= record
    columns = list(expected[0])
    found = session.run(f"SELECT {', '.join(columns)} FROM t ORDER BY id")
    assert found == [tuple(expected[n].get(column) for column in columns) for n in sorted(expected)]
    bad = json.dumps([{"id": 0, u: 5000}, {"id": 9999, u: 5001}, {"id": 9999, **row, u: 5000}])
    if policy == "ignore" and name != "an index with a predicate":
        session.run("SELECT load_records('t', %s, on_error => 'ignore')", bad)
        assert session.value(f"SELECT {u} FROM t WHERE id = 0") == 5000
        assert session.value("SELECT count(*) FROM t WHERE id = 9999") == 0


# Tables whose rows come in the document's order, and what a statement of it is for: every second record is refused.
IN_TURN = {
    "a partitioned table": ") PARTITION BY RANGE (id); CREATE TABLE p PARTITION OF t DEFAULT",
    "a serial column": ", n serial)",
}


@pytest.mark.parametrize("policy", ["update", "skip", "error"])
@pytest.mark.parametrize("name", IN_TURN)
def test_records_refused_in_turn(catalogue, name, policy):
    """Thousands of refused records in one batch, with others between, take no other with them."""
    catalogue.run(f"CREATE TABLE t (id int PRIMARY KEY, b int CHECK (b > 0), c text DEFAULT 'q'{IN_TURN[name]}")
    document = json.dumps([{"id": n, "b": -n} if n % 2 else {"id": n, "b": 1, "c": ""} for n in range(1, 5001)])
    load = "SELECT load_records('t', %s, on_conflict => %s, on_error => 'ignore')"
    assert catalogue.value(load, document, policy) == 2500
    assert catalogue.run("SELECT sqlstate, count(*) FROM rejected_records GROUP BY 1") == [("23514", 2500)]


def test_parts_in_turn_with_new_rows(session):
    """Thousands of parts of rows that would be no new ones, with new rows between."""
    session.run("""CREATE TABLE t (id int PRIMARY KEY, a int, u int UNIQUE, CHECK (a IS NOT NULL OR u IS NULL));
        INSERT INTO t SELECT n, 1, n FROM generate_series(1, 5000) n""")
    document = json.dumps([{"id": n + 100000, "a": 1, "u": n + 300000} if n % 2 else {"id": n, "u": n + 200000} for n in range(1, 5001)])
    assert session.value("SELECT load_records('t', %s)", document) == 5000
    assert session.run("SELECT count(*), count(*) FILTER (WHERE u > 200000) FROM t") == [(7500, 5000)]


def test_triggers_before_an_insert_of_partitions(session):
    """They are for new rows alone."""
    session.run("""CREATE TABLE t (id int PRIMARY KEY, u int) PARTITION BY RANGE (id);
        CREATE TABLE p PARTITION OF t FOR VALUES FROM (0) TO (1000); CREATE UNIQUE INDEX ON p (u);
        CREATE FUNCTION drop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
        INSERT INTO t VALUES (1, 1), (2, 2); CREATE TRIGGER b BEFORE INSERT ON p FOR EACH ROW EXECUTE FUNCTION drop()""")
    session.run("SELECT load_records('t', %s)", json.dumps([{"id": 1, "u": 5}, {"id": 3, "u": 3}, {"id": 2, "u": 1}]))
    assert session.run("TABLE t ORDER BY id") == [(1, 5), (2, 1)]


@pytest.mark.parametrize("policy", ["error", "update"])
def test_members_that_differ_where_a_trigger_numbers_rows(session, policy):
    """Records that leave out other members than those before them stand where they stand in the document."""
    session.run("""CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE, p int DEFAULT 7, n int); CREATE SEQUENCE numbers;
        CREATE FUNCTION number() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.n = nextval('numbers'); RETURN NEW; END $$;
        CREATE TRIGGER number BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION number()""")
    records = [{"id": 1000 - n} | ({"p": n} if n % 3 else {"u": n}) for n in range(700)]
    session.run("SELECT load_records('t', %s, on_conflict => %s)", json.dumps(records), policy)
    assert session.values("SELECT id FROM t ORDER BY n") == [record["id"] for record in records]


def test_members_that_differ_under_row_security(session, connect, role):
    """A row takes what another gives up if that comes before it, whatever members they have."""
    session.run(f"GRANT ALL ON SCHEMA public TO {role('owner_of_t')}")
    own = connect(user="owner_of_t")
    own.run(f"""CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE, p int{VOLATILE}); ALTER TABLE t ENABLE ROW LEVEL SECURITY;
        ALTER TABLE t FORCE ROW LEVEL SECURITY; CREATE POLICY own ON t USING (true); SELECT load_records('t', '[5]'::text, on_error => 'ignore')""")
    others = [{"id": n, "u": n} for n in range(10, 610)]
    there = [{"id": n, "u": n} for n in (1, 2, 3)]
    for first, second, third in (({}, {"p": 1}, {}), ({"p": 1}, {}, {"p": 1})):
        for one, other in (({"id": 2, "u": 1}, {"id": 1, "u": 5}), ({"id": 1, "u": 5}, {"id": 2, "u": 1})):
            records = [{"id": 3, "u": 7} | first, one | second, other | third]
            compared(own, there, records + others, "update")


@pytest.mark.parametrize("others", [0, 1, 4, FOR_SESSIONS])
@pytest.mark.parametrize("bulk", ["on", "off"])
@pytest.mark.parametrize("first, second", [("1.00", "1"), ("1", "1.00"), ("1", "1")])
def test_the_first_of_a_key_in_parallel_sessions(catalogue, first, second, others, bulk):
    """With `error` the record that comes first is written, in whichever order sessions write them: here in that of the parents."""
    catalogue.run("""CREATE TABLE numbers (n numeric PRIMARY KEY); INSERT INTO numbers SELECT generate_series(1, 2000);
        CREATE TABLE t (id numeric PRIMARY KEY REFERENCES numbers, p int); SET pg_opus.min_parallel_rows = 0""")
    catalogue.run(f"SET pg_opus.bulk_insert = {bulk}")
    records = ", ".join([f'{{"id": {first}, "p": 1}}', f'{{"id": {second}, "p": 2}}', *(f'{{"id": {n}}}' for n in range(2, 2 + others))])
    loaded = catalogue.value("SELECT load_records('t', %s, on_conflict => 'error', on_error => 'ignore', workers => 2)", f"[{records}]")
    assert (loaded, catalogue.value("SELECT p FROM t WHERE id = 1")) == (others + 1, 1)
    assert catalogue.run("SELECT ordinal, sqlstate FROM rejected_records") == [(1, "23505")]
