#!/usr/bin/env bash
# The tables are the user's own: pg_dump takes them with what has been added to
# them, a restored database goes on where the old one was, and DROP EXTENSION
# leaves them.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

tables='composers works rejected_records'
base=$PGDATABASE
# Their rows' sum over all columns, added ones too, and their indexes.
state() {
  local table
  for table in $tables; do printf '%s: %s\n' "$table" "$(fingerprint "$table")"; done
  sql "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1" \
    "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint
     WHERE connamespace = 'public'::regnamespace AND contype <> 'n' ORDER BY conname" \
    "SELECT attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull, col_description(attrelid, attnum)
     FROM pg_attribute WHERE attrelid IN ('composers'::regclass, 'works'::regclass) AND attnum > 0 ORDER BY attrelid::regclass::text, attnum"
}

sql 'CREATE EXTENSION pg_opus'
loads=(
  "SELECT load_composers($(file "$SAMPLE/imslp_composers.json"))"
  "SELECT load_works($(file "$SAMPLE/imslp_works.json"))"
  "SELECT load_composers($(file "$SAMPLE/openopus_dump.json"))"
  "SELECT load_works($(file "$SAMPLE/openopus_dump.json"))"
)
dump=$REAL/openopus_dump.json
if [[ -e $dump ]]; then
  loads+=("SELECT load_composers($(file "$dump"))" "SELECT load_works($(file "$dump"))")
else
  echo 'skip dump_restore, the part with the real dump: no ../shared/data'
fi
written=$(sql "${loads[@]}")
same 'rows of the sample' '32 114 12 121' "$(head -n 4 <<<"$written" | paste -sd ' ')"
# Loading an earlier document again after a later one would change what both have.
last=("${loads[@]: -2}")

sql "SELECT load_works('[{\"id\":7,\"type\":\"2\"}]', on_error => 'ignore')" >/dev/null
sql 'ALTER TABLE works ADD COLUMN rating integer, ADD COLUMN "my note" text' \
  'UPDATE works SET rating = length(title) % 6, "my note" = composer_id || E'"'\\\\t\\n\"'" \
  'CREATE INDEX works_rating_idx ON works (rating) WHERE rating > 3' \
  'ALTER TABLE composers ADD COLUMN country text DEFAULT '"'unknown'"
before=$(state)
matches 'there is something to dump' 'works: [1-9][0-9]{2,}\|.*works_rating_idx' "$before"
matches 'there is a rejected record to dump' 'rejected_records: 1\|' "$before"

restored() { # NAME
  same "$1: tables, columns, indexes and rows" "$before" "$(state)"
  same "$1: the added column" 0 "$(sql 'SELECT count(*) FROM works WHERE rating IS DISTINCT FROM length(title) % 6')"
  same "$1: the extension" 1 "$(sql "SELECT count(*) FROM pg_extension WHERE extname = 'pg_opus'")"
  same "$1: the same documents again" '0 0' "$(sql "${last[@]}" | paste -sd ' ')"
  same "$1: nothing has changed by that" "$before" "$(state)"
  # That the tables are the loader's still.
  sql "DELETE FROM works WHERE rating = 3" >/dev/null
  matches "$1: what is deleted comes back" '^[1-9][0-9]*$' "$(sql "${last[1]}")"
  sql 'DROP EXTENSION pg_opus'
  same "$1: DROP EXTENSION leaves the tables" 'composers rejected_records works' \
    "$(sql "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_tables WHERE schemaname = 'public'")"
  same "$1: and their rows" "$(head -n 1 <<<"$before")" "composers: $(fingerprint composers)"
  same "$1: but no function" 0 "$(sql "SELECT count(*) FROM pg_proc WHERE proname LIKE 'load\_%' AND pronamespace = 'public'::regnamespace")"
}

for format in plain custom; do
  export PGDATABASE=$base
  pg_dump --format="$format" --file="$WORK/$format.dump" "$base"
  export PGDATABASE=${base}_$format
  createdb --template=template0 "$PGDATABASE"
  case $format in
    plain) psql -Xq -v ON_ERROR_STOP=1 -f "$WORK/plain.dump" >"$WORK/plain.out" ;;
    custom) pg_restore --exit-on-error --dbname="$PGDATABASE" "$WORK/custom.dump" ;;
  esac
  restored "$format"
  PGDATABASE=$base dropdb --force "${base}_$format"
done

# By several sessions, in the order that pg_restore chooses: foreign keys last.
export PGDATABASE=${base}_jobs
createdb --template=template0 "$PGDATABASE"
pg_restore --exit-on-error --jobs=2 --dbname="$PGDATABASE" "$WORK/custom.dump"
restored 'custom, two jobs'
PGDATABASE=$base dropdb --force "${base}_jobs"
