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


def table(session, name, columns, shape, key):
    """A table: plain, in partitions, or in partitions that have partitions. Its leaves."""
    by = "" if shape == "plain" else f"PARTITION BY HASH ({key})"
    session.run(f"CREATE TABLE {name} ({columns}) {by}")
    if shape == "plain":
        return [name]
    leaves = []
    for number in range(2):
        bound = f"FOR VALUES WITH (MODULUS 2, REMAINDER {number})"
        if shape == "in partitions":
            session.run(f"CREATE TABLE {name}_{number} PARTITION OF {name} {bound}")
            leaves.append(f"{name}_{number}")
            continue
        session.run(f"CREATE TABLE {name}_{number} PARTITION OF {name} {bound} PARTITION BY RANGE ({key})")
        session.run(f"CREATE TABLE {name}_{number}_rest PARTITION OF {name}_{number} DEFAULT")
        leaves.append(f"{name}_{number}_rest")
    return leaves


SHAPES = ["plain", "in partitions", "in partitions of partitions"]


@pytest.mark.parametrize("rows", [20, 2000])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("children", SHAPES)
@pytest.mark.parametrize("parents", SHAPES)
def test_a_key_is_one_key(session, parents, children, workers, rows):
    """However many partitions either side has: it is checked, told of and named as one, into the table and into a leaf."""
    table(session, "place", "id int PRIMARY KEY", parents, "id")
    leaves = table(session, "item", "id int PRIMARY KEY, place int CONSTRAINT placed REFERENCES place", children, "id")
    session.run("INSERT INTO place SELECT generate_series(1, 9); SET pg_opus.min_parallel_rows = 0")
    records = [{"id": n, "place": n % 9 + 1} for n in range(rows)]
    load = lambda target, records, **options: session.value(
        f"SELECT load_records('{target}', %s::text{''.join(f', {name} => %s' for name in options)})", json.dumps(records), *options.values())
    assert load("item", records, workers=workers) == rows
    checked = session.value("SELECT foreign_key_check FROM last_load()")
    assert checked in ("as a set", "as a set, in each session") or checked.startswith("row by row: "), checked
    assert ";" not in checked
    if (parents, children) != ("plain", "plain"):
        assert checked.startswith("row by row: "), checked
    own = {leaf: [record for record in records if session.value(f"SELECT EXISTS (SELECT FROM {leaf} WHERE id = %s)", record["id"])]
           for leaf in leaves[:1]} if rows < 100 else {}
    for target, fitting in [("item", records), *own.items()]:
        session.run("TRUNCATE item")
        assert load(target, fitting, workers=workers) == len(fitting)
        assert ";" not in session.value("SELECT foreign_key_check FROM last_load()")
        session.run("TRUNCATE item")
        orphan = fitting[-1] | {"place": 77}
        single = session.fails("23503", f"INSERT INTO {target} VALUES (%s, 77)", orphan["id"])
        error = session.fails("23503", f"SELECT load_records('{target}', %s::text, workers => %s)", json.dumps([*fitting[:-1], orphan]), workers)
        told = lambda error: (error.diag.constraint_name, error.diag.table_name, error.diag.message_detail, error.diag.message_hint)
        assert told(error) == told(single)
        assert load(target, [*fitting[:-1], orphan], workers=workers, on_error="ignore") == len(fitting) - 1
        assert session.values("SELECT ordinal FROM rejected_records") == [len(fitting) - 1]
        session.run("TRUNCATE rejected_records")
    assert session.value("SELECT count(*) FROM item WHERE place = 77") == 0


def test_a_key_to_the_own_table(session):
    """Rows of a partition that refer to rows of the same table, in whatever partition, come in the document's order."""
    session.run("""CREATE TABLE part (id int PRIMARY KEY, whole int REFERENCES part) PARTITION BY RANGE (id);
        CREATE TABLE part_0 PARTITION OF part FOR VALUES FROM (0) TO (20000); CREATE TABLE part_1 PARTITION OF part DEFAULT;
        SET pg_opus.min_parallel_rows = 0""")
    rows = 12000
    # Each refers to the one before it in the document, which has the higher key.
    document = json.dumps([{"id": n, "whole": n + 1 if n < rows else None} for n in range(rows, 0, -1)])
    for target in ["part", "part_0"]:
        for workers in [0, 2]:
            session.run("TRUNCATE part")
            assert session.value(f"SELECT load_records('{target}', %s::text, workers => %s)", document, workers) == rows
            assert session.value("SELECT sessions FROM last_load()") == 0


