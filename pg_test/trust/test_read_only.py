"""A transaction that only reads may write temporary tables, as by INSERT, and nothing else."""

import pytest

TEMPORARY = """CREATE TEMP TABLE parent (p int PRIMARY KEY); INSERT INTO parent VALUES (0), (1);
    CREATE TEMP TABLE own (id int PRIMARY KEY, n serial, p int REFERENCES parent, CHECK (id > 0));
    CREATE TEMP VIEW seen AS SELECT id, p FROM own; CREATE TABLE lasting (id int PRIMARY KEY, p int);
    CREATE TEMP VIEW lasting_seen AS SELECT id, p FROM lasting; SELECT create_inbox('inbox', 'own')"""


def document(first, last, p="n % 2"):
    return f"(SELECT jsonb_agg(jsonb_build_object('id', n, 'p', {p})) FROM generate_series({first}, {last}) n)"


@pytest.fixture
def reader(session):
    session.run(TEMPORARY)
    session.run("SET default_transaction_read_only = on")
    return session


@pytest.mark.parametrize("policy", ["error", "skip", "update"])
@pytest.mark.parametrize("target", ["own", "seen"])
def test_temporary_tables_are_loaded(reader, target, policy):
    """By one record, again by a kept statement, and in bulk."""
    policy = "error" if target == "seen" else policy
    for first, last in ((1, 1), (2, 2), (3, 12), (1000, 4000)):
        load = f"SELECT load_records('{target}', {document(first, last)}, on_conflict => '{policy}', on_error => 'ignore')"
        assert reader.value(load) == last - first + 1
    assert reader.value("SELECT count(*) FROM own WHERE n IS NOT NULL") == 3013


def test_catalogues_of_temporary_tables(session):
    session.run("""CREATE TEMP TABLE composers (name text, epoch text, composer_id text PRIMARY KEY);
        SET default_transaction_read_only = on""")
    load = """SELECT load_composers('[{"name": "Bach", "complete_name": "Johann Sebastian Bach", "epoch": "Baroque", "id": "87"}]'::text)"""
    assert [session.value(load), session.value(load)] == [1, 0]


def test_inboxes_of_temporary_tables(reader):
    with reader.connection.cursor() as cursor, cursor.copy("COPY inbox(line) FROM STDIN") as copy:
        copy.write("".join(f'{{"id":{n}}}\n' for n in range(1, 3000)))
    assert reader.value("SELECT count(*) FROM own") == 2999


@pytest.mark.parametrize("size", [1, 3000])
@pytest.mark.parametrize("target", ["lasting", "lasting_seen"])
def test_other_tables_are_not(reader, target, size):
    load = f"SELECT load_records('{target}', {{}}, on_conflict => 'error')"
    reader.run("SET default_transaction_read_only = off")
    reader.run(load.format(document(1, 1)))
    reader.run("SET default_transaction_read_only = on")
    reader.fails("25006", load.format(document(2, size + 1)))
    reader.fails("25006", "SELECT create_inbox('another', 'lasting')")
    assert reader.value("SELECT count(*) FROM lasting") == 1


def test_nothing_is_set_aside(reader):
    """Records that are set aside would be written to a table that lasts."""
    bad = f"SELECT load_records('own', {document(1, 3000, p='n / 3000')}, on_error => 'ignore')"
    assert reader.value(bad) == 3000
    reader.run("DELETE FROM own")
    reader.fails("25006", f"SELECT load_records('own', {document(1, 3000, p='n / 1500')}, on_error => 'ignore')")
    assert reader.value("SELECT count(*) FROM own") == 0


@pytest.mark.parametrize("size", [1, 3000])
@pytest.mark.parametrize("sets_off", [
    "CREATE SEQUENCE s; ALTER TABLE own ADD m int DEFAULT nextval('s')",
    "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO lasting VALUES (NEW.id); RETURN NULL; END $$; "
    "CREATE TRIGGER f AFTER INSERT ON own FOR EACH ROW EXECUTE FUNCTION f()",
], ids=["a default", "a trigger"])
def test_what_a_load_sets_off_writes_nothing_either(reader, sets_off, size):
    reader.run("SET default_transaction_read_only = off")
    reader.run(sets_off)
    reader.run("SET default_transaction_read_only = on")
    reader.fails("25006", f"SELECT load_records('own', {document(1, size)})")
    assert reader.run("SELECT (SELECT count(*) FROM own), (SELECT count(*) FROM lasting)") == [(0, 0)]


@pytest.mark.parametrize("count", [1, 199, 200, 3000])
def test_composers_of_temporary_works_are_none(catalogue, count):
    """Works may be temporary where composers are not."""
    catalogue.run("CREATE TEMP TABLE works (LIKE public.works, PRIMARY KEY (work_id))")
    works = f"""(SELECT jsonb_agg(jsonb_build_object('id', 'w' || n, 'type', '2', 'intvals',
        jsonb_build_object('composer', 'C' || n, 'worktitle', 't', 'pageid', n))) FROM generate_series(1, {count}) n)"""
    composers = catalogue.value("SELECT count(*) FROM public.composers")
    catalogue.run("SET default_transaction_read_only = on")
    catalogue.fails("25006", f"SELECT load_works({works}, create_composers => true)")
    assert catalogue.value("SELECT count(*) FROM public.composers") == composers
