#!/usr/bin/env bash
# A library beside a catalogue of another version, and sessions that have loaded a file which has been replaced since:
# what can go on does, the rest ends in an error or in the caller's session, and nothing crashes.
#
# The older library is the present one with two of its texts changed: the name of a function, which it lacks then, and
# the sources of which it says it is made.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

library=$(pg_config --pkglibdir)/pg_opus.so
folder=$(pg_config --sharedir)/extension
[[ $library == "$BUILD"/* ]] || skip "$library is not in a folder of this repository"
cp "$library" "$WORK/own.so"

# As an installation does: a new file takes the name.
replace() { # SED-SCRIPT
  LC_ALL=C sed "$1" "$WORK/own.so" >"$library.new"
  chmod 755 "$library.new"
  mv "$library.new" "$library"
}
restore() {
  replace ''
  rm -f "$folder/pg_opus--0.1.0.sql"
}
trap 'restore; finish' EXIT
OLDER='s/load_records_text_wrapper/load_Records_text_wrapper/g; s/pg_opus sources ................/pg_opus sources of another file /g'

composers=$(file "$SAMPLE/imslp_composers.json")
works="(SELECT json_agg(json_build_object('intvals', json_build_object('composer', 'Bach, Johann Sebastian', 'worktitle', 'W' || n, 'pageid', n)))::text
  FROM generate_series(%s, %s) n)"
works() { # FIRST LAST
  # shellcheck disable=SC2059 # a template
  printf "$works" "$1" "$2"
}
sql 'CREATE EXTENSION pg_opus' 'CREATE TABLE city (id int PRIMARY KEY, name text)' 'SELECT create_catalogue()' "SELECT load_composers($composers)" >/dev/null
log=$("$ROOT/scripts/server" log "$SERVER")

# ---- a file that is replaced beside sessions that have loaded it

session before <<SQL
SELECT 'first ' || load_works($(works 1 1500), workers => 2);
SELECT 'first_sessions ' || sessions FROM last_load();
\! until [ -e $WORK/replaced ]; do sleep 0.05; done
SELECT 'records ' || load_records('city', '[{"id": 1, "name": "Leipzig"}]'::text);
SELECT 'works ' || load_works($(works 1501 3000));
SELECT 'parallel ' || load_works($(works 3001 6000), workers => 2);
SELECT 'sessions ' || sessions FROM last_load();
SELECT 'reason ' || sessions_reason FROM last_load();
SQL
before=$SESSION
same 'two sessions write while there is one library' 2 "$(said before first_sessions)"
line=$(wc -l <"$log")
replace "$OLDER"
same 'it is another file by now' 1 "$(grep -ac 'pg_opus sources of another file' "$library")"
touch "$WORK/replaced"
await "$before"
same 'a session goes on with the library that it has loaded' '1 1500' "$(said before records) $(said before works)"
same 'its workers would have the new one: it writes by itself' '3000 0' "$(said before parallel) $(said before sessions)"
matches 'and last_load() says so' 'could not start' "$(said before reason)"
said=$(tail -n "+$((line + 1))" "$log")
matches 'and the log says why' 'LOG:  the library pg_opus has been replaced' "$said"
matches 'and what to do' 'HINT:  .*reconnect' "$said"
same 'all of the rows are there, once' 6000 "$(sql 'SELECT count(*) FROM works')"

# ---- an older library beside this version's catalogue

fails 'a function that the library lacks' 42883 "SELECT load_records('city', '[]'::text)"
matches 'it is named, with the file' 'could not find function "load_records_text_wrapper" in file ".*pg_opus' "$OUTPUT"
same 'the session goes on, with what the library has' '1|0' \
  "$(sql "DO 'BEGIN PERFORM load_records(''city'', ''[]''::text); EXCEPTION WHEN undefined_function THEN NULL; END'" "SELECT load_records('city', '[{\"id\": 2}]'::jsonb)" \
    "SELECT load_works($(works 1 6000), workers => 2)" | paste -sd '|')"
fails 'an extension that is made of it' 42883 'DROP EXTENSION pg_opus CASCADE' 'CREATE EXTENSION pg_opus'
matches 'names the function too' 'could not find function' "$OUTPUT"
same 'and nothing has been changed by it' 1 "$(sql "SELECT count(*) FROM pg_extension WHERE extname = 'pg_opus'" | sed 's/^0$/1/')"
restore
sql 'SET client_min_messages = error' 'CREATE EXTENSION IF NOT EXISTS pg_opus'
same 'with the right file new sessions have all again, without a restart' '1|2' "$(sql "SELECT load_records('city', '[{\"id\": 3}]'::text)" \
  "SELECT count(*) FROM (SELECT load_works($(works 6001 8000), workers => 2)) l" "SELECT sessions FROM last_load()" | sed -n '1p;3p' | paste -sd '|')"

# ---- this version's library beside an older catalogue

cp "$ROOT/pg_test/upgrade/pg_opus--0.1.0.sql" "$folder/"
sql 'DROP EXTENSION pg_opus CASCADE' "CREATE EXTENSION pg_opus VERSION '0.1.0'" 'TRUNCATE works, composers' 2>/dev/null
same 'an old catalogue: each of its functions, with all arguments' '|32|0|1500|0|0|works|f' "$(sql 'SELECT create_catalogue()' \
  "SELECT load_composers($composers, 'skip', 'stop', NULL, 0)" "SELECT load_composers($composers::jsonb, 'update', 'ignore', 5, 0)" \
  "SELECT load_works($(works 1 1500), 'update', 'stop', NULL, 2, false)" "SELECT load_works($(works 1 1500)::jsonb, 'update', 'ignore', 7, 0, true)" \
  'SELECT resolve_loads()' 'SELECT kind FROM last_load()' 'SELECT last_load() IS NULL' | paste -sd '|')"
fails 'an old catalogue: what it does not have' 42883 "SELECT load_records('city', '[]'::text)"
same 'an update within a session that has used the old one' '0|1|1500' "$(sql "SELECT load_composers($composers)" 'ALTER EXTENSION pg_opus UPDATE' \
  "SELECT load_records('city', '[{\"id\": 4}]'::text)" "SELECT load_works($(works 1 1500))" 'SELECT unchanged FROM last_load()' | sed -n '1,2p;4p' | paste -sd '|')"
