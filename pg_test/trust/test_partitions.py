"""Partitioned tables whose keys have more columns than the records' own: update, skip, and composers that are partitioned."""

import json

import pytest

import documents

PARTITIONS = {
    "hash": ("HASH (composer_id)", [f"FOR VALUES WITH (MODULUS 3, REMAINDER {n})" for n in range(3)]),
    "range": ("RANGE (composer_id)", ["FOR VALUES FROM (MINVALUE) TO ('C000020')", "DEFAULT"]),
}


def partition(session, kind, foreign_key=True):
    """Works by composer: the key has the partition key in it."""
    by, bounds = PARTITIONS[kind]
    session.run(f"""ALTER TABLE works RENAME TO plain_works;
        CREATE TABLE works (LIKE plain_works INCLUDING DEFAULTS, CONSTRAINT parted PRIMARY KEY (composer_id, work_id)) PARTITION BY {by};""")
    for number, bound in enumerate(bounds):
        session.run(f"CREATE TABLE works_{number} PARTITION OF works {bound}")
    if foreign_key:
        session.run("ALTER TABLE works ADD FOREIGN KEY (composer_id) REFERENCES composers")


@pytest.mark.parametrize("kind", PARTITIONS)
@pytest.mark.parametrize("rows", [5, 1000])
def test_update_and_skip(catalogue, kind, rows):
    """Both find the rows by the key that has the partition key in it; a second load writes nothing."""
    partition(catalogue, kind)
    for on_conflict in ["update", "skip"]:
        catalogue.run("TRUNCATE works")
        document = documents.works(1, rows)
        assert catalogue.load("works", document, on_conflict=on_conflict) == rows
        assert catalogue.load("works", document, on_conflict=on_conflict) == 0
        assert catalogue.value("SELECT unchanged FROM last_load()") == rows
        catalogue.run("UPDATE works SET title = 'old' WHERE imslp_id = 3")
        changed = 1 if on_conflict == "update" else 0
        assert catalogue.load("works", documents.works(1, rows + 10), on_conflict=on_conflict) == 10 + changed
        assert catalogue.value("SELECT count(*) FROM works") == rows + 10
        assert catalogue.value("SELECT count(*) FROM works WHERE title = 'old'") == 1 - changed


def test_no_such_key(catalogue):
    """A key that can be null, or that no index has, is none."""
    partition(catalogue, "hash", foreign_key=False)
    catalogue.run("ALTER TABLE works DROP CONSTRAINT parted")
    error = catalogue.fails("42P10", "SELECT load_works(%s::text)", documents.works(1, 5))
    assert "partition key" in error.diag.message_hint
    assert catalogue.load("works", documents.works(1, 5), on_conflict="error") == 5


@pytest.mark.parametrize("own_key", [False, True])
def test_partitioned_composers(session, own_key):
    """Composers in partitions are found, made, and told apart by their ids."""
    session.run("""SELECT create_catalogue(); ALTER TABLE works DROP CONSTRAINT works_composer_id_fkey; ALTER TABLE composers RENAME TO plain;
        CREATE TABLE composers (LIKE plain INCLUDING ALL) PARTITION BY HASH (composer_id);
        CREATE TABLE composers_0 PARTITION OF composers FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE composers_1 PARTITION OF composers FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        ALTER TABLE works ADD FOREIGN KEY (composer_id) REFERENCES composers""")
    if own_key:
        partition(session, "hash")
    assert session.load("composers", documents.composers()) == documents.COMPOSERS
    assert session.load("works", documents.works(1, 900)) == 900
    strangers = json.dumps([documents.work(number, composer=f"New{number}") for number in range(2000, 2600)])
    assert session.load("works", strangers, create_composers=True) == 600
    assert session.value("SELECT count(*) FROM composers") == documents.COMPOSERS + 600
    assert session.load("works", strangers, create_composers=True) == 0
    catalogue_of = lambda number, id, title: json.dumps({
        "composer": {"id": str(number), "name": "Bach", "complete_name": "Johann Sebastian Bach"},
        "works": [{"id": str(id), "title": title}]})
    for id in [1, 2, 3, 4]:
        names = f"Bach{id}"
        document = lambda number, work: catalogue_of(number, work, "A").replace("Bach", names)
        assert session.load("works", document(80 + id, 10 * id), create_composers=True) == 1
        session.fails("23505", "SELECT load_works(%s::text)", document(90 + id, 10 * id + 1))
