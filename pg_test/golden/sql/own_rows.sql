-- What json_agg() gives of our own tables can be loaded back, as json, jsonb and lines; and json arguments are taken.
CREATE SCHEMA own_rows;
SET search_path = own_rows, public;
SET datestyle = german;
\pset null (null)
SELECT create_catalogue();
CREATE VIEW counts AS
SELECT source, received, inserted, updated, unchanged, duplicate, rejected,
       received = inserted + updated + unchanged + duplicate + rejected AS adds_up
FROM last_load();

-- A literal, a parameter without a type, a named argument and NULL are text, as ever; json costs nothing against it.
\set d '[{"id":"Category:A","type":"1"}]'
SELECT load_composers(:'d'), load_composers(document => :'d'), load_composers(data => :'d'), load_composers(:'d'::json), load_composers(:'d'::jsonb), load_composers(:'d'::text);
SELECT load_composers(document => :'d'::json, on_conflict => 'skip'), load_composers(NULL), load_composers(NULL::json) IS NULL AS of_null;
SELECT load_works('[]'), load_works('[]'::json), load_works(NULL::json, create_composers => true) IS NULL AS of_null;
PREPARE load AS SELECT load_composers($1), load_works($2), load_records('composers', $3), load_composers(document => $4), load_composers(data => $5);
SELECT parameter_types FROM pg_prepared_statements WHERE name = 'load';
PREPARE load_json(json) AS SELECT load_composers($1);
EXECUTE load_json('[{"id":"Category:B","type":"1"}]');
SELECT load_composers(json_agg(json_build_object('id', 'Category:C' || n, 'type', 1))) FROM generate_series(1, 3) n;
SELECT load_records('composers', '[{"composer_id":"R","last_name":"R","complete_name":"R"}]'::json);
SELECT load_records('composers', '{"a":[{"composer_id":"R","last_name":"R","complete_name":"R"}]}'::json, '{"records":"$.a[*]"}');
SELECT load_composers('[{"id":"Category:A","type":"1"},{"id":7}]'::json);
SELECT load_composers('[{"id":"Category:A","type":"1","x":"\u0000"}]'::json);

-- Values that no source's document has: nothing of them is transformed.
TRUNCATE composers CASCADE;
INSERT INTO composers VALUES
    ('Alder,_Ann', 'Alder', 'Ann', 'Ann Alder', '1735-02-28', '0044-03-15 BC', ' two  blanks ', '', true, false, 11, 'https://x.org/"a"\b'),
    ('Birch', 'Birch', NULL, 'Birch', '-infinity', 'infinity', NULL, NULL, NULL, NULL, NULL, NULL),
    ('null', 'Dvořák', E'a\tb\n', E'\U0001D11E', '12000-01-01', NULL, 'null', '0', false, true, 0, '');
INSERT INTO works VALUES
    ('00000000-0000-0000-0000-000000000001', 'Alder,_Ann', ' one ', '', NULL, 'I 1', '{}', true, NULL, 9223372036854775807, -1, ''),
    ('00000000-0000-0000-0000-000000000002', 'Alder,_Ann', 'two', NULL, 'g', NULL, '{a," b,c",NULL,"",null,"\"x\""}', NULL, false, 0, NULL, NULL),
    ('00000000-0000-0000-0000-000000000003', 'Birch', E'three\n', NULL, NULL, NULL, '{{a,b},{c,d}}', NULL, NULL, NULL, NULL, NULL),
    ('00000000-0000-0000-0000-000000000004', 'Birch', 'four', NULL, NULL, NULL, '[3:4]={x,y}', NULL, NULL, NULL, NULL, NULL);
CREATE TABLE composers_before AS TABLE composers;
CREATE TABLE works_before AS TABLE works;
CREATE TABLE documents AS SELECT
    (SELECT json_agg(c) FROM composers c) AS composers, (SELECT jsonb_agg(c) FROM composers c) AS composers_b,
    (SELECT string_agg(row_to_json(c)::text, E'\n') FROM composers c) AS composers_lines,
    (SELECT json_agg(w) FROM works w) AS works, (SELECT jsonb_agg(w) FROM works w) AS works_b,
    (SELECT string_agg(row_to_json(w)::text, E'\n') FROM works w) AS works_lines;
