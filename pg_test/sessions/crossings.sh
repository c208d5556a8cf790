#!/usr/bin/env bash
# Parallel loads beside other work, in crossings that are arranged: each move waits until the one before is seen. What
# holds in the rounds of beside.sh holds here, and all end after the last move.
#
# Assumes a build with fault points (src/sessions/fault.rs).
set -euo pipefail
source "$(dirname "$0")/lib.sh"

until_waits() { # CLIENT, or the number of a session
  local who="application_name = '$1' AND backend_type = 'client backend'"
  if [[ $1 == [0-9] ]]; then who="backend_type LIKE 'pg\_opus%session $1 of 2'"; fi
  until_there pg_stat_activity "$who AND wait_event_type = 'Lock'"
}

# One more client; in its script, "wait NAME" lasts until "release NAME".
named() { # NAME <SCRIPT
  rm -f "$WORK/$1.go"
  names+=("$1")
  PGAPPNAME=$1 session "$1" < <(sed "s,^wait \(.*\)$,\\\\! while [ -d '$WORK' ] \&\& [ ! -e '$WORK/\1.go' ]; do sleep 0.01; done,")
}
release() { touch "$WORK/$1.go"; }

begin() { # STATE TITLE
  kind=$2
  names=()
  prepare "$1"
}

# One check: all end, with these errors only, and the tables are right.
ended() { # ALLOWED [CALM]
  all_end
  same "$kind" '' "$(errors "$1" && tables "${2:-}")"
}

# A row that the first of two sessions writes, or the second one: the first of all, and the one in the middle.
insert_of() { # SESSION
  echo "$insert SELECT work_id, composer_id, 'beside' FROM keys ORDER BY composer_id, work_id OFFSET $((($1 - 1) * WORKS / 2)) LIMIT 1 ON CONFLICT DO NOTHING;"
}

# Somebody has locked one thing, and asks for a second one once "other" is released.
takes() { # FIRST SECOND
  named other < <(printf '%s\n' 'BEGIN;' "$1" "SELECT 'has it';" 'wait other' "$2" 'COMMIT;')
  until_there pg_stat_activity "application_name = 'other' AND query LIKE '%has it%'"
}

