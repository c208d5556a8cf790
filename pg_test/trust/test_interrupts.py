"""Cancel and statement_timeout end a load soon, in each of its stages and in each encoding."""

import os
import time
from pathlib import Path

import pytest

import documents
from sessions import Stop, outcome, until, until_waiting

# Seconds of processor time, of all its threads, that a load takes from the cancel to the answer: however busy the machine.
SOON = 3

# What makes a catalogue of a document.
GOOD = '{"intvals":{"composer":"C000001","worktitle":"T","pageid":1}}'

# Documents, as SQL, that take seconds in one stage or another. There are as many bad records as a load has memory for.
STAGES = {
    "bad records": (f"'[{GOOD},' || repeat('1,', 549999) || '1]'", "on_error => 'ignore'"),
    "bad works": (f"'[{GOOD},' || repeat('{{\"intvals\":5}},', 1000000) || '{{}}]'", "on_error => 'ignore'"),
    "long strings": (f"'[{GOOD},' || repeat('{{\"x\":\"' || repeat('y', 1000000) || '\"}},', 300) || '{{}}]'", "on_error => 'ignore'"),
    "equal keys": ("'[' || repeat('{\"intvals\":{\"composer\":\"C000001\",\"worktitle\":\"T\",\"pageid\":1}},', 2000000) || '{}]'",
                   "on_error => 'ignore'"),
    "lines": (f"'{GOOD}' || chr(10) || repeat('{{}}' || chr(10), 400000)", "on_error => 'ignore'"),
    "refused rows": ("(SELECT '[' || string_agg(format('{\"intvals\":{\"composer\":\"C000001\",\"worktitle\":\"refused\",\"pageid\":%s}}', n), ',')"
                     " || ']' FROM generate_series(1, 400000) n)", "on_error => 'ignore'"),
    "good rows": ("(SELECT '[' || string_agg(format('{\"intvals\":{\"composer\":\"C000001\",\"worktitle\":\"T %s\",\"pageid\":%s}}', n, n), ',')"
                  " || ']' FROM generate_series(1, 900000) n)", "on_error => 'stop'"),
}
# Moments of the cancel, in seconds after the load has been seen to run. The first is repeated until the load is met; one
# that has ended by a later moment is no failure.
FIRST = 0.1
MOMENTS = [(stage, moment) for stage in STAGES for moment in (FIRST, 0.7, 1.2)] + [("bad works", 2.0), ("refused rows", 5)]
TRIES = 10


def filled(session, stage):
    session.run(f"CREATE TABLE documents (t text); ALTER TABLE documents ALTER t SET STORAGE EXTERNAL; "
                f"INSERT INTO documents SELECT {STAGES[stage][0]}")


