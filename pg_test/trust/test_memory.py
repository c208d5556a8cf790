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


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_peak(catalogue, connect, name, way):
    """A document of bad records is refused with no more than three times its size, besides what its text takes."""
    catalogue.run(f"CREATE TABLE documents (t text); ALTER TABLE documents ALTER t SET STORAGE EXTERNAL; INSERT INTO documents SELECT {DOCUMENTS[name]}")
    size = catalogue.value("SELECT octet_length(t) FROM documents")
    own = connect()
    own.load("works", documents.works(1, 600))
    # What reading it takes is no load's.
    own.value("SELECT length(t) FROM documents")
    before = status(own, "VmHWM")
    try:
        # A few bad records are within the limit.
        assert own.value(f"SELECT load_works(t, {WAYS[way]}) FROM documents") == 0
    except psycopg.Error as error:
        assert error.sqlstate not in (None, "57014"), error
    taken = status(own, "VmHWM") - before
    assert taken <= 3 * size, f"{taken / size:.1f} times the document's size"
    assert own.is_alive()


@pytest.mark.parametrize("name", ["numbers", "bad works", "keys", "nested"])
def test_no_memory(catalogue, connect, name):
    """Where the address space ends, the load ends with "out of memory", and the session goes on."""
    catalogue.run(f"""CREATE TABLE documents (t text); ALTER TABLE documents ALTER t SET STORAGE EXTERNAL;
        INSERT INTO documents SELECT {DOCUMENTS[name].replace('4999999', '49999999').replace('714285', '7142850')}""")
    own = connect()
    own.load("works", documents.works(1, 600))
    own.value("SELECT length(t) FROM documents")
    room = 200 * MEGABYTE
    limits.prlimit(own.pid, limits.RLIMIT_AS, (status(own, "VmSize") + room,) * 2)
    # The server's own code says so, in this session.
    own.fails("53200", "SELECT length(repeat('x', 900000000))")
    try:
        own.value("SELECT load_works(t, on_error => 'ignore') FROM documents")
        assert name in ("keys", "nested"), "a document of millions of faults in no memory"
    except psycopg.Error as error:
        # Or a documented limit of the load's own.
        assert error.sqlstate in ("53200", "54000"), error
    assert own.is_alive()
    assert own.load("works", documents.works(601, 700)) == 100


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
