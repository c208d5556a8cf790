"""Every kind of table, policy, way of writing and situation: a load gives what single rows would give (sql/oracle.sql).

One test is a kind and a policy. It loads a document with records that the kind refuses, bad ones and repeated keys, and
one without; with each way of writing, in situations that take turns (all of them with --long), and compares the rows,
the refusals, the counts and what triggers saw.
"""

import json
from collections import Counter
from itertools import product

import psycopg
import pytest

import documents
from conftest import SQL, make_database, numbers
from kinds import KINDS
from sessions import Session, bulk, knows_bulk, load_sql

POLICIES = ["update", "skip", "error"]
SITUATIONS = ["autocommit", "block", "savepoint", "repeatable read"]
# Works that are there: each fourth with another title, each fifth with a link that the document has not; beside a full
# document each eleventh is, by its page id, about another work.
THERE = 60
WORKS = 660
COMPARED = ("inserted", "updated", "unchanged", "duplicate", "rejected")
FILL = """INSERT INTO works (work_id, composer_id, title, imslp_id, permlink)
    SELECT (r ->> 'work_id')::uuid, r ->> 'composer_id', CASE WHEN n %% 4 = 0 THEN 'old ' || n ELSE r ->> 'title' END,
        CASE WHEN %s AND n %% 11 = 0 THEN -n ELSE n END,
        CASE WHEN n %% 5 = 0 THEN 'kept' ELSE r ->> 'permlink' END
    FROM jsonb_array_elements(%s::jsonb) r, LATERAL (SELECT (r ->> 'imslp_id')::bigint) AS i (n)"""


def permlink(n):
    return f"link {n}" if n % 3 else None


def record(n, title=None, **fields):
    made = documents.work(n, title, **fields)
    return made | {"permlink": permlink(n)} if permlink(n) else made


def row(n, ordinal, title, composer=None):
    return {"work_id": str(documents.work_id(n)), "composer_id": composer or documents.composer_id(n % documents.COMPOSERS), "title": title,
            "catalogue_number": None, "imslp_id": n, "permlink": permlink(n), "ordinal": ordinal}


def document(full, repeated, crossed=False):
    """Records and, for the oracle, their rows; None where the record is no work. `crossed`: of two records of one key
    one is refused."""
    plan = []
    if full:
        # The first that is refused stands before all that are bad in themselves.
        plan += [(1000, "refused 1000", None), (1001, None, None), (1002, None, "Nobody"), None]
    for n in range(1, WORKS + 1):
        refused = full and (n % 50 == 7 and n > THERE or n in (24, 28))
        plan.append((n, f"refused {n}" if refused else None, None))
    if repeated:
        plan += [(n, f"Again {n}", None) for n in (*range(308, 328), 10, 11, 12)]
    if crossed:
        plan += [(n, f"refused {n}", None) for n in range(330, 340)] + [(340, "refused 340", None), (340, "Again 340", None)]
        plan += [(n, None, "Nobody") for n in range(400, 410)] + [(500, "refused 1", None), (500, "refused 2", None)]
    records, rows = [], []
    for ordinal, item in enumerate(plan):
        if item is None:
            records.append(documents.BAD)
            rows.append(None)
            continue
        n, title, composer = item
        title = title or f"Title {n}"
        records.append(record(n, title, composer=composer))
        rows.append(row(n, ordinal, title, composer))
    return json.dumps(records), rows


def groups(rows, policy):
    """The rows of each key, in the order in which they are tried."""
    keys = {}
    for made in filter(None, rows):
        keys.setdefault(made["work_id"], []).append(made)
    return [group[::-1] if policy == "update" else group for group in keys.values()]


@pytest.fixture(scope="module")
def matrix_database(template):
    made = make_database(f"trust_{next(numbers)}", f"TEMPLATE {template}")
    name = next(made)
    session = Session(name)
    session.run((SQL / "oracle.sql").read_text())
    session.run("DROP ROLE IF EXISTS matrix_user; CREATE ROLE matrix_user")
    if session.create_extension("postgres_fdw"):
        host, port = session.connection.info.host, session.connection.info.port
        session.run(f"""CREATE SERVER loopback FOREIGN DATA WRAPPER postgres_fdw
            OPTIONS (dbname '{name}', host '{host}', port '{port}'); CREATE USER MAPPING FOR PUBLIC SERVER loopback OPTIONS (user 'postgres')""")
    session.close()
    yield name
    with psycopg.connect(dbname=name, autocommit=True) as last:
        last.execute("DROP SCHEMA IF EXISTS loaded, oracle CASCADE; DROP OWNED BY matrix_user CASCADE; DROP ROLE matrix_user")
    next(made, None)


