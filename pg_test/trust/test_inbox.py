"""A statement into an inbox that ends early leaves nothing; what it loads is one load, and is seen while it runs."""

import json
import os
import signal
import subprocess
import sys

import psycopg
import pytest

from inboxes import CITIES, LINES, PIECES, copy_lines, copy_pieces
from sessions import until

# So many records are more than the client holds back, and many parts.
SENT = 20_000


@pytest.fixture
def inbox(catalogue):
    catalogue.run(CITIES + "SELECT create_inbox('inbox', 'city'); SET pg_opus.stream_memory = '4kB'")
    return catalogue


def cities(first, last):
    return "".join(json.dumps({"id": n, "name": f"n{n}"}) + "\n" for n in range(first, last))


def count(session):
    return session.value("SELECT count(*) FROM city")


def test_a_client_that_gives_up(inbox):
    """COPY that the client ends with an error leaves nothing, and the session goes on."""
    for copy in (LINES, PIECES):
        with pytest.raises(ZeroDivisionError), inbox.connection.cursor() as cursor, cursor.copy(copy % "inbox") as stream:
            if copy == PIECES:
                stream.set_types(["bytea"])
                stream.write_row([cities(0, 2000).encode()])
            else:
                stream.write(cities(0, 2000))
            1 / 0
    assert count(inbox) == 0
    assert inbox.run("SELECT * FROM last_load()") == []
    copy_lines(inbox, "inbox", cities(0, 10))
    assert count(inbox) == 10


DYING = """
import os, sys, psycopg
with psycopg.connect(dbname=sys.argv[1]) as connection, connection.cursor() as cursor:
    cursor.execute("SET pg_opus.stream_memory = '4kB'; SET application_name = 'dying'")
    with cursor.copy(sys.argv[2]) as copy:
        copy.write(sys.stdin.read())
        print(connection.info.backend_pid, flush=True)
        sys.stdin.close()
        os.read(int(sys.argv[3]), 1)
"""


def test_a_client_that_dies(inbox, database):
    """A client that is killed in the middle of its document leaves nothing behind."""
    reader, writer = os.pipe()
    client = subprocess.Popen([sys.executable, "-c", DYING, database, LINES % "inbox", str(reader)], pass_fds=[reader],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    client.stdin.write(cities(0, SENT))
    client.stdin.close()
    pid = int(client.stdout.readline())
    # Rows have been written, which nobody sees.
    until(lambda: inbox.value("SELECT pg_relation_size('city') > 0"), "the rows of the first parts")
    client.send_signal(signal.SIGKILL)
    client.wait()
    os.close(reader)
    os.close(writer)
    until(lambda: inbox.value("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s)", pid), "the end of the session")
    assert count(inbox) == 0


RUNS = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s AND state = 'active')"


@pytest.mark.parametrize("how", ["cancel", "terminate"])
def test_a_load_that_is_ended_from_outside(inbox, connect, how):
    """Between two pieces or within a part: nothing is left, and a session that is only cancelled goes on."""
    other = connect()
    other.run("SET pg_opus.stream_memory = '4kB'")
    with pytest.raises(psycopg.Error) as raised, other.connection.cursor() as cursor, cursor.copy(LINES % "inbox") as copy:
        copy.write(cities(0, SENT))
        until(lambda: inbox.value("SELECT pg_relation_size('city') > 0"), "the rows of the first parts")
        other.closing = how == "terminate"
        inbox.run(f"SELECT pg_{how}_backend(%s)", other.pid)
        until(lambda: not inbox.value(RUNS, other.pid), "the end of the COPY")
    assert raised.value.sqlstate in ("57014", "57P01", None), raised.value
    assert count(inbox) == 0
    if how == "cancel":
        copy_lines(other, "inbox", cities(0, 10))
        assert count(inbox) == 10


def test_a_bad_record_in_the_last_line(inbox):
    """All before it is undone, and the error names its place in all of the input."""
    text = cities(0, 3000) + '{"id": 3000}\n'
    with pytest.raises(psycopg.Error) as raised:
        copy_lines(inbox, "inbox", text)
    assert raised.value.sqlstate == "23502"
    assert "inbox, record 3000, line 3001, $: " in raised.value.diag.context
    assert count(inbox) == 0
    with pytest.raises(psycopg.Error) as raised:
        copy_pieces(inbox, "inbox", [f"[{text.strip()}]".replace("\n", ",\n").encode()])
    assert "inbox, record 3000, line 3001, $[3000]: " in raised.value.diag.context
    inbox.run("SELECT create_inbox('tolerant', 'city', on_error => 'ignore')")
    copy_lines(inbox, "tolerant", text)
    assert count(inbox) == 3000
    assert inbox.run("SELECT ordinal, sqlstate FROM rejected_records") == [(3000, "23502")]


