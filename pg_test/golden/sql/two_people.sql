-- Two people, or two works, with one key: the ids that a source gives tell them apart. The second never changes the row
-- of the first, and is refused.
CREATE SCHEMA two_people;
SET search_path = two_people, public;
SET datestyle = iso;
\pset null (null)
SELECT create_catalogue();
CREATE VIEW counts AS
SELECT received, inserted, updated, unchanged, duplicate, rejected,
       received = inserted + updated + unchanged + duplicate + rejected AS adds_up
FROM last_load();
CREATE FUNCTION set_aside() RETURNS TABLE (ordinal integer, path text, sqlstate text, reason text) LANGUAGE sql AS
$$ SELECT ordinal, path, sqlstate, reason FROM rejected_records
   WHERE load_id = (SELECT load_id FROM last_load()) ORDER BY ordinal $$;
-- What a load raises, without its place in the source.
CREATE FUNCTION try(load text, document text, options text DEFAULT '') RETURNS text LANGUAGE plpgsql AS $$
DECLARE message text; detail text; hint text; place text; written bigint;
BEGIN
    EXECUTE format('SELECT %I($1%s)', load, options) INTO written USING document;
    RETURN format('%s written', written);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT,
        place = PG_EXCEPTION_CONTEXT;
    RETURN concat_ws(E'\n', SQLSTATE || ': ' || message, detail, hint, split_part(place, E'\n', 1));
END $$;
\set first '{"id":"11","name":"Alder","complete_name":"Ann Alder","birth":"1735"}'
\set second '{"id":"12","name":"Alder","complete_name":"Ann Alder","birth":"1947","death":"2000"}'
\set other '{"id":"13","name":"Birch","complete_name":"Bo Birch"}'
\set unnumbered '{"name":"Alder","complete_name":"Ann Alder","death":"1826"}'
\set both '{"composers":[' :first ',' :second ',' :other ']}'
\set one '{"composers":[' :first ']}'
\set two '{"composers":[' :other ',' :second ']}'

-- In one list: the first one has the key.
SELECT try('load_composers', :'both');
SELECT try('load_composers', :'both', ', on_conflict => ''skip''');
SELECT try('load_composers', :'both', ', on_conflict => ''error''');
SELECT load_composers(:'both', on_error => 'ignore');
TABLE counts;
SELECT * FROM set_aside();
SELECT composer_id, birth, death, openopus_id FROM composers ORDER BY 1;
TRUNCATE composers CASCADE;
SELECT load_composers(:'both', on_error => 'ignore', on_conflict => 'skip');
TABLE counts;
TRUNCATE composers CASCADE;
SELECT load_composers(:'both', on_error => 'ignore', on_conflict => 'error');
TABLE counts;
SELECT * FROM set_aside();
TRUNCATE composers CASCADE;

-- In two loads.
SELECT load_composers(:'one');
SELECT try('load_composers', :'two');
SELECT try('load_composers', :'two', ', on_conflict => ''skip''');
SELECT try('load_composers', :'two', ', on_conflict => ''error''');
SELECT load_composers(:'two', on_error => 'ignore');
TABLE counts;
SELECT * FROM set_aside();
SELECT load_composers(:'two', on_error => 'ignore', on_conflict => 'skip');
TABLE counts;
SELECT * FROM set_aside();
SELECT load_composers(:'two', on_error => 'ignore', on_conflict => 'error');
TABLE counts;
SELECT composer_id, birth, death, openopus_id FROM composers ORDER BY 1;

-- Without an id it may be the same person: what is known is put together, in either order, and in one list as well.
SELECT load_composers('{"composers":[' || :'unnumbered' || ']}');
TABLE counts;
SELECT composer_id, birth, death, openopus_id FROM composers WHERE last_name = 'Alder';
TRUNCATE composers CASCADE;
SELECT load_composers('{"composers":[' || :'unnumbered' || ']}');
SELECT load_composers(:'one');
TABLE counts;
SELECT composer_id, birth, death, openopus_id FROM composers;
TRUNCATE composers CASCADE;
SELECT load_composers('{"composers":[' || :'first' || ',' || :'unnumbered' || ',' || :'first' || ']}');
TABLE counts;
TRUNCATE composers CASCADE;
SELECT load_composers('[{"id":"Category:Alder, Ann","type":"1","permlink":"https://x.org"}]');
SELECT load_composers(:'one');
SELECT load_composers('[{"id":"Category:Alder, Ann","type":"1","permlink":"https://y.org"}]');
SELECT composer_id, birth, permlink, openopus_id FROM composers;
TRUNCATE composers CASCADE;

-- A row whose id is not known, and two records with ids: the first gives it its id, the other is another.
SELECT load_composers('{"composers":[' || :'unnumbered' || ']}');
SELECT try('load_composers', :'both');
SELECT load_composers(:'both', on_error => 'ignore');
TABLE counts;
SELECT * FROM set_aside();
SELECT composer_id, birth, death, openopus_id FROM composers ORDER BY 1;

