"""What a table is, is what is committed when the load has its lock: never what an old snapshot shows."""

import pytest

import documents
from sessions import bulk, finished, until_waiting

# Another session's statements, and what must hold after a load of 1000 rows into the table. `refused`: the load fails
# with this SQLSTATE. `sql` is true after it.
CHANGES = {
    "expression index": dict(
        on="composers", ddl="CREATE INDEX ON composers (lower(last_name))",
        sql="SELECT count(*) = 1000 FROM composers WHERE lower(last_name) LIKE 'c%'"),
    "partial index": dict(
        on="composers", ddl="CREATE INDEX part ON composers (last_name) WHERE epoch = 'Baroque'",
        sql="SELECT count(*) = 0 FROM composers WHERE epoch = 'Baroque' AND last_name >= 'C'"),
    "unique index": dict(
        on="works", ddl="CREATE UNIQUE INDEX ON works (left(title, 1))", refused="23505"),
    "unique constraint": dict(
        on="works", ddl="ALTER TABLE works ADD UNIQUE (genre)",
        sql="SELECT count(*) = 1000 FROM works WHERE genre IS NULL"),
    "exclusion": dict(
        on="works", ddl="ALTER TABLE works ADD EXCLUDE USING btree (left(title, 1) WITH =)", refused="23P01"),
    "gin index": dict(
        on="composers", ddl="CREATE INDEX ON composers USING gin (to_tsvector('simple', last_name))",
        sql="SELECT count(*) = 1000 FROM composers WHERE to_tsvector('simple', last_name) @@ 'c000001'::tsquery OR true"),
    "check": dict(
        on="composers", ddl="ALTER TABLE composers ADD CHECK (composer_id !~ '^C')", refused="23514"),
    "not null": dict(
        on="composers", ddl="ALTER TABLE composers ALTER epoch SET NOT NULL", refused="23502"),
    "not null column": dict(
        on="composers", ddl="ALTER TABLE composers ADD note text NOT NULL", refused="23502"),
    "default": dict(
        on="composers", ddl="ALTER TABLE composers ADD note text DEFAULT 'x' || 1",
        sql="SELECT count(*) = 1000 FROM composers WHERE note = 'x1'"),
    "generated": dict(
        on="composers", ddl="ALTER TABLE composers ADD short text GENERATED ALWAYS AS (left(last_name, 2)) STORED",
        sql="SELECT count(*) = 1000 FROM composers WHERE short = 'C0'"),
    "identity": dict(
        on="composers", ddl="ALTER TABLE composers ADD number int GENERATED ALWAYS AS IDENTITY",
        sql="SELECT count(DISTINCT number) = 1000 FROM composers"),
    "trigger": dict(
        on="composers", ddl="""CREATE TABLE audit (id text);
            CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                INSERT INTO audit VALUES (NEW.composer_id); RETURN NEW; END $$;
            CREATE TRIGGER audit AFTER INSERT ON composers FOR EACH ROW EXECUTE FUNCTION audit()""",
        sql="SELECT count(*) = 1000 FROM audit"),
    "before trigger": dict(
        on="composers", ddl="""CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                NEW.epoch := 'Changed'; RETURN NEW; END $$;
            CREATE TRIGGER change BEFORE INSERT ON composers FOR EACH ROW EXECUTE FUNCTION change()""",
        sql="SELECT count(*) = 1000 FROM composers WHERE epoch = 'Changed'"),
    "statement trigger": dict(
        on="composers", ddl="""CREATE TABLE audit (n bigint);
            CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                INSERT INTO audit SELECT count(*) FROM new_rows; RETURN NULL; END $$;
            CREATE TRIGGER audit AFTER INSERT ON composers REFERENCING NEW TABLE AS new_rows
                FOR EACH STATEMENT EXECUTE FUNCTION audit()""",
        sql="SELECT sum(n) = 1000 FROM audit"),
    "rule": dict(
        on="composers", ddl="""CREATE TABLE audit (id text);
            CREATE RULE audit AS ON INSERT TO composers DO ALSO INSERT INTO audit VALUES (NEW.composer_id)""",
        sql="SELECT count(*) = 1000 FROM audit", policy="error"),
    "foreign key": dict(
        on="works", ddl="ALTER TABLE works ADD FOREIGN KEY (composer_id) REFERENCES composers", refused="23503",
        before="ALTER TABLE works DROP CONSTRAINT works_composer_id_fkey; DELETE FROM composers"),
    "second foreign key": dict(
        on="works", ddl="CREATE TABLE titles (title text PRIMARY KEY); "
                        "ALTER TABLE works ADD FOREIGN KEY (title) REFERENCES titles", refused="23503"),
    "deferrable key": dict(
        on="works", ddl="ALTER TABLE works ADD UNIQUE (composer_id) DEFERRABLE", refused="23505"),
    "row security": dict(
        on="composers", ddl="""ALTER TABLE composers ENABLE ROW LEVEL SECURITY;
            CREATE POLICY p ON composers USING (true) WITH CHECK (composer_id < 'B')""", refused="42501", user="snapshot_user"),
    "dropped column": dict(
        on="composers", ddl="ALTER TABLE composers DROP COLUMN portrait, ADD portrait text",
        sql="SELECT count(*) = 1000 FROM composers WHERE portrait IS NULL"),
    "type": dict(
        on="composers", ddl="ALTER TABLE composers ALTER complete_name TYPE varchar(3)", refused="22001"),
    "privilege": dict(
        on="composers", ddl="REVOKE INSERT ON composers FROM snapshot_user", refused="42501", user="snapshot_user"),
}


