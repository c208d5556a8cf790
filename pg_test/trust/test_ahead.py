"""While the session receives a document, another thread decodes a part of it: however the statement ends meanwhile, the thread has ended
too, the server goes on, and nothing is left."""

import json
import os
from pathlib import Path

import psycopg
import pytest

from inboxes import CITIES, LINES, copy_lines
from sessions import Stop, outcome, until, until_waiting

# Longer than what is decoded on the session's own thread, and what its lines have.
PART = "2MB"
A_PART = 12_000
# SIGINT, SIGTERM, SIGUSR1.
SIGNALS = 1 << 1 | 1 << 14 | 1 << 9


@pytest.fixture
def own(catalogue, connect):
    catalogue.run(CITIES + "SELECT create_inbox('inbox', 'city')")
    session = connect()
    session.run(f"SET pg_opus.stream_memory = '{PART}'; SET pg_opus.decode_threads = 2")
    return session


def cities(first, last):
    return "".join(json.dumps({"id": n, "name": f"the name of number {n}"}) + "\n" for n in range(first, last))


def threads(session):
    try:
        return [task for task in os.listdir(f"/proc/{session.pid}/task") if int(task) != session.pid]
    except FileNotFoundError:
        return []


def send_until(copy, lines, condition, what):
    """Sends more lines until something is seen, since the client sends what it holds back only with more; how many it has sent."""
    sent = 0

    def seen():
        nonlocal sent
        if sent < 10 * A_PART:
            copy.write(lines(sent, sent + 100))
            sent += 100
        return condition()

    until(seen, what)
    return sent


def send_until_ahead(copy, session):
    send_until(copy, cities, lambda: threads(session), "a thread that decodes")
    until_ahead(session)


def until_ahead(session):
    until(lambda: threads(session), "a thread that decodes")
    [thread] = threads(session)
    status = Path(f"/proc/{session.pid}/task/{thread}/status").read_text()
    blocked = int(next(line for line in status.splitlines() if line.startswith("SigBlk:")).split()[1], 16)
    assert blocked & SIGNALS == SIGNALS, "the thread hears signals"


def nothing_is_left(observer, session):
    until(lambda: not threads(session), "the end of the thread")
    assert observer.value("SELECT count(*) FROM city") == 0
    assert observer.is_alive(), "the server has ended its sessions"


@pytest.mark.parametrize("how", ["cancel", "terminate"])
def test_ended_from_outside(own, observer, how):
    """Cancel and the end of the session, while the client has nothing to send."""
    with Stop(observer, "ahead"):
        with pytest.raises(psycopg.Error) as raised, own.connection.cursor() as cursor, cursor.copy(LINES % "inbox") as copy:
            send_until_ahead(copy, own)
            own.closing = how == "terminate"
            observer.run(f"SELECT pg_{how}_backend(%s)", own.pid)
            if how == "cancel":
                # A COPY hears it when something comes.
                copy.write(cities(0, A_PART))
            until(lambda: not threads(own), "the end of the thread")
        assert raised.value.sqlstate in ("57014", "57P01", None), raised.value
        nothing_is_left(observer, own)
    if how == "cancel":
        copy_lines(own, "inbox", cities(0, 10))
        assert observer.value("SELECT count(*) FROM city") == 10


def test_a_client_that_is_gone(own, observer):
    """The connection ends without a word."""
    with Stop(observer, "ahead"):
        with pytest.raises(psycopg.Error), own.connection.cursor() as cursor, cursor.copy(LINES % "inbox") as copy:
            send_until_ahead(copy, own)
            own.closing = True
            os.close(own.connection.pgconn.socket)
            until(lambda: not threads(own), "the end of the thread")
            raise psycopg.OperationalError
        until(lambda: observer.value("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s)", own.pid), "the end of the session")
        nothing_is_left(observer, own)


@pytest.mark.parametrize("within", ["", "SAVEPOINT before"])
def test_an_error_of_the_copy(own, observer, within):
    """A line that COPY refuses."""
    own.run(f"BEGIN; {within}")
    with Stop(observer, "ahead"):
        with pytest.raises(psycopg.Error) as raised, own.connection.cursor() as cursor, cursor.copy(LINES % "inbox") as copy:
            send_until_ahead(copy, own)
            copy.write(b'{"id": 1, "name": "\xff"}\n')
        assert raised.value.sqlstate == "22021", raised.value
        until(lambda: not threads(own), "the end of the thread")
    if within:
        own.run("ROLLBACK TO before")
        copy_lines(own, "inbox", cities(0, 10))
        own.run("COMMIT")
        assert observer.value("SELECT count(*) FROM city") == 10
    else:
        own.run("ROLLBACK")
        nothing_is_left(observer, own)


