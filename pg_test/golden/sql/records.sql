-- load_records: a document into any table. What an INSERT of jsonb_populate_record's row would do, record by record.
CREATE SCHEMA records;
SET search_path = records, public;
SET datestyle = iso;
SET timezone = 'UTC';
\pset null (null)

-- Values, absent members, nulls, and members that no column takes.
CREATE TABLE item (
    id int PRIMARY KEY, name text, price numeric(5,2), made timestamptz DEFAULT '2020-01-01', sizes int[],
    "Extra ""x""" jsonb, code varchar(3), twice int GENERATED ALWAYS AS (id * 2) STORED);
SELECT load_records('item', $$[
    {"id": 1, "name": "one", "price": 1.239, "sizes": [1, 2], "Extra \"x\"": {"z": 1}, "twice": 9},
    {"id": 2, "made": null, "name": true, "Extra \"x\"": "text"},
    {"id": 3, "made": "2021-02-03T04:05:06Z", "other": 1, "name": {"a": [1]}}]$$);
SELECT * FROM item ORDER BY id;
-- What a record has no value for stays.
SELECT load_records('item', '[{"id": 1, "price": 5}, {"id": 2, "name": "two"}, {"id": 3, "made": "2021-02-03T04:05:06Z"}]'::jsonb);
SELECT inserted, updated, unchanged, kind, source FROM last_load();
SELECT * FROM item ORDER BY id;
-- Records with one key add up, one after the other; else the last one wins, with skip the first.
SELECT load_records('item', '[{"id": 4, "name": "a"}, {"id": 4, "price": 4}, {"id": 4, "name": "b"}, {"id": 5, "name": "c"}, {"id": 5, "name": "d"}]');
SELECT inserted, updated, unchanged, duplicate FROM last_load();
SELECT load_records('item', '[{"id": 5, "name": "e"}, {"id": 6, "name": "f"}, {"id": 6, "price": 1}]', on_conflict => 'skip');
SELECT inserted, updated, unchanged, duplicate FROM last_load();
SELECT id, name, price, made FROM item WHERE id > 3 ORDER BY id;
SELECT load_records('item', '[{"id": 7}, {"id": 7}]', on_conflict => 'error');
\echo :SQLSTATE

-- A value that its type refuses: the server's words, the record and the path.
SELECT load_records('item', '[{"id": 8}, {"id": 9, "sizes": [1, "x"]}, {"id": 10, "price": 12345}]');
\echo :SQLSTATE
SELECT load_records('item', '[{"id": 8}, {"id": 9, "code": "four"}, {"id": 10, "price": 12345}, {"name": "no id"}, 7]', on_error => 'ignore');
SELECT kind, ordinal, path, sqlstate, reason, record FROM rejected_records ORDER BY ordinal;
-- Rejected records can be loaded again.
SELECT load_records('item', (SELECT jsonb_agg(record - 'code') FROM rejected_records WHERE kind = 'item' AND sqlstate = '22001'));
SELECT id, code FROM item WHERE id IN (8, 9) ORDER BY id;
SELECT load_records('item', '{"no": "array"}');
SELECT load_records('item', '17');
\echo :SQLSTATE
SELECT load_records('item', '[{"id": 1,}]');
\echo :SQLSTATE

-- Keys: of several columns, of types that only the server compares, with nulls, and none.
CREATE TABLE price (item numeric, place text COLLATE "C", price int, PRIMARY KEY (item, place));
SELECT load_records('price', '[{"item": 1.0, "place": "a", "price": 1}, {"item": "1.00", "place": "a", "price": 2}, {"item": 2, "place": "", "price": 3}, {"item": 2, "place": ""}]');
SELECT inserted, updated, unchanged, duplicate FROM last_load();
SELECT * FROM price ORDER BY item;
CREATE TABLE word (word char(5), count int, more text, UNIQUE (word));
SELECT load_records('word', '[{"word": "ab ", "count": 1}, {"word": "ab", "count": 2}, {"word": null, "count": 3}, {"word": null, "count": 4}]', '{"key": ["word"]}');
SELECT load_records('word', '[{"word": "ab   ", "count": 5}]', '{"key": ["word"]}');
SELECT * FROM word ORDER BY count;
SELECT load_records('word', '[]');
\echo :SQLSTATE
SELECT load_records('word', '[{"word": "new"}]', on_conflict => 'error');
CREATE TABLE made (id serial PRIMARY KEY, always int GENERATED ALWAYS AS IDENTITY, note text NOT NULL);
SELECT load_records('made', '[{"note": "a"}, {"note": "b", "always": 77}, {"id": 1, "note": "c"}, {"id": 5}]', on_error => 'ignore');
-- Which numbers a sequence gives depends on what has been tried.
SELECT note, id = 1 AS one FROM made ORDER BY note;

