"""New rows come in the document's order wherever that can be seen: in the numbers that they get, in what triggers do, and in
which of two rows that meet is taken."""

import json

import pytest

PARENTS = "CREATE TABLE one (a text PRIMARY KEY); INSERT INTO one SELECT n::text FROM generate_series(0, 9) n;"
# Where rows without an order would come by their parents, or by their keys.
TABLES = {
    "a key": "id int PRIMARY KEY, a text",
    "parents with an index": "id int PRIMARY KEY, a text REFERENCES one",
    "parents first in the key": "id int, a text REFERENCES one, PRIMARY KEY (a, id)",
    "another key": "id int PRIMARY KEY, a text, u int UNIQUE",
    "no key": "id int, a text REFERENCES one",
}
NUMBERS = {
    "serial": ("n serial", ""),
    "identity": ("n int GENERATED ALWAYS AS IDENTITY", ""),
    "before": ("n int", "CREATE TRIGGER number BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION number()"),
    "after": ("n serial", "CREATE TRIGGER note AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note()"),
    "after, a table": ("n serial", "CREATE TRIGGER note AFTER INSERT ON t REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_all()"),
}
FUNCTIONS = """CREATE SEQUENCE numbers; CREATE TABLE noted (place serial, id int);
    CREATE FUNCTION number() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.n = nextval('numbers'); RETURN NEW; END $$;
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO noted (id) VALUES (NEW.id); RETURN NULL; END $$;
    CREATE FUNCTION note_all() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO noted (id) SELECT id FROM new_rows; RETURN NULL; END $$;"""


def record(n):
    """Neither ids nor parents are in the document's order, nor against it."""
    return {"id": n * 7919 % 10007, "a": str(n * 3 % 7), "u": -n}


@pytest.mark.parametrize("count", [3, 150, 700])
@pytest.mark.parametrize("policy", ["error", "skip", "update"])
@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("table", TABLES)
def test_numbers(session, table, numbers, policy, count):
    """By few rows, again by a kept statement, and in bulk; where some of the records give a number of their own, too."""
    if table == "no key" and policy != "error":
        pytest.skip("no key")
    column, trigger = NUMBERS[numbers]
    session.run(f"{PARENTS} {FUNCTIONS} CREATE TABLE t ({TABLES[table]}, {column}); CREATE INDEX ON t (a); {trigger}")
    for first in (1, 1000, 2000):
        records = [record(n) for n in range(first, first + count)]
        if first == 2000 and numbers == "serial":
            records = [record | ({"n": 5000000} if place % 3 == 0 else {}) for place, record in enumerate(records)]
        session.run("DELETE FROM noted")
        session.run("SELECT load_records('t', %s, on_conflict => %s)", json.dumps(records), policy)
        ids = [record["id"] for record in records if "n" not in record]
        assert session.values("SELECT id FROM t WHERE id = ANY(%s) AND n < 5000000 ORDER BY n", ids) == ids
        if numbers.startswith("after"):
            assert session.values("SELECT id FROM noted ORDER BY place") == [record["id"] for record in records]


SEEN_BY = {
    "a partition's trigger": (") PARTITION BY RANGE (id", "CREATE TABLE p PARTITION OF t FOR VALUES FROM (0) TO (1000000); "
                              "CREATE TRIGGER note AFTER INSERT ON p FOR EACH ROW EXECUTE FUNCTION note()"),
    "a volatile CHECK": (", CHECK (note_id(id))", ""),
    "a rule": ("", "CREATE RULE note AS ON INSERT TO t DO ALSO INSERT INTO noted (id) VALUES (NEW.id)"),
    "a policy": ("", "ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY one ON t USING (true) WITH CHECK (note_id(id))"),
}


@pytest.mark.parametrize("count", [9, 700])
@pytest.mark.parametrize("policy", ["error", "skip", "update"])
@pytest.mark.parametrize("name", SEEN_BY)
def test_what_else_sees_rows(session, name, policy, count):
    more, then = SEEN_BY[name]
    session.run(f"""{FUNCTIONS} CREATE FUNCTION note_id(int) RETURNS boolean LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO noted (id) VALUES ($1); RETURN true; END $$;
        CREATE TABLE t (id int PRIMARY KEY{more}); {then}""")
    if name == "a policy":
        session.run("DROP ROLE IF EXISTS noter; CREATE ROLE noter; GRANT ALL ON t, noted, noted_place_seq TO noter; SET ROLE noter")
    # By few rows, again by a kept statement, and in bulk.
    seen = [record(n)["id"] for n in range(1, 1 + count)]
    for part in (seen[:3], seen[3:6], seen[6:]):
        session.run("SELECT load_records('t', %s, on_conflict => %s)", json.dumps([{"id": n} for n in part]), policy)
    assert session.values("SELECT id FROM noted ORDER BY place") == seen


@pytest.mark.parametrize("others", [0, 4999, 12000])
@pytest.mark.parametrize("table, first, second", [
    ("parents with an index", {"id": 0, "a": "9"}, {"id": 0, "a": "1"}),
    ("another key", {"id": 9, "u": 0}, {"id": 0, "u": 0}),
])
def test_the_first_of_two_that_meet(catalogue, table, first, second, others):
    catalogue.run(f"{PARENTS} CREATE TABLE t ({TABLES[table]}); CREATE INDEX ON t (a)")
    rest = [{"id": n, "a": "1", "u": n} for n in range(10, 10 + others)]
    document = json.dumps([first, second, *({name: it[name] for name in first} for it in rest)])
    catalogue.run("SELECT load_records('t', %s, on_conflict => 'error', on_error => 'ignore')", document)
    assert catalogue.run("SELECT ordinal, sqlstate FROM rejected_records") == [(1, "23505")]
    assert catalogue.value("SELECT count(*) FROM t WHERE id = %s AND a IS NOT DISTINCT FROM %s", first["id"], first.get("a")) == 1
    catalogue.run("TRUNCATE t")
    error = catalogue.fails("23505", "SELECT load_records('t', %s, on_conflict => 'error')", document)
    assert "record 1," in error.diag.context


