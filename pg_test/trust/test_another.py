"""A row about another composer than the record, by their ids, is never changed: random documents in which keys repeat, with
and without ids, beside rows with and without; some of them the database refuses."""

import json
import random
from collections import Counter

import pytest

from sessions import bulk

KEYS = 40


def composer(key, ordinal, source_id, refused):
    """The record's place in the document is its epoch."""
    record = {"name": f"N{key}", "complete_name": f"N{key}", "epoch": f"refused {ordinal}" if refused else str(ordinal)}
    return record if source_id is None else record | {"id": source_id}


def documents(seed, keys):
    """The ids that are there, by key (those that are missing have no row), and the records: key, id, whether refused."""
    choose = random.Random(seed)
    ids = [None, None, 1, 1, 2, 3]
    there = {key: choose.choice(ids) for key in range(keys) if choose.random() < 0.6}
    plan = [(choose.randrange(keys), choose.choice(ids), choose.random() < 0.15) for _ in range(keys * 3)]
    return there, plan


def differ(one, other):
    return one is not None and other is not None and one != other


def judge(there, plan, policy):
    """What becomes of each record: written, duplicate or rejected; and the epoch of each row."""
    outcomes, epochs = {}, {key: "there" for key in there}
    for key in {key for key, _, _ in plan}:
        left = [(ordinal, source_id, refused) for ordinal, (of, source_id, refused) in enumerate(plan) if of == key]
        if policy != "error":
            another = [record for record in left if key in there and differ(record[1], there[key])]
            outcomes |= {ordinal: "rejected" for ordinal, _, _ in another}
            left = [record for record in left if record not in another]
        while left:
            known, like = None, []
            for record in left:
                if policy == "error" or not differ(record[1], known):
                    known = known if known is not None else record[1]
                    like.append(record)
            tried = like[-1] if policy == "update" else like[0]
            ordinal, _, refused = tried
            left.remove(tried)
            if refused and not (policy == "skip" and key in there) or policy == "error" and key in there:
                outcomes[ordinal] = "rejected"
                continue
            outcomes[ordinal] = "written"
            if key not in there or policy == "update":
                epochs[key] = str(ordinal)
            for other in left:
                is_duplicate = other in like and policy != "error"
                outcomes[other[0]] = "duplicate" if is_duplicate else "rejected"
            break
    return outcomes, epochs


@pytest.mark.parametrize("policy", ["update", "skip", "error"])
@pytest.mark.parametrize("way", ["few", "bulk", "insert", "workers"])
def test_random_documents(catalogue, way, policy):
    catalogue.run("""SET pg_opus.min_parallel_rows = 0; ALTER TABLE composers ADD CHECK (epoch NOT LIKE 'refused%')""")
    keys = KEYS if way == "few" else 20 * KEYS
    bulk(catalogue, way != "insert")
    options = {"workers": 2} if way == "workers" else {}
    for seed in range(40 if way == "few" else 8):
        there, plan = documents(seed, keys)
        catalogue.run("TRUNCATE composers, rejected_records CASCADE")
        catalogue.run("""INSERT INTO composers (composer_id, last_name, complete_name, openopus_id, epoch)
            SELECT 'N' || key, 'N' || key, 'N' || key, value::int, 'there' FROM jsonb_each_text(%s::jsonb)""", json.dumps(there))
        records = [composer(key, ordinal, *rest) for ordinal, (key, *rest) in enumerate(plan)]
        before = dict(catalogue.run("SELECT composer_id, openopus_id FROM composers WHERE openopus_id IS NOT NULL"))
        outcomes, epochs = judge(there, plan, policy)
        catalogue.load("composers", json.dumps({"composers": records}), on_conflict=policy, on_error="ignore", **options)
        rejected = {ordinal for ordinal, in catalogue.run("SELECT ordinal FROM rejected_records")}
        assert rejected == {ordinal for ordinal, outcome in outcomes.items() if outcome == "rejected"}, seed
        assert dict(catalogue.run("SELECT composer_id, epoch FROM composers")) == {f"N{key}": epoch for key, epoch in epochs.items()}
        counts = Counter(outcomes.values())
        report = catalogue.last_load()
        assert (report["duplicate"], report["rejected"]) == (counts["duplicate"], counts["rejected"]), (seed, report)
        after = dict(catalogue.run("SELECT composer_id, openopus_id FROM composers"))
        assert {key: after[key] for key in before} == before, seed


@pytest.mark.parametrize("policy", ["update", "skip"])
@pytest.mark.parametrize("rows", [3, 900])
def test_the_first_of_them_is_named(catalogue, rows, policy):
    """Under stop, the first record of the document that is about another composer, whatever stands behind it."""
    catalogue.run("UPDATE composers SET openopus_id = 5, composer_id = 'N1', last_name = 'N1' WHERE composer_id = 'C000001'")
    for ids in ([6, 5], [6, 7], [None, 6], [6, None], [5, 6], [None, 6, 5], [6, 6, 6]):
        records = [composer(1, ordinal, source_id, False) for ordinal, source_id in enumerate(ids)]
        records += [composer(key, 0, None, False) for key in range(2, rows)]
        error = catalogue.load_fails("23505", "composers", json.dumps({"composers": records}), on_conflict=policy)
        assert str(error).startswith(f"record {ids.index(6)}: "), (ids, error)
        assert "The openopus_id of that one is 5, of this one 6." in error.diag.message_detail
