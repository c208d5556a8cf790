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


AUDIT = """CREATE TABLE audit (id int); CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO public.audit VALUES (NEW.id); RETURN NULL; END $$"""
PARTS = """CREATE TABLE note (id int PRIMARY KEY, title text) PARTITION BY RANGE (id);
    CREATE TABLE note_0 PARTITION OF note FOR VALUES FROM (0) TO (500); CREATE TABLE note_1 PARTITION OF note DEFAULT"""
TABLES = {
    "plain": "CREATE TABLE note (id int PRIMARY KEY, title text)",
    "with a trigger": f"CREATE TABLE note (id int PRIMARY KEY, title text); {AUDIT}; CREATE TRIGGER see AFTER UPDATE ON note FOR EACH ROW EXECUTE FUNCTION see()",
    "in partitions": PARTS,
    "a partition with a trigger": f"{PARTS}; {AUDIT}; CREATE TRIGGER see AFTER UPDATE ON note_0 FOR EACH ROW EXECUTE FUNCTION see()",
}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("change", CHANGES)
def test_a_row_that_has_changed_since_it_was_compared(catalogue, connect, observer, change, table):
    statement, rows, count = CHANGES[change]
    catalogue.run(TABLES[table])
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


# What a trigger does to a row that is updated: (its body, what there is then of the keys 1 to 4 and of what they become).
TAKES = {
    "to another key": ("IF NEW.id % 2 = 0 THEN RETURN NULL; END IF; NEW.id := NEW.id + 5000; RETURN NEW;", [2, 4, 5001, 5003]),
    "away": ("IF NEW.id % 2 = 0 THEN RETURN NEW; END IF; DELETE FROM public.note WHERE id = OLD.id; RETURN NULL;", [2, 4]),
}


@pytest.mark.parametrize("where", ["note", "note_0"])
@pytest.mark.parametrize("takes", TAKES)
def test_a_row_that_a_trigger_takes_away(catalogue, where, takes):
    """It is not written a second time, whether the trigger is the table's or a partition's."""
    body, left = TAKES[takes]
    catalogue.run(f"""{PARTS}; INSERT INTO note SELECT n, 'old' FROM generate_series(1, 400) n;
        CREATE FUNCTION take() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;
        CREATE TRIGGER take BEFORE UPDATE ON {where} FOR EACH ROW EXECUTE FUNCTION take()""")
    document = json.dumps([{"id": n, "title": f"new {n}"} for n in range(1, 411)])
    catalogue.run("SELECT public.load_records('note', %s::text)", document)
    assert catalogue.values("SELECT id FROM note WHERE id BETWEEN 1 AND 4 OR id BETWEEN 5001 AND 5004 ORDER BY id") == left
    assert catalogue.value("SELECT count(*) FROM note") == 100 * len(left) + 10
    report = catalogue.last_load()
    assert (report["inserted"], report["updated"], report["unchanged"], report["rejected"]) == (10, 200, 200, 0)


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