@pytest.mark.parametrize("rows", [5, 1500])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("works", ["plain", "in partitions"])
@pytest.mark.parametrize("composers", ["plain", "in partitions"])
def test_the_hint_about_composers(session, composers, works, workers, rows):
    """It comes where the composer of the work is missing, whatever the partition calls the key, and for no other key."""
    session.run("SELECT create_catalogue(); SET pg_opus.min_parallel_rows = 0")
    if composers == "in partitions":
        session.run("""ALTER TABLE works DROP CONSTRAINT works_composer_id_fkey; ALTER TABLE composers RENAME TO plain;
            CREATE TABLE composers (LIKE plain INCLUDING ALL) PARTITION BY HASH (composer_id);
            CREATE TABLE composers_0 PARTITION OF composers FOR VALUES WITH (MODULUS 2, REMAINDER 0);
            CREATE TABLE composers_1 PARTITION OF composers FOR VALUES WITH (MODULUS 2, REMAINDER 1);
            ALTER TABLE works ADD FOREIGN KEY (composer_id) REFERENCES composers""")
    if works == "in partitions":
        session.run("""ALTER TABLE works RENAME TO plain_works;
            CREATE TABLE works (LIKE plain_works INCLUDING ALL, FOREIGN KEY (composer_id) REFERENCES composers) PARTITION BY HASH (work_id);
            CREATE TABLE works_0 PARTITION OF works FOR VALUES WITH (MODULUS 2, REMAINDER 0);
            CREATE TABLE works_1 (LIKE works INCLUDING ALL, CONSTRAINT ours FOREIGN KEY (composer_id) REFERENCES composers);
            ALTER TABLE works ATTACH PARTITION works_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1)""")
    assert session.load("composers", documents.composers()) == documents.COMPOSERS
    known = [documents.work(number) for number in range(1, rows + 1)]
    for number in range(3000, 3008):
        error = session.load_fails("23503", "works", json.dumps([*known, documents.work(number, composer="Nobody")]), workers=workers)
        assert "Load the composers first" in (error.diag.message_hint or ""), error.diag.constraint_name
    assert session.load("works", json.dumps([*known, documents.work(3000, composer="Nobody")]), create_composers=True, workers=workers) == rows + 1
    session.run("CREATE TABLE genres (genre text PRIMARY KEY); ALTER TABLE works ADD CONSTRAINT known FOREIGN KEY (genre) REFERENCES genres NOT VALID"
                if works == "plain" else
                "CREATE TABLE genres (genre text PRIMARY KEY); ALTER TABLE works ADD CONSTRAINT known FOREIGN KEY (genre) REFERENCES genres")
    session.run("ALTER TABLE works ALTER genre SET DEFAULT 'none'")
    document = json.dumps([{"work_id": str(documents.work_id(9000)), "composer_id": documents.composer_id(1), "title": "T", "genre": "new",
                            "search_terms": []}])
    error = session.load_fails("23503", "works", document)
    assert "Load the composers" not in (error.diag.message_hint or "")


MEETING = {
    "plain": "CREATE TABLE item (id int PRIMARY KEY, title text UNIQUE)",
    "key of a partition": """CREATE TABLE item (id int PRIMARY KEY, title text) PARTITION BY RANGE (id);
        CREATE TABLE item_0 PARTITION OF item DEFAULT; CREATE UNIQUE INDEX ON item_0 (title)""",
    "exclusion in a partition": """CREATE TABLE item (id int PRIMARY KEY, title text) PARTITION BY RANGE (id);
        CREATE TABLE item_0 (id int PRIMARY KEY, title text, EXCLUDE USING btree (title WITH =));
        ALTER TABLE item ATTACH PARTITION item_0 DEFAULT""",
}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("on_error", ["stop", "ignore"])
@pytest.mark.parametrize("kind", MEETING)
def test_rows_that_meet_by_another_key(session, kind, on_error, workers):
    """What a row that is there gives up a new one takes; of two new ones the first in the document has it. In sessions too."""
    session.run(MEETING[kind] + "; SET pg_opus.min_parallel_rows = 0")
    session.run("INSERT INTO item SELECT n, 't' || n FROM generate_series(1, 3000) n")
    load = lambda records: session.value(
        "SELECT load_records('item', %s::text, workers => %s, on_error => %s)", json.dumps(records), workers, on_error)
    moved = [{"id": n, "title": f"t{n + 1000}"} for n in range(4000, 0, -1)]
    assert load(moved) == 4000
    assert session.value("SELECT count(*) FROM item WHERE title = 't' || id + 1000") == 4000
    twice = [{"id": 9999 - n, "title": f"new {n // 2}"} for n in range(2000)]
    if on_error == "stop":
        error = session.fails("23505" if "exclusion" not in kind else "23P01", "SELECT load_records('item', %s::text, workers => %s)",
                              json.dumps(twice), workers)
        assert "record 1," in error.diag.context
        return
    assert load(twice) == 1000
    assert session.values("SELECT ordinal FROM rejected_records ORDER BY ordinal") == list(range(1, 2000, 2))


def test_a_key_of_a_partition_to_the_table(session):
    """Its rows come in the document's order: each refers to the one before it."""
    session.run("""CREATE TABLE part (id int PRIMARY KEY, whole int) PARTITION BY RANGE (id);
        CREATE TABLE part_0 PARTITION OF part DEFAULT; ALTER TABLE part_0 ADD FOREIGN KEY (whole) REFERENCES part; SET pg_opus.min_parallel_rows = 0""")
    document = json.dumps([{"id": n, "whole": n + 1 if n < 12000 else None} for n in range(12000, 0, -1)])
    for workers in [0, 2]:
        session.run("TRUNCATE part")
        assert session.value("SELECT load_records('part', %s::text, workers => %s)", document, workers) == 12000
