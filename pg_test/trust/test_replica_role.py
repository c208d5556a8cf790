"""Code of users that a load reaches never runs under session_replication_role = replica, nor does it leave its plans."""

import psycopg
import pytest

import documents
from sessions import bulk

# Each place from which a load may come to a user's code. {see} is a call that returns true and notes what it sees.
PLACES = {
    "policy": ("works", """ALTER TABLE works ENABLE ROW LEVEL SECURITY; ALTER TABLE works FORCE ROW LEVEL SECURITY;
        CREATE POLICY p ON works USING (true) WITH CHECK ({see})"""),
    "policy that asks a view": ("works", """CREATE VIEW v AS SELECT {see} AS ok;
        ALTER TABLE works ENABLE ROW LEVEL SECURITY; ALTER TABLE works FORCE ROW LEVEL SECURITY;
        CREATE POLICY p ON works USING (true) WITH CHECK ((SELECT ok FROM v))"""),
    "default": ("works", "ALTER TABLE works ADD note boolean DEFAULT {see}"),
    "default of ts_rewrite": ("works", """CREATE FUNCTION evil_set() RETURNS TABLE (t tsquery, s tsquery) LANGUAGE sql AS $$
            SELECT 'a'::tsquery, 'b'::tsquery WHERE {see} $$;
        ALTER TABLE works ADD note text DEFAULT ts_rewrite('a'::tsquery, 'SELECT t, s FROM m.evil_set()')::text"""),
    "default of query_to_xml": ("works", "ALTER TABLE works ADD note text DEFAULT query_to_xml('SELECT m.evil()', true, false, '')::text"),
    "check": ("works", "ALTER TABLE works ADD CHECK ({see})"),
    "not null by a domain": ("works", "CREATE DOMAIN noted AS text CHECK ({see}); ALTER TABLE works ADD note noted DEFAULT 'x'"),
    "generated column": ("works", """CREATE FUNCTION calm(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM m.evil(); RETURN $1; END $$;
        ALTER TABLE works ADD note text GENERATED ALWAYS AS (m.calm(title)) STORED"""),
    "index expression": ("works", """CREATE FUNCTION calm(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM m.evil(); RETURN $1; END $$;
        CREATE INDEX ON works (m.calm(title))"""),
    "index predicate": ("works", """CREATE FUNCTION calm(text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM m.evil(); RETURN true; END $$;
        CREATE INDEX ON works (title) WHERE m.calm(title)"""),
    "operator class": ("works", """CREATE FUNCTION cmp(text, text) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM m.evil(); RETURN bttextcmp($1, $2); END $$;
        SELECT true"""),
    "before trigger": ("works", """CREATE FUNCTION tg() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM m.evil(); RETURN NEW; END $$;
        CREATE TRIGGER t BEFORE INSERT ON works FOR EACH ROW EXECUTE FUNCTION m.tg()"""),
    "after trigger": ("works", """CREATE FUNCTION tg() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM m.evil(); RETURN NEW; END $$;
        CREATE TRIGGER t AFTER INSERT ON works FOR EACH ROW EXECUTE FUNCTION m.tg()"""),
    "statement trigger": ("works", """CREATE FUNCTION tg() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM m.evil(); RETURN NULL; END $$;
        CREATE TRIGGER t BEFORE INSERT ON works FOR EACH STATEMENT EXECUTE FUNCTION m.tg()"""),
    "trigger of rejects": ("works", """CREATE FUNCTION tg() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM m.evil(); RETURN NEW; END $$;
        CREATE TRIGGER t BEFORE INSERT ON rejected_records FOR EACH ROW EXECUTE FUNCTION m.tg()"""),
    "rule": ("works", "CREATE TABLE log (ok boolean); CREATE RULE r AS ON INSERT TO works DO ALSO INSERT INTO log VALUES ({see})"),
    "composers' policy": ("works", """ALTER TABLE composers ENABLE ROW LEVEL SECURITY; ALTER TABLE composers FORCE ROW LEVEL SECURITY;
        CREATE POLICY p ON composers USING ({see})"""),
    "check on composers": ("composers", "ALTER TABLE composers ADD CHECK ({see})"),
    "default on composers": ("composers", "ALTER TABLE composers ADD note boolean DEFAULT {see}"),
    "index on composers": ("composers", """CREATE FUNCTION calm(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM m.evil(); RETURN $1; END $$;
        CREATE INDEX ON composers (m.calm(last_name))"""),
}
# No user's code runs there.
PLACES.pop("operator class")
# The code runs at each load but in a rule's case, where update has no ON CONFLICT.
ERROR_POLICY = {"rule"}

