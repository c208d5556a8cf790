"""Loads in pipelines and other callers: as atomic as the statement in whose place they stand."""

import psycopg
import pytest

import documents
from sessions import load_sql

# The rows that a load of this size writes in sessions of its own, where it may.
ROWS = 3000
# Fails at its end, or at once.
FAILING = "INSERT INTO composers (composer_id) VALUES ('x')"


def pipeline(session, *statements):
    """Sends statements in one pipeline; the error."""
    with pytest.raises(psycopg.Error) as raised, session.connection.pipeline():
        cursors = [session.connection.cursor() for _ in statements]
        for cursor, (sql, *parameters) in zip(cursors, statements):
            cursor.execute(sql, parameters or None)
    return raised.value


@pytest.fixture(params=["plain", "check"])
def ready(request, catalogue):
    if request.param == "check":
        catalogue.run("ALTER TABLE works ADD CHECK (title <> '')")
    catalogue.run("SET pg_opus.min_parallel_rows = 1000")
    return catalogue


def test_first_of_a_pipeline_that_fails(ready):
    """A load without `workers` leaves nothing when what follows it in the pipeline fails, as an INSERT."""
    error = pipeline(ready, load_sql("works", documents.works(1, ROWS), {}), (FAILING,))
    assert error.sqlstate == "23502"
    assert ready.value("SELECT count(*) FROM works") == 0


def test_last_of_a_pipeline(ready):
    """Nor does what stands before it."""
    error = pipeline(ready, load_sql("composers", documents.composers(60), {}), load_sql("works", documents.works(1, ROWS), {}), (FAILING,))
    assert error.sqlstate == "23502"
    assert ready.value("SELECT count(*) FROM works") == 0
    assert ready.value("SELECT count(*) FROM composers") == documents.COMPOSERS


@pytest.mark.parametrize("setting", ["argument", "setting"])
def test_asked_for_sessions_first_in_a_pipeline(ready, setting):
    """With sessions asked for it is refused, or all is undone, or it is committed at once, as CREATE INDEX CONCURRENTLY is;
    in no case is a part of it."""
    options = {"workers": 2} if setting == "argument" else {}
    if setting == "setting":
        ready.run("SET pg_opus.workers = 2")
    pipeline(ready, load_sql("works", documents.works(1, ROWS), options), (FAILING,))
    assert ready.value("SELECT count(*) FROM works") in (0, ROWS)
    assert ready.is_alive()


@pytest.mark.parametrize("setting", ["argument", "setting"])
def test_asked_for_sessions_behind_another_statement(ready, setting):
    """Behind a statement that has written, a load never commits by itself: the whole pipeline is undone."""
    options = {"workers": 2} if setting == "argument" else {}
    if setting == "setting":
        ready.run("SET pg_opus.workers = 2")
    insert = "INSERT INTO composers (composer_id, last_name, complete_name) VALUES ('first', 'f', 'f')"
    pipeline(ready, (insert,), load_sql("works", documents.works(1, ROWS), options), (FAILING,))
    assert ready.value("SELECT count(*) FROM works") == 0
    assert ready.value("SELECT count(*) FROM composers WHERE composer_id = 'first'") == 0


def test_several_loads_in_a_pipeline(ready):
    """Each of a pipeline's loads is written where all succeed."""
    with ready.connection.pipeline():
        for first in (1, ROWS + 1):
            ready.connection.execute(*load_one(first))
    assert ready.value("SELECT count(*) FROM works") == 2 * ROWS


def load_one(first):
    sql, *parameters = load_sql("works", documents.works(first, first + ROWS - 1), {})
    return sql, parameters


CALLERS = {
    "simple query of two": "SELECT load_works({document}); " + FAILING,
    "do": "DO $do$ BEGIN PERFORM load_works({document}); " + FAILING + "; END $do$",
    "with": "WITH l AS (SELECT load_works({document}) AS n) SELECT 1 / (n - n) FROM l",
    "insert": "INSERT INTO composers (composer_id, last_name) SELECT load_works({document})::text, NULL",
    "expression": "SELECT 1 / (load_works({document}) - " + str(ROWS) + ")",
    "row": "SELECT load_works({document}), 1 / (SELECT 0)::int * random()",
}


@pytest.mark.parametrize("workers", [None, 2])
@pytest.mark.parametrize("caller", CALLERS)
def test_callers_that_fail(ready, caller, workers):
    """Whatever calls a load and fails afterwards leaves nothing of it where no sessions were asked for."""
    ready.run("CREATE TABLE documents (t text)")
    ready.run("INSERT INTO documents VALUES (%s)", documents.works(1, ROWS))
    if workers is not None:
        ready.run(f"SET pg_opus.workers = {workers}")
    with pytest.raises(psycopg.Error) as raised:
        ready.run(CALLERS[caller].replace("{document}", "(SELECT t FROM documents)"))
    assert raised.value.sqlstate in ("23502", "22012"), raised.value
    allowed = (0,) if workers is None or caller in ("simple query of two", "do") else (0, ROWS)
    assert ready.value("SELECT count(*) FROM works") in allowed