-- Mappings: paths, the first that is there, records elsewhere, the whole record, what no column takes.
CREATE TABLE recording (recording_id uuid PRIMARY KEY, title text, work text, rest jsonb, raw jsonb);
SELECT load_records('recording', $$
    {"count": 2, "recordings": [
        {"id": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "title": "T", "relations": [{"work": {"id": "w"}}], "length": 7},
        {"id": "6ba7b811-9dad-11d1-80b4-00c04fd430c8", "name": "N", "length": 1.50}]}$$,
    '{"records": "$.recordings[*]", "others": "rest",
      "columns": {"recording_id": "$.id", "title": ["$.title", "$.name"], "work": "$.relations[0].work.id"}}');
SELECT recording_id, title, work, rest, raw FROM recording ORDER BY 1;
SELECT load_records('recording', '{"id": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "x": [1]}',
    '{"columns": {"recording_id": "$.id", "raw": "$"}}');
SELECT title, raw FROM recording WHERE raw IS NOT NULL;
SELECT load_records('recording', '[{"recording_id": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "x": 1}]', '{"others": "error"}');
\echo :SQLSTATE
SELECT load_records('recording', '{"data": []}', '{"records": "$.recordings[*]"}');
\echo :SQLSTATE

-- What is wrong with a mapping is told before anything is read.
SELECT load_records('item', 'no JSON', '{"columns": {"nope": "$.a"}}');
\echo :SQLSTATE
SELECT load_records('item', 'no JSON', '{"kolumns": {}}');
\echo :SQLSTATE
SELECT load_records('item', 'no JSON', '{"columns": {"name": "$.a["}}');
\echo :SQLSTATE
SELECT load_records('item', 'no JSON', '{"columns": {"name": "$.a", "code": "$.a"}}');
\echo :SQLSTATE
SELECT load_records('item', 'no JSON', '{"columns": {"twice": "$.a"}}');
\echo :SQLSTATE
SELECT load_records('item', 'no JSON', '{"key": ["name"]}');
\echo :SQLSTATE
SELECT load_records('item', 'no JSON', '{"others": "name"}');
\echo :SQLSTATE
SELECT load_records('nowhere', '[]');
\echo :SQLSTATE
SELECT load_records('item_pkey', '[]');
\echo :SQLSTATE
SELECT load_records(NULL, '[]');
\echo :SQLSTATE
SELECT load_records('item', NULL::text) IS NULL AS nothing;

-- A source's records into tables with other columns: the fields that its transforms make.
CREATE TABLE people (c_id text PRIMARY KEY, last_name varchar(20), first_name text);
CREATE TABLE pieces (w_id uuid PRIMARY KEY, title text NOT NULL, c_id text REFERENCES people, imslp_id int);
SELECT load_records('people', '[{"id": "Category:Alder, Ann", "type": "1"}, {"id": "Category:Birch, Bo", "type": "1"}]',
    '{"fields_of": "composers", "columns": {"c_id": "composer_id", "last_name": "last_name", "first_name": "first_name"}}');
SELECT load_records('pieces', $$[{"intvals": {"composer": "Alder, Ann", "worktitle": "good", "pageid": "6"}},
                                 {"intvals": {"composer": "Nobody, A", "worktitle": "bad", "pageid": "7"}}]$$,
    '{"fields_of": "works", "columns": {"w_id": "work_id", "title": "title", "c_id": "composer_id", "imslp_id": "imslp_id"}}',
    on_error => 'ignore');
TABLE people;
TABLE pieces;
SELECT kind, ordinal, path, sqlstate FROM rejected_records WHERE kind = 'pieces';
CREATE TABLE composers (composer_id text PRIMARY KEY, last_name text, complete_name text, mine int DEFAULT 7);
SELECT load_composers('[{"id": "Category:Alder, Ann", "type": "1"}]');
SELECT load_records('composers', '[{"id": "Category:Birch, Bo", "type": "1"}]', '{"fields_of": "composers"}');
SELECT * FROM composers ORDER BY 1;

