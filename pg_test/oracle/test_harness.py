"""The comparison itself: a loader that is right is found to be, and one with a fault is caught."""

import pytest

from case import DOCUMENTS, Case
from records import FORMS

LOAD = "stand_in.load_records"
FORMS = [form for form in FORMS if form != "concatenated"]
# By the name of the fault that sql/stand_in.sql can have.
FAULTS = {
    "typmod": "cuts values to their length, where the type refuses them",
    "cast": "casts the text of members, where JSON arrays and objects are values",
    "null": "takes an absent member for null",
    "names": "matches members whatever the case of their names",
    "generated": "refuses records with members named as generated columns",
    "key": "writes the key's other image too",
    "last": "writes only the last of equal keys",
    "ordinal": "numbers refused records wrongly",
    "sqlstate": "tells another SQLSTATE",
    "silent": "loses refused records",
}
# Those of the faults are found among these many, whatever the seed of the run.
FIRST, MOST = 1, 400


def test_a_loader_that_is_right(session, types, major, seeds):
    session.execute("SET stand_in.fault = ''")
    for seed in seeds:
        told = check(session, types, major, seed)
        assert told is None, told


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(session, types, major, fault):
    for seed in range(FIRST, FIRST + MOST):
        session.execute("SELECT set_config('stand_in.fault', %s, false)", [fault])
        found = check(session, types, major, seed)
        session.execute("SET stand_in.fault = ''")
        if found:
            # By that fault, and nothing else.
            assert check(session, types, major, seed) is None
            return
    pytest.fail(f"nobody has seen a loader that {FAULTS[fault]}")


def check(session, types, major, seed):
    return Case(session, types, major, LOAD, seed, DOCUMENTS, FORMS).check()


def test_all_types_are_there(types):
    """Every type has values that it takes and values that it refuses, but for those that take all or none."""
    assert len(types.simple) > 90
    without = {type for type in types.simple if not types.accepted(type)}
    assert without <= NO_INPUT, sorted(without - NO_INPUT)


# The server makes these itself, or has been built without.
NO_INPUT = {"pg_node_tree", "pg_ndistinct", "pg_dependencies", "pg_mcv_list", "pg_brin_bloom_summary", "pg_brin_minmax_multi_summary", "gtsvector", "xml", "kinds.ghstore", "kinds.ltree_gist"}

