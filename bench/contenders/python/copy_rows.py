"""A Python client that parses (orjson), transforms, and sends COPY in text format (psycopg 3).

With several connections each is a process of its own, forked before the clock starts, which parses the document and
writes its share of the records: that costs less than handing parsed records from process to process.
"""

import argparse
import json
import multiprocessing
import re
import sys
import time

import orjson
import psycopg
import transform

# Characters of COPY lines sent at a time: blocks cost less than rows handed over one by one.
BLOCK = 256 * 1024

_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_special = re.compile(r"[\\\t\n\r]")


def escaped(text: str) -> str:
    return _special.sub(lambda found: _ESCAPES[found[0]], text) if _special.search(text) else text


def field(value: object) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, list):
        return escaped("{" + ",".join('"' + re.sub(r'(["\\])', r"\\\1", term) + '"' for term in value) + "}")
    return str(value)


def rows_of(source: str, document: str, share: int, shares: int, limit: int | None, connection) -> list[tuple]:
    parsed = orjson.loads(document)
    if source == "imslp":
        parsed = parsed[:limit]
        size = -(-len(parsed) // shares)
        return transform.imslp(parsed[share * size : (share + 1) * size])
    keys = dict(connection.execute("SELECT complete_name, composer_id FROM composers").fetchall())
    parsed["composers"] = parsed["composers"][share::shares]
    return transform.openopus(parsed, keys)[:limit]


def load(connection, source: str, document: str, share: int, shares: int, limit: int | None) -> int:
    rows = rows_of(source, document, share, shares, limit, connection)
    columns = ", ".join(transform.COLUMNS[source])
    with connection.cursor().copy(f"COPY works ({columns}) FROM STDIN") as copy:
        lines, size = [], 0
        for row in rows:
            line = "\t".join(map(field, row))
            lines.append(line)
            size += len(line)
            if size >= BLOCK:
                copy.write("\n".join(lines) + "\n")
                lines, size = [], 0
        if lines:
            copy.write("\n".join(lines) + "\n")
    connection.commit()
    return len(rows)


def share_of(barrier, written, arguments, document: str, share: int) -> None:
    with psycopg.connect() as connection:
        connection.execute("SELECT 1")
        connection.rollback()
        barrier.wait()
        written.put(load(connection, arguments.source, document, share, arguments.connections, arguments.limit))


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--document", required=True)
    options.add_argument("--source", choices=transform.COLUMNS, default="imslp")
    options.add_argument("--connections", type=int, default=1)
    options.add_argument("--limit", type=int)
    arguments = options.parse_args()
    with open(arguments.document, encoding="utf-8") as file:
        document = file.read()
    context = multiprocessing.get_context("fork")
    barrier, written = context.Barrier(arguments.connections), context.SimpleQueue()
    processes = [
        context.Process(target=share_of, args=(barrier, written, arguments, document, share))
        for share in range(1, arguments.connections)
    ]
    for process in processes:
        process.start()
    with psycopg.connect() as connection:
        connection.execute("SELECT 1")
        connection.rollback()
        barrier.wait()
        start = time.perf_counter()
        rows = load(connection, arguments.source, document, 0, arguments.connections, arguments.limit)
        rows += sum(written.get() for _ in processes)
        milliseconds = (time.perf_counter() - start) * 1000
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        sys.exit("a connection failed")
    print(json.dumps({"milliseconds": milliseconds, "rows": rows}))


main()
