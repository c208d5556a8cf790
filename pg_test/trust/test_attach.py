"""Partitions that come and go at each step of a load: rows land where the server puts them, or the load ends with its error.

Afterwards each row is there once, fits its partition, and has what its keys refer to; nothing is lost.
"""

import json

import pytest

import documents
from sessions import POINTS, Stop, outcome, until, until_waiting, waits_for_lock

ROWS = 12000
THERE = 100

# `low` and `middle` are partitions; `late` and `strange` are not yet: their columns stand in another order, and some rows
# of the document are there. Above 8000 no partition takes a row until `late`, or another one, is there.
ITEMS = f"""CREATE TABLE place (name text COLLATE "C" PRIMARY KEY);
    INSERT INTO place SELECT 'place ' || n FROM generate_series(0, 9) n;
    CREATE TABLE item (id int PRIMARY KEY, place text COLLATE "C" NOT NULL REFERENCES place, title text, n int CONSTRAINT counted CHECK (n >= 0))
      PARTITION BY RANGE (id);
    CREATE TABLE low PARTITION OF item FOR VALUES FROM (MINVALUE) TO (4000);
    CREATE TABLE middle PARTITION OF item FOR VALUES FROM (4000) TO (8000);
    CREATE TABLE late (title text, gone int, n int CONSTRAINT counted CHECK (n >= 0), place text COLLATE "C" NOT NULL, id int PRIMARY KEY);
    ALTER TABLE late DROP COLUMN gone;
    INSERT INTO item (id, place, title) SELECT n, 'place 1', 'old' FROM generate_series(1, {THERE}) n;
    INSERT INTO item (id, place, title) SELECT n, 'place 1', 'old' FROM generate_series(4000, 3999 + {THERE}) n;
    INSERT INTO late (id, place, title) SELECT n, 'place 1', 'old' FROM generate_series(8000, 7999 + {THERE}) n"""
REST = "CREATE TABLE rest PARTITION OF item DEFAULT"
BOUND = "FOR VALUES FROM (8000) TO (MAXVALUE)"
ATTACH = f"ALTER TABLE item ATTACH PARTITION late {BOUND}"

# Statements of another session: `rest` if there is a DEFAULT partition; `ready` is done before; `gone` if rows of a
# partition go with it; `fails`: how the statement may end.
STATEMENTS = {
    "attach": dict(sql=ATTACH),
    "attach beside a default": dict(sql=ATTACH, rest=True, fails=("23514",)),
    "attach a default": dict(sql="ALTER TABLE item ATTACH PARTITION late DEFAULT"),
    "create": dict(sql=f"CREATE TABLE new PARTITION OF item {BOUND}"),
    "create beside a default": dict(sql=f"CREATE TABLE new PARTITION OF item {BOUND}", rest=True, fails=("23514",)),
    "create a default": dict(sql="CREATE TABLE new PARTITION OF item DEFAULT"),
    "attach with a trigger": dict(
        sql=f"""CREATE FUNCTION mark() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.n := 77; RETURN NEW; END $$;
            CREATE TRIGGER mark BEFORE INSERT OR UPDATE ON late FOR EACH ROW EXECUTE FUNCTION mark(); {ATTACH}"""),
    "attach with a check": dict(sql=f"ALTER TABLE late ADD CHECK (title <> 'title 9000'); {ATTACH}", fails=("23514",)),
    "attach partitions": dict(
        sql="""CREATE TABLE high (LIKE item INCLUDING CONSTRAINTS) PARTITION BY HASH (id);
            CREATE TABLE high_0 PARTITION OF high FOR VALUES WITH (MODULUS 2, REMAINDER 0);
            CREATE TABLE high_1 PARTITION OF high FOR VALUES WITH (MODULUS 2, REMAINDER 1);
            ALTER TABLE item ATTACH PARTITION high FOR VALUES FROM (8000) TO (MAXVALUE)"""),
    "detach": dict(ready=ATTACH, sql="ALTER TABLE item DETACH PARTITION middle"),
    "detach concurrently": dict(ready=ATTACH, sql="ALTER TABLE item DETACH PARTITION middle CONCURRENTLY", alone=True),
    "detach the default": dict(rest=True, sql="ALTER TABLE item DETACH PARTITION rest"),
    "drop": dict(ready=ATTACH, sql="DROP TABLE middle", gone=True),
    "drop the default": dict(rest=True, sql="DROP TABLE rest", gone=True),
    "truncate": dict(ready=ATTACH, sql="TRUNCATE middle", gone=True),
    "exchange": dict(
        ready=ATTACH, gone=True,
        sql=f"""ALTER TABLE item DETACH PARTITION late; CREATE TABLE another (LIKE item INCLUDING ALL);
            INSERT INTO another SELECT id, place, title, n FROM late; DROP TABLE late;
            ALTER TABLE item ATTACH PARTITION another {BOUND}"""),
}
# Statements that each point is tried with; the others where a load is most exposed.
FEW = ["attach", "create beside a default", "detach concurrently"]
EVERYWHERE = ("located", "compared", "between batches", "worker started", "worker inserting")
STOPS = [point for point in POINTS if point not in ("bulk", "leader decoding")]
MATRIX = [(point, name, "update") for point in STOPS for name in (STATEMENTS if point in EVERYWHERE else FEW)]
MATRIX += [(point, name, "error") for point in EVERYWHERE for name in STATEMENTS]


