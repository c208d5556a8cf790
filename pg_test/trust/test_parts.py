"""Documents that come in pieces: where they are cut changes nothing."""

import json
import os
import random

import psycopg
import pytest

import documents
from inboxes import CITIES, copy_lines, copy_pieces

SEEDS = int(os.environ.get("TRUST_SEEDS", 120))


def cut(rng, text):
    data = text.encode()
    most = rng.choice([3, 40, 1000, 100_000])
    while data:
        size = rng.randint(1, most)
        yield data[:size]
        data = data[size:]


def forms(rng, records):
    """A document with these records, each a JSON text; those that are none stand on lines."""
    if any(broken(record) for record in records):
        # The first line shows that documents are lines.
        return '{"id": 0, "name": "first", "area": 0, "data": []}\n' + "\n".join(records)
    if not all(record[0] in "{[" for record in records):
        return "[" + ",\n".join(records) + "]"
    return rng.choice([
        lambda: "\n".join(records),
        lambda: "".join(records),
        lambda: "[" + ",".join(records) + "]",
        lambda: "[\n  " + ",\n  ".join(records) + "\n]\n",
        lambda: "\n".join(f"[{record}]" for record in records),
        # Arrays and records in any order.
        lambda: "\n".join(runs(rng, records)),
        lambda: " ".join(runs(rng, records)),
    ])()


def runs(rng, records):
    while records:
        size = rng.choice([1, 1, 2, 50])
        run, records = records[:size], records[size:]
        yield run[0] if size == 1 and rng.random() < 0.5 else f"[{', '.join(run)}]"


def broken(record):
    try:
        json.loads(record)
    except ValueError:
        return True
    return False


# A record that the database refuses is not tried where a later one of its key takes its place. In parts it is: the later
# one has not come yet. So under `update` bad records are those that no table would take.
def city(rng, ids, is_bad, policy, members_differ=False):
    # Behind a string without an end, brackets within strings would look like those of the document.
    record = {"id": rng.randrange(ids), "name": rng.choice(["a", "Łódź", "x" * 50, "b" if is_bad else '"}{"'])}
    record["area"] = rng.choice([None, 1, 2.5, 99.9])
    # Without an area it adds to what the records before it of its key say.
    if members_differ and rng.random() < 0.3:
        del record["area"]
    if is_bad and rng.random() < 0.1:
        bad = ['{"id": 1, "name": "unfinished', "7", "[1]", '{"id": "x", "name": "a", "area": 1}']
        refused = ['{"id": 3, "name": "refused", "area": 1}', '{"id": 3, "name": null, "area": 2}']
        return rng.choice(bad if policy == "update" else bad + refused)
    return json.dumps(record, ensure_ascii=False)


def differing(rng, ids, is_bad, policy):
    return city(rng, ids, is_bad, policy, members_differ=True)


def holder(rng, ids, is_bad, policy):
    """A document that holds some cities."""
    if is_bad and rng.random() < 0.1:
        return rng.choice(['{"data": [{"id": 1}', '{"data" [{""}]}', "[1]", '{"data": 7}', '{"data": null}'])
    cities = [city(rng, ids, False, policy) for _ in range(rng.choice([0, 1, 1, 1, 5]))]
    return f'{{"page": {rng.randrange(9)}, "data": [{", ".join(cities)}]}}'


def composer(rng, ids, is_bad, policy):
    n = rng.randrange(ids)
    record = {"name": f"N{n}", "complete_name": f"F N{n}", "epoch": rng.choice(["Baroque", "Romantic"]), "birth": rng.choice(["1685", "1700-01-02"])}
    # An id that one record gives stays with the row, where a part ends behind it: all of them give it, or none.
    if n % 3:
        record["id"] = rng.choice([n, n, n, n + 1000])
    if is_bad and rng.random() < 0.1:
        return rng.choice(['{"complete_name": 5}', "null", '{"name": "N", "complete_name": "F N", "birth": "1685-13-45"}'])
    return json.dumps(record)


def work(rng, ids, is_bad, policy):
    n = rng.randrange(ids)
    record = documents.work(n, rng.choice(["A", "B"]), **({"icatno": rng.choice(["I 1", "I 2"])}))
    if is_bad and rng.random() < 0.1:
        bad, refused = [documents.BAD, {"id": 5}], [documents.work(n, composer="Nobody, Known")]
        record = rng.choice(bad if policy == "update" else bad + refused)
    return json.dumps(record)


