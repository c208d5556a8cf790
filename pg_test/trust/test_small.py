"""Smaller things that a review saw."""

import pytest

import documents
from conftest import LOG
from sessions import bulk, finished, until_waiting


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("state", ["indisvalid = false", "indisvalid = false, indisready = false", "indisvalid = false, indisready = false, indislive = false"])
@pytest.mark.parametrize("bulk_insert", [True, False], ids=["bulk", "insert"])
def test_invalid_index(catalogue, bulk_insert, state, workers):
    """A load beside an index that a CREATE INDEX CONCURRENTLY left, not valid or not even ready, warns of nothing."""
    bulk(catalogue, bulk_insert)
    catalogue.run("CREATE INDEX broken ON works (title)")
    # What the index is, is in the relation's cache: a change of the table empties it.
    catalogue.run(f"UPDATE pg_index SET {state} WHERE indexrelid = 'broken'::regclass; ALTER TABLE works SET (fillfactor = 90)")
    catalogue.run("SET pg_opus.min_parallel_rows = 0")
    assert catalogue.load("works", documents.works(1, 3000), workers=workers) == 3000
    warnings = [notice.message_primary for notice in catalogue.notices if notice.severity_nonlocalized == "WARNING"]
    assert not warnings
    assert "resource was not closed" not in LOG.read_text(errors="replace")[-2000:]


def test_index_under_way(catalogue, connect, observer):
    """Beside a CREATE INDEX CONCURRENTLY that waits, a load warns of nothing, and the index has its rows."""
    holder, builder = connect(), connect()
    holder.run("BEGIN; INSERT INTO composers (composer_id, last_name, complete_name) VALUES ('x', 'x', 'x'); "
               "INSERT INTO works (work_id, composer_id, title) VALUES (gen_random_uuid(), 'x', 'x')")
    building = builder.start("CREATE INDEX CONCURRENTLY late ON works (title)")
    until_waiting(observer, builder, building)
    assert catalogue.load("works", documents.works(1, 1000)) == 1000
    assert not [n.message_primary for n in catalogue.notices if n.severity_nonlocalized == "WARNING"]
    holder.run("COMMIT")
    finished(building)
    catalogue.run("SET enable_seqscan = off; SET enable_bitmapscan = off")
    catalogue.create_extension("amcheck")
    assert catalogue.value("SELECT count(*) FROM works WHERE title >= 'Title'") == 1001
    catalogue.check_indexes("i.indexrelid = 'late'::regclass")


@pytest.mark.parametrize("on_error", ["stop", "ignore"])
@pytest.mark.parametrize("rows", [100, 1000])
@pytest.mark.parametrize("off", ["replica role", "disabled trigger", "disabled all"])
def test_foreign_key_that_is_switched_off(catalogue, off, rows, on_error):
    """Where the key's check is off, works of unknown composers are loaded, as an INSERT would."""
    catalogue.run({
        "replica role": "SET session_replication_role = replica",
        "disabled trigger": "ALTER TABLE works DISABLE TRIGGER ALL",
        "disabled all": "ALTER TABLE works DISABLE TRIGGER ALL; ALTER TABLE composers DISABLE TRIGGER ALL",
    }[off])
    records = [documents.work(n, composer="Nobody" if n % 2 else None) for n in range(rows)]
    assert catalogue.load("works", documents.text(records), on_error=on_error) == rows
    assert catalogue.last_load()["rejected"] == 0


@pytest.mark.parametrize("rows", [3, 1200])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("policy", ["update", "skip", "error"])
def test_inheritance_child(catalogue, rows, workers, policy):
    """Rows of a child are not the parent's: its key knows nothing of them, whatever the way of writing."""
    catalogue.run("CREATE TABLE works_archive () INHERITS (works); SET pg_opus.min_parallel_rows = 0")
    catalogue.load("works", documents.works(1, rows))
    catalogue.run("INSERT INTO works_archive SELECT * FROM ONLY works; "
                  f"DELETE FROM ONLY works WHERE imslp_id > 1 OR {policy == 'error'}")
    parents = catalogue.value("SELECT count(*) FROM ONLY works")
    written = catalogue.load("works", documents.works(1, rows), on_conflict=policy, workers=workers)
    report = catalogue.last_load()
    assert (written, report["inserted"], report["unchanged"]) == (rows - parents, rows - parents, parents), report
    assert catalogue.value("SELECT count(*) FROM ONLY works") == rows
    assert catalogue.value("SELECT count(*) FROM works") == 2 * rows


