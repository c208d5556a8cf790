"""Everything that a client does through a connection pooler: it works, or the error says why it does not."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import sql

import documents
from conftest import backend, value
from sessions import until

POOLS = ["one", "session"]
CITY = '{"id": %d, "name": "City"}'
WORKERS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg\\_opus%'"
LAST = "SELECT received, inserted, sessions FROM last_load()"


def cities(first, last):
    return "[" + ",".join(CITY % number for number in range(first, last + 1)) + "]"


@pytest.fixture
def two(client, server):
    """A client, and what runs a statement of it and sees to it that its next one comes to another session of the server."""
    own, *others = (client("two") for _ in range(3))

    def run(statement, *parameters, **options):
        with own.transaction():
            rows = own.execute(statement, parameters or None, **options).fetchall()
            first = backend(own)
        # The others take both sessions of the pool, and give back the one that was not this client's.
        for other in others:
            other.execute("BEGIN")
        held = {backend(other): other for other in others}
        assert first in held
        for pid, other in held.items():
            if pid != first:
                other.execute("ROLLBACK")
        assert backend(own) != first
        return rows

    yield own, run
    for other in others:
        other.execute("ROLLBACK")


# ---- loads


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("kind", ["text", "jsonb"])
def test_loads(server, client, pool, kind):
    own = client(pool)
    assert value(own, f"SELECT load_works(%s::{kind})", documents.works(1, 3000)) == 3000
    assert value(own, f"SELECT load_works(%s::{kind})", documents.works(1, 3000)) == 0
    assert value(own, f"SELECT load_records('city', %s::{kind})", cities(1, 700)) == 700
    assert value(server, "SELECT count(*) FROM works") == 3000


@pytest.mark.parametrize("pool", POOLS)
def test_parallel_sessions(server, client, pool):
    """They run beside the session that the pooler lends, and have ended when the call returns."""
    own = client(pool)
    with own.pipeline():
        cursor = own.execute("SELECT load_works(%s::text, workers => 2)", [documents.works(1, 3000)])
        # One pipeline is one loan.
        report = own.execute(LAST)
        assert cursor.fetchone()[0] == 3000 and report.fetchone() == (3000, 3000, 2)
    until(lambda: value(server, WORKERS) == 0, "no worker")
    assert value(server, "SELECT count(*) FROM pg_prepared_xacts") == 0
    assert value(server, "SELECT count(*) FROM works") == 3000


def test_small_loads_by_kept_statements(server, client):
    """Statements that a session keeps outlive what resets the session, and what it drops."""
    own = client("one")
    for number in range(1, 30):
        assert value(own, "SELECT load_records('city', %s::text)", cities(number, number)) == 1
        with own.transaction():
            own.execute("CREATE TEMP TABLE passing (id int PRIMARY KEY, name text) ON COMMIT DROP")
            assert value(own, "SELECT load_records('passing', %s::text)", cities(number, number)) == 1
        # Of the session, if it is not reset: the same name, another table, other columns.
        own.execute("DROP TABLE IF EXISTS pg_temp.left_behind")
        own.execute(f"CREATE TEMP TABLE left_behind (name text, c{number} int, id int PRIMARY KEY)")
        if number % 10 == 0:
            server.execute("ALTER TABLE city ADD COLUMN more int; ALTER TABLE city DROP COLUMN more")
    assert value(server, "SELECT count(*) FROM city") == 29


def test_statements_are_kept_beyond_discard_all(server):
    """As a pooler with server_reset_query = DISCARD ALL sends it, whatever the session has done."""
    server.execute("SET pg_opus.bulk_insert = off")
    for number in range(1, 20):
        server.execute("CREATE TEMP TABLE passing (id int PRIMARY KEY, name text)")
        assert value(server, "SELECT load_records('passing', %s::text)", cities(number, number)) == 1
        server.execute("SELECT create_inbox('pg_temp.push', 'passing')")
        server.execute("INSERT INTO pg_temp.push VALUES (%s)", [cities(number + 100, number + 103)])
        assert value(server, "SELECT load_records('city', %s::text)", cities(number, number)) == 1
        assert value(server, "SELECT count(*) FROM passing") == 5
        server.execute("DISCARD ALL")
        assert value(server, "SHOW pg_opus.bulk_insert") == "on"
        # What it was is no part of what DISCARD resets.
        assert value(server, "SELECT kind FROM last_load()") == "city"


# ---- inboxes


def copy(session, view, *lines):
    statement = sql.SQL("COPY {} (line) FROM STDIN WITH (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')")
    with session.cursor() as cursor, cursor.copy(statement.format(sql.Identifier(*view.split(".")))) as stream:
        for line in lines:
            stream.write(line + "\n")


@pytest.mark.parametrize("pool", POOLS)
def test_inbox(server, client, pool):
    """An inbox is made in one transaction, and filled in others."""
    own = client(pool)
    own.execute("SELECT create_inbox('city_json', 'city')")
    copy(own, "city_json", *(CITY % number for number in range(1, 1001)))
    with pytest.raises(psycopg.errors.NotNullViolation):
        copy(own, "city_json", CITY % 2001, '{"id": 2002, "name": null}')
    copy(own, "city_json", CITY % 1001)
    assert value(server, "SELECT count(*) FROM city") == 1001


@pytest.mark.parametrize("pool", ["one", "two", "session"])
def test_temporary_inbox(server, client, pool):
    """As examples/express has it: all in one transaction, which is one loan, and the view is dropped in it."""
    clients = [client(pool) for _ in range(1 if pool == "session" else 3)]
    for number, own in enumerate(clients * 3):
        with own.transaction():
            own.execute("SELECT create_inbox('pg_temp.push', 'city')")
            copy(own, "pg_temp.push", CITY % number, CITY % (number + 100))
            assert own.execute(LAST).fetchone() == (2, 2, 0)
            own.execute("DROP VIEW pg_temp.push")
    assert value(server, "SELECT count(*) FROM city") == 6 * len(clients)


def test_temporary_inbox_of_another_session(server, two):
    """Made in a transaction before, it is in another session than the COPY: the server knows no such view."""
    own, run = two
    run("SELECT create_inbox('pg_temp.push', 'city')")
    with pytest.raises((psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName)):
        copy(own, "pg_temp.push", CITY % 1)
    assert value(server, "SELECT count(*) FROM city") == 0


# ---- what belongs to a session


@pytest.mark.parametrize("pool", ["one", "two", "session"])
def test_last_load_within_the_transaction(server, client, pool):
    own = client(pool)
    for number in range(3):
        with own.transaction():
            own.execute("SELECT load_records('city', %s::text)", [cities(number * 10, number * 10 + number)])
            assert own.execute(LAST).fetchone() == (number + 1, number + 1, 0)


def test_last_load_behind_the_transaction(server, client, two):
    """It tells of the session that the pooler lends now: of nothing, or of another client's load."""
    own, run = two
    # So many are of no other test: what a session tells of its last load outlives its loan.
    assert run("SELECT load_records('city', %s::text)", cities(1, 17)) == [(17,)]
    assert own.execute(LAST).fetchone() != (17, 17, 0)
    one, other = client("one"), client("one")
    one.execute("SELECT load_records('city', %s::text)", [cities(11, 14)])
    other.execute("SELECT load_records('city', %s::text)", [cities(21, 25)])
    assert one.execute(LAST).fetchone() == (5, 5, 0)


