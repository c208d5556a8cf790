"""Fixtures: sessions with the server itself and through its two pgbouncers, and tables as each test wants them."""

import os

import psycopg
import pytest

import documents

# Of each pgbouncer its port: as it comes, and with DISCARD ALL after each transaction.
POOLERS = {"plain": 6432, "reset": 6433}
TABLES = """DROP TABLE IF EXISTS city, composers, works, rejected_records CASCADE;
CREATE TABLE city (id int PRIMARY KEY, name text NOT NULL, area numeric(8,1));
SELECT create_catalogue()"""


@pytest.fixture(scope="session", autouse=True)
def extension():
    with psycopg.connect(dbname="postgres", autocommit=True) as server:
        server.execute("SET client_min_messages = warning; CREATE EXTENSION IF NOT EXISTS pg_opus")


@pytest.fixture
def server():
    """A session with the server itself, and empty tables."""
    with psycopg.connect(dbname="postgres", autocommit=True, prepare_threshold=None) as session:
        session.execute("SET client_min_messages = warning")
        session.execute(TABLES)
        session.execute("SELECT load_composers(%s::text)", [documents.composers()])
        yield session


@pytest.fixture(params=POOLERS)
def pooler(request):
    """The name of a pgbouncer: a test runs with each of them."""
    return request.param


@pytest.fixture
def client(server, pooler):
    """Opens sessions with a pgbouncer: client("one"), client("two"), client("session")."""
    clients = []

    def connect(pool, **options):
        # Named statements only where a test asks for them: this pgbouncer knows none of a transaction's pool.
        options = {"prepare_threshold": None, "autocommit": True, "port": POOLERS[pooler]} | options
        clients.append(psycopg.connect(dbname=pool, host=os.environ["PGHOST"], **options))
        return clients[-1]

    yield connect
    for one in clients:
        one.close()


def value(session, sql, *parameters):
    return session.execute(sql, parameters or None).fetchone()[0]


def backend(session):
    return value(session, "SELECT pg_backend_pid()")
