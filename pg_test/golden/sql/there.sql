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
RESET ROLE;

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
