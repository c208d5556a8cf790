-- The sample catalogue, in the order of its README: how many rows each file gives, and none when it is loaded again.
\getenv root PG_OPUS_ROOT
\set sample :root '/examples/sample/'
CREATE SCHEMA sample;
SET search_path = sample, public;
SET datestyle = iso;
\pset null (null)
CREATE VIEW counts AS SELECT kind, source, received, inserted, updated, unchanged, duplicate, rejected FROM last_load();
CREATE FUNCTION read(file text) RETURNS text LANGUAGE sql AS $$ SELECT pg_read_file(current_setting('sample.folder') || file) $$;
SELECT set_config('sample.folder', :'sample', false) <> '' AS found;

SELECT load_composers(read('imslp_composers.json'));
TABLE counts;
SELECT load_composers(read('imslp_composers.json')) AS again, load_composers(read('imslp_composers.json')::jsonb) AS again_jsonb;
SELECT load_composers(read('openopus_composers.json'));
TABLE counts;
SELECT load_composers(read('openopus_composers.json')) AS again, load_composers(read('openopus_composers.json')::jsonb) AS again_jsonb;
SELECT load_composers(read('openopus_dump.json'));
TABLE counts;
SELECT load_composers(read('openopus_dump.json')) AS again, load_composers(read('openopus_dump.json')::jsonb) AS again_jsonb;
SELECT load_works(read('openopus_dump.json'));
TABLE counts;
SELECT load_works(read('openopus_dump.json')) AS again, load_works(read('openopus_dump.json')::jsonb) AS again_jsonb;
SELECT load_works(read('imslp_works.json'));
TABLE counts;
SELECT load_works(read('imslp_works.json')) AS again, load_works(read('imslp_works.json')::jsonb) AS again_jsonb;
SELECT load_works(read('imslp_page.json'));
TABLE counts;
SELECT load_works(read('imslp_page.json')) AS again, load_works(read('imslp_page.json')::jsonb) AS again_jsonb;
SELECT load_works(read('imslp_works.ndjson'));
TABLE counts;
SELECT load_works(read('imslp_works.ndjson')) AS again;
SELECT load_works(read('openopus_works.json'));
TABLE counts;
SELECT load_works(read('openopus_works.json')) AS again, load_works(read('openopus_works.json')::jsonb) AS again_jsonb;
SELECT load_works(read('openopus_works_keyed.json'));
TABLE counts;
SELECT load_works(read('openopus_works_keyed.json')) AS again, load_works(read('openopus_works_keyed.json')::jsonb) AS again_jsonb;
SELECT (SELECT count(*) FROM composers) AS composers, (SELECT count(*) FROM works) AS works;

-- As a client sends a file: its content as a parameter's value.
\set works `cat "$PG_OPUS_ROOT/examples/sample/imslp_works.ndjson"`
SELECT load_works(:'works');

-- Both catalogues in one answer.
SELECT complete_name, birth, epoch, count(*) FILTER (WHERE imslp_id IS NOT NULL) AS imslp,
       count(*) FILTER (WHERE w.openopus_id IS NOT NULL) AS open_opus, count(*) AS works
FROM composers JOIN works w USING (composer_id) GROUP BY composer_id ORDER BY works DESC, composer_id LIMIT 8;
SELECT composer_id, title, subtitle, catalogue_number, search_terms, w.popular
FROM composers JOIN works w USING (composer_id) WHERE composer_id LIKE 'Schumann%' AND title < 'D' ORDER BY title, composer_id;
