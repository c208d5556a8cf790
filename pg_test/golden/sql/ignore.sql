-- on_error => 'ignore' sets bad records aside: each is in rejected_records with its place, path, SQLSTATE, reason and
-- itself, the others are loaded, and the counts add up.
CREATE SCHEMA ignore;
SET search_path = ignore, public;
SELECT create_catalogue();
CREATE VIEW counts AS
SELECT received, inserted, updated, unchanged, duplicate, rejected,
       received = inserted + updated + unchanged + duplicate + rejected AS adds_up
FROM last_load();
SELECT load_composers('[{"id":"Category:A"}, {"id":"Category:B"}]');

-- One document with a fault of each kind. Records 0, 9 and 16 are good, and 17 has the key of 16.
\set d '[{"id":"0","intvals":{"composer":"A","worktitle":"good","pageid":"100"}},\n 7,\n {"id":"2"},\n {"id":"3","intvals":{"composer":"A","pageid":1}},\n {"id":"4","intvals":{"composer":"A","worktitle":12,"pageid":1}},\n {"id":"5","intvals":{"composer":"A","worktitle":"t","pageid":"abc"}},\n {"id":"6","intvals":{"composer":"A","worktitle":"t","pageid":9223372036854775808}},\n {"id":"7","intvals":{"composer":"A","worktitle":"nul\\u0000","pageid":1}},\n {"id":"8","intvals":{"composer":"A","worktitle":"t","pageid":1},"ignored":"\\ud83d"},\n {"id":"9","intvals":{"composer":"B","worktitle":"good","pageid":109}},\n {"id":"10","intvals":{"composer":"Nobody","worktitle":"t","pageid":1}},\n {"id":"11","type":"1","intvals":[]},\n {"id":"12","intvals":{"composer":"A" "worktitle":"t"}},\n null, [], "x",\n {"id":"16","intvals":{"composer":"A","worktitle":"good","pageid":116}},\n {"id":"17","intvals":{"composer":"B","worktitle":"good","pageid":"116"}}]'
SELECT load_works(:'d', on_error => 'ignore');
TABLE counts;
SELECT ordinal, path, sqlstate, reason FROM rejected_records ORDER BY ordinal;
SELECT ordinal, jsonb_typeof(record), record FROM rejected_records ORDER BY ordinal;
SELECT title, composer_id, imslp_id FROM works ORDER BY imslp_id;
-- The load's own id, time and kind.
SELECT count(DISTINCT r.load_id), bool_and(r.load_id = l.load_id) AS of_the_last_load, bool_and(loaded_at <= now()) AS loaded_at,
       min(r.kind) AS kind
FROM rejected_records r, last_load() l;

-- Once more: the good ones are there, the bad ones are set aside once more, under another id.
SELECT load_works(:'d', on_error => 'ignore');
TABLE counts;
SELECT count(*), count(DISTINCT load_id) FROM rejected_records;

-- The same as jsonb, but for what no jsonb can hold (records 7, 8 and 12).
TRUNCATE works, rejected_records;
SELECT load_works(jsonb '[{"id":"0","intvals":{"composer":"A","worktitle":"good","pageid":"100"}}, 7,
    {"id":"2"}, {"id":"3","intvals":{"composer":"A","pageid":1}},
    {"id":"4","intvals":{"composer":"A","worktitle":12,"pageid":1}},
    {"id":"5","intvals":{"composer":"A","worktitle":"t","pageid":"abc"}},
    {"id":"6","intvals":{"composer":"A","worktitle":"t","pageid":9223372036854775808}},
    {"id":"10","intvals":{"composer":"Nobody","worktitle":"t","pageid":1}},
    {"id":"11","type":"1","intvals":[]}, null, [], "x"]', on_error => 'ignore');
TABLE counts;
SELECT ordinal, path, sqlstate, reason, record FROM rejected_records ORDER BY ordinal;

-- A limit that is reached, and one that is not.
TRUNCATE works, rejected_records;
SELECT load_works(:'d', on_error => 'ignore', reject_limit => 13);
\echo :SQLSTATE
SELECT (SELECT count(*) FROM works) AS works, (SELECT count(*) FROM rejected_records) AS rejected;
SELECT load_works(:'d', on_error => 'ignore', reject_limit => 14);
TABLE counts;

