-- What the database itself refuses: the record is named as one of the document's, with all that Postgres says of the
-- refusal, or it is set aside and the other rows are written.
CREATE SCHEMA refused;
SET search_path = refused, public;
SELECT create_catalogue();
CREATE VIEW counts AS
SELECT received, inserted, updated, unchanged, duplicate, rejected,
       received = inserted + updated + unchanged + duplicate + rejected AS adds_up
FROM last_load();
CREATE FUNCTION titled(VARIADIC titles text[]) RETURNS text LANGUAGE sql AS
$$ SELECT jsonb_agg(jsonb_build_object('intvals', jsonb_build_object('composer', 'A', 'worktitle', title, 'pageid', n)) ORDER BY n)::text
   FROM unnest(titles) WITH ORDINALITY t (title, n) $$;
SELECT load_composers('[{"id":"Category:A"}]');

-- A CHECK refuses three rows of 100,000. The composer of the lowest bad record is written last, that of the highest
-- first.
SELECT load_composers(jsonb_agg(jsonb_build_object('id', 'Category:N' || n))) FROM generate_series(100, 199) n;
SELECT jsonb_agg(jsonb_build_object('intvals', jsonb_build_object(
           'composer', 'N' || 199 - n / 1000, 'worktitle', CASE WHEN n IN (4711, 50000, 99999) THEN 'bad' ELSE 'T' END,
           'pageid', 100000 + n)) ORDER BY n)::text AS d
FROM generate_series(0, 99999) n \gset
ALTER TABLE works ADD CONSTRAINT good_title CHECK (title <> 'bad');
SELECT load_works(:'d');
\echo :SQLSTATE
SELECT count(*) FROM works;
SELECT load_works(:'d', on_error => 'ignore');
TABLE counts;
SELECT ordinal, path, sqlstate, reason, record FROM rejected_records ORDER BY ordinal;
SELECT count(*) FROM works;
SELECT foreign_key_check FROM last_load();
TRUNCATE works, rejected_records;

-- The lowest bad record is told, whether the program refuses it or the database.
SELECT load_works(titled('t', 'bad', 't', ''));
\echo :SQLSTATE
SELECT load_works(titled('t', '', 't', 'bad'));
\echo :SQLSTATE
-- A row that is changed and one that is new.
SELECT load_works(titled('t'));
SELECT load_works(titled('bad', 'bad'));
\echo :SQLSTATE
SELECT load_works(titled('bad', 'bad', 'fine', 'bad'), on_error => 'ignore', reject_limit => 3);
TABLE counts;
SELECT ordinal, path, sqlstate, reason FROM rejected_records ORDER BY ordinal;
TRUNCATE works, rejected_records;
SELECT load_works(titled('bad', 'bad', 'fine', 'bad'), on_error => 'ignore', reject_limit => 2);
\echo :SQLSTATE
-- The same where a key that is there is an error.
SELECT load_works(titled('t'));
SELECT load_works(titled('t', 'bad', 'u'), on_conflict => 'error');
\echo :SQLSTATE
SELECT load_works(titled('t', 'bad', 'u'), on_conflict => 'error', on_error => 'ignore');
TABLE counts;
SELECT ordinal, sqlstate, reason FROM rejected_records ORDER BY ordinal;
ALTER TABLE works DROP CONSTRAINT good_title;
TRUNCATE works, rejected_records;

-- Everything that a client may ask of an error.
ALTER TABLE works ADD CONSTRAINT good_title CHECK (title <> 'bad');
DO $$
DECLARE
    state text; message text; detail text; hint text; context text;
    named_constraint text; named_column text; named_type text; named_table text; named_schema text;
BEGIN
    PERFORM load_works(titled('t', 't', 'bad'));
EXCEPTION WHEN check_violation THEN
    GET STACKED DIAGNOSTICS state = returned_sqlstate, message = message_text, detail = pg_exception_detail,
        hint = pg_exception_hint, context = pg_exception_context, named_constraint = constraint_name,
        named_column = column_name, named_type = pg_datatype_name, named_table = table_name, named_schema = schema_name;
    RAISE NOTICE E'state: %\nmessage: %\ndetail: %\nhint: %\nconstraint: %\ncolumn: %\ntype: %\ntable: %\nschema: %\ncontext: %',
        state, message, detail, hint, named_constraint, named_column, named_type, named_table, named_schema, context;
