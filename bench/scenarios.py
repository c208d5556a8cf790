"""What is measured, by name: each a function of the result and the number of rounds."""

import json
import os
import statistics
import subprocess

import any_table
import contenders
from contenders import connect, copy_binary, floor, prepare_copy, prepare_floor, program, script, sql, statement
from memory import watched

CATALOGUE = os.environ["CATALOGUE"]
IN_SERVER = "(SELECT json::jsonb FROM document)"

# Which works of which document: file of composers, of works, source, how many.
DOCUMENTS = {
    "1000": (f"{CATALOGUE}/composers.json", f"{CATALOGUE}/works.json", "imslp", 1000),
    "25000": (os.environ["DUMP"], os.environ["DUMP"], "openopus", 24975),
    "267000": (f"{CATALOGUE}/composers.json", f"{CATALOGUE}/works.json", "imslp", 267000),
    "1000000": (f"{os.environ.get('MILLION')}/composers.json", f"{os.environ.get('MILLION')}/works.json", "imslp", 1000000),
}

# One row at a time takes minutes: so many are written, and the others reckoned.
ONE_BY_ONE = 10_000


class Stage:
    """The tables of create_catalogue(), the composers in them, and the document in the server and in memory."""

    def __init__(self, scenario: str):
        composers, self.file, self.source, self.rows = DOCUMENTS[scenario]
        self.connection = connect()
        self.run("DROP TABLE IF EXISTS works, composers, rejected_records, document, document_jsonb")
        self.run("CREATE EXTENSION IF NOT EXISTS pg_opus")
        self.run("SELECT create_catalogue()")
        with open(composers, encoding="utf-8") as file:
            self.run("SELECT load_composers($1::text)", file.read())
        with open(self.file, encoding="utf-8") as file:
            self.text = file.read()
        if self.source == "imslp" and self.rows == 1000:
            self.text = json.dumps(json.loads(self.text)[: self.rows], ensure_ascii=False)
            self.file = f"{os.path.dirname(os.environ['RESULT'])}/works-{self.rows}.json"
            with open(self.file, "w", encoding="utf-8") as file:
                file.write(self.text)
        self.bytes = self.text.encode()
        self.keep("document", "text")
        # An array in a jsonb has 256 MB at most.
        self.huge = len(self.bytes) >= 1 << 28
        if not self.huge:
            self.keep("document_jsonb", "jsonb")
        self.run("VACUUM ANALYZE")

    def keep(self, table: str, kind: str) -> None:
        self.run(f"CREATE UNLOGGED TABLE {table} (json {kind})")
        self.run(f"ALTER TABLE {table} ALTER json SET STORAGE EXTERNAL")
        self.run(f"INSERT INTO {table} VALUES ($1::{kind})", self.text)

    def run(self, text: str, *parameters) -> None:
        self.connection.execute(text, parameters)

    def one(self, text: str):
        return self.connection.execute(text).fetchone()

    def empty(self) -> None:
        self.run("TRUNCATE works")
        self.run("CHECKPOINT")

    def check(self, contender: str, rows: int | None = None) -> None:
        (count,) = self.one("SELECT count(*) FROM works")
        if count != (rows or self.rows):
            raise contenders.Failed(f"{contender} wrote {count} rows of {rows or self.rows}")

    def statement(self, name: str, document: str = IN_SERVER) -> str:
        text = statement(f"{self.source}/{name}", document)
        return text.replace("jsonb", "json") if self.huge else text


def take_turns(rounds: int, each: dict):
    """Round by round, the contenders, and another one first each time."""
    names = list(each)
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            yield number, name, each[name]


