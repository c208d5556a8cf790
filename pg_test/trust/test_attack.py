"""Nobody who may CREATE in a schema of a loader's search_path runs code as the loader (sql/overloads.sql)."""

import re

import psycopg
import pytest

import documents
from conftest import LOG, SQL, log_since, make_database, numbers
from sessions import bulk
from test_replica_role import PLACES, needs_xml

CAUGHT = re.compile(r"pg_opus attacked: (.*)")
# Where the overloads come first, or fit better than the server's own.
PLACES_OF_TABLES = ["made before", "made by create_catalogue", "made by the load"]
PATHS = ["evil, pg_catalog, public", "evil, public", "public, evil, pg_catalog", "pg_temp, evil, pg_catalog, public"]


@pytest.fixture(scope="module")
def evil_template(template):
    """A database in which mallory has filled a schema that everybody has on his search_path. Filling it takes a second."""
    name = "trust_evil"
    with psycopg.connect(dbname="postgres", autocommit=True) as server:
        server.execute("DROP ROLE IF EXISTS mallory; DROP ROLE IF EXISTS loader; CREATE ROLE mallory LOGIN; CREATE ROLE loader LOGIN")
        server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    with psycopg.connect(dbname=name, autocommit=True) as owner:
        owner.execute("CREATE SCHEMA evil; GRANT ALL ON SCHEMA evil TO PUBLIC; GRANT ALL ON SCHEMA public TO loader")
    with psycopg.connect(dbname=name, user="mallory", autocommit=True) as own:
        own.execute("SET search_path = pg_catalog")
        own.execute((SQL / "overloads.sql").read_text())
        made, = own.execute("SELECT count(*) FROM pg_proc WHERE pronamespace = 'evil'::regnamespace").fetchone()
        assert made > 1500, f"only {made} overloads"
    yield name
    with psycopg.connect(dbname="postgres", autocommit=True) as server:
        server.execute(f"DROP DATABASE {name}")
        server.execute("DROP ROLE mallory; DROP ROLE loader")


@pytest.fixture
def attacked(evil_template):
    """A copy of it."""
    yield from make_database(f"trust_{next(numbers)}", f"TEMPLATE {evil_template}")


# ---- tests


def test_the_attack_works(attacked, connect):
    """The overloads are called where a name is left to the search_path: what the next tests see is no accident."""
    session = connect(attacked)
    before = LOG.stat().st_size
    session.run("SET search_path = evil, pg_catalog, public")
    session.run("SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c WHERE c.oid = 1 LIMIT 1")
    session.run("SELECT quote_ident(relname) FROM pg_catalog.pg_class LIMIT 1")
    session.run("SET search_path = evil, public")
    session.run("SELECT has_column_privilege(c.oid, a.attname, 'SELECT') FROM pg_catalog.pg_class c, pg_catalog.pg_attribute a LIMIT 1")
    caught = set(CAUGHT.findall(log_since(before)))
    assert {"operator of oid, int4 as postgres", "function quote_ident as postgres", "function has_column_privilege as postgres"} <= caught


def steps(session, place):
    """All that a loader does. Statements name nothing that could be evil's."""
    call = "SELECT public.load_{}(%s::pg_catalog.{}{})"
    works = documents.works

    def load(resource, document, options="", of_type="text"):
        session.run(call.format(resource, of_type, options), document)

    if place == "made by the load":
        load("composers", documents.composers(600))
    elif place == "made by create_catalogue":
        session.run("SELECT public.create_catalogue()")
    # Made before in public: nothing to do.
    load("composers", documents.composers(600))
    load("composers", documents.composers(20, permlink="changed"))
    for policy in ("update", "skip", "error"):
        first = {"update": 1, "skip": 2001, "error": 4001}[policy]
        for size in (3, 1200):
            load("works", works(first, first + size), f", on_conflict => '{policy}'") if policy != "error" or size == 3 else \
                load("works", works(first + 4, first + size), f", on_conflict => '{policy}'")
    load("works", works(1, 1000, "Changed "))
    load("works", works(1, 1000, "Changed again "), of_type="jsonb")
    bad = documents.text([documents.BAD, documents.work(10001), documents.work(10002, composer="Nobody")] + [documents.work(n) for n in range(11000, 11700)])
    load("works", bad, ", on_error => 'ignore'")
    load("works", bad, ", on_error => 'ignore', create_composers => true", "jsonb")
    load("works", documents.text([documents.work(n, composer=f"New, {n}") for n in range(12000, 12700)]), ", create_composers => true")
    session.run("SET pg_opus.min_parallel_rows = 0")
    load("works", works(20001, 24000), ", workers => 2")
    load("works", documents.text([documents.work(n) for n in range(30001, 33000)] + [documents.BAD]), ", workers => 2, on_error => 'ignore'")
    load("composers", documents.composers(4000), ", workers => 2")
    for document in ('[5]', "[", '[{"intvals": {"composer": "Nobody else", "worktitle": "x", "pageid": 1}}]'):
        with pytest.raises(Exception):
            load("works", document)
    session.run("SELECT public.last_load()")
    session.run("SELECT public.resolve_loads()")
    session.run("SELECT public.create_catalogue()")