def test_last_load_by_session(server, client):
    own = client("session")
    own.execute("SELECT load_records('city', %s::text)", [cities(1, 3)])
    server.execute("SELECT load_records('city', %s::text)", [cities(11, 15)])
    assert own.execute(LAST).fetchone() == (3, 3, 0)


def test_settings(server, client, pooler):
    """SET LOCAL is the transaction's. SET is of the session that was lent: the next client has it, unless it is reset."""
    own, other = client("one"), client("one")
    with own.transaction():
        own.execute("SET LOCAL pg_opus.bulk_insert = off")
        own.execute("SELECT load_works(%s::text)", [documents.works(1, 500)])
        assert value(own, "SELECT write_method FROM last_load()") == "insert: pg_opus.bulk_insert is off"
    assert value(other, "SHOW pg_opus.bulk_insert") == "on"
    own.execute("SET pg_opus.bulk_insert = off")
    assert value(other, "SHOW pg_opus.bulk_insert") == {"plain": "off", "reset": "on"}[pooler]
    own.execute("RESET pg_opus.bulk_insert")
    # Of the role, for all sessions that begin from now on.
    server.execute("ALTER ROLE postgres SET pg_opus.decode_threads = 1")
    try:
        with psycopg.connect(dbname="postgres") as fresh:
            assert value(fresh, "SHOW pg_opus.decode_threads") == "1"
    finally:
        server.execute("ALTER ROLE postgres RESET pg_opus.decode_threads")


