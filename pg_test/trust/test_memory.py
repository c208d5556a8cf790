"""Memory: a bounded multiple of the document, whatever it holds; and where it ends, the server's error and no crash."""

import re
import resource as limits
from pathlib import Path

import psycopg
import pytest

import documents
from sessions import Stop, until

MEGABYTE = 1 << 20


def status(session, key):
    """A value of the backend's /proc/PID/status, in bytes."""
    text = Path(f"/proc/{session.pid}/status").read_text()
    return int(re.search(rf"^{key}:\s+(\d+) kB", text, re.M)[1]) * 1024


# Documents, as SQL for a text of about 10 MB: (what each is, the most that its load may take, as a multiple of its size).
DOCUMENTS = {
    "numbers": "'[' || repeat('1,', 4999999) || '1]'",
    "nulls": "'[' || repeat('null,', 1999999) || 'null]'",
    "arrays": "'[' || repeat('[],', 3333333) || '[]]'",
    "objects": "'[' || repeat('{},', 3333333) || '{}]'",
    "strings": "'[' || repeat('\"\",', 3333333) || '\"\"]'",
    "bad works": "'[' || repeat('{\"intvals\":5},', 714285) || '{}]'",
    "lines": "repeat('1' || chr(10), 5000000)",
    "broken lines": "'{}' || chr(10) || repeat('[' || chr(10), 5000000)",
    "one long string": "'[\"' || repeat('x', 10000000) || '\"]'",
    "nested": "'[' || repeat('[', 5000000) || repeat(']', 5000000) || ']'",
    "escapes": "'[\"' || repeat('\\u0041', 1666666) || '\"]'",
    "keys": "'[{' || repeat('\"a\":1,', 1666666) || '\"a\":1}]'",
    "empty titles": "'[' || repeat('{\"intvals\":{\"worktitle\":\"\"}},', 333333) || '{}]'",
}
WAYS = {
    "stop": "on_error => 'stop'",
    "limit 10": "on_error => 'ignore', reject_limit => 10",
}

# What a load may take whatever the document's size, as src/document/mod.rs says: the budget of small documents, and what
# threads and the record at hand take. A document of 10 MB is small beside it: one of 60 MB is not.
FLOOR = 64 * MEGABYTE

GOOD = '{"intvals":{"composer":"C000001","worktitle":"T","pageid":1}}'


def document(name, scale=1, first=None):
    """SQL for a document of 10 MB times the scale, perhaps behind a record that fits."""
    sql = re.sub(r"\d{6,}", lambda number: str(int(number[0]) * scale), DOCUMENTS[name])
    if first is None:
        return sql
    return sql.replace("'[", f"'[{first},", 1) if sql.startswith("'[") else f"'{first}' || chr(10) || {sql}"


def stored(session, sql):
    """The document in a table; its size."""
    session.run("CREATE TABLE documents (t text); ALTER TABLE documents ALTER t SET STORAGE EXTERNAL")
    session.run(f"INSERT INTO documents SELECT {sql}")
    return session.value("SELECT octet_length(t) FROM documents")


