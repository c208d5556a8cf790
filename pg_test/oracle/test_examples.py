"""examples/musicbrainz makes of its documents the rows that its README tells of."""

from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples/musicbrainz"
ID = "0b1ac000-0000-4000-8000-000000000"
ARTISTS = [
    (f"{ID}001", "Clara Schumann", "Schumann, Clara", "Person", "Female", "DE", "1819-09-13", "1896-05-20", True, "Leipzig",
     ["0000000120000001"], "German pianist and composer", ["gender-id", "ipis", "type-id"]),
    # A country that is null is there; an area that is null has no name.
    (f"{ID}002", "Hildegard von Bingen", "Hildegard von Bingen", "Person", "Female", None, "1098", "1179-09", True, None, [], "",
     ["ipis", "type-id"]),
    (f"{ID}003", "Quartet of an Example", "Quartet of an Example", "Group", None, "IS", None, None, False, "Iceland", None, None, ["type-id"]),
]
WORKS = [
    (f"{ID}101", "Piano Trio in G minor, op. 17", "Piano trio", f"{ID}001", ["zxx"], ["T-000.000.001-0"], "G minor", "", ["language", "type-id"]),
    (f"{ID}102", "Ordo Virtutum", None, f"{ID}002", ["lat"], [], None, "morality play", []),
    (f"{ID}103", "A Song of Nobody's", "Song", None, ["eng", "isl"], [], None, "", []),
]


@pytest.mark.parametrize("type", ["text", "jsonb"])
def test_musicbrainz(session, load, type):
    session.execute("DROP SCHEMA IF EXISTS wanted, loaded CASCADE; CREATE SCHEMA loaded")
    session.execute((EXAMPLE / "tables.sql").read_text())

    def load_it(target, name):
        document, mapping = (EXAMPLE / f"{name}.json").read_text(), (EXAMPLE / f"{name}.mapping.json").read_text()
        if type == "jsonb":
            # An array of the answers is one document.
            pages = document.splitlines() if name == "works" else [document]
            document = pages[0] if len(pages) == 1 else "[" + ",".join(pages) + "]"
        return session.execute(f"SELECT {load}(%s, %s::{type}, %s, on_error => 'ignore')", [target, document, mapping]).fetchone()[0]

    def rows(target):
        columns = "(SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(more) k)"
        found = session.execute(f"SELECT t.*, coalesce({columns}, '{{}}') FROM {target} t ORDER BY mbid").fetchall()
        return [(str(row[0]), *(str(value) if name == "composer" and value else value for name, value in zip(names(target)[1:-1], row[1:-2])), row[-1])
                for row in found]

    def names(target):
        return [row[0] for row in session.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum", [target])]

    assert load_it("artists", "artists") == 3
    assert rows("artists") == ARTISTS
    assert load_it("musical_works", "works") == 3
    assert rows("musical_works") == WORKS
    assert session.execute("SELECT ordinal, sqlstate FROM rejected_records").fetchall() == [(3, "23503")]
    assert load_it("artists", "artists") == 0
