"""Rows that a load has compared, and that another session changes before the load does: what counts is the key."""

import json

import psycopg
import pytest

from sessions import Stop, finished, until_waiting

ROWS = 1000
DOCUMENT = json.dumps([{"id": n, "title": f"new {n}"} for n in range(1, ROWS + 1)])

# What another session does to the row with the id 7: (the statement, what becomes of its row, how many rows there are).
CHANGES = {
    "changed": ("UPDATE note SET title = 'theirs' WHERE id = 7", [(7, "new 7")], ROWS),
    "changed to the same": ("UPDATE note SET title = 'new 7' WHERE id = 7", [(7, "new 7")], ROWS),
    "deleted": ("DELETE FROM note WHERE id = 7", [(7, "new 7")], ROWS),
    "given another key": ("UPDATE note SET id = 7007 WHERE id = 7", [(7, "new 7"), (7007, "old")], ROWS + 1),
    "replaced": ("BEGIN; DELETE FROM note WHERE id = 7; INSERT INTO note VALUES (7, 'theirs'); COMMIT", [(7, "new 7")], ROWS),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_row_that_has_changed_since_it_was_compared(catalogue, connect, observer, change):
    statement, rows, count = CHANGES[change]
    catalogue.run("CREATE TABLE note (id int PRIMARY KEY, title text)")
    catalogue.run("INSERT INTO note SELECT n, 'old' FROM generate_series(1, %s) n", ROWS)
    other = connect()
    with Stop(observer, "compared") as stop:
        loading = catalogue.start("SELECT public.load_records('note', %s::text)", DOCUMENT)
        stop.reached(loading)
        other.run(statement)
        stop.go_on()
        finished(loading)
    assert other.run("SELECT id, title FROM note WHERE id IN (7, 7007) ORDER BY id") == rows
    assert other.value("SELECT count(*) FROM note") == count
    assert other.value("SELECT count(*) FROM note WHERE title <> 'new ' || id AND id <= %s", ROWS) == 0
    report = catalogue.last_load()
    assert report["rejected"] == 0 and report["inserted"] + report["updated"] + report["unchanged"] == ROWS


def test_a_row_that_waits_for_another_session(catalogue, connect, observer):
    """The other session's change is not committed when the load comes to the row."""
    catalogue.run("CREATE TABLE note (id int PRIMARY KEY, title text)")
    catalogue.run("INSERT INTO note SELECT n, 'old' FROM generate_series(1, %s) n", ROWS)
    other = connect()
    for change in ("UPDATE note SET title = 'theirs' WHERE id = 7", "DELETE FROM note WHERE id = 7"):
        catalogue.run("UPDATE note SET title = 'old'")
        other.run(f"BEGIN; {change}")
        loading = catalogue.start("SELECT public.load_records('note', %s::text)", DOCUMENT)
        until_waiting(observer, catalogue, loading)
        other.run("COMMIT")
        finished(loading)
        assert other.value("SELECT count(*) FROM note WHERE title <> 'new ' || id") == 0
        assert other.value("SELECT count(*) FROM note") == ROWS


@pytest.mark.parametrize("column", ["text COLLATE blind", "text COLLATE \"C\""], ids=["column", "index"])
def test_a_key_under_which_different_texts_are_equal(catalogue, column):
    """Its rows are told apart by the index, and not by their bytes."""
    try:
        catalogue.run("CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("the server was built without ICU")
    catalogue.run(f"CREATE TABLE note (word {column}, n int); CREATE UNIQUE INDEX ON note (word COLLATE blind)")
    catalogue.run("INSERT INTO note SELECT 'Word ' || n, 0 FROM generate_series(1, 20) n")
    document = json.dumps([{"word": f"WORD {n}", "n": 1} for n in range(1, 31)])
    assert catalogue.value("SELECT public.load_records('note', %s::text, '{\"key\": [\"word\"]}')", document) == 30
    assert catalogue.run("SELECT count(*), sum(n), count(*) FILTER (WHERE word COLLATE \"C\" LIKE 'Word%%') FROM note") == [(30, 30, 20)]
