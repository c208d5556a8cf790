-- The tables: when they are made, whose they are, what an owner may do with them, and how the composers of works are
-- checked in each case.
CREATE SCHEMA catalogue;
SET search_path = catalogue, public;
\pset null (null)
CREATE FUNCTION works_of(n int) RETURNS text LANGUAGE sql AS
$$ SELECT jsonb_agg(jsonb_build_object('intvals', jsonb_build_object('composer', 'A', 'worktitle', 'T', 'pageid', i)))::text
   FROM generate_series(1, n) i $$;

-- A load makes them when neither is there, in the current schema, and says so; a load that fails takes them with it.
SELECT load_composers('no JSON');
SELECT load_composers('[7]');
SELECT to_regclass('composers'), to_regclass('works'), to_regclass('rejected_records');
SELECT load_composers('[{"id":"Category:A"}]');
SELECT load_works(works_of(1));
SELECT relname, relkind, relnamespace::regnamespace, obj_description(oid) FROM pg_class
WHERE relnamespace = 'catalogue'::regnamespace AND relkind IN ('r', 'i') ORDER BY relkind DESC, relname;
SELECT attrelid::regclass, attname, col_description(attrelid, attnum) FROM pg_attribute
WHERE attrelid IN ('composers'::regclass, 'works'::regclass, 'rejected_records'::regclass) AND col_description(attrelid, attnum) IS NOT NULL
ORDER BY attrelid::regclass::text, attnum;
SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'catalogue'::regnamespace AND contype <> 'n' ORDER BY 1, 2;
-- The extension has its functions and nothing else; its functions have comments.
SELECT pg_describe_object(classid, objid, 0), obj_description(objid, 'pg_proc') FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_opus') AND deptype = 'e'
ORDER BY 1;

-- To make them again changes nothing.
COMMENT ON TABLE composers IS 'ours';
SELECT create_catalogue();
SELECT count(*), obj_description('composers'::regclass) FROM composers;

-- One of the two is there: the other is not made behind its owner's back.
DROP TABLE composers CASCADE;
SELECT load_composers('[{"id":"Category:A"}]');
\echo :SQLSTATE
DROP TABLE works;
CREATE TABLE composers (composer_id text PRIMARY KEY);
SELECT load_works(works_of(1));
\echo :SQLSTATE
DROP TABLE composers;
-- Nowhere to make them.
SET search_path = '';
SELECT public.load_composers('[{"id":"Category:A"}]');
\echo :SQLSTATE
SELECT public.create_catalogue();
\echo :SQLSTATE
SET search_path = catalogue, public;
SELECT create_catalogue();
SELECT load_composers('[{"id":"Category:A"}]');

-- A key that cannot be told by: none, one of some rows, one that is checked later.
BEGIN;
ALTER TABLE works DROP CONSTRAINT works_pkey;
SAVEPOINT s;
SELECT load_works(works_of(2));
\echo :SQLSTATE
ROLLBACK TO s;
SELECT load_works(works_of(2), on_conflict => 'error');
SELECT load_works(works_of(2), on_conflict => 'error');
SELECT count(*) FROM works;
ROLLBACK TO s;
CREATE UNIQUE INDEX ON works (work_id) WHERE title <> 'x';
SAVEPOINT s;
SELECT load_works(works_of(2), on_conflict => 'skip');
\echo :SQLSTATE
ROLLBACK TO s;
SELECT load_works(works_of(2), on_conflict => 'error');
ROLLBACK;
BEGIN;
ALTER TABLE works DROP CONSTRAINT works_pkey, ADD PRIMARY KEY (work_id) DEFERRABLE;
SAVEPOINT s;
SELECT load_works(works_of(2));
\echo :SQLSTATE
ROLLBACK TO s;
SELECT load_works(works_of(2), on_conflict => 'error');
SELECT load_works(works_of(2), on_conflict => 'error');
\echo :SQLSTATE
ROLLBACK;
BEGIN;
ALTER TABLE composers DROP CONSTRAINT composers_pkey CASCADE, ADD UNIQUE (composer_id, last_name);
SELECT load_composers('[{"id":"Category:A"}]');
\echo :SQLSTATE
ROLLBACK;
-- Any unique index will do.
BEGIN;
ALTER TABLE works DROP CONSTRAINT works_pkey;
CREATE UNIQUE INDEX ON works (work_id) INCLUDE (title);
SELECT load_works(works_of(2)), load_works(works_of(3));
ROLLBACK;

-- Works in partitions.
BEGIN;
DROP TABLE works;
CREATE TABLE works (work_id uuid PRIMARY KEY, composer_id text COLLATE "C" NOT NULL REFERENCES composers, title text NOT NULL,
    subtitle text, genre text, catalogue_number text, search_terms text[], popular boolean, recommended boolean,
    imslp_id bigint, openopus_id integer, permlink text, shelf text DEFAULT 'new') PARTITION BY HASH (work_id);
