"""A load without `workers` writes the rows that an INSERT would write, and works wherever an INSERT works."""

import pytest

import documents
from sessions import Stop, finished, load_sql

ROWS = 3000
LARGE = documents.works(1, ROWS)

# Columns whose default tells of the session: the expression, and what it is in the caller's own.
DEFAULTS = {
    "now": ("timestamptz", "now()"),
    "statement_timestamp": ("timestamptz", "statement_timestamp()"),
    "transaction": ("text", "pg_current_xact_id()::text"),
    "backend": ("int", "pg_backend_pid()"),
    "user": ("text", "session_user || ' ' || current_user"),
    "query": ("text", "current_query()"),
    "application": ("text", "current_setting('application_name')"),
    "own setting": ("text", "current_setting('app.tenant')"),
    "sequence": ("bigint", "currval('run')"),
    "temporary table": ("text", "m_context()"),
    "advisory lock": ("boolean", "pg_try_advisory_lock(77)"),
    "snapshot": ("text", "pg_current_snapshot()::text"),
    "trigger depth": ("int", "pg_trigger_depth()"),
}


@pytest.fixture
def ready(catalogue):
    catalogue.run("""CREATE SEQUENCE run; SELECT nextval('run'); CREATE TEMP TABLE context AS SELECT 'mine'::text AS tenant;
        CREATE FUNCTION m_context() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT tenant FROM context); END $$;
        SET app.tenant = 'seven'; SET application_name = 'trust'; SET pg_opus.min_parallel_rows = 1000""")
    return catalogue


@pytest.mark.parametrize("kind", ["plain", "trigger", "check"])
@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults(ready, name, kind):
    """One value in all rows, and the value that the caller's own expression has in the same transaction."""
    of_type, expression = DEFAULTS[name]
    ready.run(f"ALTER TABLE works ADD told {of_type} DEFAULT {expression}")
    ready.run({
        "plain": "SELECT",
        "check": "ALTER TABLE works ADD CHECK (title <> '')",
        "trigger": """CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
            CREATE TRIGGER t BEFORE INSERT ON works FOR EACH ROW EXECUTE FUNCTION t()""",
    }[kind])
    with ready.connection.transaction():
        assert ready.load("works", documents.works(10001, 10000 + ROWS)) == ROWS
        if name not in ("query", "statement_timestamp", "snapshot", "advisory lock"):
            assert ready.value(f"SELECT count(*) FROM works WHERE told IS DISTINCT FROM {expression}") == 0
    ready.run("TRUNCATE works")
    assert ready.load("works", LARGE) == ROWS
    assert ready.value("SELECT count(*) FROM works WHERE told IS NULL") == 0
    if name != "snapshot":
        assert ready.value("SELECT count(DISTINCT told) FROM works") == 1
    if name == "query":
        assert "load_works" in ready.value("SELECT told FROM works LIMIT 1")
    if name == "backend":
        assert ready.value("SELECT told FROM works LIMIT 1") == ready.pid


@pytest.mark.parametrize("constraint", [
    "CHECK (m_context() = 'mine')", "CHECK (currval('run') = 1)", "CHECK (current_setting('app.tenant') = 'seven')"])
def test_checks_that_ask_the_session(ready, constraint):
    """A CHECK that reads the session's temporary table, sequence or setting sees them."""
    ready.run(f"ALTER TABLE works ADD {constraint}")
    assert ready.load("works", LARGE) == ROWS


def test_xid_is_the_callers(ready):
    """All rows have one xmin, that of the caller's transaction."""
    with ready.connection.transaction():
        mine = ready.value("SELECT pg_current_xact_id()::xid::text")
        ready.load("works", LARGE)
        ready.run("SAVEPOINT s; RELEASE s")
        assert ready.value("SELECT count(*) FROM works WHERE pg_xact_status(xmin::text::xid8) <> 'in progress'") == 0
        assert mine
    ready.run("TRUNCATE works")
    ready.load("works", LARGE)
    assert ready.last_load()["sessions"] in (0, 1)


