"""Data of others as they lie in their files, from the npm package vega-datasets, against SQL written by hand.

A source: the file, the table, the call's options, SQL that makes the same of `:document` (the file as jsonb) in wanted.target, how
many rows the load writes, and the SQLSTATEs of the records that it refuses. `before` makes what the table needs.
"""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from case import DIFFERENT_ROWS

DATA = Path(os.environ["ORACLE_DATA"])

SOURCES = {
    # Titles that are numbers, and dates as Americans write them.
    "movies": {
        "file": "movies", "rows": 3201,
        "columns": """"Title" text, "US Gross" bigint, "Worldwide Gross" bigint, "US DVD Sales" bigint, "Production Budget" bigint,
            "Release Date" date, "MPAA Rating" varchar(9), "Running Time min" smallint, "Distributor" text, "Source" text, "Major Genre" text,
            "Creative Type" text, "Director" text, "Rotten Tomatoes Rating" smallint, "IMDB Rating" numeric(3,1), "IMDB Votes" integer""",
        "wanted": "SELECT * FROM jsonb_populate_recordset(NULL::wanted.target, :document)",
    },
    # The table has a number of its own, and not all of the members.
    "cars": {
        "file": "cars", "rows": 406,
        "columns": """id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "Name" text NOT NULL, "Miles_per_Gallon" real, "Cylinders" smallint,
            "Displacement" numeric, "Year" date, "Origin" text CHECK ("Origin" IN ('USA', 'Europe', 'Japan')), seen boolean NOT NULL DEFAULT false""",
        "wanted": """SELECT n, "Name", "Miles_per_Gallon", "Cylinders", "Displacement", "Year", "Origin", false
            FROM ROWS FROM (jsonb_to_recordset(:document) AS ("Name" text, "Miles_per_Gallon" real, "Cylinders" smallint, "Displacement" numeric,
                "Year" date, "Origin" text)) WITH ORDINALITY AS x ("Name", "Miles_per_Gallon", "Cylinders", "Displacement", "Year", "Origin", n)""",
    },
    # Two foreign keys, of which some airports are not there.
    "flights": {
        "file": "flights-5k", "rows": 4415, "refused": {"23503": 585},
        "before": """CREATE SCHEMA parents; CREATE TABLE parents.airports (iata char(3) PRIMARY KEY);
            INSERT INTO parents.airports SELECT DISTINCT iata FROM jsonb_to_recordset(:document) AS x(origin text, destination text),
                LATERAL (VALUES (origin), (destination)) AS a(iata) WHERE iata NOT IN ('ATL', 'SFO')""",
        "columns": """date timestamp(0), delay smallint, distance integer, origin char(3) REFERENCES parents.airports,
            destination char(3) REFERENCES parents.airports""",
        "wanted": """SELECT * FROM jsonb_populate_recordset(NULL::wanted.target, :document)
            WHERE origin NOT IN ('ATL', 'SFO') AND destination NOT IN ('ATL', 'SFO')""",
    },
    # GeoJSON: an envelope, nested objects, an array of three numbers.
    "earthquakes": {
        "file": "earthquakes", "rows": 1707, "options": {"on_conflict": "skip"},
        "mapping": {"records": "$.features[*]", "columns": {
            "id": "$.id", "magnitude": "$.properties.mag", "place": "$.properties.place", "time": "$.properties.time",
            "tsunami": "$.properties.tsunami", "longitude": "$.geometry.coordinates[0]", "latitude": "$.geometry.coordinates[1]",
            "depth": "$.geometry.coordinates[2]", "at": "$.geometry.coordinates", "properties": "$.properties"}, "others": "others"},
        "columns": """id text COLLATE "C" PRIMARY KEY, magnitude numeric, place text, time bigint, tsunami boolean, longitude double precision,
            latitude double precision, depth real, "at" numeric[], properties jsonb, others jsonb""",
        "wanted": """SELECT f ->> 'id', (f #>> '{properties,mag}')::numeric, f #>> '{properties,place}', (f #>> '{properties,time}')::bigint,
                (f #>> '{properties,tsunami}')::boolean, (f #>> '{geometry,coordinates,0}')::float8, (f #>> '{geometry,coordinates,1}')::float8,
                (f #>> '{geometry,coordinates,2}')::real, ARRAY(SELECT c::numeric FROM jsonb_array_elements_text(f #> '{geometry,coordinates}') c),
                f -> 'properties', f - '{id,properties,geometry}'::text[]
            FROM jsonb_array_elements(:document -> 'features') f""",
    },
    # Names that no column has, an enum, and one penguin whose sex is ".".
    "penguins": {
        "file": "penguins", "rows": 343,
        "before": "CREATE SCHEMA parents; CREATE TYPE parents.sex AS ENUM ('FEMALE', 'MALE')",
        "mapping": {"columns": {"species": "$.Species", "island": "$.Island", "beak": "$.\"Beak Length (mm)\"", "mass": "$.\"Body Mass (g)\"",
                                "sex": ["$.sex", "$.Sex"]}},
        "columns": "species text, island text, beak numeric(4,1), mass integer, sex parents.sex",
        "wanted": """SELECT p ->> 'Species', p ->> 'Island', (p ->> 'Beak Length (mm)')::numeric(4,1), (p ->> 'Body Mass (g)')::integer,
            (p ->> 'Sex')::parents.sex FROM jsonb_array_elements(:document) p WHERE p ->> 'Sex' IS DISTINCT FROM '.'""",
        "refused": {"22P02": 1},
    },
    # A key of three columns.
    "football": {
        "file": "football", "rows": 6508, "options": {"on_conflict": "update"},
        "columns": """date date, division text, home_team text, away_team text, home_score smallint, away_score smallint,
            PRIMARY KEY (home_team, away_team, date)""",
        "wanted": "SELECT * FROM jsonb_populate_recordset(NULL::wanted.target, :document)",
    },
    # What is there is changed in part: rows of gapminder.json, whose other columns may not be null, by countries.json.
    "countries": {
        "file": "countries", "rows": 558, "options": {"on_conflict": "update"},
        "after": """INSERT INTO loaded.target SELECT * FROM jsonb_populate_recordset(NULL::loaded.target, :gapminder)""",
        "columns": """year smallint, country text, pop bigint NOT NULL, cluster smallint NOT NULL, fertility numeric, life_expect numeric,
            p_fertility double precision, PRIMARY KEY (country, year)""",
        "wanted": """SELECT g.year, g.country, g.pop, g.cluster, coalesce(c.fertility, g.fertility), coalesce(c.life_expect, g.life_expect), c.p_fertility
            FROM jsonb_populate_recordset(NULL::wanted.target, :gapminder) g
                LEFT JOIN jsonb_populate_recordset(NULL::wanted.target, :document) c USING (year, country)""",
    },
    "jobs": {
        "file": "jobs", "rows": 7650, "options": {"on_conflict": "update"},
        "columns": 'job varchar(50), sex "char", year smallint, count integer, perc double precision, UNIQUE (job, sex, year)',
        "mapping": {"key": ["job", "sex", "year"], "others": "error"},
        "wanted": "SELECT * FROM jsonb_populate_recordset(NULL::wanted.target, :document)",
    },
}