@pytest.mark.parametrize("of_a_line, form", [
    (1, '{"a":%s,"b":%s}'),
    (1_200_000, '{"a":%s,"b":%s}'),
    (100_000, '{"a":%s,"b":%s}'),
    (300_000, '{"p":{"a":%s,"b":%s}}'),
], ids=["lines", "one array", "arrays", "arrays of objects in objects"])
def test_short_records(inbox, of_a_line, form):
    """What is made of records that are shorter than what is made of them takes no more memory than a part may have."""
    path = ', mapping => \'{"columns": {"a": "$.p.a", "b": "$.p.b"}}\'' if "p" in form else ""
    inbox.run(f"RESET pg_opus.stream_memory; CREATE TABLE pair (a int, b int, PRIMARY KEY (a, b)); SELECT create_inbox('pairs', 'pair'{path})")
    inbox.run("""INSERT INTO pairs(line) SELECT format(CASE WHEN count(*) > 1 THEN '[%%s]' ELSE '%%s' END, string_agg(format(%s, n, n), ','))
        FROM generate_series(0, 1199999) n GROUP BY n / %s""", form, of_a_line)
    assert (inbox.value("SELECT count(*) FROM pair"), inbox.last_load()["received"]) == (1_200_000, 1_200_000)


def test_progress_is_that_of_the_copy(inbox, connect, observer):
    """pg_stat_progress_copy shows bytes and rows of the COPY while parts are loaded."""
    other = connect()
    other.run("SET pg_opus.stream_memory = '4kB'")
    text = cities(0, SENT)
    with other.connection.cursor() as cursor, cursor.copy(LINES % "inbox") as copy:
        copy.write(text)

        def seen():
            rows = observer.run("SELECT relid::regclass::text, bytes_processed, tuples_processed FROM pg_stat_progress_copy WHERE pid = %s", other.pid)
            return rows and rows[0][0] == "inbox" and rows[0][1] > 4096 and rows[0][2] > 100

        until(seen, "the COPY in pg_stat_progress_copy")


def test_progress_stays_where_a_part_is_refused(inbox, connect, observer):
    """Rows that the database refuses, and what is undone for them, leave the COPY in pg_stat_progress_copy."""
    inbox.run("SELECT create_inbox('tolerant', 'city', on_error => 'ignore')")
    other = connect()
    other.run("SET pg_opus.stream_memory = '4kB'")
    text = "".join(json.dumps({"id": n, "name": "refused" if n % 50 == 7 else "a"}) + "\n" for n in range(SENT))
    with other.connection.cursor() as cursor, cursor.copy(LINES % "tolerant") as copy:
        copy.write(text)

        def seen():
            rows = observer.run("SELECT command, bytes_processed, tuples_processed FROM pg_stat_progress_copy WHERE pid = %s", other.pid)
            return rows and rows[0][0] == "COPY FROM" and rows[0][1] > 4096 and rows[0][2] > 2000

        until(seen, "the COPY in pg_stat_progress_copy", 10)


def test_a_statement_of_which_one_row_is_fetched(inbox):
    """An INSERT … RETURNING loads all its rows, however many of them somebody wants to see."""
    inbox.run("""
        CREATE FUNCTION first_line() RETURNS text LANGUAGE plpgsql AS $$
        DECLARE r record;
        BEGIN
          FOR r IN INSERT INTO inbox SELECT format('{"id": %s, "name": "a"}', n) FROM generate_series(1, 3) n RETURNING line LOOP
            RETURN r.line;
          END LOOP;
        END $$""")
    inbox.run("SELECT first_line()")
    # PL/pgSQL has the server run such a statement to its end.
    assert count(inbox) == 3


def test_merge(inbox):
    """MERGE inserts into a view from version 17 on: its rows are one load."""
    if inbox.connection.info.server_version < 170000:
        pytest.skip("no MERGE into views")
    inbox.run("""MERGE INTO inbox USING generate_series(1, 3) i ON false
                 WHEN NOT MATCHED THEN INSERT (line) VALUES (format('{"id": %s, "name": "merged"}', i))""")
    assert (count(inbox), inbox.last_load()["received"]) == (3, 3)


def test_dump_and_restore(inbox, database):
    """pg_dump carries an inbox with its options and its target."""
    inbox.run("""SELECT create_inbox('mapped', 'city', '{"columns": {"id": "$.\\"a''b\\"", "name": "$.\\"é\\""}}', 'skip', 'ignore', 7)""")
    dumped = subprocess.run(["pg_dump", database], capture_output=True, text=True, check=True).stdout
    inbox.run("DROP EXTENSION pg_opus CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database], input=dumped, text=True, check=True, capture_output=True)
    inbox.run("SET search_path = public")
    lines = ['{"a\'b": 1, "é": "x"}', '{"a\'b": 1, "é": "y"}'] + ["{}"] * 7
    copy_lines(inbox, "mapped", "\n".join(lines))
    assert inbox.run("SELECT id, name FROM city") == [(1, "x")]
    last = inbox.last_load()
    assert (last["inserted"], last["duplicate"], last["rejected"]) == (1, 1, 7)
    with pytest.raises(psycopg.Error):
        copy_lines(inbox, "mapped", "\n".join(lines + ["{}"]))