def ours(stage: Stage, load: str, sessions: int, *parameters) -> tuple[float, dict]:
    """A load of ours, in so many sessions, and what last_load() says."""
    took = sql(stage.connection, load.replace("WORKERS", str(0 if sessions == 1 else sessions)), *parameters)
    row = stage.one("SELECT decode_ms, write_ms, total_ms, sessions, sessions_reason FROM last_load()")
    if row[3] != (0 if sessions == 1 else sessions):
        raise contenders.Failed(f"{sessions} sessions were asked for, {row[3]} wrote: {row[4]}")
    return took, dict(zip(("decode_ms", "write_ms", "total_ms"), row))


FROM_TEXT = "SELECT load_works(json, workers => WORKERS) FROM document"
FROM_JSONB = "SELECT load_works(json, workers => WORKERS) FROM document_jsonb"
FROM_CLIENT = "SELECT load_works($1::text, workers => WORKERS)"


def load(scenario: str):
    """All works into empty tables that are ready: every contender."""

    def measure(result, rounds: int) -> None:
        stage = Stage(scenario)
        large = stage.rows >= 100_000
        # The fastest of each kind.
        huge = stage.huge
        each = {}
        for sessions in (1, 2, 4) if large else (1,):
            each["ours, text", "server", sessions] = lambda n=sessions: ours(stage, FROM_TEXT, n)
            if not huge and sessions < 4:
                each["ours, jsonb", "server", sessions] = lambda n=sessions: ours(stage, FROM_JSONB, n)
            if sessions < 4:
                each["ours, text", "client", sessions] = lambda n=sessions: ours(stage, FROM_CLIENT, n, stage.bytes)
        names = ["recordset"] if huge or stage.source == "openopus" else ["recordset", "recordset_bare", "elements_bare", "upsert"]
        for name in names:
            each[f"SQL, {name}", "server", 1] = lambda n=name: sql(stage.connection, stage.statement(n))
            each[f"SQL, {name}", "client", 1] = lambda n=name: sql(
                stage.connection, stage.statement(n, "$1::jsonb"), stage.bytes
            )
        for connections in (1, 2):
            option = ("--connections", str(connections))
            for kind, name in (("node", "copy"), ("python", "copy_rows"))[: 1 if huge else 2]:
                each[f"{name}, {kind}", "client", connections] = lambda k=kind, n=name, o=option: program(
                    k, n, stage.file, stage.source, *o
                )
        if not huge:
            each["worker_threads, node", "client", 2] = lambda: program(
                "node", "worker_threads", stage.file, stage.source, "--connections", "2"
            )
        if duckdb_is_there():
            each["duckdb_load, python", "client", 1] = lambda: program("python", "duckdb_load", stage.file, stage.source)
        few = min(stage.rows, ONE_BY_ONE)
        if not huge:
            each["row_at_a_time, node", "client", 1] = lambda: program(
                "node", "row_at_a_time", stage.file, stage.source, "--limit", str(few)
            )
            stage.empty()
            stage.run("SELECT load_works(json, workers => 0) FROM document")
            prepare_floor(stage.connection)
            prepare_copy(stage.connection)
            each["COPY, binary", "server", 1] = lambda: copy_binary(stage.connection)
            for sessions in (1, 2) if large else (1,):
                each["floor", "server", sessions] = lambda n=sessions: floor(n)
        for number, (name, side, sessions), run in take_turns(min(rounds, 3) if huge else rounds, each):
            stage.empty()
            took = run()
            took, more = took if isinstance(took, tuple) else (took, {})
            single = name.startswith("row_at_a_time")
            stage.check(name, few if single else None)
            if single and few < stage.rows:
                more = {"measured_rows": few, "measured_ms": took}
                took *= stage.rows / few
            result.add(scenario, name, took, side=side, sessions=sessions, round=number, rows=stage.rows, **more)

    return measure


def duckdb_is_there() -> bool:
    try:
        import duckdb_extension_postgres_scanner  # pylint: disable=import-outside-toplevel,unused-import
    except ImportError:
        print("  without DuckDB: its packages are not there", flush=True)
        return False
    return True