@pytest.mark.parametrize("how", ["pg_cancel_backend", "pg_terminate_backend", None])
def test_a_session_that_waits(own, observer, how):
    """All has come, and the session waits for the thread."""
    lines = cities(0, A_PART).splitlines()
    own.run("CREATE TABLE sent AS SELECT unnest(%s::text[]) AS line", lines)
    with Stop(observer, "ahead") as stop:
        loading = own.start("INSERT INTO inbox(line) SELECT line FROM sent")
        until_ahead(own)
        if how is None:
            stop.go_on()
            assert outcome(loading) is None
            assert observer.value("SELECT count(*) FROM city") == A_PART
            assert not threads(own)
            return
        own.closing = how == "pg_terminate_backend"
        observer.run(f"SELECT {how}(%s)", own.pid)
        assert outcome(loading) in ("57014", "57P01", "connection lost")
        nothing_is_left(observer, own)


def test_statement_timeout(own, observer):
    own.run("CREATE TABLE sent AS SELECT unnest(%s::text[]) AS line", cities(0, A_PART).splitlines())
    own.run("SET statement_timeout = '1s'")
    with Stop(observer, "ahead"):
        own.fails("57014", "INSERT INTO inbox(line) SELECT line FROM sent")
        nothing_is_left(observer, own)


def test_a_row_that_is_refused(own, observer):
    """The error is that of the first part, though the second is decoded by then, and has one too."""
    lines = cities(0, A_PART) + '{"id": -1}\n' + cities(A_PART, 2 * A_PART) + "no JSON\n"
    own.run("SET pg_opus.stream_memory = '4MB'")
    with pytest.raises(psycopg.Error) as raised:
        copy_lines(own, "inbox", lines)
    assert "record 12000, line 12001, $: " in str(raised.value), raised.value
    nothing_is_left(observer, own)


ALTERS = """
CREATE FUNCTION altered(line text, place bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF place = 9000 THEN %s; END IF;
    RETURN line;
END $$
"""
ALL = "INSERT INTO inbox(line) SELECT altered(line, place) FROM unnest(%s::text[]) WITH ORDINALITY AS sent(line, place)"


@pytest.mark.parametrize("alter, sqlstate", [
    ("ALTER TABLE city ADD COLUMN more int", "55006"),
    ("ALTER TABLE city RENAME COLUMN area TO extent", "55006"),
    ("ALTER TABLE city ALTER COLUMN name DROP NOT NULL", None),
    ("DROP TABLE city CASCADE", "55006"),
    ("ALTER TABLE city ADD CHECK (id < 10000)", "23514"),
    ("PERFORM set_config('search_path', 'pg_catalog', true)", None),
    ("CREATE INDEX ON city (name)", None),
])
def test_altered_by_the_statement_itself(own, observer, alter, sqlstate):
    """Rows are never written that were made for another table than there is."""
    own.run(ALTERS % alter)
    lines = cities(0, A_PART).splitlines()
    if sqlstate:
        own.fails(sqlstate, ALL, lines)
        nothing_is_left(observer, own)
    else:
        own.run(ALL, lines)
        assert observer.value("SELECT count(*) FROM city") == A_PART


def test_an_index_that_is_made_meanwhile(own, connect, observer):
    """CREATE INDEX CONCURRENTLY of another session, which gives the rows another order from then on."""
    own.run("CREATE TABLE town (id int PRIMARY KEY, city int REFERENCES city); SELECT create_inbox('towns', 'town'); INSERT INTO city VALUES (0, 'n')")

    def towns(first, last):
        return "".join(json.dumps({"id": n, "city": 0, "more": "m" * 50}) + "\n" for n in range(first, last))

    builder = connect()
    with own.connection.cursor() as cursor, cursor.copy(LINES % "towns") as copy:
        first = "SELECT pg_relation_size('town') > 0"
        sent = send_until(copy, towns, lambda: observer.value(first), "the rows of the first part")
        building = builder.start("CREATE INDEX CONCURRENTLY town_city ON town (city)")
        until_waiting(observer, builder, building)
        copy.write(towns(sent, sent + A_PART))
    assert outcome(building) is None
    assert observer.value("SELECT count(*) FROM town") == sent + A_PART
    assert observer.value("SELECT count(*) FROM pg_index WHERE indrelid = 'town'::regclass AND indisvalid") == 2