@pytest.mark.parametrize("others", [0, 700, 12000])
@pytest.mark.parametrize("workers", [0, 2])
def test_works_that_meet(catalogue, others, workers):
    """By an index of the owner's own, in whichever order composers come."""
    catalogue.run("CREATE UNIQUE INDEX ON works (title); SET pg_opus.min_parallel_rows = 0")
    names = [("Zulu", "same"), ("Alpha", "same"), *(("Alpha", f"t{n}") for n in range(others))]
    document = json.dumps([{"id": f"w{n}", "type": "2", "intvals": {"composer": composer, "worktitle": title, "pageid": n + 1}}
                           for n, (composer, title) in enumerate(names)])
    load = "SELECT load_works(%s, create_composers => true, workers => %s, on_error => %s)"
    error = catalogue.fails("23505", load, document, workers, "stop")
    assert "record 1," in error.diag.context
    catalogue.run(load, document, workers, "ignore")
    assert catalogue.run("SELECT ordinal, sqlstate FROM rejected_records") == [(1, "23505")]


DROPS = """CREATE TABLE {of} (id int, v int{key}) {by}; {partition}
    CREATE FUNCTION drops() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.v = 3 THEN RETURN NULL; END IF; RETURN NEW; END $$;
    CREATE TRIGGER drops BEFORE {event} ON {on} FOR EACH ROW EXECUTE FUNCTION drops(); SET pg_opus.min_parallel_rows = 0"""
OF_PARTITION = {"of": "t", "by": "PARTITION BY RANGE (id)", "key": ", PRIMARY KEY (id)", "on": "p",
                "partition": "CREATE TABLE p PARTITION OF t FOR VALUES FROM (0) TO (1000000);"}
OF_TABLE = {"of": "t", "by": "", "key": ", PRIMARY KEY (id)", "on": "t", "partition": ""}


@pytest.mark.parametrize("workers, others", [(0, 0), (0, 700), (2, 1600)])
@pytest.mark.parametrize("policy", ["skip", "update"])
@pytest.mark.parametrize("table", [OF_TABLE, OF_PARTITION], ids=["table", "partition"])
def test_the_next_one_of_a_key_whose_record_a_trigger_takes(session, table, policy, workers, others):
    """As by INSERTs one after the other: a record that was not written has not won its key."""
    session.run(DROPS.format(event="INSERT", **table))
    groups = [[3, 4], [4, 3], [3, 4, 5], [3, 3, 4], [3, 3], [5, 3, 4, 3], [1]]
    records = [{"id": key, "v": v} for key, values in enumerate(groups) for v in values]
    records += [{"id": 1000 + n, "v": n % 5} for n in range(others)]
    load = "SELECT load_records('t', %s, on_conflict => %s, workers => %s)"
    session.run(load, json.dumps(records), policy, workers)
    session.run("CREATE TEMP TABLE loaded AS SELECT * FROM t; DELETE FROM t")
    action = "NOTHING" if policy == "skip" else "UPDATE SET v = excluded.v"
    for record in records:
        session.run(f"INSERT INTO t VALUES (%s, %s) ON CONFLICT (id) DO {action}", record["id"], record["v"])
    assert session.run("SELECT * FROM loaded ORDER BY id") == session.run("TABLE t ORDER BY id")
    counts = session.last_load()
    assert counts["inserted"] == session.value("SELECT count(*) FROM t")
    assert sum(counts[name] for name in ("inserted", "updated", "unchanged", "duplicate")) == len(records)


def test_the_next_one_of_a_key_whose_change_a_trigger_takes(session):
    session.run(DROPS.format(event="UPDATE", **OF_TABLE))
    session.run("INSERT INTO t SELECT n, 0 FROM generate_series(0, 9) n")
    records = [{"id": 0, "v": 4}, {"id": 0, "v": 3}, {"id": 1, "v": 3}, {"id": 2, "v": 5}, {"id": 3, "v": 0}, {"id": 3, "v": 3}]
    session.run("SELECT load_records('t', %s)", json.dumps(records))
    assert session.run("SELECT id, v FROM t WHERE id < 4 ORDER BY id") == [(0, 4), (1, 0), (2, 5), (3, 0)]


def test_another_index_of_the_keys_columns(session, major):
    """That holds more values for equal than the key: ON CONFLICT finds a row by it, too."""
    if major == 18:
        pytest.skip("a server without ICU")
    session.run("""CREATE COLLATION folds (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        CREATE TABLE c (name text PRIMARY KEY, v int); CREATE UNIQUE INDEX ON c (name COLLATE folds)""")
    for first, second in (("b", "B"), ("B", "b")):
        session.run("DELETE FROM c; INSERT INTO c VALUES ('b', 0)")
        session.run("SELECT load_records('c', %s)", json.dumps([{"name": first, "v": 5}, {"name": second, "v": 6}]))
        assert session.run("TABLE c") == [("b", 6)]
