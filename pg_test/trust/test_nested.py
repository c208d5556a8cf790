"""Documents that are nested deeply: an error of their record's, never the end of the server."""

import os

import pytest

import documents

# As deep as the server's own jsonb input goes with its stack: not so deep in 15.
ARRAYS = 15000 if int(os.environ.get("TRUST_MAJOR", "18")) > 15 else 10000

NESTED = {
    "arrays": f"(repeat('[', {ARRAYS}) || repeat(']', {ARRAYS}))::jsonb",
    "objects": "(repeat('{\"a\":', 12000) || '1' || repeat('}', 12000))::jsonb",
    "both": "(repeat('[{\"a\":', 6000) || '1' || repeat('}]', 6000))::jsonb",
}


@pytest.fixture
def plain_user(connect, role):
    """A role without any privilege but PUBLIC's."""
    role("nobody_special")
    session = connect(user="nobody_special")
    session.run("SET search_path = pg_temp, public")
    return session


@pytest.mark.parametrize("on_error", ["stop", "ignore"])
@pytest.mark.parametrize("nested", NESTED)
def test_bad_record(plain_user, nested, on_error):
    """The excerpt of a bad jsonb record is made without deep recursion."""
    plain_user.run(f"CREATE TEMP TABLE bad AS SELECT jsonb_build_array(jsonb_build_object('intvals', 5, 'x', {NESTED[nested]})) AS j")
    sql = f"SELECT load_works(j, on_error => '{on_error}') FROM bad"
    if on_error == "stop":
        error = plain_user.fails("42804", sql)
        assert "$[0].intvals" in str(error) + (error.diag.context or ""), error
    else:
        plain_user.run("SELECT create_catalogue()")
        assert plain_user.value(sql) == 0
        assert plain_user.value("SELECT count(*) FROM rejected_records") == 1
    assert plain_user.is_alive()


@pytest.mark.parametrize("nested", NESTED)
@pytest.mark.parametrize("where", ["unused", "field", "record"])
def test_elsewhere(catalogue, nested, where):
    """Under a key that is not read it is nobody's concern; as a field's value or a record it is an error."""
    deep = NESTED[nested]
    good = "jsonb_build_object('composer', 'C000001', 'worktitle', 'T', 'pageid', 1)"
    sql = {
        "unused": f"jsonb_build_array(jsonb_build_object('intvals', {good}, 'x', {deep}))",
        "field": f"jsonb_build_array(jsonb_build_object('intvals', {good} || jsonb_build_object('worktitle', {deep})))",
        # Beside one that makes a catalogue of it, and fits.
        "record": f"jsonb_build_array(jsonb_build_object('intvals', {good}), {deep})",
    }[where]
    catalogue.run(f"CREATE TABLE deep AS SELECT {sql} AS j")
    # The text of it is too deep for jsonb's own input in no case: it came from there.
    for argument in ("j", "j::text"):
        wanted = 0 if where == "field" else 1
        assert catalogue.value(f"SELECT load_works({argument}, on_error => 'ignore') FROM deep") == wanted
        assert catalogue.last_load()["rejected"] == (0 if where == "unused" else 1)
        catalogue.run("TRUNCATE works")


def test_text_far_deeper_than_jsonb(catalogue):
    """Text that is nested 2,000,000 deep ends in an error or in rows."""
    sql = "SELECT load_works('[{\"x\":' || repeat('[', 2000000) || repeat(']', 2000000) || ', \"intvals\": 5}]', on_error => 'ignore')"
    try:
        assert catalogue.value(sql) == 0
    except Exception as error:
        assert getattr(error, "sqlstate", None) in ("54001", "22P02", "22032", "54000"), error
    assert catalogue.is_alive()


def test_many_fields_and_long_keys_in_a_bad_record(catalogue):
    """What is shown of a record stays at 100 bytes, and is made fast."""
    record = {"intvals": 5} | {f"key {n} " + "y" * 200: "x" * 200 for n in range(2000)}
    catalogue.run("CREATE TABLE wide AS SELECT %s::jsonb AS j", documents.text([record]))
    error = catalogue.fails("42804", "SELECT load_works(j) FROM wide")
    told = " ".join(filter(None, (str(error), error.diag.message_detail, error.diag.context)))
    assert len(told) < 1500, told[:2000]
