"""Loads do not stop others, and nobody without rights stops a load."""

import pytest

import documents
from sessions import DEADLINE, Stop, finished, outcome, until, waits_for_lock

ROWS = 3000


@pytest.fixture
def idle(catalogue, connect):
    """A session that is idle in a transaction after a load of one row."""
    catalogue.run("ALTER TABLE works ADD CHECK (title <> '')")
    holder = connect()
    holder.run("BEGIN")
    holder.load("works", documents.works(90001, 90001))
    return holder


WISHES = {
    "default": ("", {}), "named": ("", {"workers": 2}), "setting": ("SET pg_opus.workers = 2", {}), "none": ("", {"workers": 0}),
}


@pytest.mark.parametrize("wish", WISHES)
def test_idle_transaction_stops_nobody(idle, connect, observer, wish):
    """Beside an idle transaction that has loaded, a large load comes to its end, and a small one beside it."""
    setting, options = WISHES[wish]
    large, small = connect(), connect()
    large.run("SET pg_opus.min_parallel_rows = 1000; " + setting)
    loading = large.start_load("works", documents.works(1, ROWS), **options)
    ended(observer, large, loading)
    assert ended(observer, small, small.start_load("works", documents.works(80001, 80001))) == 1
    assert finished(loading)[0][0] == ROWS
    assert ended(observer, small, small.start_load("composers", documents.composers(20, first=500))) == 20
    idle.run("COMMIT")


def ended(observer, session, future):
    """The statement's result; that it waits for a lock of the idle transaction is a failure at once."""

    def seen():
        if future.done():
            return True
        blockers = observer.value("SELECT pg_blocking_pids(%s)", session.pid)
        idle = observer.value("SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s) AND state = 'idle in transaction'", blockers)
        assert not idle, "it waits for a transaction that does nothing"
        return False

    until(seen, "the end of a load beside an idle transaction")
    return finished(future)[0][0]


@pytest.mark.parametrize("wish", WISHES)
def test_without_privileges_nothing_is_locked(catalogue, connect, observer, role, database, wish):
    """A role that may not write a table cannot, by a load, hold a lock on it that stops others."""
    role("mallory")
    catalogue.run(f"CREATE SCHEMA m AUTHORIZATION mallory; ALTER TABLE works ADD CHECK (title <> '')")
    own = connect(user="mallory")
    own.run("SET search_path = m, public")
    own.run("""CREATE TABLE m.works (work_id uuid PRIMARY KEY, composer_id text COLLATE "C" NOT NULL, title text NOT NULL, subtitle text,
        genre text, catalogue_number text, search_terms text[], popular boolean, recommended boolean, imslp_id bigint,
        openopus_id integer, permlink text)""")
    setting, options = WISHES[wish]
    own.run("BEGIN")
    for call in (("works", documents.works(1, 1)), ("works", documents.works(1, 700)), ("composers", documents.composers(1))):
        own.run("SAVEPOINT s")
        try:
            own.load(*call, **{"workers": 2} if wish == "named" else {})
        except Exception as error:
            assert error.sqlstate == "42501", error
            own.run("ROLLBACK TO s")
    held = observer.run("""SELECT locktype, coalesce(relation::regclass::text, classid::regclass::text), mode FROM pg_locks
        WHERE pid = %s AND (relation IN ('public.composers'::regclass, 'public.works'::regclass) OR locktype = 'object')
        AND mode NOT IN ('AccessShareLock')""", own.pid)
    objects = [lock for lock in held if lock[0] == "object"]
    assert not [lock for lock in held if lock[0] == "relation"], held
    # Locks by which loads know of each other, of tables that are not hers.
    foreign = observer.value("""SELECT count(*) FROM pg_locks WHERE pid = %s AND locktype = 'object'
        AND classid IN (SELECT oid FROM pg_extension UNION SELECT 'pg_extension'::regclass)
        AND objid IN ('public.composers'::regclass, 'public.works'::regclass)""", own.pid)
    assert not foreign, objects
    large = connect()
    large.run("SET pg_opus.min_parallel_rows = 1000; " + setting)
    assert ended(observer, large, large.start_load("works", documents.works(1, ROWS), **options)) == ROWS
    altering = catalogue.start("ALTER TABLE composers ADD told text")
    assert outcome(altering) is None
    own.run("ROLLBACK")


