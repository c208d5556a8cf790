"""COPY into inboxes, and the table that they load."""

LINES = r"COPY %s(line) FROM STDIN (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')"
PIECES = "COPY %s(chunk) FROM STDIN (FORMAT binary)"

CITIES = """
CREATE TABLE city (id int PRIMARY KEY, name text NOT NULL CHECK (name <> 'refused'), area numeric(8,1), since date);
CREATE TABLE before AS SELECT n AS id, 'before ' || n AS name, 7.5 AS area, NULL::date AS since FROM generate_series(0, 60, 4) n;
"""


def copy_lines(session, inbox, text):
    with session.connection.cursor() as cursor, cursor.copy(LINES % inbox) as copy:
        copy.write(text if text.endswith("\n") else text + "\n")


def copy_pieces(session, inbox, pieces):
    with session.connection.cursor() as cursor, cursor.copy(PIECES % inbox) as copy:
        copy.set_types(["bytea"])
        for piece in pieces:
            copy.write_row([piece])