# What may be taken from a role whose session is open: its INSERT works on. (Statements, and how to undo them.)
TAKEN = {
    "login": ("ALTER ROLE taken NOLOGIN", "ALTER ROLE taken LOGIN"),
    "connect": ("REVOKE CONNECT ON DATABASE {database} FROM PUBLIC", "GRANT CONNECT ON DATABASE {database} TO PUBLIC"),
    "connections": ("ALTER DATABASE {database} ALLOW_CONNECTIONS false", "ALTER DATABASE {database} ALLOW_CONNECTIONS true"),
    "validity": ("ALTER ROLE taken VALID UNTIL '2000-01-01'", "ALTER ROLE taken VALID UNTIL 'infinity'"),
    "connection limit": ("ALTER ROLE taken CONNECTION LIMIT 0", "ALTER ROLE taken CONNECTION LIMIT -1"),
    "temporary": ("REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC", "SELECT 1"),
}


@pytest.mark.parametrize("workers", [None, 2])
@pytest.mark.parametrize("what", TAKEN)
def test_where_no_other_session_may_start(catalogue, connect, role, database, what, workers):
    """By default, and where sessions were asked for and cannot start: the caller's session writes."""
    role("taken")
    catalogue.run("GRANT ALL ON composers, works, rejected_records TO taken; ALTER TABLE works ADD CHECK (title <> '')")
    own, server = connect(user="taken"), connect("postgres")
    own.run("SET pg_opus.min_parallel_rows = 1000")
    server.run(TAKEN[what][0].format(database=database))
    try:
        options = {} if workers is None else {"workers": workers}
        assert own.load("works", LARGE, **options) == ROWS
        report = own.last_load()
        if workers and what in ("login", "connect", "connections"):
            assert report["sessions"] in (0, 1) and report["sessions_reason"], report
        own.run("INSERT INTO composers (composer_id, last_name, complete_name) VALUES ('x', 'x', 'x')")
    finally:
        server.run(TAKEN[what][1].format(database=database))
    assert catalogue.value("SELECT count(*) FROM works") == ROWS


@pytest.mark.parametrize("workers", [None, 2])
@pytest.mark.parametrize("free", [0, 1])
def test_no_prepared_slot(catalogue, connect, workers, free):
    """Where the slots for prepared transactions are taken, by another database too, the load is written."""
    catalogue.run("ALTER TABLE works ADD CHECK (title <> ''); SET pg_opus.min_parallel_rows = 1000")
    filler = connect("postgres")
    slots = int(filler.value("SHOW max_prepared_transactions")) - free
    try:
        for slot in range(slots):
            filler.run("BEGIN; SELECT pg_current_xact_id()")
            filler.run(f"PREPARE TRANSACTION 'filler {slot}'")
        options = {} if workers is None else {"workers": workers}
        assert catalogue.load("works", LARGE, **options) == ROWS
    finally:
        for slot in range(slots):
            filler.run(f"ROLLBACK PREPARED 'filler {slot}'")
    assert catalogue.value("SELECT count(*) FROM pg_prepared_xacts") == 0


def test_prepared_slot_taken_meanwhile(catalogue, connect, observer):
    """Slots that somebody takes after the load has looked: the caller's session writes what the others cannot prepare."""

    own, filler = connect(), connect("postgres")
    own.run("SET pg_opus.min_parallel_rows = 1000")
    taken = 0
    try:
        with Stop(observer, "preparing", 1) as stop:
            loading = own.start_load("works", LARGE, workers=2)
            stop.reached(loading)
            while True:
                filler.run("BEGIN; SELECT pg_current_xact_id()")
                try:
                    filler.run(f"PREPARE TRANSACTION 'filler {taken}'")
                except Exception:
                    filler.run("ROLLBACK")
                    break
                taken += 1
        assert finished(loading)[0][0] == ROWS
    finally:
        for slot in range(taken):
            filler.run(f"ROLLBACK PREPARED 'filler {slot}'")
    assert catalogue.value("SELECT count(*) FROM works") == ROWS
    assert catalogue.value("SELECT count(*) FROM pg_prepared_xacts") == 0


@pytest.mark.parametrize("wish", ["default", "setting", "argument"])
def test_sessions_only_where_asked_for(catalogue, wish):
    """The default is one session, whatever the size; what asks for more is the argument or the setting."""
    catalogue.run("ALTER TABLE works ADD CHECK (title <> ''); SET pg_opus.min_parallel_rows = 0")
    if wish == "setting":
        catalogue.run("SET pg_opus.workers = 2")
    catalogue.run(*load_sql("works", LARGE, {"workers": 2} if wish == "argument" else {}))
    sessions = catalogue.last_load()["sessions"]
    assert sessions in ((0, 1) if wish == "default" else (2,)), catalogue.last_load()
    assert catalogue.value("SELECT reset_val FROM pg_settings WHERE name = 'pg_opus.workers'") == "0"


