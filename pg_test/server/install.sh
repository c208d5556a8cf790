#!/usr/bin/env bash
# Where and by whom the extension may be installed, and what belongs to it.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

base=$PGDATABASE
composers=$(file "$SAMPLE/imslp_composers.json")
works=$(file "$SAMPLE/imslp_works.json")

functions() { # SCHEMA
  sql "SELECT string_agg(DISTINCT proname, ' ' ORDER BY proname) FROM pg_proc WHERE pronamespace = '$1'::regnamespace"
}
FUNCTIONS='create_catalogue create_inbox inbox_begin inbox_end inbox_take last_load likely_same_composers load_composers load_records load_rows load_works resolve_loads'
# Tables, and anything else that has rows, that the extension owns.
MEMBERS="SELECT count(*) FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e' AND classid = 'pg_class'::regclass"

# In a schema of its own, which is not on the search_path.
sql 'CREATE SCHEMA opus' 'CREATE EXTENSION pg_opus SCHEMA opus'
same 'another schema: its functions' "$FUNCTIONS" "$(functions opus)"
fails 'another schema: a call without its name' 42883 "SELECT load_composers('[]'::text)"
same 'another schema: calls with its name' '32 114 works' \
  "$(sql "SELECT opus.load_composers($composers)" "SELECT opus.load_works($works)" 'SELECT kind FROM opus.last_load()' | paste -sd ' ')"
same 'another schema: the tables are in the current one' 'composers rejected_records works' \
  "$(sql "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_tables WHERE schemaname = 'public'")"
same 'no table is a member' 0 "$(sql "$MEMBERS")"
same 'no function is left out of the members' 0 \
  "$(sql "SELECT count(*) FROM pg_proc p WHERE pronamespace = 'opus'::regnamespace AND NOT EXISTS (
            SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')")"

# It moves, and takes its functions along.
sql 'CREATE SCHEMA moved' 'ALTER EXTENSION pg_opus SET SCHEMA moved'
same 'moved: its functions' "|$FUNCTIONS" "$(functions opus)|$(functions moved)"
same 'moved: the same documents again' '0 0' \
  "$(sql "SELECT moved.load_composers($composers)" "SELECT moved.load_works($works)" | paste -sd ' ')"
same 'moved: the tables are where they were' 'public public' \
  "$(sql "SELECT string_agg(schemaname, ' ') FROM pg_tables WHERE tablename IN ('composers', 'works')")"
# What was planned before goes on after it.
same 'moved within a session that has used it' '0 0' \
  "$(sql "SELECT moved.load_works($works)" 'ALTER EXTENSION pg_opus SET SCHEMA opus' "SELECT opus.load_works($works)" | paste -sd ' ')"

before="$(fingerprint composers) $(fingerprint works)"
sql 'DROP EXTENSION pg_opus' 'DROP SCHEMA opus, moved'
same 'dropped, with its schemas, without CASCADE: the tables stay' "$before" "$(fingerprint composers) $(fingerprint works)"
same 'made again: the same document again' 0 "$(sql 'CREATE EXTENSION pg_opus' "SELECT load_works($works)")"

# A database's owner needs no superuser.
sql 'CREATE ROLE keeper LOGIN' 'CREATE ROLE guest LOGIN'
createdb --owner=keeper "${base}_of_keeper"
export PGDATABASE=${base}_of_keeper
PGUSER=guest fails 'trusted: not for anybody' 42501 'CREATE EXTENSION pg_opus'
sql 'ALTER DATABASE "'"$PGDATABASE"'" SET client_min_messages = warning'
PGUSER=keeper sql 'CREATE EXTENSION pg_opus'
same "trusted: installed by the database's owner" keeper \
  "$(sql "SELECT extowner::regrole FROM pg_extension WHERE extname = 'pg_opus'")"
document="'$(sed "s/'/''/g" "$SAMPLE/imslp_composers.json")'"
same 'trusted: loaded by the same' '32|keeper' \
  "$(PGUSER=keeper sql "SELECT load_composers($document)" "SELECT tableowner FROM pg_tables WHERE tablename = 'composers'" | paste -sd '|')"
PGUSER=guest fails 'trusted: a guest may call it, and has no rights on the tables' 42501 "SELECT load_composers($document)"
same 'trusted: none of the functions is SECURITY DEFINER' 0 \
  "$(sql "SELECT count(*) FROM pg_proc WHERE proname IN ('${FUNCTIONS// /\', \'}') AND prosecdef")"
PGUSER=keeper sql 'DROP EXTENSION pg_opus'
same 'trusted: dropped by the same' 32 "$(sql 'SELECT count(*) FROM composers')"

# Two databases know nothing of each other, not even at the same time.
PGUSER=keeper sql 'CREATE EXTENSION pg_opus' 'TRUNCATE composers CASCADE'
PGDATABASE=$base sql 'TRUNCATE composers CASCADE'
session other <<SQL
SET search_path = public;
SELECT 'rows ' || load_composers($composers);
SELECT 'works ' || load_works($works);
SQL
same 'two databases at once: one' 31 "$(PGDATABASE=$base sql "SELECT load_composers($(file "$SAMPLE/openopus_composers.json"))")"
await "$SESSION"
same 'two databases at once: the other' '32 114' "$(said other rows 0) $(said other works 0)"
same 'two databases at once: each has its own' '31 0 32 114' \
  "$(PGDATABASE=$base sql 'SELECT count(*) FROM composers' 'SELECT count(*) FROM works' | paste -sd ' ') $(sql 'SELECT count(*) FROM composers' 'SELECT count(*) FROM works' | paste -sd ' ')"
PGDATABASE=$base dropdb --force "${base}_of_keeper"
export PGDATABASE=$base

# The demo over several servers wants a server that has Citus, and says so before it makes anything.
said=$("$ROOT/scripts/demo-citus" "$(pg_config_of "$MAJOR")" 2>&1) && said="it runs: $said"
same 'demo-citus: a server without Citus' 'has no Citus' "$(grep -o 'has no Citus\|it runs.*' <<<"$said")"
same 'demo-citus: no such server' 'no /nowhere/pg_config' "$("$ROOT/scripts/demo-citus" /nowhere/pg_config 2>&1 | grep -o 'no /nowhere/pg_config')"