CREATE TABLE works_0 PARTITION OF works FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE works_1 PARTITION OF works FOR VALUES WITH (MODULUS 2, REMAINDER 1);
SELECT load_works(works_of(1000));
SELECT inserted, updated, unchanged, foreign_key_check FROM last_load();
UPDATE works SET title = 'U' WHERE imslp_id <= 10;
DELETE FROM works WHERE imslp_id > 990;
SELECT load_works(works_of(1000));
SELECT inserted, updated, unchanged, foreign_key_check FROM last_load();
SELECT load_works(works_of(1001), on_conflict => 'skip');
SELECT (SELECT count(*) > 400 FROM works_0) AS first, (SELECT count(*) > 400 FROM works_1) AS second, count(*), min(shelf) FROM works;
SELECT load_works('[{"intvals":{"composer":"Nobody","worktitle":"T","pageid":-1}}]');
ROLLBACK;

-- Columns and defaults of the owner's.
BEGIN;
ALTER TABLE works ADD shelf text DEFAULT 'new', ADD added date DEFAULT '2000-01-01', ALTER genre SET DEFAULT 'none';
SELECT load_works(works_of(1));
SELECT title, genre, shelf, added = '2000-01-01' AS added FROM works;
ROLLBACK;

-- How the composers are checked, for a load of 500 works and for one of fewer.
CREATE FUNCTION checked() RETURNS TABLE (works_500 text, works_499 text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM load_works(works_of(500), on_conflict => 'error');
    works_500 := foreign_key_check FROM last_load();
    DELETE FROM works;
    PERFORM load_works(works_of(499), on_conflict => 'error');
    works_499 := foreign_key_check FROM last_load();
    RETURN NEXT;
END $$;
BEGIN;
SELECT * FROM checked();
SELECT load_composers('[]');
SELECT foreign_key_check FROM last_load();
ROLLBACK;
BEGIN;
SET LOCAL pg_opus.set_based_foreign_keys = off;
SELECT * FROM checked();
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM checked();
ROLLBACK;
BEGIN;
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER nothing BEFORE INSERT ON works FOR EACH ROW EXECUTE FUNCTION nothing();
SELECT * FROM checked();
ROLLBACK;
BEGIN;
CREATE TABLE log (title text);
CREATE RULE logged AS ON INSERT TO works DO ALSO INSERT INTO log VALUES ('works');
SELECT * FROM checked();
ROLLBACK;
BEGIN;
CREATE TABLE genres (genre text PRIMARY KEY);
ALTER TABLE works ADD FOREIGN KEY (genre) REFERENCES genres;
SELECT * FROM checked();
ROLLBACK;
BEGIN;
ALTER TABLE works ALTER CONSTRAINT works_composer_id_fkey DEFERRABLE;
SELECT * FROM checked();
ROLLBACK;
BEGIN;
CREATE FUNCTION shelf() RETURNS text LANGUAGE sql AS $$ SELECT 'new' $$;
ALTER TABLE works ADD shelf text DEFAULT shelf();
SELECT * FROM checked();
ROLLBACK;
BEGIN;
ALTER TABLE works DROP CONSTRAINT works_composer_id_fkey;
SELECT * FROM checked();
ROLLBACK;
BEGIN;
CREATE TABLE people (composer_id text COLLATE "C" PRIMARY KEY);
INSERT INTO people VALUES ('A');
ALTER TABLE works DROP CONSTRAINT works_composer_id_fkey, ADD FOREIGN KEY (composer_id) REFERENCES people;
SELECT * FROM checked();
ROLLBACK;
-- The composer is not there: found before anything is written, or by the server; without a foreign key nobody asks.
SELECT load_works(replace(works_of(500), '"A"', '"B"'));
\echo :SQLSTATE
SELECT load_works(replace(works_of(499), '"A"', '"B"'));
\echo :SQLSTATE
BEGIN;
ALTER TABLE works DROP CONSTRAINT works_composer_id_fkey;
SELECT load_works(replace(works_of(500), '"A"', '"B"'));
ROLLBACK;
-- A foreign key that is checked later: at the end of the transaction.
BEGIN;
ALTER TABLE works ALTER CONSTRAINT works_composer_id_fkey DEFERRABLE INITIALLY DEFERRED;
SELECT load_works(replace(works_of(1), '"A"', '"B"'));
COMMIT;
\echo :SQLSTATE

-- With the tables gone a load makes new ones.
DROP TABLE works, composers, rejected_records;
SELECT load_works('[]');
