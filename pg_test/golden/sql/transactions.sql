-- A load is part of its transaction, wherever in it the call stands.
CREATE SCHEMA transactions;
SET search_path = transactions, public;
SELECT create_catalogue();
\set a '[{"id":"Category:A"}]'
\set b '[{"id":"Category:B"}]'
\set bad '[{"id":"Category:X"}, 7]'

-- Settings: those that there are, their defaults, and what they refuse.
SELECT load_composers('[]');
SELECT name, setting, vartype, context, min_val, max_val FROM pg_settings WHERE name LIKE 'pg\_opus.%' ORDER BY name;
SHOW pg_opus.set_based_foreign_keys;
SET pg_opus.decode_threads = -1;
\echo :SQLSTATE
SET pg_opus.decode_threads = 257;
\echo :SQLSTATE
SET pg_opus.set_based_foreign_keys = perhaps;
\echo :SQLSTATE
SET pg_opus.no_such_setting = 1;
\echo :SQLSTATE
BEGIN;
SET LOCAL pg_opus.decode_threads = 3;
SHOW pg_opus.decode_threads;
COMMIT;
SHOW pg_opus.decode_threads;

-- Nobody sees what is rolled back; last_load() tells of the last load all the same.
BEGIN;
SELECT load_composers(:'a');
SELECT count(*) FROM composers;
ROLLBACK;
SELECT count(*) FROM composers;
SELECT kind, source, received, inserted FROM last_load();

-- A savepoint, and an error inside the transaction.
BEGIN;
SELECT load_composers(:'a');
SAVEPOINT s;
SELECT load_composers(:'b');
ROLLBACK TO s;
SELECT load_composers(:'bad');
SELECT load_composers(:'b');
ROLLBACK TO s;
SELECT load_composers('[{"id":"Category:C"}]');
COMMIT;
SELECT composer_id FROM composers ORDER BY 1;
TRUNCATE composers, works;

-- Tables that a load has made go with it.
CREATE SCHEMA transactions_new;
SET search_path = transactions_new, public;
BEGIN;
SELECT load_composers(:'a');
ROLLBACK;
SELECT to_regclass('composers');
SET search_path = transactions, public;

-- In a block with an exception handler: the failed load is undone, the function goes on.
CREATE FUNCTION try_both() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM load_composers('[{"id":"Category:A"}]');
    BEGIN
        PERFORM load_composers('[{"id":"Category:B"}]');
        PERFORM load_composers('[{"id":"Category:X"}, 7]');
        RETURN 'no error';
    EXCEPTION WHEN sql_json_object_not_found THEN
        PERFORM load_composers('[{"id":"Category:C"}]');
        RETURN sqlerrm;
    END;
END $$;
SELECT try_both();
SELECT composer_id FROM composers ORDER BY 1;
TRUNCATE composers, works;
DO $$ BEGIN PERFORM load_composers('[{"id":"Category:A"}]'); RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END $$;
DO $$ BEGIN PERFORM load_composers('[{"id":"Category:B"}]'); END $$;
SELECT composer_id FROM composers ORDER BY 1;
-- A procedure that ends its transactions itself.
CREATE PROCEDURE in_steps() LANGUAGE plpgsql AS $$
BEGIN
    PERFORM load_composers('[{"id":"Category:C"}]');
    COMMIT;
    PERFORM load_composers('[{"id":"Category:D"}]');
    ROLLBACK;
    PERFORM load_composers('[{"id":"Category:E"}]');
END $$;
CALL in_steps();
SELECT composer_id FROM composers ORDER BY 1;
TRUNCATE composers, works;

-- Isolation levels, and a transaction that may not write.
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT load_composers(:'a');
SELECT load_works('[{"intvals":{"composer":"A","worktitle":"a","pageid":1}}]');
COMMIT;
SELECT title FROM works;
BEGIN READ ONLY;
SELECT load_composers(:'a');
\echo :SQLSTATE
ROLLBACK;
BEGIN READ ONLY;
SELECT load_works('[]'::jsonb);
\echo :SQLSTATE
ROLLBACK;
\set SHOW_CONTEXT never
BEGIN READ ONLY;
SELECT create_catalogue();
\echo :SQLSTATE
\set SHOW_CONTEXT errors
ROLLBACK;
TRUNCATE composers, works;

-- In a CTE, twice in one statement, once for each row, in a subquery, in INSERT ... SELECT.
WITH loaded AS (SELECT load_composers(:'a') AS written) SELECT written FROM loaded;
SELECT load_composers(:'b'), load_composers(:'b');
SELECT n, load_composers('[{"id":"Category:N"},{"id":"Category:N' || n || '"}]') FROM generate_series(1, 3) n;
SELECT * FROM load_composers('[{"id":"Category:F"}]');
CREATE TABLE log (written bigint);
INSERT INTO log SELECT load_composers('[{"id":"Category:G"}]');
-- The second call fails: the first one is undone with the statement.
SELECT load_composers('[{"id":"Category:H"}]'), load_composers(:'bad');
SELECT string_agg(composer_id, ' ' ORDER BY composer_id) FROM composers;
TRUNCATE composers, works;

-- Prepared, with a plan for each call and with one for all.
PREPARE load_text (text) AS SELECT load_composers($1);
PREPARE load_jsonb (jsonb) AS SELECT load_composers($1, on_conflict => 'skip');
EXECUTE load_text(:'a');
SET plan_cache_mode = force_generic_plan;
EXECUTE load_text(:'a');
EXECUTE load_text(:'b');
EXECUTE load_jsonb(:'b');
EXECUTE load_text(NULL);
RESET plan_cache_mode;

-- By a cursor: loaded when fetched.
BEGIN;
DECLARE c CURSOR FOR SELECT load_composers('[{"id":"Category:C' || n || '"}]') FROM generate_series(1, 3) n;
SELECT count(*) FROM composers;
FETCH 2 FROM c;
CLOSE c;
COMMIT;
SELECT string_agg(composer_id, ' ' ORDER BY composer_id) FROM composers;

-- After errors the session goes on; after a load that failed there is no last load to tell of.
SELECT load_composers(:'bad');
SELECT load_composers('no JSON');
SELECT 1 / 0;
SELECT kind, source, received, inserted, unchanged FROM last_load();
SELECT load_composers('[{"id":"Category:Z"}]');
SELECT kind, source, received, inserted, unchanged FROM last_load();

-- A caller who asks for parallel sessions is told why there are none.
SELECT load_composers(:'a', workers => 2);
SELECT sessions, sessions_reason FROM last_load();
SELECT load_composers(:'a', workers => 0);
SELECT sessions, sessions_reason FROM last_load();

-- Before the first load of a session there is nothing to tell.
\c -
SELECT count(*) FROM last_load();
-- The functions may do anything: they are no part of a parallel query, and are run for each row.
SELECT DISTINCT provolatile, proparallel, proisstrict, prosecdef FROM pg_proc WHERE proname IN ('load_composers', 'load_works', 'create_catalogue');