def processor_time(pid):
    """The seconds of processor time that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cancelled(own, observer, stage, moment):
    """The seconds of processor time from a cancel to the end of the load, and its SQLSTATE."""
    # None of its own: only the observer's word ends it.
    own.run("SET statement_timeout = 0")
    for _ in range(TRIES if moment == FIRST else 1):
        took, state = cancelled_once(own, observer, stage, moment)
        if state is not None:
            break
        own.run("TRUNCATE works, rejected_records")
        moment /= 2
    return took, state


def cancelled_once(own, observer, stage, moment):
    loading = own.start(f"SELECT load_works(t, {STAGES[stage][1]}) FROM documents")
    until(lambda: loading.done() or observer.value("SELECT EXISTS (SELECT FROM pg_stat_progress_copy)"), "the load")
    last = time.monotonic() + moment
    until(lambda: loading.done() or time.monotonic() > last, "the moment")
    asked = processor_time(own.pid)
    observer.run("SELECT pg_cancel_backend(%s)", own.pid)
    state = outcome(loading)
    return processor_time(own.pid) - asked, state


@pytest.mark.sampled(3)
@pytest.mark.parametrize("stage, moment", MOMENTS)
def test_utf8(catalogue, connect, observer, stage, moment):
    """A cancel is heard soon; nothing is left of the load."""
    catalogue.run("ALTER TABLE works ADD CHECK (title <> 'refused')")
    filled(catalogue, stage)
    own = connect()
    took, state = cancelled(own, observer, stage, moment)
    assert state == "57014" or (state is None and moment > FIRST), state
    assert took < SOON, f"{took:.1f} s"
    if state:
        assert catalogue.value("SELECT (SELECT count(*) FROM works) + (SELECT count(*) FROM rejected_records)") == 0
    assert own.is_alive()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("moment", [FIRST, 0.7])
@pytest.mark.parametrize("stage", ["bad records", "long strings"])
@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_other_encodings(encoded, connect, stage, moment, encoding):
    """The same where the document is converted first."""
    name = encoded(encoding)
    session, own, observer = connect(name), connect(name), connect(name)
    session.run("SELECT create_catalogue()")
    session.load("composers", documents.composers())
    filled(session, stage)
    took, state = cancelled(own, observer, stage, moment)
    assert state == "57014" or (state is None and moment > FIRST), state
    assert took < SOON, f"{took:.1f} s"
    assert own.is_alive()


def test_while_rejects_are_stored(catalogue, connect, observer):
    """A cancel within the storing of the rejected records, in a trigger of the table's, is heard."""
    catalogue.run("""CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(30); RETURN NEW; END $$;
        CREATE TRIGGER slow BEFORE INSERT ON rejected_records FOR EACH ROW EXECUTE FUNCTION slow()""")
    own = connect()
    loading = own.start_load("works", documents.text([documents.BAD] * 1000), on_error="ignore")
    until(lambda: observer.value("SELECT wait_event FROM pg_stat_activity WHERE pid = %s", own.pid) == "PgSleep", "the trigger")
    observer.run("SELECT pg_cancel_backend(%s)", own.pid)
    # Sooner than the trigger has slept.
    assert outcome(loading, 25) == "57014"


@pytest.mark.parametrize("how", ["pg_cancel_backend", "pg_terminate_backend"])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("point", ["decoding", "located", "compared", "written"])
def test_at_a_stop(catalogue, connect, observer, point, workers, how):
    """At each stop of the caller's session, a cancel or the session's end leaves nothing; where it meets a load that goes on, all or nothing."""
    own = connect()
    own.run("SET pg_opus.min_parallel_rows = 0")
    with Stop(observer, point) as stop:
        loading = own.start_load("works", documents.works(1, 6000), workers=workers)
        stop.reached(loading)
        observer.run(f"SELECT {how}(%s)", own.pid)
        # There the leader may listen to its workers alone.
        goes_on = point == "written" and workers > 0
        if goes_on:
            stop.go_on()
        state = outcome(loading)
    assert state in ("57014", "57P01", "connection lost") or (goes_on and state is None), state
    until(lambda: observer.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg\\_opus%%'") == 0, "no worker")
    # A session may be ended after its commit, before it has answered.
    possible = (6000,) if state is None else (0, 6000) if goes_on else (0,)
    assert observer.value("SELECT count(*) FROM works") in possible
    assert observer.value("SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()") == 0


@pytest.mark.parametrize("form", ["text", "jsonb"])
def test_document_behind_a_lock(catalogue, connect, observer, form):
    """Who waits for the document's own table can be cancelled, and has a lock_timeout."""
    catalogue.run(f"CREATE TABLE documents (t {form}); ALTER TABLE documents ALTER t SET STORAGE EXTERNAL")
    catalogue.run("INSERT INTO documents VALUES (%s)", documents.works(1, 40000))
    own, holder = connect(), connect()
    load = "SELECT load_works(t) FROM documents"
    holder.run("BEGIN; REINDEX TABLE documents")
    own.run("SET lock_timeout = '100ms'")
    own.fails("55P03", load)
    own.run("RESET lock_timeout")
    loading = own.start(load)
    until_waiting(observer, own, loading)
    observer.run("SELECT pg_cancel_backend(%s)", own.pid)
    assert outcome(loading) == "57014"
    holder.run("COMMIT")
    assert own.value(load) == 40000
