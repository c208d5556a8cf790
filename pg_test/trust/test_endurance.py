"""Many loads in one session leave it as it was: memory, descriptors, threads, locks, plans and segments."""

import json
import os
import random
import re
from pathlib import Path

import psycopg
import pytest

import documents
from sessions import until

# `make soak` makes 10,000.
LOADS = int(os.environ.get("TRUST_LOADS", 240))
# What a session may have more of in the end than after its first third, in bytes: pages of the allocator.
SPARE = 4 << 20

TABLES = """
CREATE TABLE city (id int PRIMARY KEY, name text NOT NULL CHECK (name <> 'refused'), area numeric(8,1), note jsonb, tags text[]);
CREATE TABLE street (id int PRIMARY KEY, city int REFERENCES city, name text);
CREATE TABLE logged (id int);
CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO logged VALUES (NEW.id); RETURN NEW; END $$;
CREATE TABLE watched (id int PRIMARY KEY, name text);
CREATE TRIGGER log AFTER INSERT ON watched FOR EACH ROW EXECUTE FUNCTION log();
SELECT create_inbox('city_json', 'city'), create_inbox('tolerant', 'city', on_error => 'ignore');
SET pg_opus.stream_memory = '16kB';
"""


def cities(rng, count, **more):
    return [{"id": rng.randrange(100_000), "name": f"n{rng.randrange(10)}", "area": rng.choice([1, 2.5, None]), "tags": ["a", "b"], **more}
            for _ in range(count)]


def load(rng):
    """A load of some kind: a statement and its parameters."""
    count = rng.choice([1, 3, 50, 400, 1500])
    policy, on_error = rng.choice(["update", "skip", "error"]), rng.choice(["stop", "ignore"])
    records = "SELECT load_records(%s::regclass, %s, on_conflict => %s, on_error => %s)"
    good = json.dumps(cities(rng, count))
    return rng.choice([
        lambda: (records, ["city", good, policy, on_error]),
        lambda: (records.replace("%s, on_conflict", "%s::jsonb, on_conflict"), ["city", good, policy, on_error]),
        lambda: (records, ["city", json.dumps(cities(rng, count) + [{"id": 1, "name": "refused"}, {"id": "x"}, 7]), policy, on_error]),
        lambda: (records, ["city", good[:-3], policy, on_error]),
        lambda: (records, ["street", json.dumps([{"id": n, "city": rng.randrange(100_000), "name": "s"} for n in range(count)]), policy, on_error]),
        lambda: (records, ["watched", json.dumps([{"id": n, "name": "w"} for n in range(count)]), policy, on_error]),
        lambda: ("SELECT load_works(%s, on_conflict => %s, on_error => %s, create_composers => %s)",
                 [json.dumps([documents.work(rng.randrange(5000), composer=f"Made, {rng.randrange(50)}") for _ in range(count)]), policy, on_error,
                  rng.random() < 0.7]),
        lambda: ("SELECT load_works(%s, workers => 2)", [json.dumps([documents.work(rng.randrange(5000)) for _ in range(count)])]),
        lambda: (f"INSERT INTO {rng.choice(['city_json', 'tolerant'])} SELECT line FROM unnest(%s::text[]) line",
                 [[json.dumps(city) for city in cities(rng, count)] + ['{"id": 5']]),
        lambda: ("DO $$ BEGIN PERFORM load_records('city', '[{\"id\": 1, \"name\": \"refused\"}]'); EXCEPTION WHEN check_violation THEN END $$", []),
        lambda: (f"SET LOCAL statement_timeout = {rng.choice([1, 5, 20])}; SELECT load_records('city', '{good}')", []),
        lambda: (records, ["nowhere", good, policy, on_error]),
        lambda: ("ALTER TABLE city ALTER note SET STORAGE EXTENDED; TRUNCATE city CASCADE", []),
    ])()


def state(session, observer):
    """What the session holds."""
    status = Path(f"/proc/{session.pid}/status").read_text()
    return {
        "contexts": int(session.value("SELECT sum(total_bytes) FROM pg_backend_memory_contexts")),
        "resident": int(re.search(r"RssAnon:\s+(\d+)", status)[1]) * 1024,
        "descriptors": len(os.listdir(f"/proc/{session.pid}/fd")),
        "threads": int(re.search(r"Threads:\s+(\d+)", status)[1]),
        "locks": observer.value("SELECT count(*) FROM pg_locks WHERE pid = %s", session.pid),
        "prepared transactions": observer.value("SELECT count(*) FROM pg_prepared_xacts"),
        "prepared statements": int(session.value("SELECT count(*) FROM pg_prepared_statements")),
        "segments": segments(session),
    }


def segments(session):
    """How many segments of shared memory there are but for those that processes of other servers have."""
    ours = parent(session.pid)
    names = {name for name in os.listdir("/dev/shm") if name.startswith("PostgreSQL.")}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if int(process.name) != ours and parent(process.name) != ours:
                names -= set(re.findall(r"/dev/shm/(PostgreSQL\.\d+)", (process / "maps").read_text()))
        except OSError:
            # It has ended, or is another user's.
            continue
    return len(names)


def parent(pid):
    return int(re.search(r"^PPid:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)[1])


def test_many_loads_leave_a_session_as_it_was(catalogue, observer):
    session, rng = catalogue, random.Random(7)
    session.run(TABLES)
    session.connection.prepare_threshold = None
    outcomes = {}
    early = None
    for number in range(LOADS):
        sql, parameters = load(rng)
        try:
            if parameters:
                session.run(sql, *parameters)
            else:
                with session.connection.transaction():
                    session.run(sql)
            outcome = "loaded"
        except psycopg.Error as error:
            outcome = error.sqlstate
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        if number == LOADS // 3:
            early = settled(session, observer)
    late = settled(session, observer)
    # Good and bad ones have been tried.
    assert outcomes.get("loaded", 0) > LOADS // 4 and len(outcomes) > 5, outcomes
    for what in ("contexts", "resident"):
        assert late[what] < early[what] + SPARE, (early, late)
    for what in ("descriptors", "threads", "prepared transactions", "prepared statements", "locks"):
        assert late[what] <= early[what], (early, late)
    # A server that starts beside this one has its first segment before any process shows it.
    until(lambda: segments(session) <= early["segments"], f"no more segments than {early['segments']}")


def settled(session, observer):
    """What is held when the workers of the last load have gone."""
    workers = "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_opus%'"
    until(lambda: observer.value(workers) == 0, "the end of the workers")
    return state(session, observer)