# Somebody has locked one thing, for which a session of the load waits; the other
# session has written all it has; now somebody asks for a second thing.
cross() { # WRITTEN-SESSION WAITING-SESSION FIRST SECOND [CHANGE]
  stop "inserted.$(($1 - 1))"
  takes "$3" "$4"
  named load < <(load 'all v1' 'workers => 2')
  until_stops "inserted.$(($1 - 1))"
  until_waits "$2"
  way=$(sql "SELECT string_agg(pid::text, ', ' ORDER BY backend_type NOT LIKE '%session $2 of 2', application_name <> 'other')
    FROM pg_stat_activity WHERE backend_type LIKE 'pg\_opus%' OR application_name = 'other'")
  if [[ -n ${5:-} ]]; then
    named change <<<"$5;"
    until_waits change
  fi
  go_on "inserted.$(($1 - 1))"
  # The leader has heard all there is to hear.
  until_looked load 3
  release other
}

# By INSERT the sessions wait for who writes the same ones.
sql "ALTER DATABASE \"$PGDATABASE\" SET pg_opus.bulk_insert = off"
begin empty 'a deadlock: somebody takes rows against the order of the load'
cross 1 2 "$(insert_of 2)" "$(insert_of 1)"
ended 40P01
# The caller's session then writes in order; it meets the other's rows first, or the other one meets its.
matches 'the deadlock: an error names who waits for whom, or the load says why it ran in one session, or met one as an INSERT does' \
  "for the next: $way\.|deadlock" "$(sql 'SELECT reason FROM outcomes' && cat "$WORK/load.out")"

begin empty 'no deadlock: somebody takes rows in the order of the load'
cross 2 1 "$(insert_of 1)" "$(insert_of 2)"
ended ''
sql "ALTER DATABASE \"$PGDATABASE\" RESET pg_opus.bulk_insert"

# Where they lay their rows, they wait for nobody: the caller's session does.
begin empty 'somebody writes one of the rows, and sessions that lay them'
takes "$(insert_of 2)" "$(insert_of 1)"
named load < <(load 'all v1' 'workers => 2')
until_waits load
release other
ended 40P01
matches 'sessions that lay rows: the load says why it ran in one session, or met a deadlock as an INSERT does' \
  'duplicate key value violates unique constraint "works_pkey"|deadlock' \
  "$(sql 'SELECT reason FROM outcomes' && cat "$WORK/load.out")"

begin empty 'no deadlock: somebody who holds a composer reads works, behind a change of the table'
cross 1 2 "SELECT FROM composers WHERE composer_id = (SELECT composer_id FROM keys ORDER BY 1 OFFSET $WORKS / 2 LIMIT 1) FOR UPDATE;" \
  'SELECT count(*) FROM works;' 'ALTER TABLE works ALTER permlink SET STORAGE EXTENDED'
ended '' calm

while IFS='|' read -r points change; do
  begin some "a load stops at $points; $change waits for it"
  read -ra points <<<"$points"
  stop "${points[@]}"
  named load < <(load 'faulty v1' "workers => 2, on_error => 'ignore'")
  until_stops "${points[@]}"
  named change <<<"$change;"
  until_waits change
  go_on "${points[@]}"
  ended '' calm
done <<'POINTS'
started.1|ALTER TABLE works ADD COLUMN extra int
inserting.0|ALTER TABLE works DROP COLUMN extra
inserting.0 started.1|ALTER TABLE composers ALTER permlink SET STORAGE EXTENDED
inserting.0 started.1|TRUNCATE rejected_records
inserting.0 started.1|REINDEX TABLE composers
POINTS

begin some 'a change of the table waits for a reader already when the load comes'
named reader <<<$'BEGIN;\nSELECT count(*) FROM works;\nwait reader\nCOMMIT;'
until_there pg_locks "relation = 'works'::regclass"
named change <<<'ALTER TABLE works ALTER permlink SET STORAGE EXTENDED;'
until_waits change
named load < <(load 'all v1' 'workers => 2')
until_waits load
release reader
ended '' calm

for table in works composers; do
  begin some "the statement of the load reads $table itself, and a change of the table waits for it"
  stop decoding.999
  named load < <(load 'large v1' 'workers => 2' ", (SELECT count(*) FROM $table) counted")
  until_there pg_locks "relation = '$table'::regclass AND granted"
  named change <<<"ALTER TABLE $table ALTER permlink SET STORAGE EXTENDED;"
  until_waits change
  go_on decoding.999
  ended '' calm
done

begin some 'a change of the table comes while a load in its own session waits for a parallel one'
named gate <<<$'BEGIN;\nLOCK TABLE rejected_records IN ACCESS EXCLUSIVE MODE;\nwait gate\nCOMMIT;'
until_there pg_locks "relation = 'rejected_records'::regclass"
# With the deadlock_timeout that servers have.
named parallel < <(echo "SET deadlock_timeout = '1s';" && load 'all v1' 'workers => 2')
until_settled parallel
named here < <(load 'all v1' 'workers => 0')
until_settled here
named change <<<'ALTER TABLE works ALTER permlink SET STORAGE EXTENDED;'
until_settled change
release gate
ended '' calm

begin empty 'a load that finds half of its rows there waits for a parallel load, which changes them'
sql "INSERT INTO works (work_id, composer_id, title, imslp_id)
     SELECT work_id, composer_id, CASE n % 2 WHEN 0 THEN 'v2 ' ELSE 'v0 ' END || n, n FROM keys"
stop inserted.0
named load < <(load 'all v1' 'workers => 2')
until_stops inserted.0
named other < <(echo "SET pg_opus.min_parallel_rows = $((WORKS * 2 / 3));" && load 'all v2' 'workers => 2')
until_waits other
go_on inserted.0
ended '' calm

# The sessions wait for each other, which no INSERT does.
begin empty 'a trigger that takes one lock for all rows'
sql 'CREATE TRIGGER extra BEFORE INSERT ON works FOR EACH ROW EXECUTE FUNCTION lock_it(all)'
named load < <(load 'all v1' 'workers => 2')
ended ''
sql 'DROP TRIGGER extra ON works'

# They would wait for each other if the load went before others while it waits.
for first in 'TRUNCATE rejected_records;' "$(insert_of 1)"; do
  begin empty "a transaction for which a parallel load waits, and which then loads itself: ${first%% (*}"
  takes "$first" "$(load 'all v1' 'workers => 0')"
  named load < <(load 'all v1' 'workers => 2')
  until_settled load
  release other
  ended '' calm
done

# Each of two loads has a session that waits for one of the other, which has written all it has.
meet() { # SCHEMA-OF-THE-OTHER
  stop inserted.0 started.1
  named load < <(load 'all v1' 'workers => 2')
  until_stops inserted.0 started.1
  named other <<<"SET search_path = $1, public; SELECT load_works(document, workers => 3) FROM documents WHERE name = 'all v2';"
  until_settled other
  # The leader has looked who waits for whom.
  until_looked load 5
  go_on inserted.0 started.1
}

begin empty 'two loads of the same works, of which one finds other composers beside them'
sql 'CREATE SCHEMA beside' 'CREATE TABLE beside.composers (LIKE composers INCLUDING ALL)'
meet beside
ended '' calm

begin empty 'loads of two catalogues with triggers that take the same locks'
sql 'CREATE SCHEMA second' 'SET search_path = second, public' 'SELECT create_catalogue()' 'INSERT INTO composers TABLE people' \
  'CREATE TRIGGER extra BEFORE INSERT ON works FOR EACH ROW EXECUTE FUNCTION lock_it(each)' \
  'CREATE TRIGGER extra BEFORE INSERT ON public.works FOR EACH ROW EXECUTE FUNCTION lock_it(each)' >/dev/null
meet second
ended '' calm
sql 'DROP TRIGGER extra ON works'

nothing_is_left