@pytest.mark.parametrize("pool", POOLS)
def test_prepared_statements_of_one_session(server, client, pooler, pool):
    """The client's own, where all of its transactions come to one session that nobody resets."""
    if pool == "one" and pooler == "reset":
        pytest.skip("DISCARD ALL drops them, as it says")
    own = client(pool)
    for number in range(1, 8):
        cursor = own.execute("SELECT load_records('city', %s::text)", [cities(number, number)], prepare=True)
        assert cursor.fetchone()[0] == 1
    assert value(server, "SELECT count(*) FROM city") == 7
    own.execute("DEALLOCATE ALL")


def test_prepared_statements_of_another_session(server, two):
    """The server does not know it there, and says so. A pgbouncer of 1.21 or later prepares it there."""
    own, run = two
    run("SELECT load_records('city', %s::text)", cities(1, 1), prepare=True)
    try:
        own.execute("SELECT load_records('city', %s::text)", [cities(2, 2)], prepare=True)
    except psycopg.errors.InvalidSqlStatementName:
        assert value(server, "SELECT count(*) FROM city") == 1
    else:
        assert value(server, "SELECT count(*) FROM city") == 2


# ---- ends


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("workers", [0, 2])
def test_cancel(server, client, pool, workers):
    """A cancel request goes through the pooler to the session that loads, and nothing is written."""
    server.execute("""CREATE OR REPLACE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END';
        CREATE TRIGGER wait BEFORE INSERT ON works FOR EACH ROW EXECUTE FUNCTION wait()""")
    server.execute("SELECT pg_advisory_lock(1)")
    own = client(pool)
    with ThreadPoolExecutor(1) as thread:
        load = thread.submit(value, own, f"SELECT load_works(%s::text, workers => {workers})", documents.works(1, 3000))
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND NOT granted"
        until(lambda: load.done() or value(server, waiting) >= max(1, workers), "who waits")
        own.cancel()
        with pytest.raises(psycopg.errors.QueryCanceled):
            load.result(60)
    server.execute("SELECT pg_advisory_unlock(1)")
    until(lambda: value(server, WORKERS) == 0, "no worker")
    assert value(server, "SELECT count(*) FROM works") == 0
    # The session goes on, for whoever gets it.
    assert value(own, "SELECT load_works(%s::text)", documents.works(1, 300)) == 300


@pytest.mark.parametrize("pool", POOLS)
def test_client_that_goes(server, client, pool):
    """A COPY whose client goes is undone, and the pool's next client finds a session that works."""
    own = client(pool)
    own.execute("SELECT create_inbox('city_json', 'city')")
    with pytest.raises(psycopg.Error), own.cursor() as cursor, cursor.copy("COPY city_json (line) FROM STDIN") as stream:
        for number in range(1000):
            stream.write(CITY % number + "\n")
        own.pgconn.finish()
    next_client = client(pool)
    copy(next_client, "city_json", CITY % 5000)
    until(lambda: value(server, "SELECT count(*) FROM pg_stat_progress_copy") == 0, "the end of the COPY")
    assert value(server, "SELECT array_agg(id) FROM city") == [5000]


def test_many_clients_of_few_sessions(server, client):
    """Loads of all kinds, by eight clients over two sessions: each has its rows, and nobody another's report."""

    def loads(number):
        own = client("two")
        for round in range(6):
            first = number * 10_000 + round * 1000
            with own.transaction():
                own.execute("SELECT load_records('city', %s::text)", [cities(first, first + number)])
                assert own.execute(LAST).fetchone() == (number + 1, number + 1, 0)
            assert value(own, "SELECT load_records('city', %s::jsonb)", cities(first + 100, first + 400)) == 301
            with pytest.raises(psycopg.errors.NotNullViolation):
                own.execute("""SELECT load_records('city', '[{"id": 1, "name": null}]')""")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(loads, range(8)))
    assert value(server, "SELECT count(*) FROM city") == sum(6 * (number + 1 + 301) for number in range(8))