def document(first, last, place=None):
    return json.dumps([{"id": n, "place": place or f"place {n % 10}", "title": f"title {n}"} for n in range(first, last + 1)])


def load_sql(target, text, **options):
    named = "".join(f", {name} => %s" for name in options)
    return f"SELECT public.load_records('{target}', %s::text{named})", text, *options.values()


@pytest.fixture
def items(session):
    session.run(ITEMS)
    session.create_extension("amcheck")
    session.run("SET pg_opus.min_parallel_rows = 0")
    return session


def change(session, statement):
    """The statement as a future, in a transaction of its own."""
    # Not as one query: what stands alone may be in no block.
    return session.start(statement["sql"] if statement.get("alone") else f"BEGIN; {statement['sql']}; COMMIT")


def end(session):
    if session.connection.info.transaction_status != 0:
        session.run("ROLLBACK")


def tables(session):
    """The tables of items that there are, leaves only."""
    return session.values("""SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r'
        AND relname IN ('low', 'middle', 'late', 'new', 'rest', 'another', 'high_0', 'high_1')""")


def sound(session):
    """Each row fits its partition, has its place, and is there once; each index has all rows."""
    for table, bound in session.run("""SELECT oid::regclass::text, pg_get_partition_constraintdef(oid) FROM pg_class
            WHERE relispartition AND relkind = 'r'"""):
        assert not bound or session.value(f"SELECT count(*) FROM {table} WHERE ({bound}) IS NOT TRUE") == 0, (table, bound)
    assert session.value("SELECT count(*) FROM item WHERE place NOT IN (SELECT name FROM place)") == 0
    assert session.value("SELECT count(*) - count(DISTINCT id) FROM item") == 0
    session.check_indexes("i.indrelid IN (SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace)")


def all_rows(session):
    """How many rows with how many keys all tables have, and how many of them the document's titles."""
    every = " UNION ALL ".join(f"SELECT id, title FROM {table}" for table in tables(session))
    return session.run(f"SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE title = 'title ' || id) FROM ({every}) all_of_them")[0]