@pytest.fixture
def matrix(matrix_database):
    session = Session(matrix_database)
    yield session
    session.close()


def make(session, schema, kind, full):
    """The tables of this kind with what is there beside a full document or another, in a new schema."""
    session.run(f"RESET ROLE; SET search_path = public; DROP SCHEMA IF EXISTS {schema} CASCADE; DROP TABLE IF EXISTS pg_temp.works")
    session.run(f"CREATE SCHEMA {schema}; SET search_path = {schema}, public; SELECT create_catalogue()")
    session.run("CREATE TABLE seen_rows (trigger text, op text, work_id uuid, title text, old text)")
    session.load("composers", documents.composers())
    session.run(kind["ddl"].replace("{schema}", schema))
    session.run("SET session_replication_role = origin")
    session.run(FILL, full, json.dumps([row(n, 0, f"Title {n}") for n in range(1, THERE + 1) if str(documents.work_id(n)) < "f8"]))
    session.run(f"{kind.get('fill', 'SELECT')}; {kind.get('after', 'SELECT')}; TRUNCATE seen_rows")
    if kind.get("user"):
        session.run(f"GRANT ALL ON SCHEMA {schema} TO matrix_user; GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO matrix_user")
        if kind.get("owner"):
            session.run("ALTER TABLE works OWNER TO matrix_user")
        session.run("SET ROLE matrix_user")


def judge(session, kind, policy, rows, full):
    """What the oracle makes of it: the outcome of each record."""
    make(session, "oracle", kind, full)
    told = session.run("SELECT * FROM public.oracle(%s, %s, %s)", json.dumps(groups(rows, policy)), policy, kind.get("only", False))
    keep(session, "oracle", kind)
    return {ordinal: (outcome, state) for ordinal, outcome, state in told} | {
        ordinal: ("rejected", "42804") for ordinal, made in enumerate(rows) if made is None}


def keep(session, schema, kind):
    """The rows that are there now, and what triggers saw, in tables of this session's that the next schema leaves alone."""
    session.run("RESET ROLE")
    left_out = "{" + ",".join(kind.get("volatile", [])) + "}"
    session.run(f"""DROP TABLE IF EXISTS pg_temp.{schema}_rows, pg_temp.{schema}_seen;
        CREATE TEMP TABLE {schema}_rows AS SELECT to_jsonb(w) - '{left_out}'::text[] AS r FROM works w;
        CREATE TEMP TABLE {schema}_seen AS SELECT * FROM seen_rows""")


def difference(session, one, other):
    """Some of the rows that one of the tables has and the other has not."""
    return session.run(f"""(SELECT '{one}', x::text FROM (TABLE {one} EXCEPT ALL TABLE {other}) x ORDER BY 2 LIMIT 3)
        UNION ALL (SELECT '{other}', x::text FROM (TABLE {other} EXCEPT ALL TABLE {one}) x ORDER BY 2 LIMIT 3)""")


def load(session, kind, situation, call):
    """The load, in its situation. What it says of itself, and the rows that it left."""
    before, after = {
        "autocommit": ([], []),
        "block": (["BEGIN"], ["COMMIT"]),
        "savepoint": (["BEGIN", "SAVEPOINT s"], ["RELEASE s", "COMMIT"]),
        "repeatable read": (["BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM public.seen"], ["COMMIT"]),
    }[situation]
    for statement in before:
        session.run(statement)
    try:
        session.run(*call)
        for statement in after:
            session.run(statement)
    except psycopg.Error as error:
        if before:
            session.run("ROLLBACK")
        return error
    return session.last_load()


def expect_success(session, kind, told, report):
    assert isinstance(report, dict), f"{report.sqlstate}: {report}"
    keep(session, "loaded", kind)
    rejected = dict(session.run("SELECT ordinal, sqlstate FROM loaded.rejected_records"))
    wanted = {ordinal: state for ordinal, (outcome, state) in told.items() if outcome == "rejected"}
    # Of two faults of a record a load may see the missing composer first.
    wrong = {ordinal: (rejected.get(ordinal), wanted.get(ordinal)) for ordinal in rejected.keys() | wanted.keys()
             if rejected.get(ordinal) != wanted.get(ordinal) and not (ordinal in wanted and rejected.get(ordinal) == "23503")}
    assert not wrong, f"refused, and what the oracle says: {dict(list(sorted(wrong.items()))[:5])}"
    for what in ("rows", "seen"):
        different = difference(session, f"loaded_{what}", f"oracle_{what}")
        assert not different, f"{what}: {different}"
    if kind.get("counts", True):
        counts = Counter(outcome for outcome, _ in told.values())
        assert {name: report[name] for name in COMPARED} == {name: counts[name] for name in COMPARED}
    assert report["received"] == len(told)