def dump(rng, ids, is_bad, policy):
    """A composer of the dump, whose works have no ids: equal ones are counted."""
    n = rng.randrange(min(ids, documents.COMPOSERS))
    titles = [rng.choice(["A", "B"]) for _ in range(rng.randint(0, 3))]
    if is_bad and rng.random() < 0.1:
        return "{}"
    return json.dumps({"name": f"Name {n}", "complete_name": f"First Name {n}",
                       "works": [{"title": title, "subtitle": "", "genre": "Keyboard"} for title in titles]})


def answer(rng, ids, is_bad, policy):
    """A work with its composer in it, of which the composers are loaded: each of them is one record."""
    n = rng.randrange(ids)
    if is_bad and rng.random() < 0.1:
        return '{"composer": {"name": 5}, "id": "1", "title": "T"}'
    return json.dumps({"composer": {"id": n, "name": f"N{n}", "complete_name": f"F N{n}"}, "id": str(n), "title": "T"})


def outcome(session, table, load, members_differ):
    """Rows, counts and rejects after `load`, or its error."""
    error = None
    try:
        load()
    except psycopg.Error as raised:
        error = raised.sqlstate
    rows = session.run(f"SELECT t::text FROM {table} t ORDER BY 1")
    if error:
        return rows, error
    last = session.last_load()
    counts = [last[count] for count in ("received", "inserted", "updated", "unchanged", "duplicate", "rejected", "source")]
    if members_differ:
        # A record that undoes what the one before it has done in another part makes that an update, and not unchanged.
        counts[2:4] = [sum(counts[2:4])]
    aside = session.run("SELECT ordinal, path, sqlstate, record::text FROM rejected_records ORDER BY ordinal")
    return rows, counts, aside


def differences(found, expected):
    """What is in one and not in the other: rows, counts, rejects."""
    return [(sorted(set(map(str, a)) - set(map(str, b))), sorted(set(map(str, b)) - set(map(str, a)))) if a != b else None
            for a, b in zip(found, expected)]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_parts_are_one_document(catalogue, seed):
    """A document in parts gives the rows, counts and rejects that it gives at once, under each policy."""
    session, rng = catalogue, random.Random(seed)
    make, table, mapping, start = rng.choice([
        (city, "city", None, "TRUNCATE city; INSERT INTO city SELECT * FROM before"),
        (city, "city", None, "TRUNCATE city"),
        (differing, "city", None, "TRUNCATE city; INSERT INTO city SELECT * FROM before"),
        (city, "city", {"records": "$"}, "TRUNCATE city"),
        (holder, "city", {"records": "$.data[*]"}, "TRUNCATE city"),
        (composer, "composers", {"fields_of": "composers"},
         "TRUNCATE composers, works; INSERT INTO composers (composer_id, last_name, complete_name, epoch) VALUES ('N3,_F', 'N3', 'F N3', 'Modern')"),
        (work, "works", {"fields_of": "works"}, "TRUNCATE works"),
        (dump, "works", {"fields_of": "works"}, "TRUNCATE works; INSERT INTO composers (composer_id, last_name, complete_name) "
         "SELECT 'Name_' || n || ',_First', 'Name ' || n, 'First Name ' || n FROM generate_series(0, 99) n ON CONFLICT DO NOTHING"),
        (answer, "composers", {"fields_of": "composers"}, "TRUNCATE composers, works"),
    ])
    policy, on_error = rng.choice(["update", "update", "skip", "error"]), rng.choice(["stop", "ignore", "ignore"])
    is_bad = on_error == "ignore"
    records = [make(rng, rng.choice([5, 40, 100_000]), is_bad, policy) for _ in range(rng.choice([30, 300]))]
    text = forms(rng, records)
    mapping = mapping and json.dumps(mapping)
    session.run(CITIES)
    session.run("SELECT create_inbox('inbox', %s::regclass, %s::jsonb, %s, %s)", table, mapping, policy, on_error)

    def at_once():
        session.run("SELECT load_records(%s::regclass, %s, %s::jsonb, %s, %s)", table, text, mapping, policy, on_error)

    def in_lines():
        copy_lines(session, "inbox", text)

    def in_pieces():
        copy_pieces(session, "inbox", cut(rng, text))

    session.run(start + "; TRUNCATE rejected_records")
    expected = outcome(session, table, at_once, make == differing)
    for way in in_lines, in_pieces, in_pieces:
        session.run(start + "; TRUNCATE rejected_records")
        memory = rng.choice(["2kB", "3kB", "13kB", "60kB"])
        session.run(f"SET pg_opus.stream_memory = '{memory}'")
        found = outcome(session, table, way, make == differing)
        assert not (found != expected), (way.__name__, memory, policy, on_error, text[:200], differences(found, expected))


