"""Documents that come in pieces: where they are cut changes nothing, and a statement that ends early leaves nothing."""

import json
import os
import random
import signal
import subprocess
import sys

import psycopg
import pytest

import documents
from sessions import until

LINES = r"COPY %s(line) FROM STDIN (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')"
PIECES = "COPY %s(chunk) FROM STDIN (FORMAT binary)"
SEEDS = int(os.environ.get("TRUST_SEEDS", 120))
# So many records are more than the client holds back, and many parts.
SENT = 20_000

CITIES = """
CREATE TABLE city (id int PRIMARY KEY, name text NOT NULL CHECK (name <> 'refused'), area numeric(8,1), since date);
CREATE TABLE before AS SELECT n AS id, 'before ' || n AS name, 7.5 AS area, NULL::date AS since FROM generate_series(0, 60, 4) n;
"""


def copy_lines(session, inbox, text):
    with session.connection.cursor() as cursor, cursor.copy(LINES % inbox) as copy:
        copy.write(text if text.endswith("\n") else text + "\n")


def copy_pieces(session, inbox, pieces):
    with session.connection.cursor() as cursor, cursor.copy(PIECES % inbox) as copy:
        copy.set_types(["bytea"])
        for piece in pieces:
            copy.write_row([piece])


def cut(rng, text):
    data = text.encode()
    most = rng.choice([3, 40, 1000, 100_000])
    while data:
        size = rng.randint(1, most)
        yield data[:size]
        data = data[size:]


def forms(rng, records):
    """A document with these records, each a JSON text; those that are none stand on lines."""
    if any(broken(record) for record in records):
        # The first line shows that documents are lines.
        return '{"id": 0, "name": "first", "area": 0, "data": []}\n' + "\n".join(records)
    if not all(record[0] in "{[" for record in records):
        return "[" + ",\n".join(records) + "]"
    return rng.choice([
        lambda: "\n".join(records),
        lambda: "".join(records),
        lambda: "[" + ",".join(records) + "]",
        lambda: "[\n  " + ",\n  ".join(records) + "\n]\n",
        lambda: "\n".join(f"[{record}]" for record in records),
        # Arrays and records in any order.
        lambda: "\n".join(runs(rng, records)),
        lambda: " ".join(runs(rng, records)),
    ])()


def runs(rng, records):
    while records:
        size = rng.choice([1, 1, 2, 50])
        run, records = records[:size], records[size:]
        yield run[0] if size == 1 and rng.random() < 0.5 else f"[{', '.join(run)}]"


def broken(record):
    try:
        json.loads(record)
    except ValueError:
        return True
    return False


# A record that the database refuses is not tried where a later one of its key takes its place. In parts it is: the later
# one has not come yet. So under `update` bad records are those that no table would take.
def city(rng, ids, is_bad, policy, members_differ=False):
    # Behind a string without an end, brackets within strings would look like those of the document.
    record = {"id": rng.randrange(ids), "name": rng.choice(["a", "Łódź", "x" * 50, "b" if is_bad else '"}{"'])}
    record["area"] = rng.choice([None, 1, 2.5, 99.9])
    # Without an area it adds to what the records before it of its key say.
    if members_differ and rng.random() < 0.3:
        del record["area"]
    if is_bad and rng.random() < 0.1:
        bad = ['{"id": 1, "name": "unfinished', "7", "[1]", '{"id": "x", "name": "a", "area": 1}']
        refused = ['{"id": 3, "name": "refused", "area": 1}', '{"id": 3, "name": null, "area": 2}']
        return rng.choice(bad if policy == "update" else bad + refused)
    return json.dumps(record, ensure_ascii=False)


def differing(rng, ids, is_bad, policy):
    return city(rng, ids, is_bad, policy, members_differ=True)


def holder(rng, ids, is_bad, policy):
    """A document that holds some cities."""
    if is_bad and rng.random() < 0.1:
        return rng.choice(['{"data": [{"id": 1}', '{"data" [{""}]}', "[1]", '{"data": 7}', '{"data": null}'])
    cities = [city(rng, ids, False, policy) for _ in range(rng.choice([0, 1, 1, 1, 5]))]
    return f'{{"page": {rng.randrange(9)}, "data": [{", ".join(cities)}]}}'


def composer(rng, ids, is_bad, policy):
    n = rng.randrange(ids)
    record = {"name": f"N{n}", "complete_name": f"F N{n}", "epoch": rng.choice(["Baroque", "Romantic"]), "birth": rng.choice(["1685", "1700-01-02"])}
    # An id that one record gives stays with the row, where a part ends behind it: all of them give it, or none.
    if n % 3:
        record["id"] = rng.choice([n, n, n, n + 1000])
    if is_bad and rng.random() < 0.1:
        return rng.choice(['{"complete_name": 5}', "null", '{"name": "N", "complete_name": "F N", "birth": "1685-13-45"}'])
    return json.dumps(record)


def work(rng, ids, is_bad, policy):
    n = rng.randrange(ids)
    record = documents.work(n, rng.choice(["A", "B"]), **({"icatno": rng.choice(["I 1", "I 2"])}))
    if is_bad and rng.random() < 0.1:
        bad, refused = [documents.BAD, {"id": 5}], [documents.work(n, composer="Nobody, Known")]
        record = rng.choice(bad if policy == "update" else bad + refused)
    return json.dumps(record)


def dump(rng, ids, is_bad, policy):
    """A composer of the dump, whose works have no ids: equal ones are counted."""
    n = rng.randrange(min(ids, documents.COMPOSERS))
    titles = [rng.choice(["A", "B"]) for _ in range(rng.randint(0, 3))]
    if is_bad and rng.random() < 0.1:
        return "{}"
    return json.dumps({"name": f"Name {n}", "complete_name": f"First Name {n}",
                       "works": [{"title": title, "subtitle": "", "genre": "Keyboard"} for title in titles]})