def expect_failure(session, kind, told, error):
    """The lowest bad record is named, and nothing is written."""
    lowest = min(ordinal for ordinal, (outcome, _) in told.items() if outcome == "rejected")
    assert not isinstance(error, dict), "the load went through"
    assert error.sqlstate == told[lowest][1], f"{error.sqlstate} {error}"
    assert f"record {lowest}" in f"{error} {error.diag.context}"
    session.run("RESET ROLE")
    assert session.value("SELECT count(*) FROM loaded.rejected_records") == 0
    assert session.value("SELECT count(*) FROM works WHERE title LIKE 'Again%' OR abs(imslp_id) > 60") == 0


def available(session, major, name):
    if major < KINDS[name].get("major", 0):
        pytest.skip(f"PostgreSQL {major} has no such thing")
    if name == "foreign table" and not session.value("SELECT count(*) FROM pg_foreign_server"):
        pytest.skip("no postgres_fdw here")
    return KINDS[name]


def as_told(session, kind, way, situation, call, told, full, what):
    """Loads into new tables of the kind, and compares with what the oracle told."""
    make(session, "loaded", kind, full)
    bulk(session, way)
    report = load(session, kind, situation, call)
    stops = call[0].count("on_error") and call[-1] == "stop"
    try:
        if stops and any(outcome == "rejected" for outcome, _ in told.values()):
            expect_failure(session, kind, told, report)
        else:
            expect_success(session, kind, told, report)
    except AssertionError as error:
        raise AssertionError(f"{what}, {'bulk' if way else 'insert'}, {situation}: {error}") from None


# In a sample, each kind has one policy.
@pytest.mark.sampled(len(POLICIES))
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.get("refused") or name in ("plain", "gin", "after row")])
def test_who_wins_a_key(matrix, major, long, name, policy):
    """Under ignore, what is refused takes no part in deciding which of a key's records is written."""
    kind = available(matrix, major, name)
    if policy in kind.get("unsupported", {}):
        pytest.skip("the policy needs a key")
    text, rows = document(full=True, repeated=True, crossed=True)
    told = judge(matrix, kind, policy, rows, True)
    call = load_sql("works", text, {"on_conflict": policy, "on_error": "ignore"})
    ways = [True, False] if knows_bulk(matrix) else [True]
    turn = list(KINDS).index(name) + POLICIES.index(policy)
    for way in ways if long else [ways[turn % len(ways)]]:
        as_told(matrix, kind, way, SITUATIONS[turn % len(SITUATIONS)], call, told, True, "crossed")


# In a sample, each kind has one policy.
@pytest.mark.sampled(len(POLICIES))
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", KINDS)
def test_as_single_rows(matrix, major, long, name, policy):
    kind = available(matrix, major, name)
    situations = SITUATIONS
    ways = [True, False] if knows_bulk(matrix) else [True]
    turn = list(KINDS).index(name) + POLICIES.index(policy)
    if policy not in kind.get("policies", POLICIES):
        pytest.skip("nothing is there that the policy could meet")
    if policy in kind.get("unsupported", {}):
        make(matrix, "loaded", kind, False)
        text, _ = document(full=False, repeated=False)
        matrix.load_fails(kind["unsupported"][policy], "works", text, on_conflict=policy)
        return
    for full in (True, False):
        if full and kind.get("clean"):
            continue
        repeated = (full or policy != "error") and not kind.get("refuses_all")
        text, rows = document(full, repeated)
        if not full and policy == "error":
            # What is there is refused.
            text = json.dumps(json.loads(text)[THERE:])
            rows = [made | {"ordinal": made["ordinal"] - THERE} for made in rows[THERE:]]
        rejecting = full
        told = judge(matrix, kind, policy, rows, full)
        errors = ["ignore", "stop"] if rejecting else ["stop", "ignore"]
        if not rejecting and any(outcome == "rejected" for outcome, _ in told.values()):
            # All rows are refused, or those without a partition.
            errors = ["ignore"]
        combinations = list(product(errors, ways, situations))
        if not long:
            # Each way of writing in one situation; the other on_error once.
            first = [(errors[0], way, situations[(turn + n) % len(situations)]) for n, way in enumerate(ways)]
            combinations = first + [(on_error, ways[turn % len(ways)], situations[(turn + 2) % len(situations)]) for on_error in errors[1:]]
        for on_error, way, situation in combinations:
            call = load_sql("works", text, {"on_conflict": policy, "on_error": on_error})
            as_told(matrix, kind, way, situation, call, told, full, f"{'full' if full else 'clean'} document, on_error {on_error}")