@pytest.mark.parametrize("privilege", ["INSERT", "UPDATE", "SELECT"])
def test_refused_before_it_waits(catalogue, connect, role, privilege):
    """A role that lacks a privilege is told so at once, while somebody else holds the table."""
    role("mallory")
    others = ", ".join({"INSERT", "UPDATE", "SELECT"} - {privilege})
    catalogue.run(f"GRANT {others} ON composers, works TO mallory")
    own = connect(user="mallory")
    own.run(f"SET statement_timeout = '{DEADLINE // 4}s'")
    catalogue.run("BEGIN; LOCK TABLE works, composers IN ACCESS EXCLUSIVE MODE")
    own.load_fails("42501", "works", documents.works(1, 700))
    own.load_fails("42501", "composers", documents.composers(1))
    catalogue.run("ROLLBACK")


@pytest.mark.parametrize("composer", ["C000005", "C000045"])
@pytest.mark.parametrize("rejects", [1, 700])
def test_triggers_that_want_one_lock(catalogue, rejects, composer):
    """Triggers of works and of rejected_records that take one lock do not make the sessions of a load wait for each other."""
    catalogue.run(f"""CREATE FUNCTION lock1() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$;
        CREATE TRIGGER a BEFORE INSERT ON works FOR EACH ROW WHEN (NEW.composer_id = '{composer}') EXECUTE FUNCTION lock1();
        CREATE TRIGGER b BEFORE INSERT ON rejected_records FOR EACH ROW EXECUTE FUNCTION lock1();
        SET pg_opus.min_parallel_rows = 1000; SET statement_timeout = '25s'""")
    records = [documents.work(n) for n in range(ROWS)] + [documents.BAD] * rejects
    assert catalogue.load("works", documents.text(records), on_error="ignore", workers=2) == ROWS
    assert catalogue.value("SELECT count(*) FROM rejected_records") == rejects


@pytest.mark.parametrize("composer", ["C000005", "C000045"])
def test_triggers_that_count_in_one_row(catalogue, composer):
    """The same with a row of counters that both triggers update."""
    catalogue.run(f"""CREATE TABLE counters (n int); INSERT INTO counters VALUES (0);
        CREATE FUNCTION up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE counters SET n = n + 1; RETURN NEW; END $$;
        CREATE TRIGGER a AFTER INSERT ON works FOR EACH ROW WHEN (NEW.composer_id = '{composer}') EXECUTE FUNCTION up();
        CREATE TRIGGER b BEFORE INSERT ON rejected_records FOR EACH ROW EXECUTE FUNCTION up();
        SET pg_opus.min_parallel_rows = 1000; SET statement_timeout = '25s'""")
    records = [documents.work(n) for n in range(ROWS)] + [documents.BAD]
    assert catalogue.load("works", documents.text(records), on_error="ignore", workers=2) == ROWS
    assert catalogue.value("SELECT n FROM counters") == ROWS // documents.COMPOSERS + 1


def test_two_first_loads_at_once(session, connect, observer):
    """Two loads that both find no tables: both succeed, in whatever order."""
    one, other = connect(), connect()
    with Stop(observer, "decoding") as stop:
        first = one.start_load("composers", documents.composers(4000))
        stop.reached(first)
        second = other.start_load("composers", documents.composers(4000, first=500))
        # It is under way too, or waits for the tables of the first.
        until(lambda: second.done() or waits_for_lock(observer, other.pid)
              or observer.value("SELECT count(*) FROM pg_stat_progress_copy") == 2, "the second load")
    assert outcome(first) is None and outcome(second) is None
    assert finished(first)[0][0] + finished(second)[0][0] == 4500
    assert session.value("SELECT count(*) FROM composers") == 4500


def test_two_first_loads_without_stops(session, connect, observer):
    """The same where one has made its tables in a transaction that is still open."""
    one, other = connect(), connect()
    one.run("BEGIN")
    one.load("composers", documents.composers(1000))
    second = other.start_load("composers", documents.composers(1000, first=500))
    until(lambda: second.done() or waits_for_lock(observer, other.pid), "the second load waits")
    one.run("COMMIT")
    assert outcome(second) is None
    assert session.value("SELECT count(*) FROM composers") == 1500
