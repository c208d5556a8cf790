-- What becomes of a record whose key the table has: on_conflict update, skip and error, and the counts of each.
CREATE SCHEMA conflict;
SET search_path = conflict, public;
SET datestyle = iso;
\pset null (null)
SELECT create_catalogue();
CREATE VIEW counts AS
SELECT received, inserted, updated, unchanged, duplicate, rejected,
       received = inserted + updated + unchanged + duplicate + rejected AS adds_up
FROM last_load();

-- The same document again writes nothing: rows and their versions stay where they are.
\set d '{"composers":[{"id":1,"name":"A","complete_name":"X A","birth":"1685","popular":"1","epoch":"Baroque"},{"id":2,"name":"B","complete_name":"B","birth":"1700"},{"id":3,"name":"C","complete_name":"C"}]}'
SELECT load_composers(:'d');
TABLE counts;
CREATE TABLE before AS SELECT composer_id, ctid AS place, xmin AS version FROM composers;
SELECT load_composers(:'d');
TABLE counts;
SELECT load_composers(:'d', on_conflict => 'skip'), load_composers(:'d'::jsonb);
SELECT count(*), bool_and(c.ctid = place AND c.xmin = version) AS untouched FROM composers c JOIN before USING (composer_id);

-- update: what the record has is written, what it has not stays, and only rows that differ are touched.
\set changed '{"composers":[{"name":"A","complete_name":"X A","birth":null,"death":"1750","popular":"0","epoch":" "},{"name":"B","complete_name":"B"},{"name":"D","complete_name":"D"}]}'
SELECT load_composers(:'changed');
TABLE counts;
SELECT composer_id, birth, death, popular, epoch, openopus_id FROM composers ORDER BY composer_id;
SELECT composer_id, c.ctid = place AND c.xmin = version AS untouched
FROM composers c JOIN before USING (composer_id) ORDER BY composer_id;

-- skip: what is there stays.
SELECT load_composers('{"composers":[{"name":"A","complete_name":"X A","birth":"1999"},{"name":"E","complete_name":"E"}]}',
    on_conflict => 'skip');
TABLE counts;
SELECT composer_id, birth FROM composers WHERE composer_id IN ('A,_X', 'E') ORDER BY composer_id;

-- error: a key that is there is an error that names the record; nothing is written.
SELECT load_composers('{"composers":[{"name":"F","complete_name":"F"},{"name":"A","complete_name":"X A"}]}',
    on_conflict => 'error');
\echo :SQLSTATE
SELECT load_composers('{"composers":[{"name":"F","complete_name":"F"},{"name":"G","complete_name":"G"}]}',
    on_conflict => 'error');
TABLE counts;

-- The same key twice in one document, when the table has it: the last one counts, or the first, or it is an error.
\set twice '{"composers":[{"name":"A","complete_name":"X A","birth":"1601"},{"name":"H","complete_name":"H","birth":"1601"},{"name":"A","complete_name":"X A","birth":"1602"},{"name":"H","complete_name":"H"}]}'
BEGIN;
SELECT load_composers(:'twice');
TABLE counts;
SELECT composer_id, birth FROM composers WHERE composer_id IN ('A,_X', 'H') ORDER BY 1;
ROLLBACK;
BEGIN;
SELECT load_composers(:'twice', on_conflict => 'skip');
TABLE counts;
SELECT composer_id, birth FROM composers WHERE composer_id IN ('A,_X', 'H') ORDER BY 1;
ROLLBACK;
SELECT load_composers(:'twice', on_conflict => 'error');
\echo :SQLSTATE

-- Works: a changed title updates one row; a work may go to another composer.
\set d '[{"intvals":{"composer":"B","worktitle":"one","pageid":1,"icatno":"I 1"}},{"intvals":{"composer":"B","worktitle":"two","pageid":2}},{"intvals":{"composer":"C","worktitle":"three","pageid":3}}]'
SELECT load_works(:'d');
TABLE counts;
SELECT load_works(:'d'), load_works(:'d'::jsonb);
\set changed '[{"intvals":{"composer":"B","worktitle":"one","pageid":1}},{"intvals":{"composer":"B","worktitle":"TWO","pageid":2}},{"intvals":{"composer":"D","worktitle":"three","pageid":3}},{"intvals":{"composer":"D","worktitle":"four","pageid":4}}]'
SELECT load_works(:'changed');
TABLE counts;
SELECT imslp_id, title, composer_id, catalogue_number FROM works ORDER BY imslp_id;
SELECT load_works(:'d', on_conflict => 'skip');
TABLE counts;
SELECT load_works(:'d', on_conflict => 'error');
\echo :SQLSTATE

-- Columns of the owner's stay as they are.
ALTER TABLE works ADD shelf text DEFAULT 'new';
UPDATE works SET shelf = 'A 1' WHERE imslp_id = 2;
SELECT load_works(:'d');
SELECT imslp_id, title, shelf FROM works ORDER BY imslp_id;

-- Large enough for several batches: 12,000 rows, of which every third is there and every sixth differs.
TRUNCATE works;
CREATE FUNCTION works_of(numbers int[], title text) RETURNS text LANGUAGE sql AS
$$ SELECT jsonb_agg(jsonb_build_object('intvals', jsonb_build_object('composer', 'B', 'worktitle', title || CASE n % 6 WHEN 0 THEN ' ' || title ELSE '' END, 'pageid', 12000 + n)))::text
   FROM unnest(numbers) n $$;
CREATE FUNCTION every(step int) RETURNS int[] LANGUAGE sql AS $$ SELECT array_agg(n) FROM generate_series(0, 11999, step) n $$;
SELECT load_works(works_of(every(3), 'T'));
UPDATE works SET title = 'other' WHERE imslp_id % 6 = 0;
BEGIN;
SELECT load_works(works_of(every(1), 'T'));
TABLE counts;
SELECT count(*) FILTER (WHERE title = 'other') AS other, count(*) FROM works;
ROLLBACK;
SELECT load_works(works_of(every(1), 'T'), on_conflict => 'skip');
TABLE counts;
SELECT count(*) FILTER (WHERE title = 'other') AS other, count(*) FROM works;
