-- What is wrong with a document is told with its SQLSTATE, the record's place from 0 and the path in it, and nothing
-- is written. Text and jsonb tell the same; where jsonb cannot hold the document, text alone is tried.
CREATE SCHEMA bad_input;
SET search_path = bad_input, public;
SELECT create_catalogue();
SELECT load_composers('[{"id":"Category:A"}, {"id":"Category:B"}]');

\set works 'SELECT load_works(:''d''); \\echo :SQLSTATE'
\set works_both 'SELECT load_works(:''d''); \\echo :SQLSTATE \\\\ SELECT load_works(:''d''::jsonb); \\echo :SQLSTATE'
\set composers 'SELECT load_composers(:''d''); \\echo :SQLSTATE'
\set composers_both 'SELECT load_composers(:''d''); \\echo :SQLSTATE \\\\ SELECT load_composers(:''d''::jsonb); \\echo :SQLSTATE'

-- No JSON.
\set d ''
:works
\set d ' \n\t '
:works
\set d 'not JSON'
:works
\set d '[{"id":"x"}'
:works
\set d '[{"id":"x"}] []'
:works
\set d '[{"id":"Category:A"},]'
:composers
\set d '[{"id":"Category:A","x":' `printf '7%.0s' $(seq 500)` 'x}]'
:composers
\set d '[{"id":"Category:A" ' `printf 'é%.0s' $(seq 500)` '}]'
:composers
\set d '[{"intvals":{"composer":"A","worktitle":"a","pageid":1}}, {"intvals":{"composer":"A" "worktitle":"b"}}]'
:works
\set d '{"intvals":{"composer":"A","worktitle":"a","pageid":1}}\n{"intvals":{"composer":"A","worktitle'
:works
\set d '[{"id":"Category:A","x":01}]'
:composers

-- JSON, yet no catalogue.
\set d '1'
:works_both
\set d '"[]"'
:works_both
\set d 'null'
:composers_both
\set d '{}'
:works_both
\set d '{"name":"A"}'
:composers_both

-- Elements that are no objects.
\set d '[{"id":"Category:A"}, 7]'
:composers_both
\set d '["Category:A"]'
:composers_both
\set d '[[]]'
:works_both
\set d '[null]'
:works_both
\set d '{"composers":[{"name":"A","complete_name":"A","works":[{"title":"a"}, true]}]}'
:works_both
\set d '{"composers":[{"name":"A","complete_name":"A","works":null}]}'
:works_both

-- A title that is missing, empty or a number; what holds it of the wrong type.
\set d '[{"id":"x","intvals":{"composer":"A","pageid":"1"}}]'
:works_both
\set d '[{"id":"x","intvals":{"composer":"A","pageid":"1","worktitle":" "}}]'
:works_both
\set d '[{"id":"x","intvals":{"composer":"A","pageid":"1","worktitle":12}}]'
:works_both
\set d '[{"id":"x","intvals":[]}]'
:works_both
\set d '[{"id":"x"}]'
:works_both
\set d '{"composer":{"name":"A","complete_name":"A"},"works":{"w:1":{"id":"1","title":["a"]}}}'
:works_both

-- An identity that is missing, no number or out of range.
\set d '{"0":{"id":"x","intvals":{"composer":"A","worktitle":"a","pageid":"abc"}}}'
:works_both
\set d '[{"id":"x","intvals":{"composer":"A","worktitle":"a","pageid":9223372036854775808}}]'
:works_both
\set d '[{"id":"x","intvals":{"composer":"A","worktitle":"a","pageid":1.5}}]'
:works_both
\set d '[{"intvals":{"composer":"A","worktitle":"a"}}]'
:works_both
\set d '{"composer":{"name":"A","complete_name":"A"},"works":[{"id":"2147483648","title":"a"}]}'
:works_both
\set d '{"composer":{"name":"A","complete_name":"A"},"works":[{"title":"a"}]}'
:works_both