def test_a_named_number_from_a_few_batches_on(catalogue):
    """A number in the call is honoured for some thousand rows, whatever pg_opus.min_parallel_rows is."""
    assert catalogue.load("works", documents.works(1, 6000), workers=2) == 6000
    assert catalogue.last_load()["sessions"] == 2, catalogue.last_load()


@pytest.mark.parametrize("workers", [0, 2])
def test_default_that_cannot_be_computed(session, workers):
    """Each record that takes it is a bad one, whoever writes; an INSERT of all of them fails."""
    session.run("SET pg_opus.min_parallel_rows = 0; CREATE TABLE t (id int PRIMARY KEY, a int DEFAULT 1 / 0)")
    document = "(SELECT jsonb_agg(jsonb_build_object('id', n)) FROM generate_series(1, 1000) n)"
    # Makes the table for records that are set aside: without it no session starts.
    session.run("SELECT load_records('t', '[5]'::text, on_error => 'ignore'); TRUNCATE rejected_records")
    assert session.value(f"SELECT load_records('t', {document}, on_error => 'ignore', workers => {workers})") == 0
    assert session.run("SELECT DISTINCT sqlstate FROM rejected_records") == [("22012",)]
    assert session.last_load()["rejected"] == 1000
    error = pytest.raises(Exception, session.run, f"SELECT load_records('t', {document}, workers => {workers})").value
    assert error.sqlstate == "22012"


@pytest.mark.parametrize("workers", [0, 2])
def test_how_parents_were_checked(session, workers):
    """A load tells of the server's checks where new rows were inserted, and of its own where they were not."""
    session.run("""SET pg_opus.min_parallel_rows = 0; CREATE TABLE parent (p int PRIMARY KEY); INSERT INTO parent VALUES (0), (1);
        CREATE TABLE t (id int PRIMARY KEY, p int REFERENCES parent)""")
    document = "(SELECT jsonb_agg(jsonb_build_object('id', n, 'p', n % 2)) FROM generate_series({}, {}) n)"
    session.run(f"SELECT load_records('t', {document.format(1, 3000)}, workers => {workers})")
    assert session.last_load()["foreign_key_check"] == "as a set"
    session.run("SET pg_opus.bulk_insert = off")
    session.run(f"SELECT load_records('t', {document.format(3001, 6000)}, workers => {workers})")
    assert session.last_load()["sessions"] == workers
    assert session.last_load()["foreign_key_check"].startswith("row by row: ")
    session.run("RESET pg_opus.bulk_insert; ALTER TABLE t ADD UNIQUE (p, id)")
    session.run(f"SELECT load_records('t', {document.format(6001, 9000)}, workers => {workers})")
    # A worker's rows might be refused by the second key; the caller's session can begin anew.
    assert session.last_load()["foreign_key_check"] == ("row by row: new rows were inserted" if workers else "as a set")
    session.run("RESET pg_opus.min_parallel_rows; ALTER TABLE t DISABLE TRIGGER ALL")
    assert session.value(f"SELECT load_records('t', {document.format(9001, 9600)})") == 600
    assert session.last_load()["foreign_key_check"] == "none: the server checks no foreign key"


@pytest.mark.parametrize("policy", ["update", "skip"])
def test_a_table_of_all_the_columns_that_one_can_have(session, policy):
    """A row that is there is compared and changed in all of them."""
    columns = [f"c{n}" for n in range(1, 1600)]
    session.run(f"CREATE TABLE t (id int PRIMARY KEY, {', '.join(f'{c} smallint' for c in columns)})")
    document = "(SELECT jsonb_agg(jsonb_build_object('id', n) || r) FROM generate_series(1, 600) n, (SELECT jsonb_object_agg('c' || c, {}) r FROM generate_series(1, 1599) c) r)"
    load = f"SELECT load_records('t', {{}}, on_conflict => '{policy}')"
    assert session.value(load.format(document.format("c % 7"))) == 600
    session.run("UPDATE t SET c1599 = 0 WHERE id % 2 = 0")
    for n in (600, 1):
        few = document.replace("600", str(n)).format("c % 7")
        session.value(load.format(few))
        last = session.last_load()
        assert (last["updated"], last["unchanged"]) == ((n // 2, n - n // 2) if policy == "update" else (0, n))
    assert session.value("SELECT count(*) FROM t WHERE c1599 = 1599 % 7") == (600 if policy == "update" else 300)
