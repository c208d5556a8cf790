-- A document through COPY: lines and pieces, every policy, wherever the parts are cut.
\set VERBOSITY terse
\pset null '∅'
CREATE SCHEMA inbox;
SET search_path = inbox, public;
CREATE VIEW counts AS
  SELECT kind, source, received, inserted, updated, unchanged, duplicate, rejected, write_method FROM last_load();
CREATE TABLE city (id int PRIMARY KEY, name text NOT NULL, area numeric(8,1), since date DEFAULT '2000-01-01');

SELECT create_inbox('city_json', 'city');
\d+ city_json

-- One line after another, an array over several lines, one in one line, and nothing.
COPY city_json(line) FROM STDIN (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02');
{"id": 1, "name": "Leipzig", "area": 297.8}
{"id": 2, "name": "Łódź \"x\" \u00e9\\", "since": null}

{"id": 3, "name": "C:\\temp, \t \""}
\.
TABLE counts;
COPY city_json(line) FROM STDIN (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02');
[
  {"id": 1, "area": "297.9"},
  {
    "id": 4,
    "name": "Wien"
  }
]
\.
COPY city_json(line) FROM STDIN (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02');
[{"id": 5, "name": "Graz"}, {"id": 6, "name": "Linz"}] [{"id": 6, "area": 96}]
\.
TABLE counts;
COPY city_json(line) FROM STDIN (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02');
\.
TABLE counts;
SELECT * FROM city ORDER BY id;

-- Pieces, cut within a string, within a character and between two backslashes.
INSERT INTO city_json(chunk)
  SELECT substr(convert_to('[{"id": 7, "name": "Zürich \\"}, {"id":8,"name":"Bern"}]', 'UTF8'), i + 1, 1)
  FROM generate_series(0, 80) i ORDER BY i;
INSERT INTO city_json(chunk) VALUES ('[{"id": 8, "na'), (NULL), (''), ('me": "Bern '), ('2"}]');
SELECT id, name FROM city WHERE id > 6 ORDER BY id;

-- INSERT takes lines and pieces, returns what it took, and is a statement as any other.
INSERT INTO city_json VALUES ('[{"id": 9,'), ('"name": "Basel"}]') RETURNING length(line);
INSERT INTO city_json SELECT to_json(c) FROM city c WHERE id = 9;
TABLE counts;
INSERT INTO city_json VALUES ('[]', '[]');
BEGIN;
INSERT INTO city_json VALUES ('{"id": 10, "name": "Genf"}');
ROLLBACK;
SELECT count(*) FROM city WHERE id = 10;

-- An error names the record, its path and its line; nothing is left.
\set VERBOSITY default
COPY city_json(line) FROM STDIN (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02');
{"id": 10, "name": "Genf"}

{"id": 11, "name": "Lyon", "area": "large"}
{"id": 12}
\.
COPY city_json(line) FROM STDIN (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02');
[
{"id": 10, "name": "Genf"},
[]
]
\.
COPY city_json(line) FROM STDIN (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02');
[
{"id": 10, "name": "Genf"},
{"id": 11, "name": "L
\.
\set VERBOSITY terse
SELECT count(*) FROM city WHERE id >= 10;

-- Bad records aside, over all parts; a limit holds for all of them.
SELECT create_inbox('city_ignore', 'city', on_error => 'ignore', reject_limit => 30);
SET pg_opus.stream_memory = '1kB';
INSERT INTO city_ignore SELECT CASE i % 10
    WHEN 3 THEN format('{"id": %s, "name": null}', 100 + i)
    WHEN 6 THEN format('{"id": %s, "name": "x}', 100 + i)
    WHEN 9 THEN format('{"id": "%sx", "name": "x"}', 100 + i)
    ELSE format('{"id": %s, "name": "city %s"}', 100 + i, i) END
  FROM generate_series(0, 99) i;
TABLE counts;
SELECT min(id), max(id), count(*) FROM city WHERE id >= 100;
SELECT count(DISTINCT load_id), count(*), min(ordinal), max(ordinal), sum(ordinal) FROM rejected_records;
SELECT ordinal, path, sqlstate, reason, record FROM rejected_records WHERE ordinal IN (3, 66, 99) ORDER BY ordinal;
TRUNCATE rejected_records;
INSERT INTO city_ignore SELECT '[]' FROM generate_series(0, 5);
INSERT INTO city_ignore SELECT CASE WHEN i % 3 = 0 THEN '{}' ELSE format('{"id": %s, "name": "y"}', 1000 + i) END
  FROM generate_series(0, 99) i;
SELECT count(*) FROM city WHERE id >= 1000;

-- A key in two parts is what it is in one document: each policy, beside the document as one text.
CREATE TABLE documents (id int, document text);
INSERT INTO documents
  SELECT 1, string_agg(format('{"id": %s, "name": "n%s", "area": %s}', i * 7 % 40, i, i), E'\n' ORDER BY i) FROM generate_series(1, 100) i;
INSERT INTO documents
  SELECT 2, '[' || string_agg(format('{"id": %s, "name": "n%s", "area": %s}', i * 11 % 60, i % 17, i % 5), E',\n' ORDER BY i) || ']'
  FROM generate_series(1, 150) i;
CREATE TABLE before AS SELECT i * 5 AS id, 'before ' || i AS name, NULL::numeric(8,1) AS area, NULL::date AS since
  FROM generate_series(1, 5) i;
CREATE FUNCTION in_parts(policy text, on_error text) RETURNS TABLE (document int, part text, inserted bigint, updated bigint,
  unchanged bigint, duplicate bigint, rejected bigint, is_same boolean) LANGUAGE plpgsql AS $$
DECLARE
  d record; counted record; whole city[]; parts city[]; aside jsonb; memory text;
BEGIN
  PERFORM create_inbox('in_parts_json', 'city', on_conflict => policy, on_error => on_error);
  FOR d IN SELECT * FROM documents ORDER BY id LOOP
    FOREACH memory IN ARRAY ARRAY['64MB', '1kB', '3kB', '17kB'] LOOP
      TRUNCATE city, rejected_records;
      INSERT INTO city SELECT * FROM before;
      PERFORM set_config('pg_opus.stream_memory', memory, true);
      INSERT INTO in_parts_json SELECT line FROM regexp_split_to_table(d.document, '\n') line;
      SELECT * INTO counted FROM last_load();
      parts := array_agg(c ORDER BY id) FROM city c;
      IF memory = '64MB' THEN
        whole := parts;
        aside := jsonb_agg(jsonb_build_array(ordinal, path, sqlstate, record) ORDER BY ordinal) FROM rejected_records;
      END IF;
      RETURN QUERY SELECT d.id, memory, counted.inserted, counted.updated, counted.unchanged, counted.duplicate,
        counted.rejected, parts IS NOT DISTINCT FROM whole AND aside IS NOT DISTINCT FROM
          (SELECT jsonb_agg(jsonb_build_array(ordinal, r.path, sqlstate, record) ORDER BY ordinal) FROM rejected_records r);
    END LOOP;
  END LOOP;
  DROP VIEW in_parts_json;
END $$;
SELECT * FROM in_parts('update', 'stop');
SELECT * FROM in_parts('skip', 'stop');
SELECT * FROM in_parts('error', 'ignore');

-- Records of a source, its pages and answers one behind another.
SELECT create_catalogue();
SELECT create_inbox('composers_json', 'composers', '{"fields_of": "composers"}');
SELECT create_inbox('works_json', 'works', '{"fields_of": "works"}');
\getenv root PG_OPUS_ROOT
\set composers `cat "$PG_OPUS_ROOT/examples/sample/imslp_composers.json"`
\cd :root
\copy composers_json(line) from 'examples/sample/imslp_composers.json' with (format csv, quote e'\x01', delimiter e'\x02')
TABLE counts;
\copy works_json(line) from 'examples/sample/imslp_works.json' with (format csv, quote e'\x01', delimiter e'\x02')
TABLE counts;
\copy composers_json(line) from 'examples/sample/openopus_dump.json' with (format csv, quote e'\x01', delimiter e'\x02')
TABLE counts;
\copy works_json(line) from 'examples/sample/openopus_dump.json' with (format csv, quote e'\x01', delimiter e'\x02')
TABLE counts;
\copy works_json(line) from 'examples/sample/openopus_dump.json' with (format csv, quote e'\x01', delimiter e'\x02')
TABLE counts;
INSERT INTO composers_json SELECT format('{"0": {"id": "Category:%s, A", "type": "1"}, "1": {"id": "Category:%s, B", "type": "1"}, "metadata": {"start": %s}}', i, i, i)
  FROM generate_series(1, 20) i;
TABLE counts;
\set VERBOSITY default
INSERT INTO works_json SELECT format('{"id": "w%s", "type": "2", "intvals": {"composer": "1, A", "worktitle": %s, "pageid": "%s"}}',
  i, CASE i WHEN 70 THEN '17' ELSE '"t"' END, i) FROM generate_series(1, 90) i;
INSERT INTO works_json SELECT format('{"id": "w%s", "type": "2", "intvals": {"composer": "%s, A", "worktitle": "t", "pageid": "%s"}}',
  i, CASE i WHEN 80 THEN 0 ELSE 1 END, i) FROM generate_series(1, 90) i;
\set VERBOSITY terse

-- An array of pages, whose records are within its elements.
INSERT INTO composers_json SELECT CASE i WHEN 1 THEN '[' ELSE ',' END
  || format('{"composers": [{"name": "N%s", "complete_name": "M N%s"}, {"name": "O%s", "complete_name": %s}]}', i, i, i, CASE i WHEN 33 THEN 'null' ELSE '"P O"' END)
  || CASE i WHEN 40 THEN ']' ELSE '' END FROM generate_series(1, 40) i;
-- The source is that of the first record that shows it, be it in the second part; what all parts lack is told at the end.
SELECT create_inbox('composers_ignore', 'composers', '{"fields_of": "composers"}', on_error => 'ignore');
INSERT INTO composers_ignore SELECT CASE WHEN i <= 200 THEN '{"name": N}' ELSE format('{"name": "N%s", "complete_name": "Q N%s"}', i, i) END
  FROM generate_series(1, 230) i;
TABLE counts;
INSERT INTO works_json SELECT format('{"composers": [{"name": "N%s", "complete_name": "Q N%s"}]}', i, i) FROM generate_series(201, 230) i;
INSERT INTO works_json SELECT format('{"composers": [{"name": "N%s", "complete_name": "Q N%s"%s}]}', i, i, CASE i WHEN 229 THEN ', "works": []' END)
  FROM generate_series(201, 230) i;
TABLE counts;
-- Pieces that are no UTF-8.
INSERT INTO composers_json(chunk) SELECT CASE i WHEN 77 THEN '\xff' ELSE convert_to(format('{"id": "Category:%s, C", "type": "1"}', i), 'UTF8') END
  FROM generate_series(1, 90) i;
-- Records where the mapping says.
SELECT create_inbox('city_data', 'city', '{"records": "$.data[*]"}');
TRUNCATE city;
INSERT INTO city_data SELECT format('{"data": [{"id": %s, "name": "a"}, {"id": %s, "name": "b"}]}', 2 * i, 2 * i + 1) FROM generate_series(1, 50) i;
TABLE counts;
INSERT INTO city_data SELECT format('{"data": [{"id": %s, "name": "a"}, {"id": %s%s, "name": "b"}]}', 2 * i, 2 * i + 1, CASE i WHEN 44 THEN '.5' END) FROM generate_series(1, 50) i;
INSERT INTO city_data SELECT CASE i WHEN 41 THEN '{"date": []}' ELSE '{"data": []}' END FROM generate_series(1, 50) i;
RESET pg_opus.stream_memory;

-- Statements within statements, errors that are caught, two inboxes in one statement.
TRUNCATE city;
CREATE TABLE other (LIKE city INCLUDING ALL);
SELECT create_inbox('other_json', 'other');
CREATE FUNCTION forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.id < 100 THEN
    INSERT INTO city_json VALUES (format('{"id": %s, "name": "forwarded"}', NEW.id + 100));
    BEGIN
      INSERT INTO city_json VALUES ('{"id": 999, "name": "gone"}'), ('{"id": 998}');
    EXCEPTION WHEN not_null_violation THEN
      RAISE NOTICE 'caught %', SQLERRM;
    END;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER forward AFTER INSERT ON city FOR EACH ROW EXECUTE FUNCTION forward();
INSERT INTO city_json VALUES ('{"id": 1, "name": "a"}'), ('{"id": 2, "name": "b"}');
SELECT received, inserted FROM last_load();
SELECT id, name FROM city ORDER BY id;
DROP TRIGGER forward ON city;
TRUNCATE city;
WITH a AS (INSERT INTO city_json VALUES ('{"id": 1, "name": "a"}'), ('{"id": 2, "name": "b"}') RETURNING line),
     b AS (INSERT INTO other_json SELECT line FROM a RETURNING 1)
SELECT count(*) FROM b;
SELECT (SELECT count(*) FROM city), (SELECT count(*) FROM other);
-- The rows of two INSERTs into one inbox are one load, as its statement triggers fire once.
WITH a AS (INSERT INTO city_json VALUES ('{"id": 3, "name": "c"}') RETURNING 1)
INSERT INTO city_json SELECT '{"id": 4, "name": "d"}' FROM a;
SELECT received, inserted FROM last_load();
-- Nothing else can be done to an inbox, or with its rows.
TABLE city_json;
UPDATE city_json SET line = '{}';
DELETE FROM city_json;
SELECT count(*) FROM city;
CREATE FUNCTION line(i int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO city_json VALUES (format('{"id": %s, "name": "within"}', 50 + i));
  RETURN format('{"id": %s, "name": "around"}', i);
END $$;
INSERT INTO city_json SELECT line(i) FROM generate_series(10, 12) i;
SELECT id, name FROM city ORDER BY id;
BEGIN;
SAVEPOINT s;
INSERT INTO city_json VALUES ('{"id": 20, "name": "kept"}');
RELEASE s;
SAVEPOINT s;
INSERT INTO city_json VALUES ('{"id": 21, "name": "gone"}');
ROLLBACK TO s;
INSERT INTO city_json VALUES ('{"id": 22, "name": "kept"}');
COMMIT;
SELECT id FROM city WHERE id BETWEEN 20 AND 29;

-- The target is found by what it is: renamed, moved, dropped.
CREATE SCHEMA elsewhere;
ALTER TABLE other RENAME TO another;
ALTER TABLE another SET SCHEMA elsewhere;
INSERT INTO other_json VALUES ('{"id": 3, "name": "moved"}');
SELECT id FROM elsewhere.another ORDER BY id;
DROP TABLE elsewhere.another;
DROP VIEW other_json;
DROP TABLE elsewhere.another;
CREATE TEMP TABLE passing (id int PRIMARY KEY, t text);
SELECT create_inbox('passing_json', 'passing');
INSERT INTO passing_json VALUES ('{"id": 1, "t": "a"}');
SELECT create_inbox('"City In"', 'city'), create_inbox('elsewhere.city_in', 'city');
INSERT INTO "City In" VALUES ('{"id": 30, "name": "quoted"}');
INSERT INTO elsewhere.city_in VALUES ('{"id": 31, "name": "elsewhere"}');
SELECT id FROM city WHERE id BETWEEN 30 AND 39;

-- What is refused before any row comes, and what is no inbox.
SELECT create_inbox('city_json', 'city');
SELECT create_inbox('x', 'city', '{"columns": {"nowhere": "$.a"}}');
SELECT create_inbox('x', 'city', on_conflict => 'replace');
SELECT create_inbox('x', 'city', reject_limit => 3);
SELECT create_inbox(NULL, 'city');
SELECT create_inbox('x', NULL);
SELECT create_inbox('x.y.z.u', 'city');
CREATE TABLE keyless (a int);
SELECT create_inbox('x', 'keyless');
SELECT inbox_begin();
CREATE TRIGGER t BEFORE INSERT ON keyless FOR EACH STATEMENT EXECUTE FUNCTION inbox_begin('', 'update', 'stop', '');
INSERT INTO keyless VALUES (1);
CREATE VIEW crooked AS SELECT NULL::text AS line, NULL::bytea AS chunk FROM city, keyless WHERE false;
CREATE TRIGGER t INSTEAD OF INSERT ON crooked FOR EACH ROW EXECUTE FUNCTION inbox_take();
INSERT INTO crooked VALUES ('{}');
CREATE TRIGGER b BEFORE INSERT ON crooked FOR EACH STATEMENT EXECUTE FUNCTION inbox_begin('', 'update', 'stop', '');
INSERT INTO crooked VALUES ('{}');
CREATE VIEW narrow AS SELECT name AS line FROM city WHERE false;
CREATE TRIGGER b BEFORE INSERT ON narrow FOR EACH STATEMENT EXECUTE FUNCTION inbox_begin('', 'update', 'stop', '');
CREATE TRIGGER t INSTEAD OF INSERT ON narrow FOR EACH ROW EXECUTE FUNCTION inbox_take();
INSERT INTO narrow VALUES ('{}');
CREATE VIEW half AS SELECT NULL::text AS line, NULL::bytea AS chunk FROM city WHERE false;
CREATE TRIGGER b BEFORE INSERT ON half FOR EACH STATEMENT EXECUTE FUNCTION inbox_begin('', 'update', 'stop', '');
CREATE TRIGGER t INSTEAD OF INSERT ON half FOR EACH ROW EXECUTE FUNCTION inbox_take();
INSERT INTO half VALUES ('{"id": 40, "name": "half"}');
SELECT count(*) FROM city WHERE id = 40;
-- Nor what is another view when its rows come: it has more columns than a line and a chunk.
BEGIN;
INSERT INTO half VALUES ('{"id": 40, "name": "half"}');
DROP TRIGGER b ON half;
SELECT format('CREATE OR REPLACE VIEW half AS SELECT NULL::text AS line, NULL::bytea AS chunk, %s FROM city WHERE false',
    string_agg('1::bigint AS c' || n, ', ')) FROM generate_series(1, 1000) n \gset wide_
:wide_format;
INSERT INTO half VALUES ('{"id": 41, "name": "wide"}');
ROLLBACK;

-- Nothing runs with other rights than those of who inserts.
CREATE ROLE inbox_reader;
GRANT USAGE ON SCHEMA inbox TO inbox_reader;
GRANT INSERT ON city_json TO inbox_reader;
SET ROLE inbox_reader;
INSERT INTO city_json VALUES ('{"id": 50, "name": "denied"}');
RESET ROLE;
GRANT INSERT, UPDATE, SELECT ON city TO inbox_reader;
SET ROLE inbox_reader;
INSERT INTO city_json VALUES ('{"id": 50, "name": "allowed"}');
RESET ROLE;
SELECT id FROM city WHERE id = 50;
BEGIN READ ONLY;
INSERT INTO city_json VALUES ('{"id": 51, "name": "read only"}');
ROLLBACK;

DROP SCHEMA inbox, elsewhere CASCADE;
DROP ROLE inbox_reader;
