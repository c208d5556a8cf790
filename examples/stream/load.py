"""Streams JSON into an inbox, a piece at a time: load.py INBOX [FILE or URL].

Without a file it reads standard input. Where to is told by PGHOST, PGDATABASE and their like, as psql is told. Needs
psycopg 3.
"""

import sys
from urllib.request import urlopen

import psycopg
from psycopg import sql

# Bytes that are read, and sent, at a time.
PIECE = 1 << 16


def open_source(place):
    if place == "-":
        return sys.stdin.buffer
    return urlopen(place) if "://" in place else open(place, "rb")


def main(inbox, place="-"):
    into = sql.SQL("COPY {} (chunk) FROM STDIN (FORMAT binary)").format(sql.Identifier(*inbox.split(".")))
    with open_source(place) as source, psycopg.connect() as connection, connection.cursor() as cursor:
        # Where reading fails, the COPY fails, and nothing of it stays.
        with cursor.copy(into) as copy:
            copy.set_types(["bytea"])
            while piece := source.read(PIECE):
                copy.write_row([piece])
        counts = cursor.execute("SELECT received, inserted, updated, rejected FROM last_load()").fetchone()
    print("{} received, {} inserted, {} updated, {} rejected".format(*counts or (0, 0, 0, 0)))


main(*sys.argv[1:])
