#!/usr/bin/env bash
# A document in a TOAST table is read while it is fetched: what comes of it is what comes of the same document in memory,
# whatever its shape and whatever is wrong with it, in the document or in the table.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

sql 'CREATE EXTENSION pg_opus'
sql "SELECT load_composers($(file "$CATALOGUE/composers.json"))" >/dev/null
ROWS=40000

# Documents that are fetched: the first works, a line for each, in all kinds of brackets, and as jsonb where they are JSON.
sql 'CREATE TABLE fetched (name text, document text, data jsonb)' \
  'ALTER TABLE fetched ALTER document SET STORAGE EXTERNAL, ALTER data SET STORAGE EXTERNAL' \
  "CREATE TABLE records AS SELECT i, rtrim(line, ',') AS record
   FROM string_to_table($(file "$CATALOGUE/works.json"), E'\n') WITH ORDINALITY l(line, i) WHERE i BETWEEN 2 AND $ROWS + 1"
add() { # NAME EXPRESSION: of the records
  sql "INSERT INTO fetched SELECT '$1', $2 FROM records"
}
add array "'[' || string_agg(record, E',\n') || E']\n'"
add blanks "E' \n\t[ ' || string_agg(record, E' ,\n\n  ') || E'\n ] '"
add lines "string_agg(record, E'\n')"
add page "jsonb_object_agg(i - 2, record::jsonb)::text"
add 'no end' "'[' || string_agg(record, ',')"
add 'more behind it' "'[' || string_agg(record, ',') || '] 7x'"
add 'no JSON in it' "'[' || string_agg(CASE i WHEN 30000 THEN '{\"id\" 7}' ELSE record END, ',') || ']'"
add 'a bad record' "'[' || string_agg(CASE i WHEN 30000 THEN '{\"id\":7}' ELSE record END, ',') || ']'"
add 'no array' "repeat(' ', 5000000) || count(*)"
sql "UPDATE fetched SET data = document::jsonb WHERE name IN ('array', 'page', 'a bad record')"

HASH="SELECT count(*) || ' ' || md5(string_agg(w::text, '' ORDER BY work_id)) FROM works w"
# What a load of a document says, and the rows that are there after it.
outcome() { # NAME, EXPRESSION [ARGUMENTS]
  sql 'TRUNCATE works'
  VERBOSITY=verbose sql "SELECT load_works((SELECT $2 FROM fetched WHERE name = '$1')${3:+, $3})" 2>&1 | sed -E '/^LOCATION:|^CONTEXT:/d; s/^psql:[^ ]* //' || true
  sql "$HASH"
}

same 'the documents are in TOAST tables, as they are' t \
  "$(sql 'SELECT bool_and(pg_column_size(document) = octet_length(document) AND octet_length(document) > 4 << 20
          AND (data IS NULL OR pg_column_size(data) > 4 << 20)) FROM fetched')"
names=$(sql 'SELECT name FROM fetched')
while IFS= read -r name; do
  in_memory=$(outcome "$name" "document || ''")
  same "$name: as from memory" "$in_memory" "$(outcome "$name" document)"
  same "$name: on one thread" "$in_memory" "$(PGOPTIONS="$PGOPTIONS -c pg_opus.decode_threads=1" outcome "$name" document)"
done <<<"$names"
for name in array blanks lines page; do
  matches "$name: rows" '^'$ROWS'.'$ROWS' ' "$(outcome "$name" document | tr '\n' '.')"
done
for name in array page 'a bad record'; do
  in_memory=$(outcome "$name" 'document::jsonb')
  same "$name, jsonb: as from memory" "$in_memory" "$(outcome "$name" data)"
  same "$name, jsonb: on one thread" "$in_memory" "$(PGOPTIONS="$PGOPTIONS -c pg_opus.decode_threads=1" outcome "$name" data)"
done
same 'array, jsonb: the rows of the text' "$(outcome array document)" "$(outcome array data)"
# The rest is refused for what it is.
refusals=$(while IFS= read -r name; do outcome "$name" document | sed -n "s/^ERROR:  /$name: /p"; done <<<"$names")
same 'refused' 'a bad record: 23502
more behind it: 22P02
no JSON in it: 22P02
no array: 22023
no end: 22P02' "$(sed -E 's/^([^:]*: [0-9A-Z]{5}).*/\1/' <<<"$refusals" | sort)"
ignored=$(outcome 'a bad record' document "on_error => 'ignore'")
same 'a bad record set aside: as from memory' "$(outcome 'a bad record' "document || ''" "on_error => 'ignore'")" "$ignored"
same 'a bad record set aside, jsonb: as from memory' "$ignored" "$(outcome 'a bad record' data "on_error => 'ignore'")"
same 'a bad record set aside: it is kept as it is' '7' \
  "$(sql "SELECT DISTINCT record->>'id' FROM rejected_records")"

# A copy of the database in which a page of the table is lost.
sql 'TRUNCATE works' 'TRUNCATE fetched'
add array "'[' || string_agg(record, E',\n') || E']\n'"
add some "'[' || string_agg(record, ',') FILTER (WHERE i < 102) || ']'"
sql "UPDATE fetched SET data = document::jsonb WHERE name = 'array'"
path=$(sql CHECKPOINT "SELECT current_setting('data_directory') || '/' || pg_relation_filepath(reltoastrelid)
                       FROM pg_class WHERE oid = 'fetched'::regclass")
damaged=${PGDATABASE}_damaged
# The text is in the first half of it, the jsonb in the second.
for page in 1000 $(($(stat -c %s "$path") / 8192 - 200)); do
  dd if=/dev/zero of="$path" bs=8192 seek="$page" count=1 conv=notrunc status=none
done
PGDATABASE=postgres sql "CREATE DATABASE $damaged TEMPLATE $PGDATABASE STRATEGY file_copy"
export PGDATABASE=$damaged
fails 'a lost page, jsonb' XX001 "SELECT load_works(data) FROM fetched WHERE name = 'array'"
fails 'a lost page' XX001 "SELECT load_works(document) FROM fetched WHERE name = 'array'"
matches 'a lost page: the server says what it misses' 'chunk number' "$OUTPUT"
session survivor <<'SQL'
SELECT load_works(document) FROM fetched WHERE name = 'array';
SELECT load_works(data) FROM fetched WHERE name = 'array';
SELECT 'threads ' || count(*) FROM pg_ls_dir('/proc/self/task');
SELECT 'rows ' || count(*) FROM works;
SELECT 'loaded ' || load_works(document) FROM fetched WHERE name = 'some';
SQL
same 'a lost page: no thread is left' 1 "$(said survivor threads)"
same 'a lost page: nothing is written' 0 "$(said survivor rows)"
same 'a lost page: the session goes on' 100 "$(said survivor loaded)"
await "$SESSION"
PGDATABASE=postgres sql "DROP DATABASE $damaged"
