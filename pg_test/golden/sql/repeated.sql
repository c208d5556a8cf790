-- Several records of one key whose members differ: a record takes the place of the one before it that has the same
-- members, and adds to one that has others.
CREATE SCHEMA repeated;
SET search_path = repeated, public;
CREATE TABLE city (id int PRIMARY KEY, name text NOT NULL CHECK (name <> 'refused'), area int CHECK (area < 100), since int DEFAULT 7);
CREATE FUNCTION load(document text, policy text DEFAULT 'update', errors text DEFAULT 'stop') RETURNS text
LANGUAGE sql AS $$
  SELECT load_records('city', document, on_conflict => policy, on_error => errors)::text
$$;
CREATE FUNCTION counts() RETURNS text LANGUAGE sql AS $$
  SELECT format('inserted %s, updated %s, unchanged %s, duplicate %s, rejected %s', inserted, updated, unchanged, duplicate, rejected)
  FROM last_load()
$$;

SELECT load('[{"id": 1, "name": "a"}, {"id": 1, "name": "b"}, {"id": 1, "area": 5}]');
SELECT counts();
SELECT load('[{"id": 1, "area": 5}, {"id": 1, "area": 6}, {"id": 1, "name": "c"}, {"id": 1, "name": "d"}, {"id": 1, "area": 7}]');
SELECT counts();
TABLE city;

-- One that is set aside decides nothing: the record before it, whose place it would have taken, is written, in its order.
TRUNCATE city;
SELECT load('[{"id": 1, "name": "a"}, {"id": 1, "name": "refused"}, {"id": 1, "area": 5}, {"id": 1, "area": 500}, {"id": 1, "area": 501},
              {"id": 1, "since": 3}, {"id": 2, "name": "refused"}, {"id": 2, "area": 7}]', 'update', 'ignore');
SELECT counts();
TABLE city;
SELECT ordinal, sqlstate, reason FROM rejected_records ORDER BY ordinal;

-- The same in parts, however small.
SELECT create_inbox('city_json', 'city');
SELECT create_inbox('city_tolerant', 'city', on_error => 'ignore');
SET pg_opus.stream_memory = '1kB';
TRUNCATE city, rejected_records;
INSERT INTO city_json VALUES ('{"id": 1, "name": "a"}'), (repeat(' ', 2000)), ('{"id": 1, "name": "b"}'), (repeat(' ', 2000)), ('{"id": 1, "area": 5}');
SELECT counts();
INSERT INTO city_json VALUES ('{"id": 1, "area": 5}'), (repeat(' ', 2000)), ('{"id": 1, "area": 6}'), (repeat(' ', 2000)), ('{"id": 1, "name": "c"}'),
  (repeat(' ', 2000)), ('{"id": 1, "name": "d"}'), (repeat(' ', 2000)), ('{"id": 1, "area": 7}');
SELECT counts();
TABLE city;

-- Malformed JSON is in parts what it is in one: a line among lines, and else no document at all.
TRUNCATE city;
INSERT INTO city_tolerant VALUES ('{"id": 1, "name": "a"}'), (repeat(' ', 2000)), ('{"id": 2, "name"'), ('{"id": 3, "name": "c"}');
SELECT counts();
SELECT load(E'{"id": 1, "name": "a"}\n{"id": 2, "name"\n{"id": 3, "name": "c"}', 'update', 'ignore');
SELECT counts();
INSERT INTO city_tolerant VALUES ('[{"id": 1, "name": "a"}]'), (repeat(' ', 2000)), ('{"id": 4, "name"'), ('{"id": 5, "name": "c"}');
SELECT load(E'[{"id": 1, "name": "a"}]\n{"id": 4, "name"\n{"id": 5, "name": "c"}', 'update', 'ignore');
INSERT INTO city_tolerant VALUES ('[{"id": 6, "name": "a"},'), (repeat(' ', 2000)), ('{"id": 7, "name": "b"}}, {"id": 8, "name": "c"}]');
SELECT load(E'[{"id": 6, "name": "a"},\n{"id": 7, "name": "b"}}, {"id": 8, "name": "c"}]', 'update', 'ignore');
-- A string without an end, and a record of several lines, take nothing with them; nor does a carriage return.
TRUNCATE city, rejected_records;
SELECT load(E'{"id": 1, "name": "a"}\r\n{"id": 2, "name": "b}\r\n{"id": 3, "name": "c"}\r\n{\r\n"id": 4,\r\n"name": "d"\r\n}\r\n{"id": 5, "name": "e}\r\n{"id": 6, "name": "f"}',
            'update', 'ignore');
SELECT string_agg(name, ' ' ORDER BY id) FROM city;
SELECT ordinal, record FROM rejected_records ORDER BY ordinal;
