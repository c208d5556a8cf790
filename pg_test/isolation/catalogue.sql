-- What the specs share. Run once, before them, in a database of their own whose search_path is isolation, public.

CREATE SCHEMA isolation;
CREATE EXTENSION pg_opus SCHEMA public;

-- The tables as the extension makes them, and three composers. Each spec drops the tables in its teardown.
CREATE PROCEDURE fresh_catalogue() LANGUAGE plpgsql AS $$ BEGIN
    PERFORM create_catalogue();
    INSERT INTO composers (composer_id, last_name, complete_name)
    SELECT name, name, name FROM unnest('{Adams,Bach,Cage}'::text[]) name;
END $$;

-- A document of works in the form of IMSLP. The composers take turns, beginning with the second: of the works 1 to 600
-- each of three has 200. 600 are enough for the set-based foreign key, which asks for 500.
CREATE FUNCTION document(first integer, last integer, title text DEFAULT 'Work',
                         composers text[] DEFAULT '{Adams,Bach,Cage}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_agg(jsonb_build_object('type', '2', 'intvals', jsonb_build_object(
               'pageid', n, 'worktitle', title || ' ' || n,
               'composer', composers[1 + n % cardinality(composers)])) ORDER BY n)
    FROM generate_series(first, last) n;
$$;

-- last_load() without what differs from run to run.
CREATE VIEW report AS
    SELECT foreign_key_check, received, inserted, updated, unchanged, duplicate, rejected,
           received = inserted + updated + unchanged + duplicate + rejected AS adds_up
    FROM last_load();

-- The keys that the works of a document have, for sessions that write them without a load.
CREATE TABLE keys (number bigint PRIMARY KEY, work_id uuid NOT NULL);
CALL fresh_catalogue();
DO $$ BEGIN
    PERFORM load_works(document(1, 600));
    INSERT INTO keys SELECT imslp_id, work_id FROM works;
END $$;
DROP TABLE works, composers, rejected_records;