def whole(session, before, loaded, gone):
    """All rows of the document are there, or as many as before and none of them; of a partition that is gone, each once."""
    count, keys, new = all_rows(session)
    if gone:
        assert count == keys
    elif loaded is None:
        # What lies in a table that has not come to be a partition is no row of the parent.
        spare = session.value("SELECT count(*) FROM late WHERE title = 'old'") if "late" in tables(session) else 0
        assert (count - spare, new) == (ROWS, ROWS)
    else:
        assert (count, new) == (before, 0)
    sound(session)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("point, name, on_conflict", MATRIX)
def test_a_load_of_the_parent(items, connect, observer, point, name, on_conflict):
    """The load stops; the statement runs or waits; both end; every row is somewhere, and fits."""
    statement, (where, session, workers) = STATEMENTS[name], POINTS[point]
    if on_conflict == "error":
        items.run("TRUNCATE item, late")
    if statement.get("rest"):
        items.run(REST)
    if "ready" in statement:
        items.run(statement["ready"])
    before = all_rows(items)[0]
    other = connect()
    with Stop(observer, where, session) as stop:
        loading = items.start(*load_sql("item", document(1, ROWS), workers=workers, on_conflict=on_conflict))
        stopped = reached(stop, loading)
        changing = change(other, statement)
        until(lambda: changing.done() or waits_for_lock(observer, other.pid), "a statement that is done or waits for a lock")
        stop.go_on()
        loaded, changed = outcome(loading), outcome(changing)
    end(other)
    # No partition takes the row, or it has come to one whose CHECK refuses it.
    assert loaded in (None, "23514"), loaded
    assert changed is None or changed in statement.get("fails", ()), changed
    if loaded is None:
        assert stopped
        items.last_load()
    whole(items, before, loaded, statement.get("gone") and changed is None)
    until(lambda: not observer.value("SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()"), "no prepared transaction")


def reached(stop, loading):
    """Waits for the load at the stop; false where no partition takes a row and the load ends before."""
    until(lambda: loading.done() or stop.observer.value(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query = %s) OR (%s AND EXISTS (SELECT FROM pg_stat_progress_copy))",
        f"pg_opus stops at {stop.name}", stop.name == "decoding.999"), f"the load at {stop.name}, or its end")
    return not loading.done() or outcome(loading) is None