@pytest.mark.parametrize("as_jsonb", [False, True], ids=["text", "jsonb"])
def test_serde_json_key(catalogue, as_jsonb):
    """The key by which serde_json hides numbers is a key as any other."""
    for key in ("$serde_json::private::Number", "$serde_json::private::RawValue"):
        for value in ("1", 1, {"a": 1}, None, "x"):
            catalogue.run("TRUNCATE works")
            cast = "jsonb" if as_jsonb else "text"
            document = documents.text([documents.work(1) | {key: value}, {key: value} | documents.work(2)])
            assert catalogue.value(f"SELECT load_works(%s::{cast})", document) == 2
            number = documents.work(3) | {"intvals": documents.work(3)["intvals"] | {"pageid": {key: "777"}}}
            catalogue.fails("42804", f"SELECT load_works(%s::{cast})", documents.text([number]))


OPTIONS = ["on_error", "on_conflict"]


@pytest.mark.parametrize("option", OPTIONS)
def test_wrong_option(catalogue, option):
    """Of a wrong value at most 100 bytes are shown."""
    value = "start" + "é" * 1000000
    error = catalogue.fails("22023", f"SELECT load_works('[]', {option} => %s)", value)
    for told in (str(error), error.diag.message_detail or "", error.diag.message_hint or ""):
        assert told.count("é") <= 50 and len(told) < 500
    assert "start" in str(error)


def test_bulk_insert_is_a_setting(catalogue):
    """pg_opus.bulk_insert: on by default, and anybody's to switch off."""
    catalogue.run("SELECT last_load()")
    assert catalogue.run("SELECT reset_val, context FROM pg_settings WHERE name = 'pg_opus.bulk_insert'") == [("on", "user")]


@pytest.mark.parametrize("policy", ["update", "skip", "error"])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_refused_record_does_not_decide_who_wins(catalogue, policy, workers):
    """Under ignore, a good record is not lost because another of the same key is refused, whichever comes first."""
    catalogue.run("ALTER TABLE works ADD CHECK (title <> 'refused'); SET pg_opus.min_parallel_rows = 0")
    pairs = []
    for n in range(1, 1001):
        good, bad = documents.work(n, f"good {n}"), documents.work(n, "refused")
        pairs += [good, bad] if n % 2 else [bad, good]
    assert catalogue.load("works", documents.text(pairs), on_conflict=policy, on_error="ignore", workers=workers) == 1000
    assert catalogue.value("SELECT count(*) FROM works WHERE title LIKE 'good%'") == 1000
    report = catalogue.last_load()
    assert report["received"] == 2000 and report["duplicate"] + report["rejected"] == 1000, report


@pytest.mark.parametrize("policy", ["update", "skip", "error"])
@pytest.mark.parametrize("fault", ["title", "composer", "type"])
def test_a_bad_record_does_not_decide_who_wins(catalogue, policy, fault):
    """The same for a record that is no work, or whose composer is unknown."""
    pairs = []
    for n in range(1, 601):
        bad = {"title": documents.work(n, ""), "composer": documents.work(n, composer="Nobody"),
               "type": documents.work(n, worktitle=5)}[fault]
        pairs += [documents.work(n), bad] if n % 2 else [bad, documents.work(n)]
    assert catalogue.load("works", documents.text(pairs), on_conflict=policy, on_error="ignore") == 600
    assert catalogue.value("SELECT count(*) FROM works") == 600


def test_partitioned_composers_and_create_composers(session):
    """Composers in partitions are found, and made."""
    session.run("SELECT create_catalogue(); ALTER TABLE works DROP CONSTRAINT works_composer_id_fkey; DROP TABLE composers")
    session.run("""CREATE TABLE composers (composer_id text COLLATE "C" PRIMARY KEY, last_name text NOT NULL, first_name text,
        complete_name text NOT NULL, birth date, death date, epoch text, portrait text, popular boolean, recommended boolean,
        openopus_id integer, permlink text) PARTITION BY HASH (composer_id);
        CREATE TABLE c0 PARTITION OF composers FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE c1 PARTITION OF composers FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        ALTER TABLE works ADD FOREIGN KEY (composer_id) REFERENCES composers""")
    assert session.load("composers", documents.composers(40)) == 40
    assert session.load("works", documents.works(1, 1000), create_composers=True) >= 1000
    assert session.value("SELECT count(*) FROM works") == 1000
    assert session.value("SELECT count(*) FROM composers") == documents.COMPOSERS
    records = [documents.work(n, composer="Nobody" if n == 1500 else None) for n in range(1001, 2001)]
    session.load_fails("23503", "works", documents.text(records))
