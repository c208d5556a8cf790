-- Two things with one key: a row about another composer or work, by the ids of the source, is never changed.
CREATE SCHEMA another;
SET search_path = another, public;
SET datestyle = iso;
\pset null (null)
SELECT create_catalogue();
CREATE VIEW counts AS
SELECT received, inserted, updated, unchanged, duplicate, rejected,
       received = inserted + updated + unchanged + duplicate + rejected AS adds_up
FROM last_load();
CREATE VIEW rejects AS SELECT ordinal, path, sqlstate, reason FROM rejected_records ORDER BY loaded_at, ordinal;
CREATE VIEW rows AS SELECT composer_id, openopus_id, birth, death FROM composers ORDER BY composer_id;

-- Two in one list: the first one is the composer of that name, under every policy.
\set both '{"composers":[{"id":"11","name":"Alder","complete_name":"Ann Alder","birth":"1735","death":"1782"},{"id":"12","name":"Alder","complete_name":"Ann Alder","birth":"1947"}]}'
SELECT load_composers(:'both');
\echo :SQLSTATE
TABLE rows;
SELECT load_composers(:'both', on_error => 'ignore');
TABLE counts;
TABLE rows;
TABLE rejects;
SELECT record ->> 'id' AS id FROM rejected_records;
TRUNCATE composers CASCADE;
SELECT load_composers(:'both', on_conflict => 'skip', on_error => 'ignore');
TABLE counts;
TRUNCATE composers CASCADE;
SELECT load_composers(:'both', on_conflict => 'error', on_error => 'ignore');
TABLE counts;
TABLE rejects;

-- Two loads. A few records into a table that the session has loaded before go the quick way, and so does what follows.
TRUNCATE composers, rejected_records CASCADE;
\set first '{"composers":[{"id":"11","name":"Alder","complete_name":"Ann Alder","death":"1782"},{"id":"20","name":"Birch","complete_name":"Bo Birch"}]}'
\set second '{"composers":[{"id":"20","name":"Birch","complete_name":"Bo Birch","birth":"1800"},{"id":"12","name":"Alder","complete_name":"Ann Alder","birth":"1947"}]}'
SELECT load_composers(:'first');
SELECT load_composers(:'second');
\echo :SQLSTATE
SELECT load_composers(:'second', on_conflict => 'skip');
\echo :SQLSTATE
SELECT load_composers(:'second', on_conflict => 'error');
\echo :SQLSTATE
TABLE rows;
SELECT load_composers(:'second', on_conflict => 'skip', on_error => 'ignore');
TABLE counts;
SELECT load_composers(:'second', on_error => 'ignore');
TABLE counts;
SELECT load_composers(:'second'::jsonb, on_error => 'ignore');
TABLE counts;
TABLE rows;
TABLE rejects;
SELECT load_composers(:'second', on_error => 'ignore', reject_limit => 0);
\echo :SQLSTATE

-- No id beside a known one: they are one, whichever comes first.
TRUNCATE composers, rejected_records CASCADE;
SELECT load_composers('{"composers":[{"name":"Alder","complete_name":"Ann Alder","birth":"1735"}]}');
SELECT load_composers('{"composers":[{"id":"11","name":"Alder","complete_name":"Ann Alder"}]}');
SELECT load_composers('{"composers":[{"name":"Alder","complete_name":"Ann Alder","death":"1782"}]}');
SELECT load_composers('[{"id":"Category:Alder, Ann","type":"1","permlink":"https://x"}]');
TABLE rows;

-- The row has no id yet, and two records of the document have different ones: the first one it is.
UPDATE composers SET openopus_id = NULL;
SELECT load_composers(:'both', on_error => 'ignore');
TABLE counts;
TABLE rows;
TABLE rejects;

-- The row that is there decides who of several is another, not the records before.
UPDATE composers SET openopus_id = 12, birth = NULL, death = NULL;
TRUNCATE rejected_records;
SELECT load_composers(:'both');
\echo :SQLSTATE
SELECT load_composers(:'both', on_error => 'ignore');
TABLE counts;
SELECT load_composers('{"composers":[{"id":"11","name":"Alder","complete_name":"Ann Alder"},{"name":"Alder","complete_name":"Ann Alder","epoch":"Romantic"},{"id":"13","name":"Alder","complete_name":"Ann Alder"},{"id":"12","name":"Alder","complete_name":"Ann Alder","death":"2020"}]}',
    on_error => 'ignore');
