-- Loads a large catalogue from the folder that the variable dir names:
--   psql -v dir=FOLDER -f examples/catalogue.sql
CREATE EXTENSION IF NOT EXISTS pg_opus;

\set composers `cat :dir/composers.json`
\set works `cat :dir/works.json`
\timing on
SELECT load_composers(:'composers');
SELECT load_works(:'works');
\timing off
SELECT * FROM last_load() \gx
SELECT (SELECT count(*) FROM composers) AS composers, (SELECT count(*) FROM works) AS works;
SELECT c.complete_name, count(*) AS works, min(w.title) AS first_title
FROM composers c JOIN works w USING (composer_id)
GROUP BY c.composer_id ORDER BY works DESC, c.composer_id LIMIT 5;
