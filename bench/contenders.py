"""The contenders, each a function that loads the works and returns the milliseconds it took."""

import json
import os
import subprocess
import sys
import threading
import time
import zlib

import psycopg

ROOT = os.path.dirname(os.path.abspath(__file__))


class Failed(Exception):
    """A contender that did not do its job."""


def statement(name: str, document: str) -> str:
    """SQL of contenders/sql, with an expression for the document as jsonb."""
    with open(f"{ROOT}/contenders/sql/{name}.sql", encoding="utf-8") as file:
        return file.read().replace(":document", document)


def connect() -> psycopg.Connection:
    """A warm connection."""
    connection = psycopg.connect(autocommit=True, cursor_factory=psycopg.RawCursor)
    # As libpq is by itself: see sql().
    connection.pgconn.nonblocking = 0
    connection.execute("SELECT 1")
    return connection


def timed(work) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def sql(connection: psycopg.Connection, text: str, *parameters: bytes) -> float:
    """A prepared statement with texts for $1 and so on, from the client's call to the commit.

    Not by psycopg's calls: they send without blocking, and libpq then moves what is left of a large message at each step,
    which takes longer than all the rest.
    """
    name = f"s{zlib.crc32(text.encode())}".encode()
    if not connection.execute("SELECT FROM pg_prepared_statements WHERE name = $1", (name.decode(),)).rowcount:
        done(connection.pgconn.prepare(name, text.encode()))
    return timed(lambda: done(connection.pgconn.exec_prepared(name, parameters)))


def script(connection: psycopg.Connection, text: str) -> float:
    """Several statements in one transaction, sent at once."""
    return timed(lambda: done(connection.pgconn.exec_(f"BEGIN; {text} COMMIT;".encode())))


def done(result: psycopg.pq.PGresult) -> None:
    if result.status not in (psycopg.pq.ExecStatus.COMMAND_OK, psycopg.pq.ExecStatus.TUPLES_OK):
        raise Failed(result.error_message.decode(errors="replace"))


def program(kind: str, name: str, document: str, source: str, *options: str) -> float:
    """A client program: see contenders/*/; it takes its own time."""
    interpreter = {"node": "node", "python": sys.executable}[kind]
    extension = {"node": "js", "python": "py"}[kind]
    command = [interpreter, f"{ROOT}/contenders/{kind}/{name}.{extension}", "--document", document, "--source", source]
    done = subprocess.run(command + list(options), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{name}: {done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout)["milliseconds"]


def copy_binary(connection: psycopg.Connection) -> float:
    """COPY from the file of prepare_copy(), in the server, all keys and indexes and the foreign key on."""
    text = f"COPY works ({COLUMNS}) FROM '{copy_file(connection)}' WITH (FORMAT binary)"
    return timed(lambda: done(connection.pgconn.exec_(text.encode())))


def copy_file(connection: psycopg.Connection) -> str:
    (folder,) = connection.execute("SHOW data_directory").fetchone()
    return f"{folder}/works.bin"


def floor(sessions: int) -> float:
    """INSERT … SELECT from the unlogged table `ready`, the foreign key off, in sessions that begin together."""
    connections = [connect() for _ in range(sessions)]
    for connection in connections:
        connection.execute("SET session_replication_role = replica")
    barrier = threading.Barrier(sessions + 1)

    def write(number: int) -> None:
        barrier.wait()
        connections[number].execute(f"INSERT INTO works SELECT (r).* FROM ready_{sessions}_{number} r ORDER BY place".replace("(r).*", COLUMNS))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(sessions)]
    for thread in threads:
        thread.start()
    barrier.wait()
    took = timed(lambda: [thread.join() for thread in threads])
    for connection in connections:
        connection.close()
    return took


COLUMNS = """work_id, composer_id, title, subtitle, genre, catalogue_number, search_terms, popular, recommended, imslp_id,
    openopus_id, permlink"""


def prepare_floor(connection: psycopg.Connection) -> None:
    """Makes the floor's tables of the rows that are in works now."""
    for sessions in (1, 2):
        for number in range(sessions):
            name = f"ready_{sessions}_{number}"
            connection.execute(f"DROP TABLE IF EXISTS {name}")
            connection.execute(
                f"""CREATE UNLOGGED TABLE {name} AS
                    SELECT {COLUMNS}, row_number() OVER () AS place FROM (
                        SELECT *, ntile({sessions}) OVER (ORDER BY composer_id, work_id) - 1 AS part FROM works
                        ORDER BY composer_id, work_id) parts
                    WHERE part = {number}"""
            )


def prepare_copy(connection: psycopg.Connection) -> None:
    """Writes the rows that are in works now to a binary file, in the order in which a load of ours writes them."""
    text = f"SELECT {COLUMNS} FROM works ORDER BY composer_id, work_id"
    connection.execute(f"COPY ({text}) TO '{copy_file(connection)}' WITH (FORMAT binary)")