-- Views, partitions, rules of row security: their own INSERT.
CREATE VIEW cheap AS SELECT id, name, price FROM item WHERE price < 10 WITH CHECK OPTION;
SELECT load_records('cheap', '[{"id": 20, "name": "v", "price": 1}, {"id": 21, "price": 11}]', on_conflict => 'error', on_error => 'ignore');
SELECT sqlstate FROM rejected_records WHERE kind = 'cheap';
CREATE TABLE part (a int, b int, c text DEFAULT 'd', PRIMARY KEY (a, b)) PARTITION BY RANGE (a);
CREATE TABLE part1 PARTITION OF part FOR VALUES FROM (0) TO (10);
CREATE TABLE part2 PARTITION OF part FOR VALUES FROM (10) TO (20);
SELECT load_records('part', '[{"a": 1, "b": 1}, {"a": 11, "b": 1, "c": "x"}, {"a": 30, "b": 1}]', on_error => 'ignore');
SELECT load_records('part', '[{"a": 1, "b": 1, "c": "y"}, {"a": 11, "b": 1}]');
SELECT tableoid::regclass, * FROM part ORDER BY a;

-- Many rows go the way of COPY, and foreign keys are proved as sets: of several columns too.
CREATE TABLE shop (city int, number smallint, PRIMARY KEY (city, number));
CREATE TABLE kind (kind text PRIMARY KEY);
CREATE TABLE sale (id bigint PRIMARY KEY, city int, number smallint, kind text REFERENCES kind, at date DEFAULT '2000-01-01',
                   FOREIGN KEY (city, number) REFERENCES shop);
INSERT INTO shop SELECT c, n FROM generate_series(1, 5) c, generate_series(1, 4) n;
INSERT INTO kind VALUES ('a'), ('b');
SELECT load_records('sale', (SELECT jsonb_agg(jsonb_build_object('id', n, 'city', 1 + n % 5, 'number', 1 + n % 4, 'kind', CASE n % 3 WHEN 0 THEN 'a' WHEN 1 THEN 'b' END))
                             FROM generate_series(1, 2000) n));
SELECT inserted, foreign_key_check, write_method FROM last_load();
SELECT load_records('sale', (SELECT jsonb_agg(jsonb_build_object('id', n, 'city', CASE n WHEN 2500 THEN 99 ELSE 1 END, 'number', CASE n WHEN 2600 THEN NULL ELSE 1 END,
                                                                 'kind', CASE n WHEN 2700 THEN 'z' ELSE 'a' END))
                             FROM generate_series(2001, 3000) n), on_error => 'ignore');
SELECT inserted, rejected, foreign_key_check FROM last_load();
SELECT ordinal, sqlstate, reason FROM rejected_records WHERE kind = 'sale' ORDER BY ordinal;
SELECT count(*), count(DISTINCT at), count(number) FROM sale;
SELECT load_records('sale', (SELECT jsonb_agg(to_jsonb(s) - 'at') FROM sale s));
SELECT inserted, updated, unchanged FROM last_load();

-- A name is a name, whatever is in it.
CREATE TABLE "it's, 'x', null--" (id int PRIMARY KEY);
SELECT load_records('"it''s, ''x'', null--"', '[{"id": "z"}]', on_error => 'ignore');
SELECT kind, sqlstate FROM rejected_records WHERE kind LIKE 'it''s%';
-- What a row gives up another one may take; rows that refer to rows of the document; a key that is all default.
CREATE TABLE slug (id int PRIMARY KEY, slug text UNIQUE);
INSERT INTO slug VALUES (1, 'a');
SELECT load_records('slug', '[{"id": 1, "slug": "old-a"}, {"id": 3, "slug": "a"}]');
SELECT * FROM slug ORDER BY id;
CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree, CHECK (id <> 5000));
SET pg_opus.min_parallel_rows = 1;
SELECT load_records('tree', (SELECT jsonb_agg(jsonb_build_object('id', n, 'parent', nullif(n + 1, 9001)) ORDER BY n DESC) FROM generate_series(5001, 9000) n), workers => 2);
SELECT load_records('tree', (SELECT jsonb_agg(jsonb_build_object('id', n, 'parent', n + 1) ORDER BY n DESC) FROM generate_series(1, 5000) n), on_error => 'ignore');
SELECT count(*) FROM tree;
RESET pg_opus.min_parallel_rows;
CREATE TABLE pair (a int DEFAULT 1, b int, v text, PRIMARY KEY (a, b));
SELECT load_records('pair', '[{"b": 1, "v": "x"}, {"b": 2, "v": "y"}]', '{"columns": {"b": "$.b", "v": "$.v"}}');
SELECT load_records('pair', '[{"b": 1, "v": "z"}]', '{"columns": {"b": "$.b", "v": "$.v"}}');
SELECT * FROM pair ORDER BY b;
-- A row that a trigger moves is not doubled.
CREATE TABLE moved (id int PRIMARY KEY, v text);
INSERT INTO moved VALUES (1, 'a'), (2, 'b');
CREATE FUNCTION move() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN IF NEW.v = 'keep' THEN RETURN NULL; END IF; NEW.id := NEW.id + 1000; RETURN NEW; END$$;
CREATE TRIGGER move BEFORE UPDATE ON moved FOR EACH ROW EXECUTE FUNCTION move();
SELECT load_records('moved', '[{"id": 1, "v": "keep"}, {"id": 2, "v": "move"}]');
SELECT * FROM moved ORDER BY id;