def answer(rng, ids, is_bad, policy):
    """A work with its composer in it, of which the composers are loaded: each of them is one record."""
    n = rng.randrange(ids)
    if is_bad and rng.random() < 0.1:
        return '{"composer": {"name": 5}, "id": "1", "title": "T"}'
    return json.dumps({"composer": {"id": n, "name": f"N{n}", "complete_name": f"F N{n}"}, "id": str(n), "title": "T"})


def outcome(session, table, load, members_differ):
    """Rows, counts and rejects after `load`, or its error."""
    error = None
    try:
        load()
    except psycopg.Error as raised:
        error = raised.sqlstate
    rows = session.run(f"SELECT t::text FROM {table} t ORDER BY 1")
    if error:
        return rows, error
    last = session.last_load()
    counts = [last[count] for count in ("received", "inserted", "updated", "unchanged", "duplicate", "rejected", "source")]
    if members_differ:
        # A record that undoes what the one before it has done in another part makes that an update, and not unchanged.
        counts[2:4] = [sum(counts[2:4])]
    aside = session.run("SELECT ordinal, path, sqlstate, record::text FROM rejected_records ORDER BY ordinal")
    return rows, counts, aside


def differences(found, expected):
    """What is in one and not in the other: rows, counts, rejects."""
    return [(sorted(set(map(str, a)) - set(map(str, b))), sorted(set(map(str, b)) - set(map(str, a)))) if a != b else None
            for a, b in zip(found, expected)]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_parts_are_one_document(catalogue, seed):
    """A document in parts gives the rows, counts and rejects that it gives at once, under each policy."""
    session, rng = catalogue, random.Random(seed)
    make, table, mapping, start = rng.choice([
        (city, "city", None, "TRUNCATE city; INSERT INTO city SELECT * FROM before"),
        (city, "city", None, "TRUNCATE city"),
        (differing, "city", None, "TRUNCATE city; INSERT INTO city SELECT * FROM before"),
        (city, "city", {"records": "$"}, "TRUNCATE city"),
        (holder, "city", {"records": "$.data[*]"}, "TRUNCATE city"),
        (composer, "composers", {"fields_of": "composers"},
         "TRUNCATE composers, works; INSERT INTO composers (composer_id, last_name, complete_name, epoch) VALUES ('N3,_F', 'N3', 'F N3', 'Modern')"),
        (work, "works", {"fields_of": "works"}, "TRUNCATE works"),
        (dump, "works", {"fields_of": "works"}, "TRUNCATE works; INSERT INTO composers (composer_id, last_name, complete_name) "
         "SELECT 'Name_' || n || ',_First', 'Name ' || n, 'First Name ' || n FROM generate_series(0, 99) n ON CONFLICT DO NOTHING"),
        (answer, "composers", {"fields_of": "composers"}, "TRUNCATE composers, works"),
    ])
    policy, on_error = rng.choice(["update", "update", "skip", "error"]), rng.choice(["stop", "ignore", "ignore"])
    is_bad = on_error == "ignore"
    records = [make(rng, rng.choice([5, 40, 100_000]), is_bad, policy) for _ in range(rng.choice([30, 300]))]
    text = forms(rng, records)
    mapping = mapping and json.dumps(mapping)
    session.run(CITIES)
    session.run("SELECT create_inbox('inbox', %s::regclass, %s::jsonb, %s, %s)", table, mapping, policy, on_error)

    def at_once():
        session.run("SELECT load_records(%s::regclass, %s, %s::jsonb, %s, %s)", table, text, mapping, policy, on_error)

    def in_lines():
        copy_lines(session, "inbox", text)

    def in_pieces():
        copy_pieces(session, "inbox", cut(rng, text))

    session.run(start + "; TRUNCATE rejected_records")
    expected = outcome(session, table, at_once, make == differing)
    for way in in_lines, in_pieces, in_pieces:
        session.run(start + "; TRUNCATE rejected_records")
        memory = rng.choice(["1kB", "2kB", "9kB", "40kB"])
        session.run(f"SET pg_opus.stream_memory = '{memory}'")
        found = outcome(session, table, way, make == differing)
        assert not (found != expected), (way.__name__, memory, policy, on_error, text[:200], differences(found, expected))


def test_members_that_differ_add_up(catalogue):
    """Records of one key with other members change the row one after the other, in whichever parts they are."""
    session = catalogue
    session.run(CITIES)
    rng = random.Random(1)
    records = [{"id": rng.randrange(8), "name": f"n{n}"} | ({"area": n} if rng.random() < 0.5 else {"since": "2000-01-01"}) for n in range(400)]
    text = "\n".join(json.dumps(record) for record in records)
    session.run("SELECT create_inbox('inbox', 'city')")
    session.run("SELECT load_records('city', %s)", text)
    expected = session.run("TABLE city ORDER BY id")
    for memory in ("1kB", "5kB", "64kB"):
        session.run("TRUNCATE city")
        session.run(f"SET pg_opus.stream_memory = '{memory}'")
        copy_lines(session, "inbox", text)
        assert session.run("TABLE city ORDER BY id") == expected
        assert session.last_load()["inserted"] == 8


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


def test_short_records(inbox):
    """What is made of records that are shorter than what is made of them takes no more memory than a part may have."""
    inbox.run("RESET pg_opus.stream_memory; CREATE TABLE pair (a int, b int, PRIMARY KEY (a, b)); SELECT create_inbox('pairs', 'pair')")
    inbox.run("INSERT INTO pairs(line) SELECT format('{\"a\":%s,\"b\":%s}', n, n) FROM generate_series(1, 1200000) n")
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