def one(result, rounds: int) -> None:
    """One record into a table that has 267,000, on a warm connection; each time another."""
    stage = Stage("267000")
    stage.run("SELECT load_works(json) FROM document")
    (composer,) = stage.one("SELECT replace(composer_id, '_', ' ') FROM works LIMIT 1")
    each = {
        "SQL, one_record": statement("one_record", "$1::jsonb"),
        "ours, text": "SELECT load_works($1::text)",
        "ours, jsonb": "SELECT load_works($1::jsonb)",
    }
    times = {name: [] for name in each}
    page = 2_000_000_000
    for _, name, text in take_turns(300, each):
        page += 1
        intvals = {"composer": composer, "worktitle": f"W {page}", "icatno": "Op. 1", "pageid": str(page)}
        record = {"id": f"W {page}", "type": "2", "parent": "", "intvals": intvals, "permlink": f"https://x/{page}"}
        times[name].append(sql(stage.connection, text, json.dumps([record]).encode()))
    stage.check("one", stage.rows + 300 * len(each))
    # The first few prepare what the others use.
    for name, all_times in times.items():
        result.add("one", name, statistics.median(all_times[20:]), side="client", sessions=1, round=0, rows=1)


def first(result, rounds: int) -> None:
    """Into a database without the tables: at the end both are there, with all keys, the index and the foreign key."""
    stage = Stage("267000")
    each = {
        ("ours, text", 1): lambda: ours(stage, FROM_TEXT.replace("WORKERS", "WORKERS, create_composers => true"), 1),
        ("SQL, first_best", 1): lambda: script(stage.connection, statement("first_best", IN_SERVER)),
        ("SQL, first_plain", 1): lambda: script(stage.connection, statement("first_plain", IN_SERVER)),
    }
    for number, (name, sessions), run in take_turns(rounds, each):
        stage.run("DROP TABLE IF EXISTS works, composers, rejected_records")
        stage.run("CHECKPOINT")
        took = run()
        took, more = took if isinstance(took, tuple) else (took, {})
        stage.check(name)
        (keys,) = stage.one("SELECT count(*) FROM pg_constraint WHERE conrelid IN ('works'::regclass, 'composers'::regclass) AND contype IN ('p', 'f')")
        if keys != 3:
            raise contenders.Failed(f"{name} left {keys} keys")
        result.add("first", name, took, side="server", sessions=sessions, round=number, rows=stage.rows, **more)


def reload(result, rounds: int) -> None:
    """The same document again, and one of which a hundredth has changed."""
    stage = Stage("267000")
    records = json.loads(stage.text)
    for place in range(0, len(records), 100):
        records[place]["intvals"]["icatno"] = f"new {place}"
    stage.run("CREATE UNLOGGED TABLE IF NOT EXISTS changed (json text)")
    stage.run("TRUNCATE changed")
    stage.run("ALTER TABLE changed ALTER json SET STORAGE EXTERNAL")
    stage.run("INSERT INTO changed VALUES ($1)", json.dumps(records, ensure_ascii=False))
    upsert = stage.statement("upsert")
    each = {}
    for what, table in (("unchanged", "document"), ("1 % changed", "changed")):
        each[f"ours, text, {what}"] = (FROM_TEXT, FROM_TEXT.replace("document", table))
        each[f"SQL, upsert, {what}"] = (upsert, upsert.replace("document", table))
    for number, name, (fill, again) in take_turns(rounds, each):
        stage.empty()
        stage.run(fill.replace("WORKERS", "0"))
        stage.run("VACUUM ANALYZE works")
        stage.run("CHECKPOINT")
        took = sql(stage.connection, again.replace("WORKERS", "0"))
        stage.check(name)
        result.add("reload", name, took, side="server", sessions=1, round=number, rows=stage.rows)