CREATE FUNCTION differences() RETURNS TABLE (difference text) LANGUAGE sql AS $$
    SELECT '+ ' || c FROM (TABLE composers EXCEPT ALL TABLE composers_before) c
    UNION ALL SELECT '- ' || c FROM (TABLE composers_before EXCEPT ALL TABLE composers) c
    UNION ALL SELECT '+ ' || w FROM (TABLE works EXCEPT ALL TABLE works_before) w
    UNION ALL SELECT '- ' || w FROM (TABLE works_before EXCEPT ALL TABLE works) w $$;

-- Over the full tables nothing changes, but the bounds of an array, which JSON has not.
SELECT load_composers((SELECT json_agg(c) FROM composers c));
TABLE counts;
SELECT load_works((SELECT json_agg(w) FROM works w));
TABLE counts;
SELECT load_composers(composers_b), load_composers(composers_lines), load_works(works_b), load_works(works_lines) FROM documents;

-- Into emptied ones all is as it was, but for these.
TRUNCATE composers CASCADE;
SELECT load_composers(composers), load_works(works) FROM documents;
TABLE counts;
SELECT * FROM differences();
TRUNCATE composers CASCADE;
SELECT load_composers(composers_b), load_works(works_b) FROM documents;
SELECT * FROM differences();
TRUNCATE composers CASCADE;
SELECT load_composers(composers_lines), load_works(works_lines) FROM documents;
SELECT * FROM differences();
TRUNCATE composers CASCADE;
SELECT load_composers(composers, on_conflict => 'error'), load_works(works, on_conflict => 'error', create_composers => true) FROM documents;
SELECT load_works(works, on_conflict => 'skip') FROM documents;
TABLE counts;
SELECT load_works(works, on_conflict => 'error') FROM documents;
\echo :SQLSTATE

-- A null says nothing, as in any document of a source.
UPDATE composers SET epoch = 'Baroque' WHERE last_name = 'Birch';
SELECT load_composers(composers) FROM documents;
TABLE counts;
SELECT load_composers('[{"composer_id":"Birch","last_name":"Birch","complete_name":"Birch","death":"1900-01-01"}]');
SELECT composer_id, death, epoch FROM composers WHERE last_name = 'Birch';

-- Another id is another person, here too.
SELECT load_composers('[{"composer_id":"Alder,_Ann","last_name":"Alder","complete_name":"Ann Alder","openopus_id":12}]', on_error => 'ignore');
SELECT ordinal, path, sqlstate, reason FROM rejected_records;

-- Rows that are none: what a column must have, an unknown composer, values of no type.
TRUNCATE rejected_records;
SELECT load_composers('[{"composer_id":"X","last_name":"X"}]');
\echo :SQLSTATE
SELECT load_composers('[{"composer_id":"X","last_name":"X","complete_name":null}]'::jsonb);
SELECT load_works('[{"work_id":"00000000-0000-0000-0000-000000000009","composer_id":"Nobody","title":"T"}]', create_composers => true);
\echo :SQLSTATE
SELECT load_composers('[{"composer_id":"X","last_name":"X","complete_name":"X","birth":"1685-13-45"},
 {"composer_id":"Y","last_name":"Y","complete_name":"Y","birth":"01.02.1700","popular":"yes","openopus_id":"7"},
 7, {"id":"Category:Z","type":"1"}, {"composer_id":"Y","last_name":"Y","complete_name":"Y","birth":"x"},
 {"composer_id":5,"last_name":"W","complete_name":["W"]}]', on_error => 'ignore');
TABLE counts;
SELECT ordinal, path, sqlstate, reason FROM rejected_records ORDER BY ordinal;
SELECT composer_id, complete_name, birth, popular, openopus_id FROM composers WHERE composer_id IN ('X', 'Y', '5') ORDER BY 1;

-- Rows of the other table say so.
SELECT load_composers(works) FROM documents;
\echo :SQLSTATE
SELECT load_works(composers_b) FROM documents;
SELECT load_works(composers_lines) FROM documents;

