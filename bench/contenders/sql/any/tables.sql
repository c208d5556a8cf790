DROP TABLE IF EXISTS note, maker, reading, document;
CREATE TABLE maker (maker_id int PRIMARY KEY, name text);
INSERT INTO maker SELECT n, 'maker ' || n FROM generate_series(1, 20000) n;
CREATE TABLE note (note_id bigint PRIMARY KEY, maker_id int REFERENCES maker, title text, body text, year smallint);
CREATE TABLE reading (
    id int PRIMARY KEY, price numeric(20, 4), good boolean, made timestamptz, name text, more jsonb, sizes int[], tags text[],
    weight double precision, serial bigint, uid uuid, day date, grade smallint, code varchar(10), remark text, rate numeric,
    label text, sold boolean, description text, version int);
CREATE UNLOGGED TABLE document (name text, jsonb jsonb);
ALTER TABLE document ALTER jsonb SET STORAGE EXTERNAL;
INSERT INTO document SELECT 'note', jsonb_agg(jsonb_build_object(
    'note_id', n, 'maker_id', 1 + (n * 7919) % 20000, 'title', 'Title number ' || n, 'body', md5(n::text), 'year', 1700 + n % 300))
    FROM generate_series(1, 200000) n;
INSERT INTO document SELECT 'reading', jsonb_agg(jsonb_build_object(
    'id', n, 'price', n / 7.0::numeric(20, 4), 'good', n % 2 = 0, 'made', '2020-01-01T00:00:00Z', 'name', 'text ' || n,
    'more', jsonb_build_object('k', n, 'l', ARRAY[1, 2]), 'sizes', ARRAY[n, n + 1], 'tags', ARRAY['a', 'b' || n],
    'weight', n * 1.5, 'serial', (n * 1000000007::bigint)::text, 'uid', md5(n::text)::uuid, 'day', '2001-02-03', 'grade', n % 100,
    'code', 'x', 'remark', NULL, 'rate', 3.25, 'label', n::text, 'sold', true,
    'description', 'some longer text that goes on and on ' || n, 'version', 1))
    FROM generate_series(1, 100000) n;
