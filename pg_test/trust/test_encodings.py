"""Names and rows in databases that are not UTF-8; and whatever fails within a subtransaction, the session goes on."""

import json

import pytest

import documents

ENCODINGS = ["LATIN1", "SQL_ASCII", "EUC_JP", "UTF8"]
# Names that the client sends in the database's own encoding.
SCHEMAS = {"LATIN1": "café", "SQL_ASCII": "café", "EUC_JP": "日本", "UTF8": "café"}


@pytest.fixture
def foreign(request, encoded, connect):
    """A session with a database of another encoding, and a schema whose name is not ASCII."""
    encoding = request.param
    session = connect(encoded(encoding))
    session.run(f"SET client_encoding = '{'UTF8' if encoding != 'SQL_ASCII' else 'SQL_ASCII'}'")
    return session, SCHEMAS[encoding]


def quoted(name):
    return f'"{name}"'


def send(session, sql):
    """Runs a statement as bytes: SQL_ASCII knows no letters beyond ASCII."""
    return session.run(sql.encode())


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("foreign", ENCODINGS, indirect=True)
def test_schema(foreign, workers):
    """Tables in a schema of any name are made, found and loaded; the session is as it was."""
    session, schema = foreign
    send(session, f"CREATE SCHEMA {quoted(schema)}")
    send(session, f"SET search_path = {quoted(schema)}, public")
    send(session, "SELECT public.create_catalogue()")
    assert session.load("composers", '[{"id": "Category:Bach, J"}]', workers=workers) == 1
    assert session.load("composers", documents.composers(600), workers=workers) == 600
    assert session.load("works", documents.works(1, 600), workers=workers) == 600
    assert session.load("works", documents.works(1, 700), workers=workers) == 100
    assert session.load("works", documents.text([documents.BAD]), on_error="ignore", workers=workers) == 0
    assert send(session, f"SELECT count(*) FROM {quoted(schema)}.works") == [(700,)]
    assert session.is_alive()


@pytest.mark.parametrize("foreign", ENCODINGS, indirect=True)
def test_first_load_makes_tables_there(foreign):
    """A first load that makes the tables says so, whatever the schema's name."""
    session, schema = foreign
    send(session, f"CREATE SCHEMA {quoted(schema)}")
    send(session, f"SET search_path = {quoted(schema)}, public")
    assert session.load("composers", documents.composers(600)) == 600
    assert session.load("works", documents.works(1, 600)) == 600
    assert session.is_alive()


@pytest.mark.parametrize("foreign", ENCODINGS, indirect=True)
def test_names_of_columns_constraints_and_roles(foreign):
    """A constraint, a column, a trigger and a default of such names: errors tell of them, and the session lives."""
    session, name = foreign
    send(session, "SELECT create_catalogue()")
    session.load("composers", documents.composers())
    send(session, f"ALTER TABLE works ADD {quoted(name)} text DEFAULT 'x', ADD CONSTRAINT {quoted(name + ' check')} CHECK (title <> 'refused')")
    records = [documents.work(n, "refused" if n == 700 else None) for n in range(1, 1000)]
    session.load_fails("23514", "works", documents.text(records))
    assert session.load("works", documents.text(records), on_error="ignore") == 998
    assert session.last_load()["rejected"] == 1
    assert session.is_alive()


@pytest.mark.parametrize("foreign", ["LATIN1", "EUC_JP"], indirect=True)
def test_text_that_the_encoding_has_not(foreign):
    """A title that the encoding cannot hold is a bad record, or the document's error, and nothing worse."""
    session, _ = foreign
    send(session, "SELECT create_catalogue()")
    session.load("composers", documents.composers())
    records = '[{"id": "w1", "type": "2", "intvals": {"composer": "C000001", "worktitle": "\\u0e01\\ud83c\\udfbb", "pageid": "1"}}]'
    error = pytest.raises(Exception, session.load, "works", records).value
    assert error.sqlstate in ("22P05", "22021"), error
    assert session.load("works", documents.works(1, 600)) == 600
    assert session.is_alive()