@pytest.mark.sampled(5)
@pytest.mark.parametrize("scale, first", [(1, None), (1, GOOD), (6, GOOD)], ids=["10 MB, bad", "10 MB", "60 MB"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_peak(catalogue, connect, name, way, first, scale):
    """A document of bad records is refused with no more than three times its size and the floor, besides its text."""
    size = stored(catalogue, document(name, scale, first))
    own = connect()
    own.load("works", documents.works(100, 700))
    # What reading it takes is no load's.
    own.value("SELECT length(t) FROM documents")
    before = status(own, "VmHWM")
    try:
        # A few bad records are within the limit.
        assert own.value(f"SELECT load_works(t, {WAYS[way]}) FROM documents") == (0 if first is None else 1)
    except psycopg.Error as error:
        assert error.sqlstate not in (None, "57014"), error
    taken = status(own, "VmHWM") - before
    assert taken <= 3 * size + FLOOR, f"{taken >> 20} MB for {size >> 20} MB"
    assert own.is_alive()


# Megabytes that a load finds.
ROOMS = [8, 20, 50, 100, 200, 400]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("way", ["on_error => 'ignore'", "on_error => 'stop'"], ids=["ignore", "stop"])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_memory(catalogue, connect, name, way):
    """Where the address space ends, the load ends with "out of memory", and the session goes on."""
    stored(catalogue, document(name, 6, GOOD))
    for room in ROOMS:
        own = connect()
        try:
            load_with_room(own, way, room)
        except AssertionError as error:
            raise AssertionError(f"{room} MB: {error}") from None
        own.close()
        catalogue.run("TRUNCATE works, rejected_records")


def load_with_room(own, way, room):
    own.load("works", documents.works(1, 600))
    own.value("SELECT length(t) FROM documents")
    limits.prlimit(own.pid, limits.RLIMIT_AS, (status(own, "VmSize") + room * MEGABYTE, limits.RLIM_INFINITY))
    # The server's own code says so, in this session.
    own.fails("53200", "SELECT length(repeat('x', 900000000))")
    try:
        own.value(f"SELECT load_works(t, {way}) FROM documents")
    except psycopg.Error as error:
        assert error.sqlstate is not None, error
        # Or what is wrong with the document, or a documented limit of the load's own.
        assert error.sqlstate[:2] in ("22", "53", "54") or error.sqlstate in ("42804", "23502"), error
    assert own.is_alive()
    # A small load needs little.
    if room >= 50:
        assert own.load("works", documents.works(601, 700)) == 100
    limits.prlimit(own.pid, limits.RLIMIT_AS, (limits.RLIM_INFINITY, limits.RLIM_INFINITY))
    assert own.load("works", documents.works(701, 1300)) == 600


@pytest.mark.parametrize("room", [2, 8, 20, 40, 60, 90, 130])
def test_little_memory_for_good_records(catalogue, connect, room):
    """A load of good records, with room for a part of what it takes, is written or refused: no crash at any size."""
    catalogue.run("CREATE TABLE documents (t text); ALTER TABLE documents ALTER t SET STORAGE EXTERNAL")
    catalogue.run("INSERT INTO documents VALUES (%s)", documents.works(1, 60000))
    own = connect()
    own.load("works", documents.works(100001, 100600))
    own.value("SELECT length(t) FROM documents")
    limits.prlimit(own.pid, limits.RLIMIT_AS, (status(own, "VmSize") + room * MEGABYTE,) * 2)
    try:
        assert own.value("SELECT load_works(t) FROM documents") == 60000
    except Exception as error:
        assert getattr(error, "sqlstate", None) in ("53200", "53000"), error
    assert own.is_alive()
    assert catalogue.value("SELECT count(*) FROM works") in (600, 60600)


# Documents of 900 MB, near what a text can have at most, and what is written of each where there is memory: records with
# much that nobody wants, numbers, a string.
HUGE = {
    "records": f"""'[' || rpad('{GOOD[:-1]},"unused":"', 100000, 'x') || '"}}' || repeat(
        ',' || rpad('{GOOD.replace('1}}', '2}}')[:-1]},"unused":"', 100000, 'x') || '"}}', 8999) || ']'""",
    "numbers": "'[' || repeat('1,', 450000000) || '1]'",
    "one long string": "'[\"' || repeat('x', 899999996) || '\"]'",
}


@pytest.mark.parametrize("room", [100, 500, 950, 1300, 2500, 5000])
@pytest.mark.parametrize("name", HUGE)
def test_huge_document(catalogue, connect, long, name, room):
    """With work_mem of 1 MB and so many megabytes, a document of 900 MB is loaded or refused, and the session goes on."""
    if not long:
        pytest.skip("takes gigabytes: with --long")
    catalogue.run("SET statement_timeout = '600s'")
    assert stored(catalogue, HUGE[name]) >= 900_000_000
    own = connect()
    own.run("SET work_mem = '1MB'; SET statement_timeout = '600s'")
    own.load("works", documents.works(1001, 1600))
    limits.prlimit(own.pid, limits.RLIMIT_AS, (status(own, "VmSize") + room * MEGABYTE, limits.RLIM_INFINITY))
    try:
        assert own.value("SELECT load_works(t) FROM documents") == 2
        ended = None
    except psycopg.Error as error:
        ended = error.sqlstate
    # Good records need room for the text, which the server reads, and for little else.
    assert ended in ({None} if room >= 2500 else {None, "53200"}) if name == "records" else {"53200", "54000", "42804"}
    assert own.is_alive()
    limits.prlimit(own.pid, limits.RLIMIT_AS, (limits.RLIM_INFINITY, limits.RLIM_INFINITY))
    assert own.load("works", documents.works(1601, 1700)) == 100
    assert catalogue.value("SELECT count(*) FROM works") == (702 if ended is None else 700)


@pytest.mark.parametrize("encoding", ["UTF8", "LATIN1"])
def test_long_record(encoded, connect, encoding):
    """A record of more than 256 kB that is set aside is kept whole, as the JSON string of its text."""
    session = connect(encoded(encoding))
    session.run("SELECT create_catalogue()")
    session.load("composers", documents.composers())
    long, short = ({"intvals": 5, "x": "\u00e9" * length} for length in (300_000, 1000))
    text = documents.text([documents.work(1), short, long])
    assert session.load("works", text, on_error="ignore") == 1
    kinds = "SELECT string_agg(pg_catalog.jsonb_typeof(record), ' ' ORDER BY ordinal) FROM rejected_records"
    assert session.value(kinds) == "object string"
    kept = session.value("SELECT record #>> '{}' FROM rejected_records WHERE ordinal = 2")
    assert kept == documents.text(long)
    # A jsonb like any other.
    assert session.value("SELECT (record::text)::jsonb = record FROM rejected_records WHERE ordinal = 2")


def test_memory_of_workers(catalogue, connect, observer):
    """A worker is not given the statement's text, of which the server shows 1 kB: only its part of the rows."""
    own = connect()
    own.run("SET pg_opus.min_parallel_rows = 0")
    padding = "x" * (60 * MEGABYTE)
    records = [documents.work(n) for n in range(2000)] + [documents.work(5000) | {"unused": padding}]
    with Stop(observer, "inserted", 1) as stop:
        loading = own.start("SELECT load_works('" + documents.text(records) + "', workers => 2)")
        stop.reached(loading)
        workers = observer.values("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'pg\\_opus%%'")
        peaks = [int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) * 1024 for pid in workers]
        stop.go_on()
        loading.result(60)
    until(lambda: not observer.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg\\_opus%%'"), "no worker")
    assert len(peaks) == 2 and max(peaks) < 55 * MEGABYTE, [f"{peak >> 20} MB" for peak in peaks]


@pytest.mark.parametrize("value", ["'x' || n", "NULL", "n % 2"])
def test_errors_that_are_caught_leave_nothing_in_the_transaction(session, value):
    """Records that the server refuses: their values, for NOT NULL, and for their keys."""
    session.run("CREATE TABLE t (id text, n int NOT NULL UNIQUE); SELECT load_records('t', '[5]'::text, on_conflict => 'error', on_error => 'ignore')")
    document = f"(SELECT jsonb_agg(jsonb_build_object('id', 'a', 'n', {value}))::text FROM generate_series(1, 5000) n)"
    held = "SELECT sum(used_bytes) FROM pg_backend_memory_contexts WHERE name IN ('TopTransactionContext', 'TopMemoryContext', 'ErrorContext', 'CurTransactionContext')"
    session.run("BEGIN")
    before = session.value(held)
    assert session.value(f"SELECT load_records('t', {document}, on_conflict => 'error', on_error => 'ignore')") < 5
    # A hundredth of what was left once.
    assert session.value(held) - before < 100_000
    session.run("ROLLBACK")