TABLE counts;
TABLE rows;
TABLE rejects;

-- A record of another that the database refuses too decides nothing: the next one of that key has its turn.
TRUNCATE composers, rejected_records CASCADE;
ALTER TABLE composers ADD CHECK (birth > '1700-01-01');
SELECT load_composers('{"composers":[{"id":"11","name":"Alder","complete_name":"Ann Alder","birth":"1635"},{"id":"12","name":"Alder","complete_name":"Ann Alder","birth":"1947"}]}',
    on_error => 'ignore');
TABLE counts;
TABLE rows;
TABLE rejects;

-- Works. Their keys are made of the ids, so rows of other ids are somebody's own doing. Page id 0 is no page id.
SELECT load_works('[{"intvals":{"composer":"Alder, Ann","worktitle":"one","pageid":"1"}},{"intvals":{"composer":"Alder, Ann","worktitle":"two","pageid":"2"}},{"intvals":{"composer":"Alder, Ann","worktitle":"three"},"id":"three"},{"intvals":{"composer":"Alder, Ann","worktitle":"four","pageid":0},"id":"four"},{"intvals":{"composer":"Alder, Ann","worktitle":"five","pageid":"0"},"id":"five"}]');
SELECT title, imslp_id FROM works ORDER BY title;
UPDATE works SET imslp_id = 5000000000 WHERE title IN ('one', 'three');
UPDATE works SET openopus_id = 7 WHERE title = 'two';
\set again '[{"intvals":{"composer":"Alder, Ann","worktitle":"ONE","pageid":"1"}},{"intvals":{"composer":"Alder, Ann","worktitle":"TWO","pageid":"2"}},{"intvals":{"composer":"Alder, Ann","worktitle":"THREE"},"id":"three"}]'
SELECT load_works(:'again');
\echo :SQLSTATE
TRUNCATE rejected_records;
SELECT load_works(:'again', on_error => 'ignore');
TABLE counts;
SELECT title, imslp_id, openopus_id FROM works ORDER BY title;
TABLE rejects;

-- Many rows, and two sessions.
TRUNCATE composers, rejected_records CASCADE;
CREATE FUNCTION list(ids text) RETURNS text LANGUAGE sql AS
$$ SELECT jsonb_build_object('composers', jsonb_agg(jsonb_build_object('id', replace(ids, 'n', n::text), 'name', 'N' || n, 'complete_name', 'N' || n, 'death', 1800 + n % 200)))::text
   FROM generate_series(1, 3000) n $$;
SELECT load_composers(list('n'));
UPDATE composers SET openopus_id = 5 WHERE composer_id IN ('N700', 'N2100');
SET pg_opus.min_parallel_rows = 0;
SELECT load_composers(replace(list('n'), '"death": 1', '"death": 2'), on_error => 'ignore', workers => 2);
TABLE counts;
SELECT sessions FROM last_load();
TABLE rejects;
SELECT load_composers(list('n'), workers => 2);
\echo :SQLSTATE
SELECT load_composers(list('n'));
\echo :SQLSTATE
SELECT load_composers(list('n'), on_conflict => 'skip', on_error => 'ignore', workers => 2);
TABLE counts;

