"""Sessions with the server: statements that run beside the test, and what a load said of itself.

No test waits for a time: it waits for something to be seen, and fails when that does not come within DEADLINE.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotDone
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row

# Seconds. Only what hangs takes as long, on the slowest machine.
DEADLINE = 60
POLL = 0.01

# Where a load stops: point, the number of its session, how many workers.
POINTS = {
    "decoding": ("decoding", 999, 0),
    "located": ("located", 999, 0),
    "compared": ("compared", 999, 0),
    "between batches": ("batch", 999, 0),
    "bulk": ("bulk", 999, 0),
    "written": ("written", 999, 0),
    "leader decoding": ("decoding", 999, 2),
    "leader located": ("located", 999, 2),
    "leader compared": ("compared", 999, 2),
    "worker started": ("started", 1, 2),
    "worker inserting": ("inserting", 1, 2),
    "worker inserted": ("inserted", 1, 2),
    "leader written": ("written", 999, 2),
    "worker prepared": ("prepared", 1, 2),
    "decided": ("decided", 999, 2),
}


def until(condition, what, seconds=DEADLINE):
    """Waits until `condition()` is true, and returns what it gave."""
    last = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > last:
            pytest.fail(f"never seen within {seconds} s: {what}")
        time.sleep(POLL)
    return found


class Session:
    """One session. `run` waits for the statement, `start` does not."""

    # Whether one was lost in this test.
    lost = False

    def __init__(self, database, **options):
        self.connection = psycopg.connect(dbname=database, autocommit=True, **options)
        self.notices = []
        self.closing = False
        self.connection.add_notice_handler(self.notices.append)
        self.pid = self.connection.info.backend_pid
        self.thread = ThreadPoolExecutor(1)
        # A statement that hangs ends, and its test fails with 57014.
        self.run(f"SET statement_timeout = '{DEADLINE}s'")

    def run(self, sql, *parameters):
        """The rows of a statement; without parameters it may be several."""
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(sql, parameters or None)
                while cursor.nextset():
                    pass
                return cursor.fetchall() if cursor.description else None
        except psycopg.OperationalError as error:
            # A connection that ends without a word: the server's log will say why.
            if error.sqlstate is None and self.connection.closed and not self.closing:
                Session.lost = True
            raise

    def value(self, sql, *parameters):
        return self.run(sql, *parameters)[0][0]

    def values(self, sql, *parameters):
        return [row[0] for row in self.run(sql, *parameters)]

    def fails(self, sqlstate, sql, *parameters):
        """The statement fails with this SQLSTATE; the error."""
        with pytest.raises(psycopg.Error) as raised:
            self.run(sql, *parameters)
        assert raised.value.sqlstate == sqlstate, raised.value
        return raised.value

    def start(self, sql, *parameters):
        return self.thread.submit(self.run, sql, *parameters)

    def load(self, resource, document, **options):
        return self.value(*load_sql(resource, document, options))

    def start_load(self, resource, document, **options):
        return self.start(*load_sql(resource, document, options))

    def load_fails(self, sqlstate, resource, document, **options):
        return self.fails(sqlstate, *load_sql(resource, document, options))

    def last_load(self):
        with self.connection.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute("SELECT * FROM public.last_load()").fetchone()
        counts = ("inserted", "updated", "unchanged", "duplicate", "rejected")
        assert row["received"] == sum(row[count] for count in counts), row
        return row

    def create_extension(self, name):
        """Whether the server has it: one without contrib has not."""
        there = self.value("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = %s)", name)
        if there:
            self.run(f"CREATE EXTENSION IF NOT EXISTS {name}")
        return there

    def check_indexes(self, which):
        """Each valid B-tree index `i` of pg_index that the condition names has all rows, and no other; where there is amcheck."""
        if self.value("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'amcheck')"):
            self.run(f"""SELECT bt_index_check(c.oid, true) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                WHERE i.indisvalid AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'btree') AND {which}""")

    def is_alive(self):
        return self.value("SELECT 1") == 1

    def close(self):
        self.closing = True
        if not self.connection.closed and self.connection.info.transaction_status == 1:
            self.connection.cancel()
        self.connection.close()
        self.thread.shutdown(wait=False, cancel_futures=True)


def load_sql(resource, document, options):
    """A call, all of whose arguments are parameters."""
    named = "".join(f", {name} => %s" for name in options)
    return f"SELECT public.load_{resource}(%s::pg_catalog.text{named})", document, *options.values()


def bulk(session, on):
    """Switches COPY's way of writing on or off, in a library that knows the setting."""
    if knows_bulk(session):
        session.run(f"SET pg_opus.bulk_insert = {'on' if on else 'off'}")
    elif not on:
        pytest.skip("the library has no setting pg_opus.bulk_insert")


def knows_bulk(session):
    session.run("SELECT public.last_load()")
    return session.value("SELECT current_setting('pg_opus.bulk_insert', true)") is not None


def finished(future, seconds=DEADLINE):
    """The result of a statement that was started, or its error."""
    try:
        return future.result(seconds)
    except NotDone:
        pytest.fail(f"the statement has not ended within {seconds} s")


def outcome(future, seconds=DEADLINE):
    """The SQLSTATE with which a statement that was started has ended; None without an error."""
    try:
        finished(future, seconds)
    except psycopg.Error as error:
        return error.sqlstate or "connection lost"
    return None


def waits_for_lock(observer, pid):
    """Whether the process waits for a heavyweight lock."""
    return observer.value("SELECT EXISTS (SELECT FROM pg_locks WHERE pid = %s AND NOT granted)", pid)


def until_waiting(observer, session, future=None):
    """Waits until the session waits for a lock; fails at once where its statement has ended without."""

    def seen():
        if future is not None and future.done():
            pytest.fail(f"the statement ended without waiting for a lock: {outcome(future)}")
        return waits_for_lock(observer, session.pid)

    until(seen, "a session that waits for a lock")


class Stop:
    """A point at which a load stops (src/sessions/fault.rs), within `with`."""

    LEADER = 999

    def __init__(self, observer, point, session=LEADER):
        if os.environ.get("TRUST_FAULT_POINTS") != "1":
            pytest.skip("the library was built without fault points: scripts/install MAJOR tests")
        self.observer = observer
        self.name = f"{point}.{session}"
        self.file = Path(os.environ["TRUST_DATA"]) / f"pg_opus_stop.{self.name}"

    def __enter__(self):
        self.file.touch()
        return self

    def __exit__(self, *_):
        self.go_on()

    def go_on(self):
        self.file.unlink(missing_ok=True)

    def reached(self, future):
        """Waits until the load stops here."""
        activity = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query = %s)"
        if self.name == "decoding.999":
            # It shows nothing, but that a load is under way.
            activity = "SELECT EXISTS (SELECT FROM pg_stat_progress_copy) AND %s::text IS NOT NULL"

        def seen():
            if self.observer.value(activity, f"pg_opus stops at {self.name}"):
                return True
            if future.done():
                pytest.fail(f"the load ended without stopping at {self.name}: {outcome(future) or future.result()}")
            return False

        until(seen, f"the load at {self.name}")
