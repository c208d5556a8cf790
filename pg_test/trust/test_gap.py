"""Between comparing with what is there and writing, nobody empties or changes the table: its lock is held throughout."""

import pytest

import documents
from sessions import Stop, finished, outcome, until, until_waiting, waits_for_lock

ROWS = 12000


@pytest.fixture
def filled(catalogue):
    """Works that the document has, each twentieth with another title."""
    catalogue.load("works", documents.works(1, ROWS))
    catalogue.run("UPDATE works SET title = 'old' WHERE imslp_id % 20 = 0; SET pg_opus.min_parallel_rows = 0")
    return catalogue


def neither_lost_nor_wrong(session):
    """All rows, or, where the TRUNCATE came after the load, none."""
    count = session.value("SELECT count(*) FROM works")
    assert count in (0, ROWS), f"{count} of {ROWS} rows are left"
    return count


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("statement", ["TRUNCATE works", "TRUNCATE works, composers", "DELETE FROM works"])
def test_queued_behind_the_comparison(filled, connect, observer, workers, statement):
    """A TRUNCATE that is next in the queue for the lock comes after the whole load."""
    own, holder, other = connect(), connect(), connect()
    own.run("SET pg_opus.min_parallel_rows = 0")
    holder.run("BEGIN; LOCK TABLE works IN ACCESS EXCLUSIVE MODE")
    loading = own.start_load("works", documents.works(1, ROWS), workers=workers)
    until_waiting(observer, own, loading)
    emptying = other.start(statement)
    until_waiting(observer, other, emptying)
    holder.run("ROLLBACK")
    assert outcome(loading) is None and outcome(emptying) is None
    count = neither_lost_nor_wrong(filled)
    if statement.startswith("TRUNCATE"):
        assert count == 0, "the TRUNCATE was behind the load, and rows are there"


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("point", ["located", "compared", "written"])
def test_truncate_at_a_stop(filled, connect, observer, workers, point):
    """Wherever a load stops after its first look, a TRUNCATE waits for its end."""
    own, other = connect(), connect()
    own.run("SET pg_opus.min_parallel_rows = 0")
    with Stop(observer, point) as stop:
        loading = own.start_load("works", documents.works(1, ROWS), workers=workers)
        stop.reached(loading)
        emptying = other.start("TRUNCATE works")
        until_waiting(observer, other, emptying)
        stop.go_on()
        assert finished(loading)[0][0] == ROWS // 20
        assert outcome(emptying) is None
    assert own.last_load()["unchanged"] == ROWS - ROWS // 20
    assert neither_lost_nor_wrong(filled) == 0


def test_fallback_to_the_callers_session(filled, connect, observer):
    """Where the sessions cannot have the lock, what was compared before the wait is not believed after it."""
    own, other = connect(), connect()
    own.run("SET pg_opus.min_parallel_rows = 0")
    with Stop(observer, "decoding") as stop:
        loading = own.start_load("works", documents.works(1, ROWS), workers=2)
        stop.reached(loading)
        truncating = other.start("BEGIN; TRUNCATE works")

        until(lambda: truncating.done() or waits_for_lock(observer, other.pid), "a TRUNCATE that is done or waits")
        stop.go_on()
        if truncating.done():
            until_waiting(observer, own, loading)
            other.run("COMMIT")
            finished(loading)
            expected = ROWS
        else:
            finished(loading)
            finished(truncating)
            other.run("COMMIT")
            expected = 0
    assert filled.value("SELECT count(*) FROM works") == expected
    own.last_load()


@pytest.mark.parametrize("workers", [0, 2])
def test_rows_deleted_meanwhile_without_a_stop(filled, connect, observer, workers):
    """A DELETE that has not committed makes the load wait or leaves it the rows; the counts say what was done."""
    own, other = connect(), connect()
    own.run("SET pg_opus.min_parallel_rows = 0")
    other.run("BEGIN; DELETE FROM works WHERE imslp_id % 20 = 0")
    loading = own.start_load("works", documents.works(1, ROWS), workers=workers)
    if workers == 0:
        until_waiting(observer, own, loading)
    else:
        until(lambda: observer.value("SELECT count(*) FROM pg_locks WHERE NOT granted") > 0, "somebody of the load waits")
    other.run("COMMIT")
    assert finished(loading)[0][0] == ROWS // 20
    assert neither_lost_nor_wrong(filled) == ROWS
    assert filled.value("SELECT count(*) FROM works WHERE title = 'old'") == 0
