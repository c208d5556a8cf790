"""Code of a user's that runs between the proof of the parents, the rows and their index entries: it finds what an INSERT
shows it, and what it deletes is missed."""

import pytest

import documents
from sessions import Stop, bulk, outcome

ORPHANS = "SELECT count(*) FROM works w WHERE NOT EXISTS (SELECT FROM composers c WHERE c.composer_id = w.composer_id)"
DELETES = """CREATE FUNCTION hit() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    DELETE FROM composers WHERE composer_id = 'C000049'; END $$"""

# Each deletes a composer while rows are written: (what runs, what makes the table so).
PLACES = {
    "condition of a trigger": """
        CREATE FUNCTION w(t text) RETURNS boolean STABLE LANGUAGE plpgsql AS $$ BEGIN IF t = 'Title 3' THEN PERFORM hit(); END IF; RETURN false; END $$;
        CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER x AFTER INSERT ON works FOR EACH ROW WHEN (w(NEW.title)) EXECUTE FUNCTION nothing()""",
    "bounds of a partition": """
        CREATE FUNCTION pf(t text) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN IF t = 'Title 3' THEN PERFORM hit(); END IF; RETURN 1; END $$;
        CREATE TABLE whole (LIKE works) PARTITION BY LIST (pf(title)); ALTER TABLE whole ATTACH PARTITION works FOR VALUES IN (1)""",
    "difference of a range": """
        CREATE FUNCTION diff(float8, float8) RETURNS float8 IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM hit(); RETURN $1 - $2; END $$;
        CREATE TYPE fr AS RANGE (subtype = float8, subtype_diff = diff);
        ALTER TABLE works ADD r fr; CREATE INDEX ON works USING gist (r);
        INSERT INTO works (work_id, composer_id, title, r) SELECT gen_random_uuid(), 'C000001', 'x', fr(i, i + 1) FROM generate_series(1, 300) i;
        INSERT INTO composers (composer_id, last_name, complete_name) VALUES ('C000049', 'x', 'x') ON CONFLICT DO NOTHING;
        ALTER TABLE works ALTER r SET DEFAULT '[1,400)'""",
}


@pytest.mark.parametrize("place", PLACES)
def test_a_parent_that_is_deleted_meanwhile(catalogue, place):
    """Whatever deletes a composer behind the proof, no work is left without one."""
    catalogue.run(DELETES)
    catalogue.run(PLACES[place])
    catalogue.load_fails("23503", "works", documents.works(1, 1000))
    assert catalogue.value(ORPHANS) == 0


@pytest.mark.parametrize("condition, fired", [("seen(NEW.work_id)", 300), ("rows_there() <= 5", 5)])
@pytest.mark.parametrize("bulk_insert", [True, False], ids=["bulk", "insert"])
def test_conditions_of_triggers(catalogue, bulk_insert, condition, fired):
    """A condition that looks at the table finds the rows before its own, by their key too."""
    bulk(catalogue, bulk_insert)
    catalogue.run("""CREATE TABLE log (t text);
        CREATE FUNCTION seen(i uuid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN EXISTS (SELECT FROM works WHERE work_id = i); END $$;
        CREATE FUNCTION rows_there() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM works); END $$;
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO log VALUES (NEW.title); RETURN NULL; END'""")
    catalogue.run(f"CREATE TRIGGER x AFTER INSERT ON works FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION note()")
    catalogue.run("SET enable_seqscan = off")
    assert catalogue.load("works", documents.works(1, 300)) == 300
    assert catalogue.value("SELECT count(*) FROM log") == fired


def test_a_key_to_the_table_itself(catalogue):
    """Rows that are each other's parents are taken, as in one INSERT."""
    catalogue.run("""ALTER TABLE works DROP CONSTRAINT works_composer_id_fkey, ADD UNIQUE (title),
        ADD FOREIGN KEY (composer_id) REFERENCES works (title)""")
    records = [documents.work(n, f"T{n}", composer=f"T{n}") for n in range(1, 1001)]
    assert catalogue.load("works", documents.text(records)) == 1000


def test_schemas_that_change_their_names(catalogue, connect, observer):
    """A load writes to the table that it has locked, or to none."""
    catalogue.run("CREATE SCHEMA live; CREATE SCHEMA staging; SET search_path = live, public; SELECT create_catalogue()")
    catalogue.load("composers", documents.composers())
    catalogue.load("works", documents.works(1, 500))
    other = connect()
    other.run("SET search_path = staging, public; SELECT create_catalogue()")
    other.load("composers", documents.composers())
    with Stop(observer, "compared") as stop:
        loading = catalogue.start_load("works", documents.works(1, 2000))
        stop.reached(loading)
        other.run("BEGIN; ALTER SCHEMA live RENAME TO old; ALTER SCHEMA staging RENAME TO live; COMMIT")
        stop.go_on()
        assert outcome(loading) == "55000"
    assert other.value("SELECT count(*) FROM old.works") == 500
    assert other.value("SELECT count(*) FROM live.works") == 0


def test_a_decoy_of_the_parents(catalogue):
    """Parents are proved in the table that the key refers to, whatever bears its name."""
    catalogue.run("""CREATE SCHEMA s; ALTER TABLE composers SET SCHEMA s; SET search_path = public, s;
        DELETE FROM s.composers WHERE composer_id = 'C000009';
        CREATE FUNCTION swap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          EXECUTE 'ALTER SCHEMA s RENAME TO s2'; EXECUTE 'CREATE SCHEMA s';
          EXECUTE 'CREATE TABLE s.composers (composer_id text COLLATE "C" PRIMARY KEY)';
          EXECUTE 'INSERT INTO s.composers SELECT composer_id FROM s2.composers';
          EXECUTE 'DELETE FROM s2.composers WHERE composer_id = ''C000008'''; RETURN NULL; END $$;
        CREATE TRIGGER swap AFTER INSERT ON s.composers FOR EACH STATEMENT EXECUTE FUNCTION swap()""")
    with pytest.raises(Exception):
        catalogue.load("works", documents.works(1, 1000), create_composers=True)
    assert catalogue.value("SELECT count(*) FROM works") == 0


def test_the_report_of_a_load_that_failed(catalogue):
    """A load within a load that fails leaves no report."""
    catalogue.run("""CREATE FUNCTION inner_load() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          PERFORM load_composers('[{"id":"Category:Inner, A","type":"1"}]'); RETURN NULL; END $$;
        CREATE TRIGGER t BEFORE INSERT ON works FOR EACH STATEMENT EXECUTE FUNCTION inner_load();
        ALTER TABLE works ADD CHECK (title <> 'bad')""")
    catalogue.load_fails("23514", "works", documents.text([documents.work(1, "bad")]))
    assert catalogue.run("SELECT * FROM last_load()") == []