BANK = """
    CREATE ROLE mallory LOGIN; CREATE ROLE bookkeeper;
    CREATE SCHEMA bank AUTHORIZATION bookkeeper;
    SET ROLE bookkeeper;
    CREATE TABLE bank.customers (id int PRIMARY KEY); INSERT INTO bank.customers VALUES (1);
    CREATE TABLE bank.audit (n int);
    CREATE TABLE bank.payments (customer int REFERENCES bank.customers, amount int, code text UNIQUE DEFERRABLE);
    CREATE TABLE bank.ruled (n int); CREATE RULE r AS ON INSERT TO bank.ruled DO ALSO INSERT INTO bank.audit VALUES (NEW.n);
    CREATE FUNCTION bank.limit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
        IF NEW.amount > 100 THEN RAISE 'too much'; END IF; INSERT INTO bank.audit VALUES (0); RETURN NEW; END $$;
    CREATE TRIGGER l BEFORE INSERT ON bank.payments FOR EACH ROW EXECUTE FUNCTION bank.limit();
    GRANT USAGE ON SCHEMA bank TO mallory; GRANT INSERT, SELECT ON ALL TABLES IN SCHEMA bank TO mallory;
    RESET ROLE;
    CREATE SCHEMA m AUTHORIZATION mallory; GRANT ALL ON DATABASE {database} TO mallory"""
# What mallory may not do, tried wherever her code runs. Each success is noted.
EVIL = """
    CREATE FUNCTION m.evil() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
        BEGIN INSERT INTO bank.payments VALUES (1, 1000000, 'a');
            INSERT INTO public.seen VALUES ('payment', current_setting('session_replication_role'), current_user);
        EXCEPTION WHEN OTHERS THEN NULL; END;
        BEGIN INSERT INTO bank.payments VALUES (42, 1, 'a');
            INSERT INTO public.seen VALUES ('customer', current_setting('session_replication_role'), current_user);
        EXCEPTION WHEN foreign_key_violation THEN NULL; END;
        INSERT INTO public.seen VALUES ('called', current_setting('session_replication_role'), current_user);
        RETURN true; END $$;
    CREATE FUNCTION m.ruled(n int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO bank.ruled VALUES (n); END $$"""


@pytest.fixture
def mallory(session, connect, database):
    session.run("DROP ROLE IF EXISTS mallory; DROP ROLE IF EXISTS bookkeeper")
    session.run(BANK.format(database=database))
    own = connect(user="mallory")
    own.run("SET search_path = m, public; SELECT create_catalogue()")
    own.run(EVIL)
    own.load("composers", documents.composers())
    yield own
    own.close()
    session.run("DROP OWNED BY mallory, bookkeeper CASCADE; DROP ROLE mallory; DROP ROLE bookkeeper")


def needs_xml(session, ddl):
    """Some servers are built without libxml."""
    try:
        if "query_to_xml" in ddl:
            session.run("SELECT query_to_xml('SELECT 1', true, false, '')")
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("the server is built without libxml")