CASES = [(path, place, user, True) for path in PATHS for place in PLACES_OF_TABLES for user in ("postgres", "loader")
         if not (path.startswith("pg_temp") and place != "made before")]
CASES += [(path, "made before", "postgres", False) for path in PATHS]
# All of it can be done.
CASES += [("public", place, "loader", True) for place in PLACES_OF_TABLES]


@pytest.mark.parametrize("path, place, user, bulk_insert", CASES)
def test_nothing_of_the_attackers_is_called(attacked, connect, path, place, user, bulk_insert):
    """In no step of a loader's, nor of a worker's, is anything called that is the attacker's."""
    own = connect(attacked, user=user)
    if place == "made before":
        connect(attacked).run("SELECT create_catalogue(); GRANT ALL ON ALL TABLES IN SCHEMA public TO loader")
    bulk(own, bulk_insert)
    own.run(f"SET search_path = {path}")
    before = LOG.stat().st_size
    failed = None
    try:
        steps(own, place)
    except Exception as error:
        failed = error
    caught = sorted(set(CAUGHT.findall(log_since(before))))
    assert not caught, f"{len(caught)} of the attacker's were called: {caught[:12]}"
    if failed:
        raise failed


def test_tables_of_the_right_types(attacked, connect):
    """Tables that are made in such a schema have the server's types."""
    own = connect(attacked)
    own.run("SET search_path = evil, pg_catalog, public")
    own.run("SELECT public.create_catalogue()")
    own.run("RESET search_path")
    foreign = own.values("""SELECT DISTINCT format_type(atttypid, NULL) FROM pg_attribute WHERE attnum > 0 AND attrelid IN
        (SELECT oid FROM pg_class WHERE relname IN ('works', 'composers', 'rejected_records') AND relkind = 'r')
        AND atttypid NOT IN (SELECT oid FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace)""")
    assert not foreign


@pytest.mark.parametrize("bulk_insert", [True, False], ids=["bulk", "insert"])
@pytest.mark.parametrize("place", PLACES)
def test_code_runs_as_in_an_insert(session, connect, role, database, place, bulk_insert):
    """Code of the tables' owner sees the current_user, replication role and search_path that it sees in an INSERT."""
    resource, ddl = PLACES[place]
    needs_xml(session, ddl)
    role("owner")
    session.run(f"GRANT CREATE ON DATABASE {database} TO owner")
    seen = {}
    record = documents.BAD if place == "trigger of rejects" else None
    for way in ("insert", "load"):
        own = connect(user="owner")
        own.run("""CREATE SCHEMA m; SET search_path = m, public; SELECT create_catalogue();
            CREATE FUNCTION m.evil() RETURNS boolean LANGUAGE sql AS $$ SELECT public.see('here') $$""")
        if resource == "works":
            own.load("composers", documents.composers())
        own.run(ddl.replace("{see}", "m.evil()"))
        session.run("TRUNCATE seen; SET search_path = m, public")
        bulk(session, bulk_insert)
        options = {"on_conflict": "error", "on_error": "ignore"}
        if way == "load":
            records = [documents.work(n) if resource == "works" else documents.composer(n) for n in range(100, 800)]
            assert session.load(resource, documents.text(records + [record] if record else records), **options) == 700
        elif record:
            session.run("INSERT INTO rejected_records (load_id, kind, ordinal, path, sqlstate, reason) SELECT gen_random_uuid(), '', 0, '', '', ''")
        elif resource == "works":
            session.run("INSERT INTO works (work_id, composer_id, title) SELECT gen_random_uuid(), 'C000001', 't'")
        else:
            session.run("INSERT INTO composers (composer_id, last_name, complete_name) SELECT 'x', 'x', 'x'")
        seen[way] = set(session.run("SELECT replication_role, who, path FROM seen"))
        session.run("SET search_path = public")
        own.run("DROP SCHEMA m CASCADE")
    if place == "composers' policy":
        # The look-up of the composers asks it as their owner, as the key's check would.
        return
    assert seen["load"] == seen["insert"]
