"""DuckDB reads the JSON and inserts through its extension postgres, which sends COPY.

DuckDB reads files: the clock starts with the document in the page cache, not in the client's memory. PyPI's package
duckdb-extension-postgres-scanner carries the extension; it is loaded by its path, so nothing is fetched.
"""

import argparse
import glob
import json
import os
import time

import duckdb
import duckdb_extension_postgres_scanner

IMSLP = """
INSERT INTO pg.public.works (work_id, composer_id, title, catalogue_number, imslp_id, permlink)
SELECT md5('imslp:' || coalesce(intvals.pageid, id))::UUID, replace(intvals.composer, ' ', '_'),
       CASE WHEN regexp_matches(intvals.worktitle, '^\\s|\\s$|\\s\\s|[\\t-\\r]')
            THEN regexp_replace(trim(intvals.worktitle), '\\s+', ' ', 'g') ELSE intvals.worktitle END,
       nullif(intvals.icatno, ''), intvals.pageid::BIGINT, permlink
FROM read_json($document, format => 'array', maximum_object_size => 100000000, columns => {
    id: 'VARCHAR', permlink: 'VARCHAR',
    intvals: 'STRUCT(composer VARCHAR, worktitle VARCHAR, icatno VARCHAR, pageid VARCHAR)'})
"""

OPENOPUS = """
INSERT INTO pg.public.works (work_id, composer_id, title, subtitle, genre, search_terms, popular, recommended)
WITH dump AS (
    SELECT unnest(composers) AS composer
    FROM read_json($document, maximum_object_size => 1000000000, columns => {composers: 'STRUCT(complete_name VARCHAR,
        works STRUCT(title VARCHAR, subtitle VARCHAR, searchterms VARCHAR, genre VARCHAR, popular VARCHAR,
                     recommended VARCHAR)[])[]'})),
work AS (
    SELECT composer.complete_name, unnest(composer.works, recursive => true) FROM dump),
cleaned AS (
    SELECT composer_id, regexp_replace(trim(title), '\\s+', ' ', 'g') AS title,
           nullif(regexp_replace(trim(subtitle), '\\s+', ' ', 'g'), '') AS subtitle, nullif(trim(genre), '') AS genre,
           list_filter(list_transform(string_split(searchterms, ','), term -> regexp_replace(trim(term), '\\s+', ' ', 'g')),
                       term -> term <> '') AS terms,
           work.popular = '1' AS popular, work.recommended = '1' AS recommended
    FROM work JOIN pg.public.composers c ON c.complete_name = regexp_replace(trim(work.complete_name), '\\s+', ' ', 'g'))
SELECT md5('openopus:' || composer_id || '/' || title || '/' || coalesce(subtitle, '') || '/'
           || (row_number() OVER (PARTITION BY composer_id, title, subtitle) - 1))::UUID,
       composer_id, title, subtitle, genre, CASE WHEN len(terms) > 0 THEN terms END, popular, recommended
FROM cleaned
"""


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--document", required=True)
    options.add_argument("--source", choices=("imslp", "openopus"), default="imslp")
    arguments = options.parse_args()
    with open(arguments.document, "rb") as file:
        while file.read(1 << 20):
            pass
    folder = os.path.dirname(duckdb_extension_postgres_scanner.__file__)
    (extension,) = glob.glob(f"{folder}/extensions/**/*.duckdb_extension", recursive=True)
    client = duckdb.connect(config={"autoinstall_known_extensions": False})
    client.execute(f"LOAD '{extension}'")
    # PGHOST and its like are libpq's.
    client.execute("ATTACH '' AS pg (TYPE postgres)")
    client.execute("SELECT count(*) FROM pg.public.composers").fetchall()
    start = time.perf_counter()
    statement = IMSLP if arguments.source == "imslp" else OPENOPUS
    (rows,) = client.execute(statement, {"document": arguments.document}).fetchone()
    milliseconds = (time.perf_counter() - start) * 1000
    print(json.dumps({"milliseconds": milliseconds, "rows": rows}))


main()
