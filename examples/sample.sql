-- Loads examples/sample, a file for each shape that the sources have. Run from the repository's root:
--   psql -f examples/sample.sql
CREATE EXTENSION IF NOT EXISTS pg_opus;

\echo Composers of IMSLP, of Open Opus, and of its dump:
\set json `cat examples/sample/imslp_composers.json`
SELECT load_composers(:'json');
\set json `cat examples/sample/openopus_composers.json`
SELECT load_composers(:'json');
\set dump `cat examples/sample/openopus_dump.json`
SELECT load_composers(:'dump');

\echo Works of IMSLP (a list, a page of its API, lines), of Open Opus (two lists), and of its dump:
\set json `cat examples/sample/imslp_works.json`
SELECT load_works(:'json');
\set json `cat examples/sample/imslp_page.json`
SELECT load_works(:'json');
\set json `cat examples/sample/imslp_works.ndjson`
SELECT load_works(:'json');
\set json `cat examples/sample/openopus_works.json`
SELECT load_works(:'json');
\set json `cat examples/sample/openopus_works_keyed.json`
SELECT load_works(:'json');
SELECT load_works(:'dump');

\echo The dump once more changes nothing:
SELECT load_works(:'dump');

SELECT c.complete_name, c.birth, count(*) AS works, min(w.title) AS first_title
FROM composers c JOIN works w USING (composer_id)
GROUP BY c.composer_id ORDER BY works DESC, c.composer_id LIMIT 5;
