"""Constraints that are checked by a trigger of the server's own: they hold, whatever way rows are written."""

import psycopg
import pytest

import documents
from sessions import bulk

INITIALLY = ["INITIALLY IMMEDIATE", "INITIALLY DEFERRED"]
CONSTRAINTS = {
    "unique": ("ADD UNIQUE (title) DEFERRABLE", "23505"),
    "exclusion": ("ADD EXCLUDE USING btree (title WITH =) DEFERRABLE", "23P01"),
    "primary key": ("DROP CONSTRAINT works_pkey, ADD PRIMARY KEY (work_id) DEFERRABLE", "23505"),
}


@pytest.mark.parametrize("foreign_keys", ["on", "off"])
@pytest.mark.parametrize("bulk_insert", [True, False], ids=["bulk", "insert"])
@pytest.mark.parametrize("initially", INITIALLY)
@pytest.mark.parametrize("kind", CONSTRAINTS)
def test_holds(catalogue, kind, initially, bulk_insert, foreign_keys):
    """Two rows that may not be together are not: the load fails, or in a block its commit."""
    alter, sqlstate = CONSTRAINTS[kind]
    bulk(catalogue, bulk_insert)
    catalogue.run(f"SET pg_opus.set_based_foreign_keys = {foreign_keys}; ALTER TABLE works {alter} {initially}")
    first = documents.works(1, 1000, "Same ") if kind == "primary key" else documents.works(5000, 5000)
    records = [documents.work(n, f"Same {n % 500}") for n in range(1, 1001)]
    second = first if kind == "primary key" else documents.text(records)
    catalogue.load("works", first, on_conflict="error")
    rows = catalogue.value("SELECT count(*) FROM works")
    catalogue.load_fails(sqlstate, "works", second, on_conflict="error")
    assert catalogue.value("SELECT count(*) FROM works") == rows
    with pytest.raises(psycopg.Error) as raised, catalogue.connection.transaction():
        catalogue.load("works", second, on_conflict="error")
    assert raised.value.sqlstate == sqlstate
    assert catalogue.value("SELECT count(*) FROM works") == rows
    assert catalogue.is_alive()


def test_deferred_may_be_mended(catalogue):
    """A deferred constraint that is broken within the transaction and holds at its end is none's concern."""
    catalogue.run("ALTER TABLE works ADD UNIQUE (title) DEFERRABLE INITIALLY DEFERRED")
    records = [documents.work(n, f"Same {n % 500}") for n in range(1, 1001)]
    with catalogue.connection.transaction():
        assert catalogue.load("works", documents.text(records)) == 1000
        catalogue.run("UPDATE works SET title = 'Title ' || imslp_id")
    assert catalogue.value("SELECT count(DISTINCT title) FROM works") == 1000


@pytest.mark.parametrize("initially", INITIALLY)
def test_ignored_refusals_of_a_deferrable_constraint(catalogue, initially):
    """Where the check comes with the statement, the rows it refuses can be set aside; deferred, the load fails at commit."""
    catalogue.run(f"ALTER TABLE works ADD UNIQUE (title) DEFERRABLE {initially}")
    catalogue.load("works", documents.text([documents.work(5000, "taken")]))
    records = [documents.work(n, "taken" if n % 100 == 0 else None) for n in range(1, 1001)]
    if initially.endswith("DEFERRED"):
        catalogue.load_fails("23505", "works", documents.text(records), on_error="ignore")
        assert catalogue.value("SELECT count(*) FROM works") == 1
        return
    assert catalogue.load("works", documents.text(records), on_error="ignore") == 990
    assert catalogue.values("SELECT DISTINCT sqlstate FROM rejected_records") == ["23505"]
    assert catalogue.value("SELECT count(*) FROM rejected_records") == 10
    assert catalogue.value("SELECT count(*) - count(DISTINCT title) FROM works") == 0


@pytest.mark.parametrize("initially", INITIALLY)
@pytest.mark.parametrize("resource", ["composers", "works"])
def test_another_tables_deferrable_foreign_key(catalogue, resource, initially):
    """A deferrable foreign key of the owner's is checked as for an INSERT."""
    catalogue.run(f"""
        CREATE TABLE links (link text PRIMARY KEY); INSERT INTO links VALUES ('there');
        ALTER TABLE {resource} ADD FOREIGN KEY (permlink) REFERENCES links DEFERRABLE {initially}""")
    make = (lambda n: documents.composer(1000 + n, "missing" if n == 700 else "there")) if resource == "composers" \
        else (lambda n: documents.work(n) | {"permlink": "missing" if n == 700 else "there"})
    before = catalogue.value(f"SELECT count(*) FROM {resource}")
    catalogue.load_fails("23503", resource, documents.text([make(n) for n in range(1000)]))
    assert catalogue.value(f"SELECT count(*) FROM {resource}") == before
    assert catalogue.load(resource, documents.text([make(n) for n in range(1000) if n != 700])) == 999


@pytest.mark.parametrize("initially", INITIALLY)
def test_the_works_own_deferrable_foreign_key(catalogue, initially):
    """Works without a composer are refused under a deferrable key too, at once or at the commit."""
    catalogue.run(f"""ALTER TABLE works DROP CONSTRAINT works_composer_id_fkey,
        ADD FOREIGN KEY (composer_id) REFERENCES composers DEFERRABLE {initially}""")
    records = [documents.work(n, composer="Nobody" if n == 900 else None) for n in range(1000)]
    catalogue.load_fails("23503", "works", documents.text(records))
    assert catalogue.value("SELECT count(*) FROM works") == 0
