"""Triggers that an extension marks as internal (views that it keeps up to date) see each row, as any other trigger."""

import pytest

import documents
from sessions import bulk

SETTINGS = [(b, f) for b in (True, False) for f in ("on", "off")]
WATCH = """
    CREATE TABLE per_composer AS SELECT composer_id, count(*) AS n FROM works GROUP BY composer_id;
    CREATE FUNCTION maintain() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO per_composer SELECT composer_id, count(*) FROM added GROUP BY composer_id; RETURN NULL; END $$;
    CREATE FUNCTION maintain_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO per_composer VALUES (NEW.composer_id, 1); RETURN NEW; END $$;
    """
TRIGGERS = {
    "statement": "CREATE TRIGGER watch AFTER INSERT ON works REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION maintain()",
    "after row": "CREATE TRIGGER watch AFTER INSERT ON works FOR EACH ROW EXECUTE FUNCTION maintain_row()",
    "before row": "CREATE TRIGGER watch BEFORE INSERT ON works FOR EACH ROW EXECUTE FUNCTION maintain_row()",
    "constraint": "CREATE CONSTRAINT TRIGGER watch AFTER INSERT ON works FOR EACH ROW EXECUTE FUNCTION maintain_row()",
}


@pytest.mark.parametrize("bulk_insert, foreign_keys", SETTINGS)
@pytest.mark.parametrize("check", [False, True], ids=["plain", "with a check"])
@pytest.mark.parametrize("internal", [False, True], ids=["visible", "internal"])
@pytest.mark.parametrize("kind", TRIGGERS)
def test_sees_every_row(catalogue, kind, internal, check, bulk_insert, foreign_keys):
    """The view that the trigger keeps has all rows, those of a first and of a second load."""
    catalogue.load("works", documents.works(1, 100))
    catalogue.run(WATCH + TRIGGERS[kind])
    if internal:
        catalogue.run("UPDATE pg_trigger SET tgisinternal = true WHERE tgname = 'watch'")
        # Nobody has heard of it through the catalog's row alone.
        catalogue.run("ALTER TABLE works SET (fillfactor = 90)")
    if check:
        catalogue.run("ALTER TABLE works ADD CHECK (title <> '')")
    bulk(catalogue, bulk_insert)
    catalogue.run(f"SET pg_opus.set_based_foreign_keys = {foreign_keys}")
    assert catalogue.load("works", documents.works(1000, 1999)) == 1000
    assert catalogue.load("works", documents.works(3000, 3020)) == 21
    assert catalogue.load("works", documents.works(4000, 4999), on_conflict="error") == 1000
    assert catalogue.value("SELECT sum(n) = (SELECT count(*) FROM works) FROM per_composer")


@pytest.mark.parametrize("kind", TRIGGERS)
def test_in_parallel_sessions(catalogue, kind):
    """The same where two sessions write."""
    catalogue.run(WATCH + TRIGGERS[kind] + "; UPDATE pg_trigger SET tgisinternal = true WHERE tgname = 'watch'")
    catalogue.run("ALTER TABLE works SET (fillfactor = 90); SET pg_opus.min_parallel_rows = 0")
    assert catalogue.load("works", documents.works(1, 3000), workers=2) == 3000
    assert catalogue.value("SELECT sum(n) = (SELECT count(*) FROM works) FROM per_composer")


@pytest.mark.parametrize("kind", ["statement", "after row", "before row"])
def test_on_composers(session, kind):
    """The same for composers, which have no foreign key."""
    session.run("""SELECT create_catalogue(); CREATE TABLE watched (id text);
        CREATE FUNCTION row_seen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO watched VALUES (NEW.composer_id); RETURN NEW; END $$;
        CREATE FUNCTION rows_seen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO watched SELECT composer_id FROM added; RETURN NULL; END $$""")
    session.run({
        "statement": "CREATE TRIGGER watch AFTER INSERT ON composers REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION rows_seen()",
        "after row": "CREATE TRIGGER watch AFTER INSERT ON composers FOR EACH ROW EXECUTE FUNCTION row_seen()",
        "before row": "CREATE TRIGGER watch BEFORE INSERT ON composers FOR EACH ROW EXECUTE FUNCTION row_seen()",
    }[kind])
    session.run("UPDATE pg_trigger SET tgisinternal = true WHERE tgname = 'watch'; ALTER TABLE composers SET (fillfactor = 90)")
    assert session.load("composers", documents.composers(1000)) == 1000
    assert session.value("SELECT count(DISTINCT id) FROM watched") == 1000
