-- A document that is a parameter, of statements of all kinds.
CREATE SCHEMA parameters;
SET search_path = parameters, public;
SELECT create_catalogue();
\set a '[{"id":"Category:A"}]'
\set b '[{"id":"Category:B"}]'
\set work '[{"id":"w","type":"2","intvals":{"composer":"A","worktitle":"T","pageid":1}}]'
SET plan_cache_mode = force_custom_plan;

PREPARE composers(text) AS SELECT load_composers($1);
PREPARE composers_jsonb(jsonb) AS SELECT load_composers($1, workers => 0);
PREPARE works(text, text) AS SELECT load_works($1, $2, create_composers => true) AS written;
EXECUTE composers(:'a');
EXECUTE composers(:'b');
EXECUTE composers(NULL);
EXECUTE composers('7');
EXECUTE composers_jsonb(:'b');
EXECUTE composers_jsonb('[{"id":"Category:C"}]');
EXECUTE works(:'work', 'skip');
EXECUTE works(:'work', 'update');
EXECUTE works(:'work', 'error');
SELECT composer_id FROM composers ORDER BY 1;

-- The planner makes a constant of it, which others may share.
PREPARE beside(text) AS SELECT load_composers($1), length($1);
PREPARE limited(text) AS SELECT load_composers($1) LIMIT length($1);
PREPARE condition(text) AS SELECT load_composers($1) WHERE $1 <> '';
PREPARE rows(text) AS SELECT load_composers($1) FROM generate_series(1, 2);
PREPARE other(text) AS SELECT load_composers($1 || '');
PREPARE inner_call(text) AS SELECT load_composers($1, workers => load_composers($1)::int);
PREPARE with_other(text) AS WITH other AS (SELECT load_composers($1)) SELECT load_composers($1) FROM other;
EXECUTE beside(:'a');
EXECUTE limited(:'a');
EXECUTE condition(:'a');
EXECUTE rows(:'a');
EXECUTE other(:'a');
EXECUTE inner_call(:'a');
EXECUTE with_other(:'a');

-- A function of the user that is inlined hands one constant to two calls.
CREATE FUNCTION twice(text) RETURNS bigint LANGUAGE sql AS 'SELECT load_composers($1) + length($1)';
PREPARE twice(text) AS SELECT twice($1);
EXECUTE twice(:'a');
CREATE FUNCTION once(text) RETURNS bigint LANGUAGE sql AS 'SELECT load_composers($1)';
PREPARE once(text) AS SELECT once($1);
EXECUTE once(:'a');
PREPARE outer_call(text) AS SELECT load_composers($1, workers => once($1)::int);
EXECUTE outer_call(:'a');

-- Cursors, tables made of it, PL/pgSQL.
CREATE TABLE made AS EXECUTE composers(:'a');
SELECT * FROM made;
CREATE FUNCTION through_cursor(document text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE loaded bigint; c CURSOR FOR SELECT load_composers(document);
BEGIN OPEN c; FETCH c INTO loaded; CLOSE c; RETURN loaded; END $$;
CREATE FUNCTION through_execute(document text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE loaded bigint;
BEGIN EXECUTE 'SELECT load_composers($1)' INTO loaded USING document; RETURN loaded; END $$;
SELECT through_cursor('[{"id":"Category:D"}]'), through_execute('[{"id":"Category:E"}]');
SELECT through_cursor('[{"id":"Category:D"}]'), through_execute('[{"id":"Category:E"}]');
SELECT count(*) FROM composers;
