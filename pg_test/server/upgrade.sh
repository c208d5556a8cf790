# ALTER EXTENSION … UPDATE from each earlier version gives what a fresh CREATE EXTENSION gives.
source "$(dirname "$0")/lib.sh"

# The files of an earlier version lie in the repository; the server looks for them in its own folder. A server that is
# not ours keeps what it has.
folder=$(pg_config --sharedir)/extension
for file in "$ROOT"/pg_test/upgrade/pg_opus--*.sql; do
  [[ $folder == "$BUILD"/* ]] || skip "$folder is not a folder of this repository"
  cp "$file" "$folder/"
done
remove() { rm -f "$folder"/pg_opus--0.1.0.sql && finish; }
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