-- Arrays one behind another, and a single row.
SELECT load_composers(composers::text || composers::text) FROM documents;
TABLE counts;
SELECT load_works(row_to_json(w)) FROM works w LIMIT 1;

-- Tables with more columns of the owner's, whatever they are called: those are left alone.
ALTER TABLE composers ADD type text DEFAULT '1', ADD intvals jsonb DEFAULT '[]', ADD name text, ADD id serial;
ALTER TABLE works ADD composers text[] DEFAULT '{}', ADD intvals jsonb DEFAULT '{}', ADD shelf text NOT NULL DEFAULT 'new';
UPDATE works SET shelf = 'A';
SELECT load_composers((SELECT json_agg(c) FROM composers c)), load_works((SELECT jsonb_agg(w) FROM works w));
TABLE counts;
CREATE TABLE kept AS SELECT (SELECT json_agg(c) FROM composers c) AS composers, (SELECT json_agg(w) FROM works w) AS works;
TRUNCATE composers CASCADE;
SELECT load_composers(composers), load_works(works) FROM kept;
SELECT count(*), count(DISTINCT shelf), min(shelf) FROM works;
-- load_records() takes those too.
SELECT load_records('works', works) FROM kept;
SELECT count(*), count(DISTINCT shelf), min(shelf) FROM works;

-- Fewer columns, and a mapping of fields to other names.
CREATE SCHEMA fewer;
CREATE TABLE fewer.composers (composer_id text COLLATE "C" PRIMARY KEY, last_name text NOT NULL, birth date);
SET search_path = fewer, own_rows, public;
SELECT load_composers((SELECT json_agg(c) FROM own_rows.composers_before c));
TABLE fewer.composers ORDER BY 1;
SELECT load_composers((SELECT json_agg(c) FROM fewer.composers c));
CREATE TABLE fewer.people (key text COLLATE "C" PRIMARY KEY, born date);
SELECT load_records('people', composers, '{"fields_of":"composers","columns":{"key":"composer_id","born":"birth"}}') FROM own_rows.documents;
TABLE fewer.people ORDER BY 1;
SET search_path = own_rows, public;

-- Many, in bulk: the values, and the parents, which are proved as a set.
TRUNCATE composers CASCADE;
INSERT INTO composers (composer_id, last_name, complete_name, birth, openopus_id) SELECT 'C' || n, 'C' || n, 'Ć' || n, date '1600-01-01' + n, n FROM generate_series(1, 2000) n;
INSERT INTO works (work_id, composer_id, title, search_terms, shelf) SELECT md5(n::text)::uuid, 'C' || n % 2000 + 1, ' T ' || n, ARRAY['a', n::text], 'new' FROM generate_series(1, 6000) n;
DROP TABLE composers_before, works_before, kept;
CREATE TABLE composers_before AS TABLE composers;
CREATE TABLE works_before AS TABLE works;
CREATE TABLE kept AS SELECT (SELECT json_agg(c) FROM composers c) AS composers, (SELECT jsonb_agg(w) FROM works w) AS works;
SELECT load_composers(composers), load_works(works) FROM kept;
TRUNCATE composers CASCADE;
ALTER TABLE composers ALTER id DROP DEFAULT, ALTER id DROP NOT NULL;
UPDATE composers_before SET id = NULL;
SELECT load_composers(composers) FROM kept;
SELECT write_method FROM last_load();
SELECT load_works(works) FROM kept;
SELECT write_method, foreign_key_check FROM last_load();
SELECT count(*) FROM (TABLE composers EXCEPT ALL TABLE composers_before) c;
SELECT count(*) FROM (SELECT work_id, composer_id, title, search_terms FROM works EXCEPT ALL SELECT work_id, composer_id, title, search_terms FROM works_before) c;

-- In parallel sessions.
TRUNCATE works;
SELECT works AS document FROM kept \gset
SELECT load_works(:'document', workers => 2);
SELECT sessions FROM last_load();
SELECT count(*) FROM (SELECT work_id, composer_id, title, search_terms FROM works EXCEPT ALL SELECT work_id, composer_id, title, search_terms FROM works_before) c;
