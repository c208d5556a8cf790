-- Rows that are there: which of them a load finds, whichever way it looks, and what it changes.
CREATE SCHEMA there;
SET search_path = there, public;
CREATE VIEW counts AS SELECT inserted, updated, unchanged, duplicate, rejected FROM last_load();

-- Long values, compressed and stored elsewhere; rows in another order than the document's, and others between them.
CREATE TABLE item (note text, id bigint, "Small" smallint, flag boolean, at timestamptz, tags text[], more jsonb, char3 char(3),
    ratio double precision, day date, amount numeric, key uuid, PRIMARY KEY (id, char3));
ALTER TABLE item ALTER more SET STORAGE EXTERNAL;
INSERT INTO item SELECT CASE WHEN n % 7 = 0 THEN repeat('long ', 3000) WHEN n % 3 = 0 THEN 'n' || n END, n, n % 100, n % 2 = 0,
    '2020-01-01'::timestamptz + n * interval '1 s', ARRAY['a', NULL, 'b' || n], jsonb_build_object('k', repeat('x', CASE WHEN n % 50 = 0 THEN 9000 ELSE 5 END)),
    'k' || n % 5, n / 3.0, '2000-01-01'::date + n::int, n / 7.0, md5(n::text)::uuid FROM generate_series(1, 1000) n;
CREATE TABLE document AS SELECT json_agg(i ORDER BY note NULLS FIRST, id) AS d, jsonb_agg(i ORDER BY id) AS j FROM item i WHERE id % 4 > 0;
CREATE FUNCTION state() RETURNS text BEGIN ATOMIC SELECT count(*) || ' ' || md5(string_agg(i::text, ',' ORDER BY id)) FROM item i; END;
SELECT state() AS before \gset
SELECT load_records('item', d) FROM document;
TABLE counts;
SELECT load_records('item', j) FROM document;
TABLE counts;
-- One column of each kind differs in a hundred rows: the others are not touched.
UPDATE item SET note = note || '!', more = more || '{"k":1}' WHERE id BETWEEN 101 AND 149;
UPDATE item SET flag = NULL, amount = amount + 0.001, tags[2] = 'c' WHERE id BETWEEN 150 AND 200;
CREATE TABLE places AS SELECT id, ctid AS place FROM item;
SELECT load_records('item', d) FROM document;
TABLE counts;
SELECT count(*) AS moved FROM item JOIN places USING (id) WHERE item.ctid <> place;
UPDATE item SET note = left(note, -1), more = more || jsonb_build_object('k', repeat('x', CASE WHEN id % 50 = 0 THEN 9000 ELSE 5 END)) WHERE id BETWEEN 101 AND 149 AND id % 4 = 0;
UPDATE item SET flag = id % 2 = 0, amount = id / 7.0, tags[2] = NULL WHERE id BETWEEN 150 AND 200 AND id % 4 = 0;
SELECT state() = :'before' AS as_before;
-- With skip nothing changes, and what is new is found among the others.
DELETE FROM item WHERE id BETWEEN 11 AND 19;
SELECT load_records('item', j, on_conflict => 'skip') FROM document;
TABLE counts;

-- Numbers that are equal and not the same: what the record says is written.
CREATE TABLE amount (id int PRIMARY KEY, n numeric);
INSERT INTO amount SELECT n, 1.0 FROM generate_series(1, 20) n;
SELECT load_records('amount', (SELECT json_agg(json_build_object('id', n, 'n', 1.00)) FROM generate_series(1, 20) n));
SELECT DISTINCT n FROM amount;

-- Who may read the columns, and not the table.
CREATE ROLE there_reader;
GRANT USAGE ON SCHEMA there TO there_reader;
GRANT SELECT (id, n), INSERT (id, n), UPDATE (n) ON amount TO there_reader;
SET ROLE there_reader;
SELECT load_records('amount', (SELECT json_agg(json_build_object('id', n, 'n', n)) FROM generate_series(11, 30) n));
SELECT inserted, updated, unchanged FROM last_load();
-- Columns that no record has are none of the load's, a key that the server makes among them.
RESET ROLE;
CREATE TABLE made (id serial PRIMARY KEY, v text, secret text);
INSERT INTO made (v, secret) SELECT 'old', 's' FROM generate_series(1, 20) n;
GRANT SELECT (id, v), INSERT (id, v), UPDATE (v) ON made TO there_reader;
GRANT USAGE ON SEQUENCE made_id_seq TO there_reader;
SET ROLE there_reader;
SELECT load_records('made', (SELECT json_agg(json_build_object('id', n, 'v', 'new')) FROM generate_series(1, 20) n));
RESET ROLE;
REVOKE SELECT (id), INSERT (id) ON made FROM there_reader;
SET ROLE there_reader;
SELECT load_records('made', (SELECT json_agg(json_build_object('v', 'more')) FROM generate_series(1, 20) n));
SELECT load_records('made', (SELECT json_agg(json_build_object('v', 'more')) FROM generate_series(1, 20) n), on_conflict => 'skip');
RESET ROLE;
SELECT v, count(*), count(secret) FROM made GROUP BY v ORDER BY v;

