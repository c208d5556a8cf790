"""Prepared transactions that look like a load's: only a load's own are finished, and nobody else's stop anybody."""

import pytest

import documents
from sessions import Stop, until

ROWS = 3000
NULL_ID = "00000000-0000-0000-0000-000000000000"
# The xid in a forged gid.
FORGED = [f"pg_opus:{NULL_ID}:1:9223372036854775807", f"pg_opus:{NULL_ID}:1:18446744073709551615", f"pg_opus:{NULL_ID}:0:3",
          f"pg_opus:{NULL_ID}:1:0", "pg_opus:", "pg_opus:x:y:z", f"pg_opus:{NULL_ID}:1:3:4", f"pg_opus:{NULL_ID}:99999999999999999999:3",
          f"pg_opus:{NULL_ID}:0:99999999", "pg_opus:6f1e1c2e-63a5-4d0e-9b1f-5a4c1d7f0b11:1:-1"]


@pytest.fixture
def forge(catalogue, connect, role, database):
    """mallory prepares a transaction of that name."""
    role("mallory")
    catalogue.run(f"GRANT CREATE ON DATABASE {database} TO mallory; CREATE TABLE junk (n int); GRANT ALL ON junk TO mallory")
    catalogue.run("ALTER TABLE works ADD CHECK (title <> ''); SET pg_opus.min_parallel_rows = 1000")
    made = []

    def make(gid):
        own = connect(user="mallory")
        own.run("BEGIN; INSERT INTO junk VALUES (1)")
        own.run(f"PREPARE TRANSACTION '{gid}'")
        made.append(gid)

    yield make
    left = catalogue.values("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()")
    for gid in left:
        catalogue.run(f"ROLLBACK PREPARED '{gid}'")


@pytest.mark.parametrize("gid", FORGED)
def test_forged_gid_and_loads(forge, catalogue, gid):
    """Loads of superusers go on, and leave the look-alike where it is."""
    forge(gid)
    for number, options in enumerate(({}, {"workers": 2})):
        assert catalogue.load("works", documents.works(1 + number * ROWS, ROWS + number * ROWS), **options) == ROWS
    assert catalogue.values("SELECT gid FROM pg_prepared_xacts") == [gid]


def test_forged_gids_and_resolve_loads(forge, catalogue):
    """resolve_loads() is not stopped by names that it cannot read; what it does not know it leaves, with a WARNING at most."""
    for gid in FORGED:
        forge(gid)
    catalogue.run("SELECT resolve_loads()")
    left = set(catalogue.values("SELECT gid FROM pg_prepared_xacts"))
    unknown = {gid for gid in FORGED if gid.split(":")[-1] not in ("3", "0", "4")}
    assert unknown <= left, unknown - left
    assert all(notice.severity_nonlocalized == "WARNING" for notice in catalogue.notices)


def test_of_an_unprivileged_user(forge, catalogue, connect, role):
    """A user's resolve_loads() leaves other people's transactions alone."""
    forge(FORGED[2])
    role("plain_user")
    own = connect(user="plain_user")
    assert own.value("SELECT resolve_loads()") == 0
    assert catalogue.values("SELECT gid FROM pg_prepared_xacts") == [FORGED[2]]


CALLERS = {
    "block": ["BEGIN", "{call}"],
    "savepoint": ["BEGIN", "SAVEPOINT s", "{call}"],
    "written": ["BEGIN", "INSERT INTO t VALUES (1)", "{call}"],
    "function": ["SELECT resolving()"],
    "do": ["DO $$ BEGIN PERFORM resolve_loads(); END $$"],
    "two statements": ["INSERT INTO t VALUES (1); {call}"],
}


@pytest.mark.parametrize("caller", CALLERS)
def test_refused_in_a_block(catalogue, caller):
    """As COMMIT PREPARED, it cannot run inside a transaction block: 25001."""
    catalogue.run("CREATE TABLE t (n int); CREATE FUNCTION resolving() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN resolve_loads(); END $$")
    *before, last = CALLERS[caller]
    for statement in before:
        catalogue.run(statement)
    catalogue.fails("25001", last.replace("{call}", "SELECT resolve_loads()"))
    catalogue.run("ROLLBACK")
    assert catalogue.value("SELECT resolve_loads()") == 0


def test_statistics_are_right(forge, catalogue, connect):
    """The counters of the transaction that finishes others are its own, and none is written elsewhere."""
    catalogue.run("CREATE TABLE t (n int); CREATE TABLE u (n int)")
    forge(f"pg_opus:{NULL_ID[:-1]}1:0:3")
    own = connect()
    own.run("BEGIN; INSERT INTO t SELECT generate_series(1, 1000); SAVEPOINT s; INSERT INTO u SELECT generate_series(1, 10)")
    try:
        own.run("SELECT resolve_loads()")
        own.run("COMMIT")
        expected = 1028
    except Exception as error:
        assert error.sqlstate == "25001", error
        own.run("ROLLBACK")
        own.run("SELECT resolve_loads()")
        expected = 28 + 1000
    own.run("INSERT INTO t SELECT generate_series(1, 7)")
    own.run("BEGIN; INSERT INTO t SELECT generate_series(1, 7); SAVEPOINT a; INSERT INTO t SELECT generate_series(1, 7); RELEASE a; COMMIT")
    own.run("INSERT INTO t SELECT generate_series(1, 7)")
    own.run("SELECT pg_stat_force_next_flush()")
    own.run("SELECT 1")
    assert catalogue.value("SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 't'") == expected


def test_what_a_crash_leaves_is_finished(catalogue, connect, observer):
    """A load whose leader is killed when all have prepared is finished by resolve_loads(), as its first session decided."""

    own = connect()
    own.run("SET pg_opus.min_parallel_rows = 1000")
    with Stop(observer, "decided") as stop:
        loading = own.start_load("works", documents.works(1, ROWS), workers=2)
        stop.reached(loading)
        observer.run("SELECT pg_terminate_backend(%s)", own.pid)
        stop.go_on()
        until(loading.done, "the load's end")
    until(lambda: not observer.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg\\_opus%%'"), "the workers' end")
    observer.run("SELECT resolve_loads()")
    assert observer.value("SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()") == 0
    assert observer.value("SELECT count(*) FROM works") in (0, ROWS)