-- Batches larger than work_mem go to temporary files, also those that the server refuses.
SET work_mem = '64kB';
CREATE TABLE long (id int PRIMARY KEY, text text, CHECK (text <> 'no'));
INSERT INTO long SELECT n, 'old' FROM generate_series(1, 3000) n;
SELECT load_records('long', (SELECT jsonb_agg(jsonb_build_object('id', n, 'text', CASE WHEN n % 1000 = 7 THEN 'no' ELSE repeat('new', 20) || n END))
                             FROM generate_series(1, 6000) n), on_error => 'ignore');
SELECT inserted, updated, rejected FROM last_load();
SELECT count(*), count(DISTINCT text), min(id) FILTER (WHERE text = 'old') FROM long;
RESET work_mem;

-- Fields of a source in columns of char(n) are whole.
CREATE TABLE padded (c_id char(30) PRIMARY KEY, name bpchar, code char(4));
SELECT load_records('padded', '[{"id": "Category:Alder, Ann", "type": "1"}, {"id": "Category:Alder, Bo", "type": "1"}]',
    '{"fields_of": "composers", "columns": {"c_id": "composer_id", "name": "complete_name"}}');
TABLE padded;
SELECT load_records('padded', '[{"id": "Category:Alder, Ann", "type": "1"}]',
    '{"fields_of": "composers", "columns": {"c_id": "composer_id", "code": "last_name"}}');
\echo :SQLSTATE

-- NOT NULL is left out only where no row has null: not said, not left out, and not in a row that the server makes (an
-- array of two dimensions).
CREATE TABLE filled (id int PRIMARY KEY, a text NOT NULL, b int[] NOT NULL);
CREATE FUNCTION rows_of(first int, more jsonb) RETURNS jsonb BEGIN ATOMIC
    SELECT jsonb_agg(jsonb_build_object('id', n, 'a', 'a', 'b', ARRAY[n])) || more FROM generate_series(first, first + 999) n; END;
SELECT load_records('filled', rows_of(1, '[]'));
SELECT inserted, rejected, write_method FROM last_load();
SELECT load_records('filled', rows_of(2001, '[{"id": 1, "a": null, "b": [1]}, {"id": 3501, "a": null, "b": [1]}]'), on_error => 'ignore');
SELECT inserted, rejected FROM last_load();
SELECT load_records('filled', rows_of(4001, '[{"id": 5501, "b": [1]}]'), on_error => 'ignore');
SELECT inserted, rejected FROM last_load();
SELECT load_records('filled', rows_of(6001, '[{"id": 7501, "a": null, "b": [[1], [2]]}]'), on_error => 'ignore');
SELECT inserted, rejected FROM last_load();
SELECT load_records('filled', rows_of(8001, '[{"id": 9501, "a": "a", "b": [[1], [2]]}]'));
SELECT inserted, rejected, write_method FROM last_load();
SELECT count(*), count(a), count(b) FROM filled;

-- No member is the name of a column. Only an error tells so: a row of defaults is what {} asks for.
CREATE TABLE named (id int PRIMARY KEY, name text);
SELECT load_records('named', '[{"ID": 1, "Name": "x"}, {"ID": 2}]');
SELECT load_records('named', '[{"ID": 1}]', '{"columns": {"id": "$.number", "name": "$.name"}}');
SELECT load_records('named', '[{"ID": 1}, {"id": null}]');
CREATE TABLE defaults (id serial PRIMARY KEY, name text);
SELECT load_records('defaults', '[{"ID": 1}, {}]');

