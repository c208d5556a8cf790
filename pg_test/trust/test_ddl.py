"""A second session's DDL, TRUNCATE or lock at each step of a load: it goes first, or it waits for the load's end.

Afterwards what was asked for holds for all rows, none is lost, nobody hangs and nothing crashed.
"""

import pytest

import documents
from sessions import POINTS, Stop, outcome, until, waits_for_lock

ROWS = 6000
THERE = 600

ALL = f"SELECT count(*) = {ROWS} FROM works"
AUDIT = """CREATE TABLE audit (id uuid); GRANT ALL ON audit TO PUBLIC;
    CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit VALUES (NEW.work_id); RETURN NEW; END $$;
    CREATE TRIGGER audit AFTER INSERT ON works FOR EACH ROW EXECUTE FUNCTION audit()"""
SEEN = "SELECT count(*) IN (0, {new}) FROM audit"

# Statements, in one transaction: what they are, and what is true when both have ended. `blocks`: the load may not go on
# beside it. `fails`: SQLSTATEs with which either may end: what the load has written refuses the statement, or the
# statement what the load would write.
STATEMENTS = {
    "truncate": dict(sql="TRUNCATE works", true=f"SELECT count(*) IN (0, {ROWS}) FROM works", fails=()),
    "truncate both": dict(sql="TRUNCATE works, composers", true=f"SELECT count(*) IN (0, {ROWS}) FROM works", fails=("23503",)),
    "delete": dict(sql="DELETE FROM works", true=f"SELECT count(*) >= {ROWS - THERE} FROM works"),
    "delete composers": dict(
        sql="DELETE FROM composers WHERE composer_id > 'C000010'",
        true="SELECT NOT EXISTS (SELECT composer_id FROM works EXCEPT SELECT composer_id FROM composers)",
        fails=("23503",)),
    "check": dict(
        sql="ALTER TABLE works ADD CHECK (title <> 'Title 3000')",
        true="""SELECT NOT EXISTS (SELECT FROM works WHERE title = 'Title 3000')
            OR NOT EXISTS (SELECT FROM pg_constraint WHERE contype = 'c' AND conrelid = 'works'::regclass)""",
        fails=("23514",)),
    "check not valid": dict(sql="ALTER TABLE works ADD CHECK (title <> '') NOT VALID", true=ALL),
    "not null": dict(
        sql="ALTER TABLE works ADD note text NOT NULL DEFAULT 'd'",
        true=f"SELECT count(*) = {ROWS} AND bool_and(note = 'd') FROM works"),
    "default": dict(sql="ALTER TABLE works ALTER genre SET DEFAULT 'none'", true=ALL),
    "column": dict(sql="ALTER TABLE works ADD note text DEFAULT 'd'", true=f"SELECT count(*) = {ROWS} AND bool_and(note = 'd') FROM works"),
    "column in the middle": dict(sql="ALTER TABLE works DROP COLUMN subtitle; ALTER TABLE works ADD subtitle text", true=ALL),
    "type": dict(sql="ALTER TABLE works ALTER imslp_id TYPE int", true=ALL, fails=("42804", "0A000", "55000")),
    "rewrite": dict(
        sql="ALTER TABLE works ADD note double precision DEFAULT random()",
        true=f"SELECT count(*) = {ROWS} AND count(DISTINCT note) > 1 FROM works"),
    "generated": dict(
        sql="ALTER TABLE works ADD note text GENERATED ALWAYS AS (upper(title)) STORED",
        true=f"SELECT count(*) = {ROWS} AND bool_and(note = upper(title)) FROM works"),
    "index": dict(sql="CREATE INDEX late ON works (lower(title))", true=ALL),
    "partial index": dict(sql="CREATE INDEX late ON works (title) WHERE imslp_id % 2 = 0", true=ALL),
    "unique index": dict(sql="CREATE UNIQUE INDEX late ON works (title)", true=ALL),
    "unique constraint": dict(sql="ALTER TABLE works ADD UNIQUE (imslp_id) DEFERRABLE", true="SELECT count(*) = count(DISTINCT imslp_id) FROM works"),
    "index concurrently": dict(sql="CREATE INDEX CONCURRENTLY late ON works (title)", true=ALL, alone=True),
    "reindex": dict(sql="REINDEX TABLE works", true=ALL),
    "reindex concurrently": dict(sql="REINDEX TABLE CONCURRENTLY works", true=ALL, alone=True),
    "drop index": dict(sql="DROP INDEX works_composer_id_idx", true=ALL),
    "drop key": dict(
        sql="ALTER TABLE works DROP CONSTRAINT works_pkey",
        true=f"SELECT count(DISTINCT work_id) IN ({THERE}, {ROWS}) FROM works",
        fails=("42P10",)),
    "deferrable key": dict(sql="ALTER TABLE works DROP CONSTRAINT works_pkey, ADD PRIMARY KEY (work_id) DEFERRABLE",
                           true="SELECT count(*) = count(DISTINCT work_id) FROM works", fails=("42P10",)),
    "trigger": dict(sql=AUDIT, true=SEEN.replace("{new}", str(ROWS - THERE))),
    "disable trigger": dict(sql="ALTER TABLE works DISABLE TRIGGER ALL", true=ALL),
    "foreign key": dict(
        sql="""CREATE TABLE titles AS SELECT 'Title 1' AS title; ALTER TABLE titles ADD PRIMARY KEY (title);
            ALTER TABLE works ADD FOREIGN KEY (title) REFERENCES titles NOT VALID""",
        true="SELECT true", fails=("23503",)),
    "drop foreign key": dict(sql="ALTER TABLE works DROP CONSTRAINT works_composer_id_fkey", true=ALL),
    "rule": dict(
        sql="CREATE TABLE log (id uuid); CREATE RULE r AS ON INSERT TO works DO ALSO INSERT INTO log VALUES (NEW.work_id)",
        true="SELECT true",
        fails=("0A000",)),
    "row security": dict(sql="ALTER TABLE works ENABLE ROW LEVEL SECURITY; ALTER TABLE works FORCE ROW LEVEL SECURITY", true=ALL),
    "rename": dict(sql="ALTER TABLE works RENAME TO works_old", true=f"SELECT count(*) IN ({THERE}, {ROWS}) FROM works_old", fails=("42P01",)),
    "replace": dict(sql="ALTER TABLE works RENAME TO works_old; CREATE TABLE works (LIKE works_old INCLUDING ALL)",
                    true=f"SELECT (SELECT count(*) FROM works_old) IN ({THERE}, {ROWS}) AND (SELECT count(*) FROM works) IN (0, {ROWS}, {ROWS} - 600)",
                    fails=("42501", "42P01", "40001", "55000", "0A000")),
    "drop": dict(sql="DROP TABLE works CASCADE", true="SELECT true", fails=("42P01",), gone=True),
    "schema": dict(
        sql="CREATE SCHEMA away; ALTER TABLE works SET SCHEMA away",
        true=f"SELECT count(*) IN ({THERE}, {ROWS}) FROM away.works",
        fails=("42P01",)),
    "child": dict(sql="CREATE TABLE works_child () INHERITS (works)", true=ALL),
    "cluster": dict(sql="CLUSTER works USING works_pkey", true=ALL),
    "vacuum full": dict(sql="VACUUM FULL works", true=ALL, alone=True),
    "vacuum": dict(sql="VACUUM works", true=ALL, alone=True),
    "analyze": dict(sql="ANALYZE works", true=ALL),
    "access exclusive": dict(sql="LOCK TABLE works IN ACCESS EXCLUSIVE MODE", true=ALL),
    "share": dict(sql="LOCK TABLE works IN SHARE MODE", true=ALL),
    "share row exclusive": dict(sql="LOCK TABLE works IN SHARE ROW EXCLUSIVE MODE", true=ALL),
    "lock composers": dict(sql="LOCK TABLE composers IN ACCESS EXCLUSIVE MODE", true=ALL),
    "revoke": dict(sql="REVOKE INSERT ON works FROM loader", true=f"SELECT count(*) IN ({THERE}, {ROWS}) FROM works", fails=("42501",)),
    "unlogged": dict(sql="ALTER TABLE works SET UNLOGGED", true=ALL),
    "access method": dict(sql="ALTER TABLE works SET ACCESS METHOD heap; ALTER TABLE works SET (fillfactor = 50)", true=ALL),
}
# Statements that each point is tried with: all where a load is most exposed.
FEW = ["truncate", "check", "partial index", "trigger", "deferrable key", "replace", "access exclusive", "rewrite", "delete composers"]
EVERYWHERE = ("compared", "bulk")
STOPS = [point for point in POINTS if point != "between batches"]
MATRIX = [(point, statement) for point in STOPS for statement in (STATEMENTS if point in EVERYWHERE else FEW)]