-- Row security: a row that the caller does not see is not changed either, and its record not lost.
CREATE ROLE another_user;
GRANT USAGE ON SCHEMA another TO another_user;
GRANT SELECT, INSERT, UPDATE ON composers, rejected_records, counts TO another_user;
ALTER TABLE composers ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON composers TO another_user USING (epoch IS DISTINCT FROM 'hidden') WITH CHECK (true);
TRUNCATE composers, rejected_records CASCADE;
INSERT INTO composers (composer_id, last_name, complete_name, openopus_id, epoch) VALUES ('Hidden', 'Hidden', 'Hidden', 1, 'hidden'), ('Seen', 'Seen', 'Seen', 2, NULL);
\set hidden '{"composers":[{"id":"7","name":"Hidden","complete_name":"Hidden"},{"id":"8","name":"Seen","complete_name":"Seen"},{"id":"9","name":"New","complete_name":"New"}]}'
SET ROLE another_user;
SELECT load_composers(:'hidden', on_error => 'ignore');
SELECT ordinal, sqlstate, reason FROM rejected_records ORDER BY loaded_at, ordinal;
SELECT load_composers(:'hidden', on_error => 'ignore');
SELECT ordinal, sqlstate FROM rejected_records ORDER BY loaded_at, ordinal;
\set VERBOSITY terse
SELECT load_composers(:'hidden');
\echo :SQLSTATE
\set VERBOSITY default
SELECT load_composers(:'hidden', on_conflict => 'skip', on_error => 'ignore');
TABLE counts;
RESET ROLE;
SELECT composer_id, openopus_id FROM composers ORDER BY composer_id;
DROP OWNED BY another_user;
DROP ROLE another_user;

-- Composers that works name are made with their ids.
ALTER TABLE composers DISABLE ROW LEVEL SECURITY;
TRUNCATE composers, rejected_records CASCADE;
\set works '{"composer":{"id":"11","name":"Alder","complete_name":"Ann Alder","birth":"1735"},"works":[{"id":"1","title":"One"}]}'
SELECT load_works(:'works', create_composers => true);
SELECT load_composers(:'both', on_error => 'ignore');
TABLE rows;
TABLE rejects;

-- 0 is no id of Open Opus, and so no other one than 5.
TRUNCATE composers, rejected_records CASCADE;
SELECT load_composers('{"composers":[{"id":"0","name":"X","complete_name":"X"},{"id":5,"name":"X","complete_name":"X","birth":"1900"}]}');
TABLE counts;
SELECT composer_id, birth, openopus_id FROM composers;

-- load_records() by fields, into columns of other names: the same rule. An id that is kept as text tells nobody apart.
CREATE TABLE people (key text COLLATE "C" PRIMARY KEY, born date, number bigint);
CREATE TABLE texts (key text COLLATE "C" PRIMARY KEY, born date, number text);
\set mapping '{"fields_of":"composers","columns":{"key":"composer_id","born":"birth","number":"openopus_id"}}'
SELECT load_records('people', :'both', :'mapping', on_error => 'ignore'), load_records('texts', :'both', :'mapping', on_error => 'ignore');
SELECT load_records('people', :'second', :'mapping', on_error => 'ignore');
TABLE counts;
TABLE rejects;
TABLE people ORDER BY key;
TABLE texts ORDER BY key;

-- Works of a composer whose name another one has: the document tells the id of the composer, of the list or in each work.
TRUNCATE composers, rejected_records CASCADE;
CREATE VIEW written AS SELECT w.openopus_id, w.title, c.openopus_id AS composer, w.composer_id FROM works w LEFT JOIN composers c USING (composer_id) ORDER BY 1;
SELECT load_composers('{"composers":[{"id":"11","name":"Alder","complete_name":"Ann Alder"},{"name":"Birch","complete_name":"Bo Birch"}]}');
\set of_first '{"composer":{"id":"11","name":"Alder","complete_name":"Ann Alder"},"works":[{"id":"1","title":"One"}]}'
\set of_second '{"composer":{"id":"12","name":"Alder","complete_name":"Ann Alder"},"works":[{"id":"2","title":"Two"},{"id":"3","title":"Three"}]}'
\set of_many '{"works":[{"id":"4","title":"Four","composer":{"id":"12","name":"Alder","complete_name":"Ann Alder"}},{"id":"5","title":"Five","composer":{"id":"11","name":"Alder","complete_name":"Ann Alder"}},{"id":"6","title":"Six","composer":{"name":"Alder","complete_name":"Ann Alder"}}]}'
SELECT load_works(:'of_first');
SELECT load_works(:'of_first');
SELECT load_works(:'of_second');
\echo :SQLSTATE
SELECT load_works(:'of_second', create_composers => true);
\echo :SQLSTATE
SELECT load_works(:'of_second', on_conflict => 'skip');
\echo :SQLSTATE
SELECT load_works(:'of_second', on_error => 'ignore');
TABLE counts;
SELECT load_works(:'of_second', on_error => 'ignore', reject_limit => 1);
\echo :SQLSTATE
SELECT load_works(:'of_many');
\echo :SQLSTATE
SELECT load_works(:'of_many'::jsonb, on_error => 'ignore');
TABLE counts;
SELECT load_records('works', :'of_many', '{"fields_of":"works"}', on_error => 'ignore');
TABLE counts;
TABLE written;
TABLE rejects;
-- What is wrong with the composer beside the id is no matter of the works.
SELECT load_works('{"composer":{"id":"12","name":"Alder","complete_name":"Ann Alder","birth":"never"},"works":[{"id":"2","title":"Two"}]}');
\echo :SQLSTATE
-- A work that is there goes to no other composer either.
SELECT load_works('{"composer":{"id":"12","name":"Alder","complete_name":"Ann Alder"},"works":[{"id":"1","title":"ONE"}]}');
\echo :SQLSTATE
-- A record that is refused does not decide between those of one key.
TRUNCATE works, rejected_records;
SELECT load_works('{"works":[{"id":"1","title":"good","composer":{"id":"11","name":"Alder","complete_name":"Ann Alder"}},{"id":"1","title":"refused","composer":{"id":"12","name":"Alder","complete_name":"Ann Alder"}}]}', on_error => 'ignore');
TABLE counts;
TABLE written;

