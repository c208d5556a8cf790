"""One table and the documents that are loaded into it one after the other: what the loop makes of them, and what the load makes.

Whatever differs is told with the statements that show it, for the fewest records that still do.
"""

import json
import random as randoms
from dataclasses import dataclass

import psycopg

from records import FORMS, IN_LINES, random_document
from tables import literal, random_table

# Loaded one after the other into a table.
DOCUMENTS = 3
SCHEMAS = ("wanted", "loaded")
# Rows of the one that the other has not as often, as images: a value is the same where all its bytes are. Only rows of equal
# text can be the same.
DIFFERENT_ROWS = """
    WITH wanted AS MATERIALIZED (
            SELECT w AS row, w::text AS text, row_number() OVER (PARTITION BY w::text) AS n FROM (SELECT {images} FROM wanted.target t) w),
        loaded AS MATERIALIZED (
            SELECT l AS row, l::text AS text, row_number() OVER (PARTITION BY l::text) AS n FROM (SELECT {images} FROM loaded.target t) l),
        odd AS MATERIALIZED (
            SELECT DISTINCT text FROM wanted w FULL JOIN loaded l USING (text, n) WHERE w.n IS NULL OR l.n IS NULL OR w.row *<> l.row),
        odd_wanted AS MATERIALIZED (SELECT * FROM wanted JOIN odd USING (text)),
        odd_loaded AS MATERIALIZED (SELECT * FROM loaded JOIN odd USING (text))
    SELECT 'wanted', text FROM odd_wanted o
    WHERE (SELECT count(*) FROM odd_wanted x WHERE x.row *= o.row) > (SELECT count(*) FROM odd_loaded x WHERE x.row *= o.row)
    UNION SELECT 'loaded', text FROM odd_loaded o
    WHERE (SELECT count(*) FROM odd_loaded x WHERE x.row *= o.row) > (SELECT count(*) FROM odd_wanted x WHERE x.row *= o.row)
    ORDER BY 1 DESC, 2"""


def same_states(states):
    """Of a record with two faults, several values at a path and a member that no column takes, either may be told."""
    return {ordinal: "22023" if state == "22034" else state for ordinal, state in states.items()}


@dataclass
class Outcome:
    rows: list
    # SQLSTATEs by ordinal, and the server's words.
    wanted: dict
    loaded: dict
    reasons: dict
    # Rows that the loop has written, where that can be told; and those that the load says.
    wanted_count: int
    loaded_count: int
    error: str = None

    def __post_init__(self):
        self.wanted = same_states(self.wanted)

    def differs(self):
        self.loaded = same_states(self.loaded)
        counts = self.wanted_count is not None and self.wanted_count != self.loaded_count
        return bool(self.error or self.rows or self.wanted != self.loaded or counts)

    def told(self):
        lines = [self.error] if self.error else []
        lines += [f"{whose}: {row[:1000]}" for whose, row in self.rows]
        for ordinal in sorted(self.wanted.keys() | self.loaded.keys()):
            wanted, loaded = self.wanted.get(ordinal), self.loaded.get(ordinal)
            if wanted != loaded:
                lines.append(f"record {ordinal}: wanted {wanted or 'accepted'} ({self.reasons.get(ordinal)}), loaded {loaded or 'accepted'}")
        if self.wanted_count is not None and self.wanted_count != self.loaded_count:
            lines.append(f"wanted {self.wanted_count} rows written, loaded says {self.loaded_count}")
        return "\n".join(lines)