-- Who is set aside takes no part in deciding about the next.
TRUNCATE composers CASCADE;
ALTER TABLE composers ADD CONSTRAINT old CHECK (birth > '1800-01-01');
SELECT load_composers(:'both', on_error => 'ignore');
TABLE counts;
SELECT * FROM set_aside();
SELECT composer_id, birth, death, openopus_id FROM composers ORDER BY 1;
ALTER TABLE composers DROP CONSTRAINT old;

-- Large enough to be written in bulk.
TRUNCATE composers CASCADE;
CREATE FUNCTION people(first int, last int, id int DEFAULT 0) RETURNS text LANGUAGE sql AS
$$ SELECT jsonb_build_object('composers', jsonb_agg(jsonb_build_object('id', n + id, 'name', 'N' || n % 3000, 'complete_name', 'N' || n % 3000) ORDER BY n))::text
   FROM generate_series(first, last) n $$;
SELECT load_composers(people(1, 3050), on_error => 'ignore');
TABLE counts;
SELECT try('load_composers', people(1, 100, 7));
SELECT load_composers(people(1, 100, 7), on_error => 'ignore');
TABLE counts;
SELECT load_composers(people(1, 2000), on_error => 'ignore');
TABLE counts;

-- Works. A page id that differs from that of the row is another work; 0 is no page id, and no id of Open Opus.
TRUNCATE composers CASCADE;
\set work '[{"id":"w","type":"2","intvals":{"composer":"A","worktitle":"one","pageid":1}}]'
SELECT load_works(:'work', create_composers => true);
UPDATE works SET imslp_id = 2;
SELECT try('load_works', :'work', ', create_composers => true');
SELECT try('load_works', :'work');
SELECT load_works(:'work', on_error => 'ignore');
TABLE counts;
SELECT title, imslp_id FROM works;
UPDATE works SET imslp_id = NULL;
SELECT load_works(:'work');
SELECT title, imslp_id FROM works;
TRUNCATE works;
SELECT load_works('[{"id":"v","intvals":{"composer":"A","worktitle":"one","pageid":0}},{"id":"w","intvals":{"composer":"A","worktitle":"two","pageid":"0"}},{"id":"v","intvals":{"composer":"A","worktitle":"three"}}]');
TABLE counts;
SELECT title, imslp_id FROM works ORDER BY title;
SELECT load_composers('{"composers":[{"id":"0","name":"X","complete_name":"X"},{"id":5,"name":"X","complete_name":"X","birth":"1900"}]}');
TABLE counts;
SELECT composer_id, birth, openopus_id FROM composers WHERE composer_id = 'X';
SELECT try('load_works', '{"composer":{"name":"X","complete_name":"X"},"works":[{"id":"0","title":"one"}]}');

-- Composers made on the way: the composer of a later work has that name, and does not change the row.
TRUNCATE composers CASCADE;
\set of_both '{"works":[{"id":1,"title":"one","composer":' :first '},{"id":2,"title":"two","composer":' :second '}]}'
SELECT load_works(:'of_both', create_composers => true, on_error => 'ignore');
TABLE counts;
SELECT * FROM set_aside();
SELECT composer_id, birth, death, openopus_id FROM composers ORDER BY 1;
SELECT openopus_id, title, composer_id FROM works ORDER BY 1;

-- A second small load in a session, by the statement that is kept: the same answers.
TRUNCATE composers CASCADE;
SELECT load_composers(:'one');
SELECT load_composers(:'one');
SELECT try('load_composers', :'two');
SELECT load_composers(:'two', on_error => 'ignore');
TABLE counts;
SELECT load_composers(:'two', on_error => 'ignore', on_conflict => 'skip');
SELECT load_composers(:'two', on_error => 'ignore', on_conflict => 'skip');
TABLE counts;
SELECT * FROM set_aside();
SELECT composer_id, birth, death, openopus_id FROM composers ORDER BY 1;

-- load_records() by fields, into columns of other names: the same rule. An id that is kept as text tells nobody apart.
CREATE TABLE people (key text COLLATE "C" PRIMARY KEY, born date, number bigint);
CREATE TABLE texts (key text COLLATE "C" PRIMARY KEY, born date, number text);
\set mapping '{"fields_of":"composers","columns":{"key":"composer_id","born":"birth","number":"openopus_id"}}'
SELECT load_records('people', :'both', :'mapping', on_error => 'ignore'), load_records('texts', :'both', :'mapping', on_error => 'ignore');
SELECT load_records('people', :'two', :'mapping', on_error => 'ignore');
TABLE counts;
SELECT * FROM set_aside();
TABLE people ORDER BY key;
TABLE texts ORDER BY key;