-- Who may not do what the policy needs is told what that is.
CREATE ROLE records_user;
GRANT USAGE ON SCHEMA records TO records_user;
SET ROLE records_user;
SELECT load_records('named', '[{"id": 1}]');
RESET ROLE;
GRANT INSERT ON named TO records_user;
SET ROLE records_user;
SELECT load_records('named', '[{"id": 1}]');
SELECT load_records('named', '[{"id": 1}]', on_conflict => 'skip');
SELECT load_records('named', '[{"id": 1}]', on_conflict => 'error');
RESET ROLE;
GRANT SELECT ON named TO records_user;
SET ROLE records_user;
SELECT load_records('named', '[{"id": 1, "name": "x"}]');
SELECT load_records('named', '[{"id": 1, "name": "x"}]', on_conflict => 'skip');
RESET ROLE;
GRANT UPDATE ON named TO records_user;
SET ROLE records_user;
SELECT load_records('named', '[{"id": 1, "name": "x"}]');
RESET ROLE;
-- Row security is another matter.
ALTER TABLE named ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON named USING (id < 5);
SET ROLE records_user;
SELECT load_records('named', '[{"id": 7}]');
RESET ROLE;
DROP OWNED BY records_user;
DROP ROLE records_user;

-- Nulls that are equal: a row of nulls is none.
CREATE TYPE span AS (low int, high int);
CREATE TABLE shelf (room text, place span, floor int, books int, UNIQUE NULLS NOT DISTINCT (room, place, floor));
CREATE VIEW shelves AS SELECT room, place, floor, b.books
    FROM (VALUES ('a'), (NULL)) AS r (room), (VALUES (span '(1,2)'), ('(,)'), (NULL)) AS p (place), (VALUES (1), (NULL)) AS f (floor),
        (VALUES (1)) AS b (books);
INSERT INTO shelf SELECT * FROM shelves LIMIT 7;
SELECT load_records('shelf', (SELECT jsonb_agg(to_jsonb(s) || '{"books": 2}') FROM shelves s), '{"key": ["room", "place", "floor"]}');
SELECT inserted, updated FROM last_load();
SELECT load_records('shelf', (SELECT jsonb_agg(to_jsonb(s) || '{"books": 2}') FROM shelves s), '{"key": ["room", "place", "floor"]}');
SELECT inserted, updated, unchanged FROM last_load();
SELECT count(*), count(DISTINCT (room, place, floor)), min(books) FROM shelf;
DROP VIEW shelves;

-- A key that ON CONFLICT cannot use is told as what it is.
CREATE TABLE late (id int PRIMARY KEY DEFERRABLE, name text);
SELECT load_records('late', '[{"id": 1}]');
\echo :SQLSTATE
-- What a CHECK or a trigger says of one row is its fault, whatever the code; what the server says of the table is not.
CREATE TABLE size (id int PRIMARY KEY, size numeric CHECK (size::int < 100), of text CHECK (of IS NULL OR of::regclass IS NOT NULL), state int);
CREATE FUNCTION refuse_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = 0 THEN RAISE object_not_in_prerequisite_state USING MESSAGE = 'not in this state'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse_state BEFORE INSERT ON size FOR EACH ROW EXECUTE FUNCTION refuse_state();
\set sizes '[{"id": 1, "size": 5}, {"id": 2, "size": "infinity"}, {"id": 3, "of": "nowhere"}, {"id": 4, "state": 0}, {"id": 5, "of": "size"}]'
TRUNCATE rejected_records;
SELECT load_records('size', :'sizes', on_error => 'ignore');
SELECT ordinal, sqlstate, reason FROM rejected_records ORDER BY ordinal;
TABLE size;
DROP TRIGGER refuse_state ON size;
TRUNCATE size;
SELECT load_records('size', :'sizes');
\echo :SQLSTATE
CREATE FUNCTION refuse_all() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'no rows for this table';
END $$;
CREATE TRIGGER refuse_all BEFORE INSERT ON size EXECUTE FUNCTION refuse_all();
SELECT load_records('size', :'sizes', on_error => 'ignore');
\echo :SQLSTATE

DROP SCHEMA records CASCADE;