@pytest.mark.parametrize("foreign", ["LATIN1", "EUC_JP"], indirect=True)
def test_record_that_the_encoding_has_not(foreign):
    """Such a record is kept as a text that is the same JSON: what the encoding has not is escaped in it."""
    session, name = foreign
    session.run("CREATE TABLE city (id int PRIMARY KEY, name text)")
    record = {"id": 1, "name": f'{name} "\u0e01\U0001f3bb"\n'}
    session.run("SELECT load_records('city', %s::text, on_error => 'ignore')", f'[{json.dumps(record)}]')
    path, reason, kept = session.run("SELECT path, reason, record #>> '{}' FROM rejected_records")[0]
    assert path == "$[0].name"
    assert json.loads(kept) == record
    assert "\\" not in reason and not reason.startswith('"'), reason


@pytest.mark.parametrize("foreign", ENCODINGS, indirect=True)
def test_word_that_is_none(foreign):
    """A word that no argument knows is the error that it is in any database."""
    session, name = foreign
    error = pytest.raises(Exception, send, session, f"SELECT load_works('[]'::text, on_error => '{name}')").value
    assert error.sqlstate == "22023" and "not '" in str(error), error


@pytest.mark.parametrize("foreign", ENCODINGS, indirect=True)
def test_inbox_of_such_a_name(foreign):
    """An inbox may have any name that a view may have."""
    session, name = foreign
    session.run("CREATE TABLE city (id int PRIMARY KEY)")
    send(session, f"SELECT create_inbox('{quoted(name)}', 'city')")
    send(session, f"INSERT INTO {quoted(name)} VALUES ('[{{\"id\": 1}}]')")
    assert session.value("SELECT count(*) FROM city") == 1


@pytest.mark.parametrize("foreign", ["LATIN1", "EUC_JP", "UTF8"], indirect=True)
def test_texts_of_results(foreign):
    """What functions tell is in the database's encoding."""
    session, name = foreign
    send(session, "SELECT create_catalogue()")
    send(session, f"CREATE TABLE {quoted(name)} (id int PRIMARY KEY)")
    send(session, f"SELECT load_records('{quoted(name)}', '[{{\"id\": 1}}]'::text)")
    assert session.last_load()["kind"] == name
    send(session, f"INSERT INTO composers (composer_id, last_name, complete_name) VALUES ('{name} a', 'x', 'x'), ('{name} A', 'x', 'x')")
    assert session.run("SELECT * FROM likely_same_composers()") == [(f"{name} A", f"{name} a")]


def test_in_a_block(encoded, connect):
    """An error inside a load leaves a block that ROLLBACK ends, not one that it cannot."""
    session = connect(encoded("LATIN1"))
    session.run('CREATE SCHEMA "café"; SET search_path = "café", public')
    session.run("BEGIN; SAVEPOINT s")
    try:
        session.run("SELECT create_catalogue()")
        session.load("composers", documents.composers(600))
    except Exception:
        session.run("ROLLBACK TO s")
    session.run("ROLLBACK")
    assert session.is_alive()
    assert session.value("SELECT count(*) FROM pg_class WHERE relname = 'composers'") == 0


@pytest.mark.parametrize("foreign", ENCODINGS, indirect=True)
def test_role_of_such_a_name(foreign, connect):
    """A role whose name is not ASCII loads as any other, in sessions of its own too."""
    session, name = foreign
    send(session, f"DROP ROLE IF EXISTS {quoted(name)}")
    send(session, f"CREATE ROLE {quoted(name)}")
    try:
        send(session, f"GRANT CREATE ON SCHEMA public TO {quoted(name)}")
        send(session, f"SET ROLE {quoted(name)}")
        for workers in (0, 2):
            session.load("composers", documents.composers(600), workers=workers)
            session.load("works", documents.works(1, 600 * (workers + 1)), workers=workers)
        send(session, "RESET ROLE")
        assert session.value("SELECT count(*) FROM works") == 1800
    finally:
        session.run("ROLLBACK; RESET ROLE")
        send(session, f"DROP OWNED BY {quoted(name)} CASCADE")
        send(session, f"DROP ROLE {quoted(name)}")
