"""load_records makes of every document what the loop makes of it."""

import pytest

from case import Case


@pytest.mark.parametrize("load", ["public"], indirect=True)
def test_as_a_loop_over_the_records(session, load, types, major, seeds):
    # Whatever the size of a document: it may ask for sessions.
    session.execute("SET pg_opus.min_parallel_rows = 0")
    for seed in seeds:
        told = Case(session, types, major, load, seed).check()
        assert told is None, told
