"""Tables whose INSERT an extension plans, and whose rows it keeps elsewhere: by the catalog they are ordinary ones. The build
with the tests has such an extension (src/pg/planned.rs)."""

import json

import psycopg
import pytest

import documents

POLICIES = ["update", "skip", "error"]


def move(session, table, columns="INCLUDING ALL"):
    """The rows of the table are in `elsewhere` from here on; `shell` is what the table itself has."""
    session.run(f"""CREATE TABLE elsewhere (LIKE {table} {columns});
        CREATE VIEW moved AS SELECT * FROM elsewhere""")
    session.run(f"SELECT tests.keep_elsewhere('{table}', 'elsewhere')")


def shell_size(session, table):
    return session.value(f"SELECT pg_relation_size('{table}')")


@pytest.fixture
def moved(catalogue):
    """A session for which the works are kept elsewhere."""
    catalogue.run("ALTER TABLE works DROP CONSTRAINT works_composer_id_fkey")
    move(catalogue, "works")
    catalogue.run("ALTER TABLE elsewhere ADD FOREIGN KEY (composer_id) REFERENCES composers")
    return catalogue


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("on_conflict", POLICIES)
@pytest.mark.parametrize("rows", [5, 2000])
def test_every_row_is_there(moved, rows, on_conflict, workers):
    """No row goes into the table itself, and a second load finds all of them."""
    moved.run("SET pg_opus.min_parallel_rows = 0")
    document = documents.works(1, rows)
    assert moved.load("works", document, on_conflict=on_conflict, workers=workers) == rows
    assert moved.value("SELECT count(*) FROM moved") == rows
    assert shell_size(moved, "works") == 0
    assert moved.value("SELECT write_method FROM last_load()") == "insert: an extension plans its INSERT"
    assert moved.value("SELECT sessions FROM last_load()") == 0
    if on_conflict != "error":
        assert moved.load("works", document, on_conflict=on_conflict) == 0
        assert moved.value("SELECT unchanged FROM last_load()") == rows
        assert moved.load("works", documents.works(1, rows + 700), on_conflict=on_conflict) == 700
        assert moved.value("SELECT (inserted, updated, unchanged)::text FROM last_load()") == f"(700,0,{rows})"
        assert moved.value("SELECT count(*) FROM moved") == rows + 700


def test_changes(moved):
    """Rows that differ are changed, and counted so."""
    assert moved.load("works", documents.works(1, 1000)) == 1000
    moved.run("UPDATE elsewhere SET title = 'old' WHERE imslp_id % 4 = 0")
    changed = moved.value("SELECT count(*) FROM moved WHERE title = 'old'")
    assert changed > 0
    assert moved.load("works", documents.works(1, 1200)) == 200 + changed
    assert moved.value("SELECT (inserted, updated, unchanged)::text FROM last_load()") == f"(200,{changed},{1000 - changed})"
    assert moved.value("SELECT count(*) FROM moved WHERE title = 'old'") == 0


@pytest.mark.parametrize("rows", [50, 1500])
def test_bad_rows(moved, rows):
    """A row that is refused elsewhere is set aside alone; under `stop` nothing is written."""
    moved.run("ALTER TABLE elsewhere ADD CONSTRAINT few CHECK (imslp_id % 25 <> 7)")
    document = documents.works(1, rows)
    with pytest.raises(psycopg.errors.CheckViolation):
        moved.load("works", document)
    assert moved.value("SELECT count(*) FROM moved") == 0
    written = moved.load("works", document, on_error="ignore")
    rejected = moved.value("SELECT count(*) FROM rejected_records")
    assert 0 < rejected and written + rejected == rows
    assert moved.value("SELECT count(*) FROM moved") == written
    assert moved.value("SELECT string_agg(DISTINCT sqlstate, ' ') FROM rejected_records") == "23514"


def test_partial_records(moved):
    """Records that say a part of a row change that part, in a row that is there."""
    assert moved.load("works", documents.works(1, 600)) == 600
    ids = moved.values("SELECT work_id::text FROM moved")
    partial = json.dumps([{"work_id": id, "subtitle": "part"} for id in ids])
    assert moved.value("SELECT load_records('works', %s::text)", partial) == 600
    assert moved.value("SELECT count(*) FROM moved WHERE subtitle = 'part' AND title IS NOT NULL") == 600
    assert moved.value("SELECT load_records('works', %s::text)", partial) == 0
    assert shell_size(moved, "works") == 0


