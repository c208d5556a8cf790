"""Foreign tables and partitions: rows are written once, by the foreign server's own INSERT, in the caller's transaction."""

import json
import os

import psycopg
import pytest

ROWS = 3000


@pytest.fixture
def foreign(catalogue, database):
    """A session with a foreign table and a table with a foreign partition and a local one; and one with the foreign side."""
    if not catalogue.create_extension("postgres_fdw"):
        pytest.skip("this server has no postgres_fdw")
    other = f"{database}_other"
    with psycopg.connect(dbname="postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {other}")
    there = psycopg.connect(dbname=other, autocommit=True)
    there.execute("""
        CREATE TABLE city (id int, name text CHECK (name <> 'refused'), area numeric);
        CREATE TABLE low (id int, name text, area numeric);
        CREATE SEQUENCE calls;
        CREATE FUNCTION called() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('public.calls'); RETURN NEW; END $$;
        CREATE TRIGGER called BEFORE INSERT ON city FOR EACH ROW EXECUTE FUNCTION called();
        CREATE TRIGGER called BEFORE INSERT ON low FOR EACH ROW EXECUTE FUNCTION called()""")
    catalogue.run(f"""
        CREATE SERVER other FOREIGN DATA WRAPPER postgres_fdw
          OPTIONS (host '{os.environ["PGHOST"]}', port '{os.environ["PGPORT"]}', dbname '{other}', batch_size '500');
        CREATE USER MAPPING FOR CURRENT_USER SERVER other OPTIONS (user '{catalogue.connection.info.user}');
        CREATE FOREIGN TABLE city (id int, name text, area numeric) SERVER other OPTIONS (schema_name 'public', table_name 'city');
        CREATE FOREIGN TABLE gone (id int, name text) SERVER other OPTIONS (schema_name 'public', table_name 'nowhere');
        CREATE TABLE parted (id int, name text, area numeric) PARTITION BY RANGE (id);
        CREATE FOREIGN TABLE low PARTITION OF parted FOR VALUES FROM (0) TO (1000) SERVER other OPTIONS (schema_name 'public', table_name 'low');
        CREATE TABLE high PARTITION OF parted FOR VALUES FROM (1000) TO (2000);
        SET pg_opus.min_parallel_rows = 1000""")
    yield catalogue, there
    there.close()
    catalogue.run("SELECT postgres_fdw_disconnect_all()")
    with psycopg.connect(dbname="postgres", autocommit=True) as server:
        server.execute(f"DROP DATABASE {other} WITH (FORCE)")


def cities(rows, bad=()):
    return json.dumps([{"id": n, "name": "refused" if n in bad else "a", "area": n} for n in range(rows)])


LOAD = "SELECT load_records(%s::regclass, %s, on_conflict => 'error', on_error => %s, workers => %s)"


@pytest.mark.parametrize("workers", [0, 2])
def test_rows_are_written_once(foreign, workers):
    session, there = foreign
    assert session.value(LOAD, "city", cities(ROWS), "stop", workers) == ROWS
    assert session.last_load()["sessions"] == 0
    assert there.execute("SELECT count(*), count(DISTINCT id), sum(area) FROM city").fetchone() == (ROWS, ROWS, sum(range(ROWS)))
    # Nothing was tried, undone and written again.
    assert there.execute("SELECT last_value FROM calls").fetchone() == (ROWS,)


@pytest.mark.parametrize("workers", [0, 2])
def test_partitions_on_two_servers(foreign, workers):
    session, there = foreign
    assert session.value(LOAD, "parted", cities(2000), "stop", workers) == 2000
    assert there.execute("SELECT count(*) FROM low").fetchone() == (1000,)
    assert session.value("SELECT count(*) FROM high") == 1000
    assert there.execute("SELECT last_value FROM calls").fetchone() == (1000,)
    # One without a partition is refused here, one that the other server refuses there.
    assert session.value(LOAD, "parted", json.dumps([{"id": 1}, {"id": 5000}, {"id": 1999}]), "ignore", 0) == 2
    assert session.values("SELECT sqlstate FROM rejected_records") == ["23514"]


def test_refused_rows_are_set_aside(foreign):
    session, there = foreign
    bad = {7, 1500, 2999}
    assert session.value(LOAD, "city", cities(ROWS, bad), "ignore", 0) == ROWS - len(bad)
    assert session.run("SELECT ordinal, sqlstate FROM rejected_records ORDER BY ordinal") == [(n, "23514") for n in sorted(bad)]
    assert there.execute("SELECT count(*), count(DISTINCT id) FROM city").fetchone() == (ROWS - len(bad),) * 2
    there.execute("TRUNCATE city")
    error = session.fails("23514", LOAD, "city", cities(ROWS, bad), "stop", 0)
    assert "record 7" in error.diag.context
    assert there.execute("SELECT count(*) FROM city").fetchone() == (0,)


def test_what_the_other_server_lacks_is_no_fault_of_a_record(foreign):
    session, there = foreign
    session.fails("42P01", LOAD, "gone", json.dumps([{"id": n, "name": "a"} for n in range(300)]), "ignore", 0)
    there.execute("ALTER TABLE city RENAME area TO size")
    session.fails("42703", LOAD, "city", cities(300), "ignore", 0)
    assert session.value("SELECT to_regclass('rejected_records') IS NULL OR NOT EXISTS (SELECT FROM rejected_records)")


def test_one_transaction(foreign):
    session, there = foreign
    with pytest.raises(ZeroDivisionError), session.connection.transaction():
        session.value(LOAD, "parted", cities(2000), "stop", 0)
        1 / 0
    assert there.execute("SELECT count(*) FROM low").fetchone() == (0,)
    assert session.value("SELECT count(*) FROM high") == 0


@pytest.mark.parametrize("target", ["city", "parted"])
@pytest.mark.parametrize("policy", ["update", "skip"])
def test_there_is_no_key(foreign, target, policy):
    session, _ = foreign
    session.fails("42P10", "SELECT load_records(%s::regclass, %s, on_conflict => %s)", target, cities(2), policy)
