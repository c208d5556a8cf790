"""What is measured of load_records(), beside the statement that a user would write for the same table."""

import json
import statistics

from contenders import Failed, connect, script, sql, statement

DOCUMENT = "(SELECT jsonb FROM document WHERE name = '{}')"

# Every second row is there, and differs.
HALF = """TRUNCATE note; INSERT INTO note SELECT n, 1 + (n * 7919) % 20000, 'Title number ' || n, 'other', 1700
    FROM generate_series(1, 200000, 2) n;"""


def stage():
    """A connection to the tables and documents of contenders/sql/any."""
    connection = connect()
    connection.execute("CREATE EXTENSION IF NOT EXISTS pg_opus")
    script(connection, statement("any/tables", ""))
    connection.execute("VACUUM ANALYZE")
    return connection


def load(table: str, rows: int, theirs: str, before: str):
    """A document into a table that is ready: ours, and theirs."""

    def measure(result, rounds: int) -> None:
        connection = stage()
        document = DOCUMENT.format(table)
        each = {
            "ours, jsonb": f"SELECT load_records('{table}', {document}, workers => 0)",
            f"SQL, {theirs}": statement(f"any/{theirs}", document),
        }
        names = list(each)
        for number in range(rounds):
            for name in names if number % 2 else names[::-1]:
                script(connection, before)
                connection.execute("CHECKPOINT")
                took = sql(connection, each[name])
                (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
                if count != rows:
                    raise Failed(f"{name} wrote {count} rows of {rows}")
                result.add(f"any_{theirs}", name, took, side="server", sessions=1, round=number, rows=rows)

    return measure


def one(result, rounds: int) -> None:
    """One record into a table that has 200,000, on a warm connection; each time another, and each third one is there."""
    connection = stage()
    connection.execute(statement("any/note", DOCUMENT.format("note")))
    each = {
        "SQL, upsert": statement("any/upsert", "$1::jsonb"),
        "ours, jsonb": "SELECT load_records('note', $1::jsonb)",
        "ours, text": "SELECT load_records('note', $1::text)",
    }
    times = {name: [] for name in each}
    key, new = 1, 10_000_000
    for number in range(1000):
        names = list(each)
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            key, new = key + 7, new + 1
            record = {"note_id": key if number % 3 == 0 else new, "maker_id": 1 + new % 20000, "title": f"Title {new}", "body": "b", "year": 1900}
            times[name].append(sql(connection, each[name], json.dumps([record]).encode()))
    # The first few prepare what the others use.
    for name, all_times in times.items():
        result.add("any_one", name, statistics.median(all_times[20:]), side="client", sessions=1, round=0, rows=1)


SCENARIOS = {
    "any_note": load("note", 200_000, "note", "TRUNCATE note;"),
    "any_reading": load("reading", 100_000, "reading", "TRUNCATE reading;"),
    "any_upsert": load("note", 200_000, "upsert", HALF),
    "any_one": one,
}