END $$;
ALTER TABLE works DROP CONSTRAINT good_title;

-- A trigger's exception keeps its own SQLSTATE, detail and hint.
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.title = 'bad' THEN
        RAISE EXCEPTION 'no % please', new.title USING ERRCODE = 'OP001', DETAIL = 'Said the trigger.', HINT = 'Try another.';
    END IF;
    RETURN CASE new.title WHEN 'dropped' THEN NULL ELSE new END;
END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON works FOR EACH ROW EXECUTE FUNCTION refuse();
SELECT load_works(titled('t', 'bad', 'bad'));
\echo :SQLSTATE
SELECT load_works(titled('t', 'bad', 'u'), on_error => 'ignore');
TABLE counts;
SELECT ordinal, sqlstate, reason, record FROM rejected_records ORDER BY ordinal;

-- A row that a trigger drops is not written: it counts as unchanged, be it new or there already.
SELECT load_works(titled('dropped', 'v', 'dropped', 'dropped'));
TABLE counts;
SELECT title FROM works ORDER BY imslp_id;
DROP TRIGGER refuse ON works;
TRUNCATE works, rejected_records;

-- A second unique index of the owner's, at the time of each row and at the end of the statement.
CREATE UNIQUE INDEX one_title ON works (title);
SELECT load_works(titled('t', 'u', 't'));
\echo :SQLSTATE
SELECT load_works(titled('t', 'u', 't'), on_error => 'ignore');
TABLE counts;
SELECT ordinal, sqlstate, reason FROM rejected_records ORDER BY ordinal;
-- Two rows that exchange their titles are refused, as in any UPDATE.
SELECT load_works(titled('u', 't'), on_error => 'ignore');
TABLE counts;
DROP INDEX one_title;
TRUNCATE works, rejected_records;

-- A row that is too large for an index is one row's fault.
CREATE INDEX by_title ON works (title);
SELECT string_agg(md5(n::text), '') AS huge FROM generate_series(1, 200) n \gset
SELECT load_works(titled('t', :'huge', 'u'), on_error => 'ignore');
\echo :SQLSTATE
TABLE counts;
SELECT ordinal, sqlstate, left(reason, 14) AS reason FROM rejected_records ORDER BY ordinal;
DROP INDEX by_title;
TRUNCATE works, rejected_records;

-- A column that must be there and that the loader does not know.
ALTER TABLE works ADD shelf text NOT NULL;
SELECT load_works(titled('t', 'u'));
\echo :SQLSTATE
SELECT load_works(titled('t', 'u'), on_error => 'ignore');
TABLE counts;
ALTER TABLE works DROP shelf;
TRUNCATE works, rejected_records;

-- Generated and identity columns fill themselves; a generated one may be beyond its type.
ALTER TABLE works ADD title_length int GENERATED ALWAYS AS (length(title)) STORED,
    ADD short numeric(3, 1) GENERATED ALWAYS AS (imslp_id * 40) STORED,
    ADD number int GENERATED ALWAYS AS IDENTITY;
SELECT load_works(titled('t', 'uu'));
SELECT title, title_length, short, number > 0 AS numbered FROM works ORDER BY imslp_id;
SELECT load_works(titled('t', 'uu', 'vvv', 'wwww'));
\echo :SQLSTATE
SELECT load_works(titled('t', 'uu', 'vvv', 'wwww'), on_error => 'ignore');
TABLE counts;
SELECT ordinal, sqlstate, reason FROM rejected_records ORDER BY ordinal;
ALTER TABLE works DROP title_length, DROP short, DROP number;
TRUNCATE works, rejected_records;

-- A narrower type of a column of the loader's.
ALTER TABLE works ALTER title TYPE varchar(3);
SELECT load_works(titled('t', 'four'));
\echo :SQLSTATE
SELECT load_works(titled('t', 'four'), on_error => 'ignore');
TABLE counts;
SELECT ordinal, sqlstate, reason FROM rejected_records ORDER BY ordinal;