# A load of a partition itself, and of a table that is to be one.
OWN = {
    "detach": ("middle", (4000, 7999), dict(sql="ALTER TABLE item DETACH PARTITION middle")),
    "detach concurrently": ("middle", (4000, 7999), dict(sql="ALTER TABLE item DETACH PARTITION middle CONCURRENTLY", alone=True)),
    "drop": ("middle", (4000, 7999), dict(sql="DROP TABLE middle", gone=True)),
    "drop the parent": ("middle", (4000, 7999), dict(sql="DROP TABLE item", gone=True)),
    "detach, other bounds": (
        "middle", (4000, 7999),
        dict(sql="ALTER TABLE item DETACH PARTITION middle; ALTER TABLE item ATTACH PARTITION middle FOR VALUES FROM (4000) TO (9000)")),
    "attach": ("late", (8000, ROWS), dict(sql=ATTACH)),
    "attach too few": ("late", (7990, ROWS), dict(sql=ATTACH, fails=("23514",))),
    "attach orphans": ("late", (8000, ROWS), dict(sql=ATTACH, place="nowhere", fails=("23503",))),
    "attach twice deep": (
        "late", (8000, ROWS),
        dict(sql=f"""CREATE TABLE high (LIKE item INCLUDING CONSTRAINTS) PARTITION BY RANGE (id); ALTER TABLE high ATTACH PARTITION late {BOUND};
            ALTER TABLE item ATTACH PARTITION high {BOUND}""")),
    "create beside": ("rest", (8000, ROWS), dict(rest=True, sql=f"CREATE TABLE new PARTITION OF item {BOUND}", fails=("23514",))),
    "attach beside": ("rest", (8000, ROWS), dict(rest=True, sql=ATTACH, fails=("23514",))),
    "detach the default": ("rest", (8000, ROWS), dict(rest=True, sql="ALTER TABLE item DETACH PARTITION rest")),
}
OWN_POINTS = ["decoding", "located", "compared", "bulk", "between batches", "written", "leader compared", "worker started", "worker inserting", "decided"]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("point", OWN_POINTS)
@pytest.mark.parametrize("name", OWN)
def test_a_load_of_a_partition(items, connect, observer, point, name):
    """The target itself becomes a partition, or ceases to be one, or is another one."""
    target, (first, last), statement = OWN[name]
    where, session, workers = POINTS[point]
    if statement.get("rest"):
        items.run(REST)
    if where == "batch":
        items.run("SET pg_opus.bulk_insert = off")
    before = items.value(f"SELECT count(*) FROM {target}")
    other = connect()
    with Stop(observer, where, session) as stop:
        loading = items.start(*load_sql(target, document(first, last, statement.get("place")), workers=workers))
        reached(stop, loading)
        changing = change(other, statement)
        until(lambda: changing.done() or waits_for_lock(observer, other.pid), "a statement that is done or waits for a lock")
        stop.go_on()
        loaded, changed = outcome(loading), outcome(changing)
    end(other)
    allowed = {"attach too few": "23514", "attach orphans": "23503", "create beside": "23514", "attach beside": "23514"}
    if name == "drop the parent":
        # The parent is there no more.
        allowed[name] = "42P01"
    assert loaded is None or loaded == allowed.get(name) or statement.get("gone"), loaded
    assert changed is None or changed in statement.get("fails", ()), changed
    assert loaded is None or changed is None, (loaded, changed)
    if statement.get("gone") and changed is None:
        return
    count, new = items.run(f"SELECT count(*), count(*) FILTER (WHERE title = 'title ' || id) FROM {target}")[0]
    assert (count, new) == ((last - first + 1, last - first + 1) if loaded is None else (before, 0))
    sound(items)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("ends", ["COMMIT", "ROLLBACK"])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("name", [name for name in STATEMENTS if not STATEMENTS[name].get("alone")])
def test_a_load_behind_a_statement(items, connect, observer, name, workers, ends):
    """The other way round: the statement is done and not committed when the load begins."""
    statement, other = STATEMENTS[name], connect()
    if statement.get("rest"):
        items.run(REST)
    if "ready" in statement:
        items.run(statement["ready"])
    before = all_rows(items)[0]
    other.run(f"BEGIN; {statement['sql']}")
    loading = items.start(*load_sql("item", document(1, ROWS), workers=workers))
    waiting = """SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"""
    until(lambda: loading.done() or observer.value(waiting), "a load that waits")
    other.run(ends)
    loaded = outcome(loading)
    assert loaded in (None, "23514"), loaded
    whole(items, before, loaded, statement.get("gone") and ends == "COMMIT")


def test_somebody_between_two_sessions(items, connect, observer):
    """A partition that came behind the sessions' locks is wanted by somebody whom only one of them waits for."""
    other, third = connect(), connect()
    # A row that is there undoes the batch that has it, and with it the lock that is looked for below.
    items.run("TRUNCATE late")
    with Stop(observer, "started", 1) as stop, Stop(observer, "started", 0) as first:
        loading = items.start(*load_sql("item", document(1, ROWS), workers=2))
        stop.reached(loading)
        first.reached(loading)
        other.run(ATTACH)
        # One session has a row in the new partition, and is asked to wait for the end of the third's wait by nobody.
        first.go_on()
        until(lambda: observer.value("""SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'late'::regclass
            AND mode = 'RowExclusiveLock' AND granted)"""), "a session that writes to the new partition")
        wanting = third.start("TRUNCATE late")
        until_waiting(observer, third, wanting)
        stop.go_on()
        assert outcome(loading) is None
        assert outcome(wanting) is None
    sound(items)
    assert items.value("SELECT count(*) FROM item") in (ROWS, 7999)