-- Texts that an index compares as another type, or by functions of the owner's in a family of the server's.
CREATE TABLE padded (id text, v int);
CREATE UNIQUE INDEX ON padded (id bpchar_ops);
INSERT INTO padded SELECT 'k' || n, 0 FROM generate_series(1, 20) n;
SELECT load_records('padded', (SELECT json_agg(json_build_object('id', 'k' || (n + 1) / 2 || repeat(' ', (n + 1) % 2), 'v', n)) FROM generate_series(1, 40) n), '{"key": ["id"]}');
TABLE counts;
SELECT count(*), sum(v) FROM padded;
CREATE FUNCTION blind_compare(text, text) RETURNS int IMMUTABLE RETURN bttextcmp(lower($1), lower($2));
CREATE FUNCTION blind_less(text, text) RETURNS boolean IMMUTABLE RETURN lower($1) < lower($2);
CREATE FUNCTION blind_less_equal(text, text) RETURNS boolean IMMUTABLE RETURN lower($1) <= lower($2);
CREATE FUNCTION blind_equal(text, text) RETURNS boolean IMMUTABLE RETURN lower($1) = lower($2);
CREATE FUNCTION blind_greater_equal(text, text) RETURNS boolean IMMUTABLE RETURN lower($1) >= lower($2);
CREATE FUNCTION blind_greater(text, text) RETURNS boolean IMMUTABLE RETURN lower($1) > lower($2);
CREATE OPERATOR <# (FUNCTION = blind_less, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR <=# (FUNCTION = blind_less_equal, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR =# (FUNCTION = blind_equal, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR >=# (FUNCTION = blind_greater_equal, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR ># (FUNCTION = blind_greater, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR CLASS blind_ops FOR TYPE text USING btree FAMILY pg_catalog.datetime_ops AS OPERATOR 1 <#, OPERATOR 2 <=#,
    OPERATOR 3 =#, OPERATOR 4 >=#, OPERATOR 5 >#, FUNCTION 1 blind_compare(text, text);
CREATE TABLE blind (id text, v int);
CREATE UNIQUE INDEX ON blind (id blind_ops);
INSERT INTO blind SELECT 'k' || n, 0 FROM generate_series(1, 20) n;
SELECT load_records('blind', (SELECT json_agg(json_build_object('id', CASE n % 2 WHEN 0 THEN 'K' ELSE 'k' END || (n + 1) / 2, 'v', n)) FROM generate_series(1, 40) n), '{"key": ["id"]}');
TABLE counts;
SELECT count(*), sum(v) FROM blind;
-- Nothing of the server's is left changed.
DROP TABLE blind;
DROP OPERATOR CLASS blind_ops USING btree;

-- An index that has more columns than its key: read alone, it says what the table says.
CREATE TABLE wide (id uuid, title text, n int, PRIMARY KEY (id) INCLUDE (title, n));
SELECT load_records('wide', (SELECT json_agg(json_build_object('id', md5(n::text), 'title', 'title ' || n, 'n', n)) FROM generate_series(1, 1000) n));
SELECT create_catalogue();
ALTER TABLE works DROP CONSTRAINT works_pkey, ADD PRIMARY KEY (work_id) INCLUDE (title);
SELECT load_composers('[{"id": "Category:Alder, Ann", "type": "1"}]');
SELECT load_works((SELECT json_agg(json_build_object('intvals', json_build_object('composer', 'Alder, Ann', 'worktitle', 'title ' || n, 'pageid', n))) FROM generate_series(1, 1000) n));
VACUUM wide, works;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT count(*), count(title), count(DISTINCT title), sum(n) FROM wide WHERE id > '00000000-0000-0000-0000-000000000000';
SELECT count(*), count(title), count(DISTINCT title) FROM works WHERE work_id > '00000000-0000-0000-0000-000000000000';
RESET enable_seqscan;
RESET enable_bitmapscan;

-- A trigger that leaves rows as they are, or moves them.
CREATE FUNCTION turn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF new.n = 5 THEN RETURN NULL; END IF;
    IF new.n = 7 THEN new.id = new.id + 1000; END IF;
    RETURN new; END $$;
CREATE TRIGGER turn BEFORE UPDATE ON amount FOR EACH ROW EXECUTE FUNCTION turn();
SELECT load_records('amount', (SELECT json_agg(json_build_object('id', n, 'n', n % 10 + 0.5 * (n / 30))) FROM generate_series(1, 30) n));
SELECT inserted, updated, unchanged FROM last_load();
SELECT id, n FROM amount WHERE id IN (5, 7, 15, 17, 25, 27) OR id > 30 ORDER BY id;

-- A child's rows are no rows of the parent's.
CREATE TABLE parent (id int PRIMARY KEY, n int);
CREATE TABLE child () INHERITS (parent);
INSERT INTO child SELECT n, 0 FROM generate_series(1, 10) n;
INSERT INTO parent SELECT n, 0 FROM generate_series(1, 10) n;
SELECT load_records('parent', (SELECT json_agg(json_build_object('id', n, 'n', 1)) FROM generate_series(1, 20) n));
SELECT count(*), sum(n) FROM ONLY parent;
SELECT count(*), sum(n) FROM child;
SET client_min_messages = warning;
DROP SCHEMA there CASCADE;
DROP ROLE there_reader;