-- Of a composer whose id is not known, or who is made on the way, the first work that tells an id decides.
TRUNCATE works, rejected_records;
\set of_both '{"works":[{"id":"1","title":"One","composer":{"name":"NAME","complete_name":"NAME"}},{"id":"2","title":"Two","composer":{"id":"21","name":"NAME","complete_name":"NAME"}},{"id":"3","title":"Three","composer":{"id":"22","name":"NAME","complete_name":"NAME"}}]}'
SELECT load_works(replace(:'of_both', '"name":"NAME","complete_name":"NAME"', '"name":"Birch","complete_name":"Bo Birch"'), on_error => 'ignore');
TABLE counts;
TABLE written;
TABLE rejects;
TRUNCATE works, rejected_records;
SELECT load_works(replace(:'of_both', 'NAME', 'New'), create_composers => true, on_error => 'ignore');
TABLE counts;
TABLE written;
TABLE rejects;

-- In two sessions, and in bulk.
TRUNCATE composers, rejected_records CASCADE;
SELECT load_composers(list('n'));
CREATE FUNCTION works_of(id text) RETURNS text LANGUAGE sql AS
$$ SELECT jsonb_build_object('works', jsonb_agg(jsonb_build_object('id', n, 'title', 'T' || n, 'composer', jsonb_build_object('id', replace(id, 'n', n::text), 'name', 'N' || n, 'complete_name', 'N' || n))))::text
   FROM generate_series(1, 3000) n $$;
UPDATE composers SET openopus_id = 5 WHERE composer_id IN ('N700', 'N2100');
SELECT load_works(works_of('n'), on_error => 'ignore', workers => 2);
TABLE counts;
SELECT ordinal, path, sqlstate, reason FROM rejected_records ORDER BY ordinal;
TRUNCATE works;
SELECT load_works(works_of('n'), on_error => 'ignore');
TABLE counts;
SELECT load_works(works_of('n'), workers => 2);
\echo :SQLSTATE

-- Who may not read the ids of composers is not told them.
TRUNCATE composers, rejected_records CASCADE;
SELECT load_composers('{"composers":[{"id":"11","name":"Alder","complete_name":"Ann Alder"}]}');
CREATE ROLE another_user;
GRANT USAGE ON SCHEMA another TO another_user;
GRANT SELECT, INSERT, UPDATE ON works TO another_user;
SET ROLE another_user;
SELECT load_works(:'of_second');
\echo :SQLSTATE
RESET ROLE;
DROP OWNED BY another_user;
DROP ROLE another_user;
-- A table of composers without ids tells nobody apart.
ALTER TABLE composers DROP COLUMN openopus_id CASCADE;
SELECT load_works(:'of_second');
TABLE counts;