# What becomes of composers' partitions beside a load of works that refer to them.
COMPOSERS = {
    # It locks the composers, then the works, and an INSERT of works the other way round: either of them may end.
    "detach": dict(sql="ALTER TABLE composers DETACH PARTITION composers_1", fails=("23503", "40P01"), ends=("40P01",)),
    "detach concurrently": dict(sql="ALTER TABLE composers DETACH PARTITION composers_1 CONCURRENTLY", alone=True, fails=("23503",)),
    "drop": dict(sql="DROP TABLE composers_1", fails=("23503", "2BP01")),
    "delete": dict(sql="DELETE FROM composers_1", fails=("23503",)),
    "attach": dict(sql="CREATE TABLE more (LIKE composers INCLUDING ALL); ALTER TABLE composers ATTACH PARTITION more FOR VALUES FROM ('D') TO ('E')"),
}


PARENTS_POINTS = [("located", 300), ("compared", 300), ("bulk", 300), ("written", 300)]
PARENTS_POINTS += [(point, 3000) for point in ["decoding", "located", "compared", "bulk", "written", "worker started", "worker inserted", "decided"]]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("create", [False, True])
@pytest.mark.parametrize("name", COMPOSERS)
@pytest.mark.parametrize("point, rows", PARENTS_POINTS)
def test_partitions_of_the_parents(session, connect, observer, point, name, rows, create):
    """Each work that is there has its composer, whichever way the parents were looked up."""
    where, number, workers = POINTS[point]
    session.run("""SELECT create_catalogue(); SET pg_opus.min_parallel_rows = 0;
        ALTER TABLE works DROP CONSTRAINT works_composer_id_fkey; ALTER TABLE composers RENAME TO plain;
        CREATE TABLE composers (LIKE plain INCLUDING ALL) PARTITION BY RANGE (composer_id);
        CREATE TABLE composers_0 PARTITION OF composers FOR VALUES FROM (MINVALUE) TO ('C000020');
        CREATE TABLE composers_1 PARTITION OF composers FOR VALUES FROM ('C000020') TO ('D');
        ALTER TABLE works ADD FOREIGN KEY (composer_id) REFERENCES composers""")
    assert session.load("composers", documents.composers()) == documents.COMPOSERS
    statement, other = COMPOSERS[name], connect()
    with Stop(observer, where, number) as stop:
        loading = session.start_load("works", documents.works(1, rows), workers=workers, create_composers=create)
        stop.reached(loading)
        changing = change(other, statement)
        until(lambda: changing.done() or waits_for_lock(observer, other.pid), "a statement that is done or waits for a lock")
        stop.go_on()
        loaded, changed = outcome(loading), outcome(changing)
    end(other)
    assert changed is None or changed in statement["fails"], changed
    # A composer is gone; made anew, it has no partition to be in.
    ends = ("23503", "23514") if create else ("23503",)
    assert loaded is None or changed is None and loaded in (*ends, *statement.get("ends", ())), loaded
    assert session.value("SELECT count(*) FROM works") == (rows if loaded is None else 0)
    assert session.value("SELECT count(*) FROM works WHERE composer_id NOT IN (SELECT composer_id FROM composers)") == 0


def test_somebody_has_a_partition_that_no_row_goes_to(items, connect):
    """As an INSERT, a load of new rows waits for none; it leaves its rows to one session, which asks for no lock on that partition."""
    items.run(f"TRUNCATE item; {ATTACH}; SET lock_timeout = '1s'")
    other = connect()
    other.run("BEGIN; TRUNCATE middle")
    assert items.value(*load_sql("item", document(1, 3999), workers=2, on_conflict="error")) == 3999
    report = items.last_load()
    assert (report["sessions"], report["sessions_reason"]) == (0, "somebody has locked a table, or waits to")
    other.run("ALTER TABLE item DETACH PARTITION middle; COMMIT")
    sound(items)
