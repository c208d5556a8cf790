-- create_composers => true makes the composers whom nobody knows from the name on the work.
CREATE SCHEMA create_composers;
SET search_path = create_composers, public;
\pset null (null)
SELECT create_catalogue();
CREATE VIEW counts AS
SELECT received, inserted, updated, unchanged, duplicate, rejected,
       received = inserted + updated + unchanged + duplicate + rejected AS adds_up
FROM last_load();
SELECT load_composers('[{"id":"Category:Known, A.","permlink":"kept"}]');

-- The result and the counts are of works; composers who are there stay as they are.
\set d '[{"intvals":{"composer":"Ferrari, Carlotta","worktitle":"a","pageid":1}},{"intvals":{"composer":"Ferrari,  Carlotta","worktitle":"b","pageid":2}},{"intvals":{"composer":"Burr, Willard, Jr.","worktitle":"c","pageid":3}},{"intvals":{"composer":"Known, A.","worktitle":"d","pageid":4}},{"parent":"Category:Anonymous","intvals":{"worktitle":"e","pageid":5}}]'
SELECT load_works(:'d');
\echo :SQLSTATE
SELECT load_works(:'d', create_composers => true);
TABLE counts;
SELECT composer_id, last_name, first_name, complete_name, permlink FROM composers ORDER BY composer_id;
SELECT load_works(:'d', create_composers => true);
TABLE counts;

-- Of works that name one composer, the first that tells an id tells of the composer.
TRUNCATE composers, works;
SELECT load_works('{"works":[{"composer":{"name":"Alder","complete_name":"Ann Alder"},"id":"7","title":"a"},{"composer":{"id":"3","name":"Alder","complete_name":"Ann Alder","birth":"1900-01-01"},"id":"8","title":"b"},{"composer":{"id":"3","name":"Alder","complete_name":"Ann Alder"},"id":"9","title":"c"}]}', create_composers => true);
SELECT composer_id, openopus_id, birth FROM composers;

-- Open Opus gives more than a key: the names are those on the work.
TRUNCATE composers, works;
SELECT load_works('{"composer":{"id":"1","name":"Bach, C.P.E.","complete_name":"Carl Philipp Emanuel Bach"},"works":[{"id":1,"title":"a"}]}', create_composers => true);
SELECT load_works('{"composers":[{"name":"Janacek","complete_name":"Leoš Janáček","works":[{"title":"a"}]},
    {"name":"Hildegard von Bingen","complete_name":"Hildegard von Bingen","works":[{"title":"a"}]},
    {"name":"Under_score","complete_name":"An Under_score","works":[{"title":"a"}]},
    {"name":"Nobody","complete_name":"Somebody Else","works":[{"title":"a"}]}]}'::jsonb, create_composers => true);
SELECT composer_id, last_name, first_name, complete_name FROM composers ORDER BY composer_id;
-- So that a load of the composers themselves changes no name.
SELECT load_composers('{"composers":[{"name":"Bach, C.P.E.","complete_name":"Carl Philipp Emanuel Bach"},
    {"name":"Janacek","complete_name":"Leoš Janáček"}, {"name":"Hildegard von Bingen","complete_name":"Hildegard von Bingen"},
    {"name":"Under_score","complete_name":"An Under_score"}, {"name":"Nobody","complete_name":"Somebody Else"}]}');
SELECT composer_id, last_name, first_name, complete_name FROM composers ORDER BY composer_id;
-- A name that begins or ends with what stands for a space in keys.
SELECT load_works('[{"intvals":{"composer":"A_ , B","worktitle":"a","pageid":1}}]', create_composers => true);
SELECT composer_id FROM composers WHERE composer_id LIKE 'A%';

-- The owner refuses a composer: the lowest of the works is told, whatever the order of their keys, or all of them are
-- set aside.
TRUNCATE composers, works;
ALTER TABLE composers ADD CONSTRAINT wanted CHECK (last_name NOT LIKE 'Un%');
\set d '[{"intvals":{"composer":"Fine","worktitle":"a","pageid":1}},{"intvals":{"composer":"Unwanted, A.","worktitle":"b","pageid":36}},{"intvals":{"composer":"Unwanted, A.","worktitle":"c","pageid":54}},{"intvals":{"composer":"Unwanted, A.","worktitle":"d","pageid":45}},{"intvals":{"composer":"Unasked","worktitle":"e","pageid":5}},{"intvals":{"composer":"Fine","worktitle":"f","pageid":6}}]'
SELECT load_works(:'d', create_composers => true);
\echo :SQLSTATE
SELECT count(*) FROM composers;
SELECT load_works(:'d', create_composers => true, on_error => 'ignore');
TABLE counts;
SELECT ordinal, path, sqlstate, reason FROM rejected_records ORDER BY ordinal;
SELECT composer_id FROM composers;
SELECT load_works(:'d', create_composers => true, on_error => 'ignore', reject_limit => 3);
\echo :SQLSTATE
ALTER TABLE composers DROP CONSTRAINT wanted;

-- Row security refuses a composer to a caller who may add others.
TRUNCATE composers, works, rejected_records;
CREATE ROLE regress_golden_editor;
GRANT USAGE ON SCHEMA create_composers TO regress_golden_editor;
GRANT SELECT, INSERT, UPDATE ON composers, works, rejected_records TO regress_golden_editor;
ALTER TABLE composers ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON composers FOR SELECT USING (true);
CREATE POLICY written ON composers FOR INSERT WITH CHECK (last_name NOT LIKE 'Un%');
SET ROLE regress_golden_editor;
SELECT load_works(:'d', create_composers => true);
\echo :SQLSTATE
SELECT load_works(:'d', create_composers => true, on_error => 'ignore');
SELECT received, inserted, rejected FROM last_load();
SELECT ordinal, sqlstate, reason FROM rejected_records ORDER BY ordinal;
RESET ROLE;
SELECT composer_id FROM composers;
DROP OWNED BY regress_golden_editor;
DROP ROLE regress_golden_editor;