class Case:
    """Of a seed; `load` is the name of the function under test, which knows of `forms` of documents."""

    def __init__(self, session, types, major, load, seed, documents=DOCUMENTS, forms=FORMS):
        self.session, self.load = session, load
        random = randoms.Random(seed)
        self.seed = seed
        while True:
            self.table = random_table(random, types, major)
            try:
                self.make([])
                self.add_late()
                break
            except psycopg.Error as error:
                # No table of the server's: a type without an index, or of which no constant may be a default; a row that is too wide.
                assert error.sqlstate in ("0A000", "42704", "54000", "42P16", "42804", "54011", "22P02", "42830"), (self.seed, error)
        self.make([])
        self.documents = [random_document(random, types, self.table.at(place), forms) for place in range(documents)]

    def statements(self):
        yield "DROP SCHEMA IF EXISTS wanted, loaded, parents CASCADE"
        yield "CREATE SCHEMA parents"
        yield from self.table.parent_ddl()
        for schema in SCHEMAS:
            yield f"CREATE SCHEMA {schema}"
            yield from self.table.ddl(schema)

    def make(self, documents):
        """Both tables anew, with these documents loaded by the loop, and what comes later."""
        for statement in self.statements():
            self.session.execute(statement)
        for place, document in enumerate(documents):
            for schema in SCHEMAS:
                self.loop(schema, document, place)
            self.add_late()

    def add_late(self):
        for schema in SCHEMAS:
            for statement in self.table.late_ddl(schema):
                self.session.execute(statement)

    def loop(self, schema, document, place):
        return self.session.execute(
            f"SELECT * FROM oracle.loop('{schema}.target', %s::jsonb, %s::jsonb, %s, %s, %s, %s, %s, %s)",
            [document.array(), *document.loop_arguments(self.table.at(place))]).fetchall()

    def call(self, document):
        """The call of the load, as SQL and its parameters."""
        sql = f"SELECT {self.load}('loaded.target'::regclass, %s::{'jsonb' if document.form == 'jsonb' else 'text'}, mapping => %s::jsonb," \
            " on_conflict => %s, on_error => 'ignore', reject_limit => %s, workers => %s)"
        mapping = json.dumps(document.mapping) if document.mapping else None
        return sql, [document.text(), mapping, document.on_conflict, None if len(document.records) % 2 else 10 ** 6, document.workers]

    def outcome(self, document, place):
        """What becomes of a document by the loop, and by the load, from the same rows."""
        session = self.session
        told = self.loop("wanted", document, place)
        wanted = {ordinal: state for ordinal, outcome, state, _, _ in told if outcome == "rejected"}
        reasons = {ordinal: reason for ordinal, _, _, _, reason in told}
        written = [outcome for _, outcome, _, _, _ in told if outcome in ("inserted", "updated")]
        keys = [key for _, outcome, _, key, _ in told if outcome != "rejected" and key is not None]
        one_each = len(set(keys)) == len(keys) and all(outcome != "met" for _, outcome, _, _, _ in told)
        session.execute("SELECT set_config('pg_opus.bulk_insert', %s, false)", [str(document.bulk)])
        if session.execute("SELECT to_regclass('rejected_records') IS NOT NULL").fetchone()[0]:
            session.execute("TRUNCATE rejected_records")
        outcome = Outcome([], wanted, {}, reasons, len(written) if one_each else None, None)
        try:
            outcome.loaded_count = session.execute(*self.call(document)).fetchone()[0]
        except psycopg.Error as error:
            if isinstance(error, psycopg.OperationalError):
                raise
            outcome.error = f"the load failed: {error.sqlstate} {error}"
            return outcome
        superseded = session.execute("SELECT duplicate FROM last_load()").fetchone() if self.load.startswith("public.") else None
        if session.execute("SELECT to_regclass('rejected_records') IS NOT NULL").fetchone()[0]:
            outcome.loaded = dict(session.execute("SELECT ordinal, sqlstate FROM rejected_records").fetchall())
        # A record whose key a later one has, which is written, is superseded, and nobody looks at the rows that it would meet.
        # So with what a generated column makes of its values: 0A000 where that is a cast of infinity.
        generated = any("GENERATED" in statement for statement in self.table.ddl("loaded"))
        classes = {"23", "22", "0A"} if generated else {"23"}
        untried = [ordinal for ordinal, state in wanted.items() if state[:2] in classes and ordinal not in outcome.loaded]
        if document.on_conflict == "update" and superseded and len(untried) <= superseded[0]:
            outcome.wanted = {ordinal: state for ordinal, state in outcome.wanted.items() if ordinal not in untried}
        images = ", ".join(self.table.at(place).images("t"))
        outcome.rows = session.execute(DIFFERENT_ROWS.format(images=images)).fetchall()
        return outcome

    def check(self):
        """None where all is as the loop has it; else what differs, told."""
        for place, document in enumerate(self.documents):
            outcome = self.outcome(document, place)
            if outcome.differs():
                return "\n".join([self.told(place), f"at first: {outcome.told()}"])
            self.add_late()
        return None

    def told(self, place):
        document = self.smallest(place)
        self.make(self.documents[:place])
        outcome = self.outcome(document, place)
        sql, parameters = self.call(document)
        for parameter in parameters:
            sql = sql.replace("%s", "NULL" if parameter is None else literal(str(parameter)), 1)
        before = [f"-- with what document {n} has left: {earlier.text()[:2000]}" for n, earlier in enumerate(self.documents[:place])]
        return "\n".join([f"seed {self.seed}, document {place}", *self.statements(), *before, sql, outcome.told()])

    def smallest(self, place):
        """The document without the records that do not matter."""
        document = self.documents[place]
        size = max(1, len(document.records) // 2)
        while True:
            at = 0
            while at < len(document.records):
                fewer = document.without(range(at, at + size))
                if (fewer.records or fewer.form not in IN_LINES) and self.still_differs(place, fewer):
                    document = fewer
                else:
                    at += size
            if size == 1:
                return document
            size //= 2

    def still_differs(self, place, document):
        self.make(self.documents[:place])
        return self.outcome(document, place).differs()