@pytest.mark.parametrize("type", ["text", "jsonb"])
@pytest.mark.parametrize("name", SOURCES)
def test_source(session, load, name, type):
    source = SOURCES[name]
    documents = {"document": (DATA / f"{source['file']}.json").read_text(), "gapminder": (DATA / "gapminder.json").read_text()}

    def run(sql):
        for name, text in documents.items():
            sql = sql.replace(f":{name}", "'" + text.replace("'", "''") + "'::jsonb")
        return session.execute(sql)

    run("DROP SCHEMA IF EXISTS wanted, loaded, parents CASCADE; CREATE SCHEMA wanted; CREATE SCHEMA loaded")
    run(source.get("before", "SELECT"))
    for schema in ("wanted", "loaded"):
        run(f"CREATE TABLE {schema}.target ({source['columns']})")
    run(f"INSERT INTO wanted.target OVERRIDING SYSTEM VALUE {source['wanted']}")
    run(source.get("after", "SELECT"))
    mapping = json.dumps(source["mapping"]) if "mapping" in source else None
    options = {"on_conflict": "error"} | source.get("options", {})

    def load_it():
        return session.execute(
            f"SELECT {load}('loaded.target', %s::{type}, mapping => %s, on_conflict => %s, on_error => 'ignore')",
            [documents["document"], mapping, options["on_conflict"]]).fetchone()[0]

    assert load_it() == source["rows"]
    assert session.execute(DIFFERENT_ROWS.format(images="t.*")).fetchall() == []
    refused = Counter()
    if session.execute("SELECT to_regclass('rejected_records') IS NOT NULL").fetchone()[0]:
        refused = Counter(state for (state,) in session.execute("SELECT sqlstate FROM rejected_records"))
    assert refused == source.get("refused", {})
    if options["on_conflict"] != "error":
        assert load_it() == 0