@pytest.fixture
def ready(catalogue, connect, role):
    """A table with some of the rows, of which some will change, and a session that loads as its owner's friend."""
    role("loader")
    catalogue.load("works", documents.works(1, THERE))
    catalogue.run("UPDATE works SET title = 'old' WHERE imslp_id % 2 = 0")
    catalogue.create_extension("amcheck")
    catalogue.run("GRANT ALL ON composers, works, rejected_records TO loader; GRANT ALL ON SCHEMA public TO loader")
    own = connect(user="loader")
    own.run("SET pg_opus.min_parallel_rows = 0")
    return own


def change(session, statement):
    """The statement as a future, in a transaction of its own."""
    # Not as one query: what stands alone may be in no block.
    return session.start(statement["sql"] if statement.get("alone") else f"BEGIN; {statement['sql']}; COMMIT")


@pytest.mark.parametrize("point, name", MATRIX)
def test_beside_a_load(ready, catalogue, connect, observer, point, name):
    """The load stops; the statement runs or waits; both end; what was asked for holds."""
    statement, (where, session, workers) = STATEMENTS[name], POINTS[point]
    other = connect()
    with Stop(observer, where, session) as stop:
        loading = ready.start_load("works", documents.works(1, ROWS), workers=workers)
        stop.reached(loading)
        changing = change(other, statement)
        until(lambda: changing.done() or waits_for_lock(observer, other.pid), "a statement that is done or waits for a lock")
        stop.go_on()
        loaded, changed = outcome(loading), outcome(changing)
    allowed = statement.get("fails", ())
    assert loaded is None or loaded in allowed, loaded
    assert changed is None or changed in allowed, changed
    assert loaded is None or changed is None, (loaded, changed)
    if other.connection.info.transaction_status != 0:
        other.run("ROLLBACK")
    if loaded is None:
        ready.last_load()
    if statement.get("gone") and changed is None:
        return
    assert catalogue.value(statement["true"]), (loaded, changed)
    sound(catalogue)
    until(lambda: not observer.value("SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()"), "no prepared transaction")