def test_rejected_records(catalogue):
    """The rejects go where the table's rows are."""
    move(catalogue, "rejected_records")
    document = json.dumps([documents.BAD, 5, *json.loads(documents.works(1, 3))])
    assert catalogue.load("works", document, on_error="ignore") == 3
    assert catalogue.value("SELECT count(*) FROM moved") == 2
    assert shell_size(catalogue, "rejected_records") == 0


def test_created_composers(session):
    """Composers that works name are made where the composers are."""
    session.run("SELECT create_catalogue(); ALTER TABLE works DROP CONSTRAINT works_composer_id_fkey")
    move(session, "composers")
    assert session.load("works", documents.works(1, 700), create_composers=True) == 700
    assert session.value("SELECT count(*) FROM works w WHERE NOT EXISTS (SELECT FROM elsewhere e WHERE e.composer_id = w.composer_id)") == 0
    assert session.value("SELECT count(*) FROM moved") > 0
    assert shell_size(session, "composers") == 0
    assert session.load("works", documents.works(1, 700), create_composers=True) == 0


def test_rollback(moved):
    """The load is part of the transaction."""
    moved.run("BEGIN")
    assert moved.load("works", documents.works(1, 800)) == 800
    moved.run("ROLLBACK")
    assert moved.value("SELECT count(*) FROM moved") == 0


def test_rows_are_the_loads_own(session):
    """Outside a load the function gives nothing."""
    for sql in ["SELECT * FROM load_rows(1) AS r(a int)", "SELECT load_rows(1)"]:
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            session.run(sql)


@pytest.mark.parametrize("table", ["composers", "rejected_records"])
def test_no_sessions_beside_them(catalogue, table):
    """Sessions whose transactions are prepared cannot write elsewhere: the load runs in the caller's session, and says why."""
    catalogue.run("ALTER TABLE works DROP CONSTRAINT works_composer_id_fkey; SET pg_opus.min_parallel_rows = 0")
    move(catalogue, table)
    catalogue.run(f"INSERT INTO elsewhere SELECT * FROM ONLY {table}")
    document = json.dumps([*json.loads(documents.works(1, 2000)), documents.BAD, documents.work(3000, composer="New")])
    options = {"create_composers": True} if table == "composers" else {}
    shell = shell_size(catalogue, table)
    assert catalogue.load("works", document, on_error="ignore", workers=2, **options) == 2001
    report = catalogue.last_load()
    assert (report["sessions"], report["sessions_reason"]) == (0, f"an extension plans the INSERT into {table}")
    assert shell_size(catalogue, table) == shell
    assert catalogue.value("SELECT count(*) FROM works") == 2001
    if table == "composers":
        assert catalogue.value("SELECT count(*) FROM elsewhere WHERE composer_id = 'New'") == 1
    else:
        assert catalogue.value("SELECT count(*) FROM elsewhere") == 1
    # Without them nothing is in the way of sessions.
    assert catalogue.load("works", documents.works(5000, 7000), workers=2) == 2001
    assert catalogue.value("SELECT sessions FROM last_load()") == 2


def test_under_the_catalogue_of_an_earlier_version(session):
    """Version 0.1.0 has no load_rows()."""
    session.run("""CREATE TABLE own (id int PRIMARY KEY, name text); CREATE TABLE shard (id int PRIMARY KEY, name text);
        SELECT tests.keep_elsewhere('own', 'shard')""")
    load = """SELECT load_records('own', '[{"id": 1, "name": "a"}]')"""
    session.run("""ALTER EXTENSION pg_opus DROP FUNCTION load_rows(integer); DROP FUNCTION load_rows(integer);
        UPDATE pg_extension SET extversion = '0.1.0' WHERE extname = 'pg_opus'""")
    error = session.fails("55000", load)
    assert error.diag.message_hint.startswith("ALTER EXTENSION pg_opus UPDATE brings"), error.diag.message_hint
    assert session.is_alive()