def test_members_that_differ_add_up(catalogue):
    """Records of one key with other members change the row one after the other, in whichever parts they are."""
    session = catalogue
    session.run(CITIES)
    rng = random.Random(1)
    records = [{"id": rng.randrange(8), "name": f"n{n}"} | ({"area": n} if rng.random() < 0.5 else {"since": "2000-01-01"}) for n in range(400)]
    text = "\n".join(json.dumps(record) for record in records)
    session.run("SELECT create_inbox('inbox', 'city')")
    session.run("SELECT load_records('city', %s)", text)
    expected = session.run("TABLE city ORDER BY id")
    for memory in ("1kB", "5kB", "64kB"):
        session.run("TRUNCATE city")
        session.run(f"SET pg_opus.stream_memory = '{memory}'")
        copy_lines(session, "inbox", text)
        assert session.run("TABLE city ORDER BY id") == expected
        assert session.last_load()["inserted"] == 8


# Records of one key with the same members, in different parts: what the first ones give up and later ones want.
MEETING = {
    "the second gives up, a new one takes": ([{"id": 1, "u": 5}], [{"id": 1, "u": 6}, {"id": 2, "u": 5}]),
    "a new one comes before it": ([{"id": 1, "u": 5}], [{"id": 2, "u": 6}, {"id": 1, "u": 6}]),
    "a new one wants too early": ([{"id": 1, "u": 5}], [{"id": 2, "u": 5}, {"id": 1, "u": 6}]),
    "each takes what one before it gives up": ([{"id": 1, "u": 5}, {"id": 2, "u": 6}, {"id": 3, "u": 7}], [
        {"id": 1, "u": 8}, {"id": 4, "u": 5}, {"id": 2, "u": 9}, {"id": 5, "u": 6}, {"id": 3, "u": 5}, {"id": 6, "u": 7}]),
}


@pytest.mark.parametrize("on_error", ["stop", "ignore"])
@pytest.mark.parametrize("there", [0, 1])
@pytest.mark.parametrize("name", MEETING)
def test_rows_that_meet_come_in_the_documents_order(catalogue, name, there, on_error):
    """As in INSERTs one after the other."""
    catalogue.run(f"""SET pg_opus.stream_memory = '64kB'; CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE, p text);
        SELECT create_inbox('t_in', 't', on_error => '{on_error}')""")
    first, behind = MEETING[name]
    records = [record | {"p": "x" * 100} for record in first + [{"id": n, "u": n} for n in range(1000, 4000)] + behind]
    begin = f"DELETE FROM t; TRUNCATE rejected_records; INSERT INTO t SELECT -1, -1 FROM generate_series(1, {there})"
    catalogue.run(begin)
    refused = []
    for number, record in enumerate(records):
        try:
            catalogue.run("INSERT INTO t VALUES (%s, %s, %s) ON CONFLICT (id) DO UPDATE SET u = excluded.u, p = excluded.p", *record.values())
        except psycopg.Error as error:
            refused.append((number, error.sqlstate))
    expected = catalogue.run("TABLE t ORDER BY id")
    catalogue.run(begin)
    lines = "\n".join(map(json.dumps, records))
    if refused and on_error == "stop":
        with pytest.raises(psycopg.errors.UniqueViolation) as error:
            copy_lines(catalogue, "t_in", lines)
        assert f"record {refused[0][0]}," in error.value.diag.context
        return
    copy_lines(catalogue, "t_in", lines)
    assert catalogue.run("SELECT ordinal, sqlstate FROM rejected_records") == refused
    assert catalogue.run("TABLE t ORDER BY id") == expected
    again = [number for number, record in enumerate(records) if record["id"] <= len(first)][len(first):]
    assert catalogue.last_load()["duplicate"] == len(set(again) - {number for number, _ in refused})