def sound(session):
    """Each index has all rows, and no other."""
    session.check_indexes("""i.indrelid IN
        (SELECT oid FROM pg_class WHERE relname IN ('works', 'works_old', 'composers') AND relpersistence = 'p')""")


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("name", ["truncate", "check", "trigger", "index", "rewrite", "column in the middle", "replace", "access exclusive"])
def test_load_behind_a_statement(ready, catalogue, connect, observer, name, workers):
    """The other way round, without stops: the load waits for a transaction that has changed the table, and obeys it."""
    statement, other = STATEMENTS[name], connect()
    other.run("BEGIN; " + statement["sql"])
    loading = ready.start_load("works", documents.works(1, ROWS), workers=workers)
    waiting = """SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"""
    until(lambda: loading.done() or observer.value(waiting), "a load that waits")
    other.run("COMMIT")
    loaded = outcome(loading)
    if name == "check":
        assert loaded == "23514"
        return
    if name == "replace":
        # The new table is not the loader's.
        assert loaded in (None, "42501", "42P01", "40001", "55000", "0A000"), loaded
        return
    assert loaded is None
    assert catalogue.value(f"SELECT count(*) = {ROWS} FROM works")
    assert catalogue.value(statement["true"])
    if name == "trigger":
        assert catalogue.value(f"SELECT count(*) = {ROWS - THERE} FROM audit")
    sound(catalogue)
