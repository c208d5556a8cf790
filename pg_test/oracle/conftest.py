"""Fixtures: a database of each process's own, with the types, the loop and the stand-in."""

import os
from pathlib import Path

import psycopg
import pytest

from case import DOCUMENTS
from values import Types

SQL = Path(__file__).parent / "sql"


def pytest_addoption(parser):
    parser.addoption("--documents", type=int, default=300)
    parser.addoption("--seed", type=int, required=True)
    parser.addoption("--parts", type=int, default=2)


def pytest_generate_tests(metafunc):
    """The documents are parts of several tests, so that processes share them."""
    if "part" in metafunc.fixturenames:
        metafunc.parametrize("part", range(metafunc.config.getoption("parts")))


@pytest.fixture
def seeds(part, request, session):
    """Those of a part of the documents."""
    option = request.config.getoption
    return vacuumed(session, range(option("seed") + part, option("seed") + max(1, option("documents") // DOCUMENTS), option("parts")))


def vacuumed(session, seeds):
    """What tables have been leaves the catalog: soon every look into it would take longer than a case."""
    for number, seed in enumerate(seeds, 1):
        if number % 500 == 0:
            session.execute("VACUUM")
        yield seed


@pytest.fixture(scope="session")
def major():
    return int(os.environ["ORACLE_MAJOR"])


@pytest.fixture(scope="session")
def session(worker_id):
    name = f"oracle_{worker_id}"
    with psycopg.connect(dbname="postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    with psycopg.connect(dbname=name, autocommit=True, prepare_threshold=None) as session:
        for file in ("types", "loop", "stand_in"):
            session.execute((SQL / f"{file}.sql").read_text())
        session.execute("SET search_path = loaded, kinds, public; SET client_min_messages = warning; SET timezone = 'Asia/Kolkata'")
        yield session


@pytest.fixture(scope="session")
def types(session):
    return Types(session)


@pytest.fixture(params=["stand_in", "public"])
def load(request, session):
    """The name of the function under test: the stand-in shows that the test itself is right."""
    if request.param == "public":
        session.execute("CREATE EXTENSION IF NOT EXISTS pg_opus SCHEMA public")
    else:
        session.execute("SET stand_in.fault = ''")
    return f"{request.param}.load_records"