def document(change):
    return documents.composers(1000) if change["on"] == "composers" else documents.works(1, 1000)


@pytest.fixture
def loader(session, connect, role):
    """A session that loads: the superuser's own, or a role's that may do all with the tables."""
    session.run("SELECT create_catalogue()")

    def make(change):
        if change["on"] == "works":
            session.load("composers", documents.composers())
        session.run(change.get("before", "SELECT"))
        if "user" not in change:
            return connect()
        role(change["user"])
        session.run(f"GRANT ALL ON composers, works, rejected_records TO {change['user']}")
        return connect(user=change["user"])

    return make


def check(change, load, observer):
    """Loads, and looks whether the new definition held."""
    if "refused" in change:
        load(change["refused"])
        assert observer.value(f"SELECT count(*) FROM {change['on']}") == 0
    else:
        load(None)
        observer.run("SET enable_seqscan = off")
        assert observer.value(change["sql"]), change["sql"]


@pytest.mark.parametrize("bulk_insert", [True, False], ids=["bulk", "insert"])
@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize("name", CHANGES)
def test_changed_after_the_snapshot(session, observer, loader, name, level, bulk_insert):
    """In a block whose snapshot is older than another session's DDL, the load obeys the new definition."""
    change = CHANGES[name]
    own = loader(change)
    bulk(own, bulk_insert)
    options = {"on_conflict": change["policy"]} if "policy" in change else {}
    own.run(f"BEGIN ISOLATION LEVEL {level}")
    own.run("SELECT count(*) FROM pg_class")
    session.run(change["ddl"])

    def load(sqlstate):
        if sqlstate is None:
            assert own.load(change["on"], document(change), **options) == 1000
            own.run("COMMIT")
        else:
            own.load_fails(sqlstate, change["on"], document(change), **options)
            own.run("ROLLBACK")

    check(change, load, observer)
    assert own.is_alive()


@pytest.mark.parametrize("name", CHANGES)
def test_migration_beside_an_autocommit_load(session, observer, loader, name, connect):
    """With a default isolation of repeatable read, a load that waits for a migration obeys what it made."""
    change = CHANGES[name]
    own, migration = loader(change), connect()
    options = {"on_conflict": change["policy"]} if "policy" in change else {}
    own.run("SET default_transaction_isolation = 'repeatable read'")
    migration.run(f"BEGIN; LOCK TABLE {change['on']} IN ACCESS EXCLUSIVE MODE")
    loading = own.start_load(change["on"], document(change), **options)
    until_waiting(observer, own, loading)
    migration.run(change["ddl"])
    migration.run("COMMIT")

    def load(sqlstate):
        if sqlstate is None:
            assert finished(loading)[0][0] == 1000
        else:
            with pytest.raises(Exception) as raised:
                finished(loading)
            assert raised.value.sqlstate == sqlstate, raised.value

    check(change, load, observer)
    assert own.is_alive()


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_rows_of_an_old_snapshot(catalogue, connect, level):
    """Works that another session has committed since the snapshot end the load as they end an INSERT … ON CONFLICT."""
    own = connect()
    own.run(f"BEGIN ISOLATION LEVEL {level}; SELECT count(*) FROM works")
    catalogue.load("works", documents.works(1, 1000, "Other "))
    own.load_fails("40001", "works", documents.works(1, 1000))
    own.run("ROLLBACK")
    assert catalogue.value("SELECT count(*) FROM works WHERE title LIKE 'Other%'") == 1000


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_parent_deleted_after_the_snapshot(catalogue, connect, level):
    """A composer that the snapshot still shows and that is gone is no parent."""
    own = connect()
    own.run(f"BEGIN ISOLATION LEVEL {level}; SELECT count(*) FROM works")
    catalogue.run("DELETE FROM composers WHERE composer_id = 'C000007'")
    error = pytest.raises(Exception, own.load, "works", documents.works(1, 1000)).value
    assert error.sqlstate in ("23503", "40001"), error
    own.run("ROLLBACK")
    assert catalogue.value("SELECT count(*) FROM works") == 0