-- Composers, and other shapes.
TRUNCATE rejected_records;
SELECT load_composers('{"composers":[{"name":"C","complete_name":"C"}, {"name":"D","complete_name":"D","birth":"1685-13-45"},
    {"name":"E"}, {"name":"F","complete_name":"F","popular":[]}]}', on_error => 'ignore');
TABLE counts;
SELECT load_works('{"composer":{"name":"C","complete_name":"C"},"works":{"w:2":{"id":2,"title":"good"},"w:10":{"id":10},
    "w:1":{"id":"one","title":"t"}}}', on_error => 'ignore');
TABLE counts;
SELECT load_works('{"composers":[{"name":"C","complete_name":"C","works":[{"title":"good"},{"title":5}]}, 7,
    {"name":"D","works":[{"title":"t"}]}]}', on_error => 'ignore');
TABLE counts;
SELECT kind, ordinal, path, sqlstate, reason, record FROM rejected_records ORDER BY loaded_at, ordinal;

-- A broken line is one record; its neighbours are loaded.
TRUNCATE rejected_records;
\set lines '{"id":"Category:G"}\n{"id":"Category:H"\n\nno JSON at all\n{"id":"Category:J"}\n'
SELECT load_composers(:'lines', on_error => 'ignore');
TABLE counts;
SELECT ordinal, path, sqlstate, reason, record FROM rejected_records ORDER BY ordinal;
SELECT composer_id FROM composers WHERE composer_id BETWEEN 'G' AND 'J' ORDER BY 1;
TRUNCATE rejected_records;
\set lines '{"id":"Category:O"}\nno JSON at all\n{"id":"Category:P"}\n'
SELECT load_composers(:'lines', on_error => 'ignore');
TABLE counts;
SELECT ordinal, path, sqlstate, reason, record FROM rejected_records ORDER BY ordinal;

-- A document that is wrong as a whole is an error, whatever on_error says.
SELECT load_works('not JSON', on_error => 'ignore');
\echo :SQLSTATE
SELECT load_works('{"status":{"success":"false","error":"none"}}', on_error => 'ignore');
\echo :SQLSTATE

-- Under on_conflict => 'error' a key that is there already, or twice in the document, is a bad record.
TRUNCATE rejected_records;
SELECT load_composers('[{"id":"Category:A"}, {"id":"Category:K"}, {"id":"Category:L"}, {"id":"Category:K"}]',
    on_conflict => 'error', on_error => 'ignore');
TABLE counts;
SELECT ordinal, path, sqlstate, reason FROM rejected_records ORDER BY ordinal;

-- No bad record, no table for them; the first bad one makes it.
DROP TABLE rejected_records;
SELECT load_composers('[{"id":"Category:M"}]', on_error => 'ignore');
SELECT to_regclass('rejected_records');
SELECT load_composers('[{"id":"Category:N"}, 7]', on_error => 'ignore');
SELECT ordinal, record FROM rejected_records;

-- It alone is made: the other tables stay as they are, here with a comment of the owner's and without the index.
DROP TABLE rejected_records;
COMMENT ON TABLE works IS 'ours';
DROP INDEX works_composer_id_idx;
SELECT load_composers('[7]', on_error => 'ignore');
SELECT obj_description('works'::regclass), to_regclass('works_composer_id_idx');
-- Also where the others are found further down the search_path: none is made before them.
DROP TABLE rejected_records;
CREATE SCHEMA ignore_first;
SET search_path = ignore_first, ignore, public;
SELECT load_composers('[7]', on_error => 'ignore');
SELECT relname FROM pg_class WHERE relnamespace = 'ignore_first'::regnamespace AND relkind = 'r' ORDER BY 1;
-- Nor need the caller own them.
SET search_path = ignore, public;
CREATE ROLE regress_golden_loader;
GRANT USAGE, CREATE ON SCHEMA ignore TO regress_golden_loader;
GRANT SELECT, INSERT, UPDATE ON composers, works TO regress_golden_loader;
SET ROLE regress_golden_loader;
SELECT load_composers('[7]', on_error => 'ignore');
RESET ROLE;
DROP OWNED BY regress_golden_loader;
DROP ROLE regress_golden_loader;
