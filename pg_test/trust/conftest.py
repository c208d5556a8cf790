"""Fixtures: a database of the test's own, a catalogue, sessions; and the server's log, which may not tell of a crash."""

import itertools
import os
import re
import time
from pathlib import Path

import psycopg
import pytest

import documents
from sessions import DEADLINE, Session, until

HERE = Path(__file__).parent
SQL = HERE / "sql"
# Each process of the run has a server of its own (./run).
JOB = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
os.environ["PGHOST"], os.environ["TRUST_LOG"], os.environ["TRUST_DATA"] = os.environ["TRUST_SERVERS"].splitlines()[JOB].split("\t")
LOG = Path(os.environ["TRUST_LOG"])
CRASH = re.compile(r"was terminated by signal \d+[^\n]*|PANIC:[^\n]*")
READY = "database system is ready to accept connections"
TEMPLATE = "trust_template"
numbers = itertools.count(1)


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="all combinations of the matrices, and documents of 900 MB")
    parser.addoption("--sample", choices=["one", "others"], help="one case of n of the tables of cases, or the others")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """With --sample one, of each n cases of a table marked `sampled(n)` one: the first of the first n, the last of the second
    n, and so on. So each row of a table with n columns has one, and each column its share. With --sample others, all but
    these."""
    sample = config.getoption("--sample")
    if not sample:
        return
    numbers = {}
    chosen, left_out = [], []
    for item in items:
        marker = item.get_closest_marker("sampled")
        runs = True
        if marker:
            number = next(numbers.setdefault(item.nodeid.partition("[")[0], itertools.count()))
            row, column = divmod(number, marker.args[0])
            is_the_one = (row + column) % marker.args[0] == 0
            runs = is_the_one == (sample == "one")
        (chosen if runs else left_out).append(item)
    items[:] = chosen
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def long(request):
    return request.config.getoption("--long")


# ---- the server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """A crash of the server fails the test in which it happened, whatever the test saw of it."""
    before = LOG.stat().st_size
    Session.lost = False
    failed = None
    try:
        yield
    except BaseException as error:
        failed = error
    if Session.lost:
        # The postmaster hears of it later than the client.
        Session.lost = False
        until(lambda: CRASH.search(log_since(before)), "a lost connection's crash in the server's log")
    crash = CRASH.search(log_since(before))
    if crash:
        until(lambda: READY in log_since(before).split(crash[0], 1)[1], "the server's recovery")
        until_up()
        if not (item.get_closest_marker("may_crash") and failed is None):
            raise AssertionError(f"the server crashed: {crash[0]}") from failed
    if failed is not None:
        raise failed


def log_since(position):
    with LOG.open("rb") as log:
        log.seek(position)
        return log.read().decode(errors="replace")


def until_up():
    last = time.monotonic() + DEADLINE
    while True:
        try:
            return psycopg.connect(dbname="postgres").close()
        except psycopg.OperationalError:
            if time.monotonic() > last:
                raise
            time.sleep(0.05)


@pytest.fixture(scope="session")
def major():
    return int(os.environ["TRUST_MAJOR"])


@pytest.fixture(scope="session")
def template():
    """A database with the extension, from which each test's own is copied."""
    with psycopg.connect(dbname="postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {TEMPLATE}")
    with psycopg.connect(dbname=TEMPLATE, autocommit=True) as database:
        database.execute("CREATE EXTENSION pg_opus")
        database.execute((SQL / "helpers.sql").read_text())
    return TEMPLATE


@pytest.fixture
def database(template):
    """A database of the test's own, which is dropped at its end with whoever is still there."""
    yield from make_database(f"trust_{next(numbers)}", f"TEMPLATE {template}")


def make_database(name, options):
    with psycopg.connect(dbname="postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} {options}")
    yield name
    until_up()
    with psycopg.connect(dbname="postgres", autocommit=True) as server:
        for stop in Path(os.environ["TRUST_DATA"]).glob("pg_opus_stop.*"):
            stop.unlink(missing_ok=True)
        for (gid,) in server.execute("SELECT gid FROM pg_prepared_xacts WHERE database = %s", [name]).fetchall():
            with psycopg.connect(dbname=name, autocommit=True) as inside:
                inside.execute(f"ROLLBACK PREPARED '{gid}'")
        # While a session is still there, a DROP looks again every 100 ms; those that have been closed are gone sooner.
        there = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        last = time.monotonic() + 0.1
        while server.execute(there, [name]).fetchone()[0] and time.monotonic() < last:
            time.sleep(0.002)
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def encoded(request):
    """Makes a database of another encoding, with the extension."""
    made = []

    def make(encoding):
        name = f"trust_{next(numbers)}"
        options = f"TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
        made.append(make_database(name, options))
        next(made[-1])
        with psycopg.connect(dbname=name, autocommit=True) as database:
            database.execute("CREATE EXTENSION pg_opus")
        return name

    yield make
    for database in made:
        next(database, None)


# ---- sessions


@pytest.fixture
def connect(database):
    """Opens sessions with the test's database (or with the one named): connect(user='mallory')."""
    sessions = []

    def open_session(dbname=None, **options):
        sessions.append(Session(dbname or database, **options))
        return sessions[-1]

    yield open_session
    for session in sessions:
        session.close()


@pytest.fixture
def observer(connect):
    """A session that looks on."""
    return connect()


@pytest.fixture
def session(connect):
    """A superuser's session, with no tables yet."""
    return connect()


@pytest.fixture
def catalogue(session):
    """A superuser's session with the three tables and some composers."""
    session.run("SELECT create_catalogue()")
    assert session.load("composers", documents.composers()) == documents.COMPOSERS
    return session


@pytest.fixture
def role(connect, database):
    """Makes roles that can log in, which are gone afterwards."""
    made = []
    maker = connect()

    def make(name, options=""):
        maker.run(f"DROP ROLE IF EXISTS {name}; CREATE ROLE {name} LOGIN {options}")
        made.append(name)
        return name

    yield make
    with psycopg.connect(dbname=database, autocommit=True) as server:
        server.execute(f"SET statement_timeout = '{DEADLINE}s'")
        for name in made:
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [name])
            server.execute(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


@pytest.fixture
def script():
    """The text of a file of sql/."""
    return lambda name: (SQL / f"{name}.sql").read_text()