-- Names.
\set d '[{"id":"Category:"}]'
:composers_both
\set d '[{"type":"1"}]'
:composers_both
\set d '[{"id":"x","intvals":{"worktitle":"a","pageid":1}}]'
:works_both
\set d '{"composer":{"name":"A"},"works":[{"id":1,"title":"a"}]}'
:works_both

-- Dates, booleans and search terms.
\set dated '{"name":"A","complete_name":"A","birth":'
\set d '{"composers":[' :dated '"1685-13-45"}]}'
:composers_both
\set d '{"composers":[' :dated '"1685-02-29"}]}'
:composers
\set d '{"composers":[' :dated '"0000"}]}'
:composers
\set d '{"composers":[' :dated '"31.03.1685"}]}'
:composers
\set d '{"composers":[' :dated '"1685-3-1"}]}'
:composers
\set d '{"composers":[' :dated '16850}]}'
:composers_both
\set d '{"composers":[' :dated 'true}]}'
:composers_both
\set d '{"composers":[{"name":"A","complete_name":"A","popular":"yes"}]}'
:composers_both
\set d '{"composers":[{"name":"A","complete_name":"A","popular":2}]}'
:composers_both
\set d '{"composer":{"name":"A","complete_name":"A"},"works":[{"id":1,"title":"a","searchterms":["a",1]}]}'
:works_both
\set d '{"composer":{"name":"A","complete_name":"A"},"works":[{"id":1,"title":"a","searchterms":{}}]}'
:works_both

-- What is JSON and yet no text in Postgres: NUL and halves of surrogate pairs, also under keys that are ignored.
\set d '[{"id":"x","intvals":{"composer":"A","worktitle":"a\\u0000","pageid":1}}]'
:works
\set d '[{"id":"Category:A","ignored":[{"x":"\\u0000"}]}]'
:composers
\set d '{"0":{"id":"Category:A"},"metadata":{"\\u0000":1}}'
:composers
\set d '[{"id":"Category:\\ud83d"}]'
:composers
\set d '[{"id":"Category:A","ignored":"\\udc00\\ud83d"}]'
:composers
-- A whole pair is fine, and so is the text of an escape.
\set d '[{"id":"Category:A","permlink":"\\ud83c\\udfbc \\\\u0000"}]'
:composers_both
SELECT permlink FROM composers WHERE composer_id = 'A';

-- What is odd and no fault: a key twice, a record 500 levels deep and a number beyond every type under ignored keys.
\set d '[{"id":"Category:A","permlink":7,"permlink":"last"}]'
:composers_both
SELECT permlink FROM composers WHERE composer_id = 'A';
SELECT load_composers('[{"id":"Category:A","deep":' || repeat('[', 500) || repeat(']', 500) || '}]'),
       load_composers(('[{"id":"Category:A","deep":' || repeat('[', 500) || repeat(']', 500) || '}]')::jsonb);
\set d '[{"id":"Category:A","ignored":1e400,"more":-0.00e-10}]'
:composers_both

-- A composer whom nobody knows.
\set d '[{"id":"x","intvals":{"composer":"A","worktitle":"a","pageid":1}}, {"id":"y","intvals":{"composer":"C, D.","worktitle":"b","pageid":2}}]'
:works_both

-- The same key twice: the last one, the first one, an error.
\set d '[{"id":"Category:X, Y","permlink":"1"}, {"id":"Category:B"}, {"id":"X,Y","type":"1","permlink":"2"}, {"id":"X, Y","type":1,"permlink":"3"}]'
BEGIN;
SELECT load_composers(:'d');
SELECT permlink, received, inserted, unchanged, duplicate FROM composers, last_load() WHERE composer_id = 'X,_Y';
ROLLBACK;
BEGIN;
SELECT load_composers(:'d'::jsonb, on_conflict => 'skip');
SELECT permlink, received, inserted, unchanged, duplicate FROM composers, last_load() WHERE composer_id = 'X,_Y';
ROLLBACK;
DELETE FROM composers WHERE composer_id = 'B';
SELECT load_composers(:'d', on_conflict => 'error');
\echo :SQLSTATE
SELECT load_composers(:'d'::jsonb, on_conflict => 'error');
\echo :SQLSTATE
SELECT load_works('[{"intvals":{"composer":"A","worktitle":"a","pageid":5}}, {"intvals":{"composer":"A","worktitle":"b","pageid":"5"}}]', on_conflict => 'error');
\echo :SQLSTATE