@pytest.mark.parametrize("workers", [0, 2], ids=["one session", "two workers"])
@pytest.mark.parametrize("bulk_insert", [True, False], ids=["bulk", "insert"])
@pytest.mark.parametrize("place", PLACES)
def test_users_code(mallory, session, place, bulk_insert, workers):
    """Other owners' triggers, keys and rules are in force in code that a load calls."""
    bulk(mallory, bulk_insert)
    resource, ddl = PLACES[place]
    needs_xml(session, ddl)
    mallory.run(ddl.replace("{see}", "m.evil()"))
    session.run("TRUNCATE seen")
    records = [documents.work(n) if resource == "works" else documents.composer(n) for n in range(100, 700)]
    mallory.run("SET pg_opus.min_parallel_rows = 0")
    policy = "error" if place in ERROR_POLICY else "update"
    mallory.load(resource, documents.text(records + [documents.BAD]), on_conflict=policy, on_error="ignore", workers=workers)
    seen = session.run("SELECT place, replication_role, who, count(*) FROM seen GROUP BY 1, 2, 3")
    assert {row[:3] for row in seen} <= {("called", "origin", "mallory")}, seen
    # A plan that was made in the meantime is not one without rules.
    for connection in (mallory, session):
        connection.run("SELECT m.ruled(1); SELECT m.ruled(2)")
    assert session.value("SELECT count(*) FROM bank.audit WHERE n > 0") == 4


def test_plans_made_meanwhile_keep_their_rules(mallory, session):
    """A statement that is planned within a load, in the default of a column, does what its table's rules say."""
    mallory.run("""CREATE FUNCTION m.ruled_set() RETURNS TABLE (t tsquery, s tsquery) LANGUAGE plpgsql AS $$
            BEGIN PERFORM m.ruled(5); RETURN QUERY SELECT 'a'::tsquery, 'b'::tsquery; END $$;
        ALTER TABLE works ADD note text DEFAULT ts_rewrite('a'::tsquery, 'SELECT t, s FROM m.ruled_set()')::text""")
    mallory.load("works", documents.works(1, 600))
    rows, audited = session.run("SELECT (SELECT count(*) FROM bank.ruled), (SELECT count(*) FROM bank.audit WHERE n > 0)")[0]
    assert rows == audited == 600
    mallory.run("SELECT m.ruled(6)")
    assert session.value("SELECT count(*) FROM bank.audit WHERE n > 0") == 601


def test_the_role_cannot_be_left(mallory, session, connect):
    """Code of another user, in a table that a superuser loads, runs as the superuser only where an INSERT would run it so."""
    mallory.run("""CREATE FUNCTION m.out() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
            BEGIN SET ROLE postgres; INSERT INTO public.seen VALUES ('out', '', current_user);
            EXCEPTION WHEN OTHERS THEN INSERT INTO public.seen VALUES ('refused', SQLSTATE, current_user); END;
            RETURN NEW; END $$;
        CREATE TRIGGER t BEFORE INSERT ON works FOR EACH ROW EXECUTE FUNCTION m.out()""")
    session.run("TRUNCATE seen; SET search_path = m, public; SET pg_opus.min_parallel_rows = 0")
    for workers in (0, 2):
        session.load("works", documents.works(1 + 600 * workers, 600 + 600 * workers), workers=workers)
    assert session.values("SELECT DISTINCT place FROM seen") == ["refused"]
    assert session.values("SELECT DISTINCT who FROM seen") == ["mallory"]


@pytest.mark.parametrize("ending", ["error", "cancel", "success"])
def test_the_setting_is_what_it_was(catalogue, ending):
    """session_replication_role is untouched by a load, however it ends, and the superuser's own value is obeyed."""
    for value in ("origin", "replica", "local"):
        catalogue.run(f"SET session_replication_role = {value}")
        records = [documents.work(n, composer="Nobody" if n == 500 and ending == "error" else None) for n in range(600)]
        try:
            if ending == "cancel":
                catalogue.run("SET statement_timeout = 1")
            catalogue.load("works", documents.text(records))
        except Exception:
            pass
        catalogue.run("SET statement_timeout = 0")
        assert catalogue.value("SHOW session_replication_role") == value
        catalogue.run("TRUNCATE works")
