# ALTER EXTENSION … UPDATE from each earlier version gives what a fresh CREATE EXTENSION gives.
source "$(dirname "$0")/lib.sh"

# The files of an earlier version lie in the repository; the server looks for them in its own folder. A server that is
# not ours keeps what it has.
folder=$(pg_config --sharedir)/extension
for file in "$ROOT"/pg_test/upgrade/pg_opus--*.sql; do
  [[ $folder == "$BUILD"/* ]] || skip "$folder is not a folder of this repository"
  cp "$file" "$folder/"
done
version=$(sql "SELECT default_version FROM pg_available_extensions WHERE name = 'pg_opus'")
later=$folder/pg_opus--$version--99.0.0.sql
remove() { rm -f "$folder"/pg_opus--0.1.0.sql "$later" && finish; }
trap remove EXIT

# What the extension has: its functions with all that they are, and what is said of them.
MEMBERS="SELECT string_agg(format('%s %s %s %s %s %s %s %s %s', p.oid::regprocedure, p.prosrc, p.probin, pg_get_function_result(p.oid),
    pg_get_function_arguments(p.oid), p.provolatile, p.proisstrict, p.prosupport, obj_description(p.oid, 'pg_proc')), E'\n' ORDER BY p.oid::regprocedure::text)
  FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
  WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'"
OTHERS="SELECT count(*) FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e' AND classid <> 'pg_proc'::regclass
  AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_opus')"

sql 'CREATE EXTENSION pg_opus'
fresh=$(sql "$MEMBERS" "$OTHERS" "SELECT extversion FROM pg_extension WHERE extname = 'pg_opus'")
sql 'DROP EXTENSION pg_opus' "CREATE EXTENSION pg_opus VERSION '0.1.0'"
same 'the old version is there' 0.1.0 "$(sql "SELECT extversion FROM pg_extension WHERE extname = 'pg_opus'")"
# The library is the new one already.
same 'an old catalogue loads all the same' '1|1|0' "$(sql 'SELECT create_catalogue()' \
  "SELECT load_composers('[{\"id\":\"Category:A\",\"type\":\"1\"}]') || '|' || (SELECT inserted || '|' || unchanged FROM last_load())" | tail -n 1)"
sql 'ALTER EXTENSION pg_opus UPDATE'
same 'an update gives what a fresh install gives' "$fresh" "$(sql "$MEMBERS" "$OTHERS" "SELECT extversion FROM pg_extension WHERE extname = 'pg_opus'")"
same 'tables of the old version are loaded' '0|1' "$(sql \
  "SELECT load_composers('[{\"id\":\"Category:A\",\"type\":\"1\"}]') || '|' || (SELECT unchanged FROM last_load())")"

# A later catalogue beside this library: the same functions, of other arguments and columns.
sql 'CREATE TABLE city (id int PRIMARY KEY)' "SELECT create_inbox('city_json', 'city')" >/dev/null
cat >"$later" <<'SQL'
DROP FUNCTION last_load();
CREATE FUNCTION last_load() RETURNS TABLE (load_id uuid, kind text, source text, received bigint, inserted bigint, updated bigint, unchanged bigint,
  duplicate bigint, rejected bigint, sessions int, sessions_reason text, decode_threads int, decode_ms float8, write_ms float8, total_ms float8,
  foreign_key_check text, write_method text, first text, second text, third bigint) LANGUAGE c AS 'MODULE_PATHNAME', 'last_load_wrapper';
DROP FUNCTION load_works(text, text, text, bigint, integer, boolean);
CREATE FUNCTION load_works(document text, on_conflict text DEFAULT 'update', on_error text DEFAULT 'stop', reject_limit bigint DEFAULT NULL,
  workers int DEFAULT NULL, create_composers bool DEFAULT false, more bool DEFAULT true) RETURNS bigint LANGUAGE c AS 'MODULE_PATHNAME', 'load_works_text_wrapper';
DROP FUNCTION load_composers(jsonb, text, text, bigint, integer);
CREATE FUNCTION load_composers(data jsonb) RETURNS bigint LANGUAGE c AS 'MODULE_PATHNAME', 'load_composers_jsonb_wrapper';
SQL
calls=("SELECT load_composers('[]'::text)" "SELECT load_composers('[]'::json)" "SELECT load_works('[]'::text)" "SELECT load_works('[]'::json)"
  "SELECT load_works('[]'::jsonb)" "SELECT load_records('city', '[{\"id\": 1}]'::text)" "SELECT load_records('city', '[]'::json)"
  "SELECT load_records('city', '[]'::jsonb)" "INSERT INTO city_json VALUES ('{\"id\": 1}')" "SELECT create_inbox('other', 'city')"
  'SELECT create_catalogue()' 'SELECT * FROM last_load()' 'SELECT likely_same_composers()' 'SELECT resolve_loads()')
before="$(fingerprint composers) $(fingerprint works)"
kept="SELECT load_records('city', '[{\"id\": 1}]'::text)"
{
  # One that has loaded the library, and keeps a statement, when somebody else updates.
  printf '%s;\n' "$kept" "$kept" "INSERT INTO city_json VALUES ('{\"id\": 2}')"
  echo "\\! psql -XqAt -c \"ALTER EXTENSION pg_opus UPDATE TO '99.0.0'\""
  printf '%s;\n' "${calls[@]}" "SELECT load_composers('[]'::jsonb)" "SELECT 'goes on'"
  echo '\! psql -XqAt -c "DROP EXTENSION pg_opus CASCADE" -c "CREATE EXTENSION pg_opus"'
  echo "SELECT 'loads again ' || load_records('city', '[{\"id\": 3}]'::text);"
} >"$WORK/later.sql"
psql -XqAt -v VERBOSITY=verbose -f "$WORK/later.sql" >"$WORK/later" 2>&1 || true
said() { grep -c "$1" "$WORK/later" || true; }
same 'a later catalogue: each function is refused' "${#calls[@]}" "$(said "ERROR:  55000: the database has pg_opus 99.0.0, this session the library of $version")"
same 'with advice' "${#calls[@]}" "$(said 'HINT:  Start a new session; with pg_opus in shared_preload_libraries, restart the server.')"
same 'fewer arguments than the library takes' 1 "$(said 'ERROR:  XX000: ')"
same 'the session goes on, and loads when the catalogue is that of its library' '1 1' "$(said '^goes on$') $(said '^loads again 1$')"
same 'nothing was changed' "$before 1 2 3" "$(fingerprint composers) $(fingerprint works) $(sql 'SELECT id FROM city ORDER BY id' | paste -sd ' ')"

# The same within a transaction of its own, which is undone: in part, and as a whole.
undone() { # BEFORE BEHIND
  printf '%s;\n' BEGIN "$1" "ALTER EXTENSION pg_opus UPDATE TO '99.0.0'" "$kept" "$2" "SELECT 'goes on ' || load_records('city', '[{\"id\": 3}, {\"id\": 4}]'::text)" ROLLBACK
}
{
  printf '%s;\n' "$kept"
  undone 'SAVEPOINT before' 'ROLLBACK TO before'
  undone 'SELECT' ROLLBACK
} >"$WORK/undone.sql"
psql -XqAt -v VERBOSITY=verbose -f "$WORK/undone.sql" >"$WORK/later" 2>&1 || true
same 'an update that is undone: refused until then, and not behind it' '2 2' "$(said "ERROR:  55000: the database has pg_opus 99.0.0") $(said '^goes on 1$')"