def memory(result, rounds: int) -> None:
    """The peak of the memory that belongs to a process alone, beside the document's size."""
    stage = Stage("267000")
    each = {
        # What the server itself needs of a document that is received or read.
        ("SQL, length", "server", 1): lambda: sql(stage.connection, "SELECT length(json) FROM document"),
        ("SQL, length", "client", 1): lambda: sql(stage.connection, "SELECT length($1::text)", stage.bytes),
    }
    for sessions in (1, 2):
        each["ours, text", "server", sessions] = lambda n=sessions: ours(stage, FROM_TEXT, n)[0]
        each["ours, text", "client", sessions] = lambda n=sessions: ours(stage, FROM_CLIENT, n, stage.bytes)[0]
    for (name, side, sessions), run in each.items():
        stage.connection.close()
        stage.connection = connect()
        stage.empty()
        pid = stage.connection.info.backend_pid
        with watched(pid) as peaks:
            took = run()
        leader = peaks.pop(pid)
        result.add("memory", name, took, side=side, sessions=sessions, round=0, rows=stage.rows,
                   document_bytes=len(stage.bytes), leader_bytes=leader, worker_bytes=sorted(peaks.values()))


def decode(result, rounds: int) -> None:
    """Decoding alone on one thread, without a server, beside the SELECT part of the single statement in the server."""
    stage = Stage("267000")
    select = stage.statement("select", "(SELECT json FROM document_jsonb)")
    for number in range(rounds):
        result.add("decode", "SQL, select", sql(stage.connection, select), side="server", sessions=1, round=number, rows=stage.rows)
    lines = subprocess.run([os.environ["DECODE"], stage.file, str(rounds)], capture_output=True, text=True, check=True).stdout
    for line in map(json.loads, lines.splitlines()):
        result.add("decode", f"ours, {line['form']}: {line['step']}", line["milliseconds"], side="", sessions=1, round=0,
                   rows=stage.rows, megabytes_per_second=line["megabytes_per_second"])


# What makes a load write by INSERT statements; how it is made, and undone.
WATCHED = {
    "plain": (),
    "a CHECK constraint": ("ALTER TABLE works ADD CONSTRAINT titled CHECK (title <> '')", "ALTER TABLE works DROP CONSTRAINT titled"),
    "the foreign key row by row": ("SET pg_opus.set_based_foreign_keys = off", "RESET pg_opus.set_based_foreign_keys"),
    "a trigger": (
        "CREATE OR REPLACE FUNCTION shorten() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN NEW.title := left(NEW.title, 200); RETURN NEW; END'",
        "CREATE TRIGGER shorten BEFORE INSERT ON works FOR EACH ROW EXECUTE FUNCTION shorten()",
        "DROP TRIGGER shorten ON works",
    ),
}


def sessions(result, rounds: int) -> None:
    """One session beside several, into tables of different kinds; and what it takes to start them, by a load of one work."""
    stage = Stage("267000")
    stage.run("CREATE UNLOGGED TABLE IF NOT EXISTS single (json text)")
    stage.run("TRUNCATE single")
    stage.run("INSERT INTO single VALUES ($1)", json.dumps(json.loads(stage.text)[:1]))
    stage.run("SET pg_opus.min_parallel_rows = 0")
    loads = {(kind, count): FROM_TEXT for kind in WATCHED for count in (1, 2, 4)}
    loads |= {("a load of one work", count): FROM_TEXT.replace("document", "single") for count in (1, 2, 4, 8)}
    for _, (kind, count), text in take_turns(rounds, loads):
        *made, undone = WATCHED.get(kind) or ("SELECT",)
        for one in made:
            stage.run(one)
        stage.empty()
        took, more = ours(stage, text, count)
        result.add("sessions", kind, took, side="server", sessions=count, **more)
        stage.run(undone)


SCENARIOS = {
    "one": one,
    **{name: load(name) for name in DOCUMENTS},
    "first": first,
    "reload": reload,
    "memory": memory,
    "decode": decode,
    "sessions": sessions,
    **any_table.SCENARIOS,
}