-- Open Opus answers an error.
\set d '{"status":{"version":"1.20","success":"false","error":"No composers found with the given parameters"},"request":{}}'
:composers_both
:works_both

-- The document of the other function.
\set d '[{"id":"x (A)","type":"2","parent":"Category:A","intvals":{"composer":"A","worktitle":"a","pageid":"1"}}]'
:composers_both
\set d '[{"id":"Category:A","type":"1","parent":"","intvals":[]}]'
:works_both
\set d '{"composer":{"name":"A","complete_name":"A"},"works":[{"id":1,"title":"a"}]}'
:composers_both
\set d '{"composers":[{"id":1,"name":"A","complete_name":"A"}]}'
:works_both
\set d '{"works":[{"id":1,"title":"a"}]}'
:works_both

-- Of several bad records the lowest is told, whichever thread finds its own first: the document is large enough for
-- several, and its last thousand records are bad, and one before.
SET pg_opus.decode_threads = 4;
SELECT string_agg(format('{"id":"Category:N%s","type":"1","permlink":%s}', n,
                         CASE WHEN n >= 29000 OR n = 12345 THEN '7' ELSE '"x"' END), ',') AS records
FROM generate_series(0, 29999) n \gset
SELECT load_composers('[' || :'records' || ']');
\echo :SQLSTATE
SELECT load_composers(('[' || :'records' || ']')::jsonb);
\echo :SQLSTATE
RESET pg_opus.decode_threads;

-- At most 100 bytes of a value and of a record are shown.
\set d '[{"id":"x","intvals":{"composer":"A","worktitle":"a","pageid":"' `printf 'é%.0s' $(seq 10000)` '"}}]'
:works
SELECT load_composers('[{"name":"A","complete_name":"A","death":"' || repeat('\n', 1000) || '."}]');
\echo :SQLSTATE
SELECT load_works('[{"intvals":{"composer":"A","pageid":1,"worktitle":' || repeat('7', 1000) || '}}]');
\echo :SQLSTATE
SELECT load_works('[' || repeat('x', 1000) || ']');
\echo :SQLSTATE
SELECT load_composers('{"status":{"success":"false","error":"' || repeat('x', 1000) || '"}}');
\echo :SQLSTATE
SELECT load_works('[{"intvals":{"composer":"' || repeat('x', 1000) || '","worktitle":"a","pageid":1}}]', create_composers => false);
\echo :SQLSTATE
SELECT load_composers('[{"type":"1","id":"' || repeat('x', 1000) || '"},{"type":"1","id":"' || repeat('x', 1000) || '"}]', on_conflict => 'error');
\echo :SQLSTATE

-- Options.
SELECT load_composers('[]', on_conflict => 'replace');
\echo :SQLSTATE
SELECT load_works('[]', on_error => 'continue');
\echo :SQLSTATE
SELECT load_works('[]'::jsonb, on_error => 'ignore', reject_limit => 0);
\echo :SQLSTATE
SELECT load_works('[]', reject_limit => 1);
\echo :SQLSTATE
SELECT load_works('[]', workers => -1);
\echo :SQLSTATE
SELECT load_works('[]', on_conflict => NULL);
\echo :SQLSTATE
SELECT load_works('[]', create_composers => NULL);
\echo :SQLSTATE
SELECT load_works('[]', on_conflict => 'SKIP', on_error => 'Ignore', reject_limit => NULL, workers => NULL);
SELECT load_composers(1);
\echo :SQLSTATE

-- Nothing has been written by all this but what was said above.
SELECT * FROM composers;
SELECT count(*) FROM works;
SELECT count(*) FROM rejected_records;
