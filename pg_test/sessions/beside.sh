#!/usr/bin/env bash
# Parallel loads beside other work: other loads, INSERT, UPDATE, DELETE, changes of
# the tables, locks. Rounds at random moments, then crossings that are arranged.
# Nobody hangs, no row is lost, no work is left without its composer, two loads do
# not mix, and a load fails only where an INSERT … SELECT of its rows would.
#
# Assumes a build with fault points (src/sessions/fault.rs), and a server that
# nobody else uses, with a deadlock_timeout of 0.2 s and room for 24 workers.
set -euo pipefail
source "$(dirname "$0")/../server/lib.sh"

# The moments are the same in each run, as far as the machine allows.
RANDOM=1
# Seconds: what takes longer hangs, and from the last move of an arranged crossing to its end.
HANGS_AFTER=30
SOON=6
# In a round each client begins after a moment of at most so many seconds.
MOMENT=0.03

COMPOSERS=120
WORKS=3000

# Kind, rounds, SQLSTATEs that an INSERT would have too, "calm" where nobody writes
# but loads, the tables before a round, and what it is.
#   23503: the composer has been deleted. 40P01: transactions of several rows in
#   any order cross the order of an INSERT … SELECT too.
KINDS='same|15||calm|empty some all|the same document twice
opposite|10||calm|empty some all|the same records in opposite order
overlapping|10||calm|empty some all|overlapping documents
here|10||calm|empty some all|a parallel load, and one in its own session
block|10||calm|empty some all|a parallel load, and one in a transaction block
both|15||calm|bare some|works that make composers, beside composers and works in one transaction
reversed|15||calm|some all|the same, of works first
composers|15||calm|bare some|composers beside works that make composers
composers_here|15||calm|bare some|composers beside works that make composers in their own session
rows|20|||empty some all|single rows inserted, changed, deleted
parents|20|23503|||composers deleted
crossing|15|40P01||empty some all|several rows in any order
ordered|15|||empty|several rows in the order of the load
changes|32||calm|empty some all|changes of the tables
lock|10||calm|empty some all|LOCK TABLE
resolve|10||calm|empty some all|resolve_loads()'

# What somebody does with the tables, and, behind a bar, takes back.
CHANGES=(
  'ALTER TABLE works ADD COLUMN extra int|ALTER TABLE works DROP COLUMN extra'
  'ALTER TABLE composers ADD COLUMN extra int|ALTER TABLE composers DROP COLUMN extra'
  'CREATE INDEX extra ON works (title)|DROP INDEX extra'
  'CREATE INDEX extra ON composers (last_name)|DROP INDEX extra'
  'CREATE TRIGGER extra BEFORE INSERT OR UPDATE ON works FOR EACH ROW EXECUTE FUNCTION lock_it(each)|DROP TRIGGER extra ON works'
  'TRUNCATE rejected_records|TRUNCATE rejected_records'
  'VACUUM works|ANALYZE works'
  'REINDEX TABLE composers|REINDEX TABLE works'
)

# ---- documents. Work n has the title "VERSION n"; v0 is no load's.

sql 'CREATE EXTENSION pg_opus' 'SELECT create_catalogue()' "ALTER DATABASE \"$PGDATABASE\" SET pg_opus.min_parallel_rows = 0" \
  'CREATE TABLE documents (name text, version text, first int, last int, document jsonb)' \
  "INSERT INTO documents SELECT 'composers', 'c1', 0, 0, jsonb_agg(jsonb_build_object('id', 'Category:C' || lpad(n::text, 3, '0'),
     'type', '1', 'intvals', '[]'::jsonb, 'permlink', 'loaded')) FROM generate_series(0, $COMPOSERS - 1) n" \
  "INSERT INTO documents SELECT name, right(name, 2), first, last, jsonb_agg(jsonb_build_object('id', 'w' || n, 'type', '2',
     'intvals', jsonb_build_object('composer', 'C' || lpad((n % $COMPOSERS)::text, 3, '0'), 'worktitle', right(name, 2) || ' ' || n, 'pageid', n),
     'unused', repeat('x', padding)) ORDER BY hashint4(n) * direction)
   FROM (VALUES ('all v1', 1, $WORKS, 1, 0), ('all v2', 1, $WORKS, 1, 0), ('backwards v2', 1, $WORKS, -1, 0), ('large v1', 1, $WORKS, 1, 200),
     ('first v1', 1, $WORKS * 2 / 3, 1, 0), ('last v2', $WORKS / 3, $WORKS, -1, 0)) d (name, first, last, direction, padding),
     generate_series(first, last) n GROUP BY name, first, last" \
  "INSERT INTO documents SELECT 'faulty v1', version, first, last, document || '[{\"id\": \"x\", \"type\": \"2\",
     \"intvals\": {\"composer\": \"Nobody\", \"worktitle\": \"x\", \"pageid\": 0}}]' FROM documents WHERE name = 'all v1'" \
  "SELECT load_composers(document) FROM documents WHERE name = 'composers'" \
  "SELECT load_works(document, workers => 0) FROM documents WHERE name = 'all v1'" \
  'CREATE TABLE keys AS SELECT imslp_id::int AS n, work_id, composer_id FROM works ORDER BY composer_id, work_id' \
  'ALTER TABLE keys ADD PRIMARY KEY (n)' 'CREATE TABLE people AS TABLE composers' 'UPDATE people SET permlink = NULL' \
  'CREATE TABLE outcomes (kind text, name text, state text, sessions int, reason text, began timestamptz, ended timestamptz DEFAULT clock_timestamp())' \
  'CREATE TABLE tally (LIKE outcomes)' 'CREATE TABLE deleted (work_id uuid)' \
  "CREATE FUNCTION some_key() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1 + floor(random() * $WORKS)::int'" \
  "CREATE FUNCTION lock_it() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN
     PERFORM pg_advisory_xact_lock(hashtext(CASE TG_ARGV[0] WHEN ''each'' THEN NEW.composer_id ELSE ''all'' END)); RETURN NEW; END'" \
  "CREATE VIEW loaded AS SELECT outcomes.name, state, version, n, keys.work_id, title FROM outcomes JOIN documents USING (name)
   JOIN keys ON n BETWEEN first AND last LEFT JOIN works USING (work_id)" \
  "CREATE FUNCTION wrong(calm boolean) RETURNS SETOF text LANGUAGE sql
   SET enable_indexscan = off SET enable_indexonlyscan = off SET enable_bitmapscan = off AS \$\$
     SELECT format('work %s has no composer %s', work_id, composer_id) FROM works w
     WHERE NOT EXISTS (SELECT FROM composers c WHERE c.composer_id = w.composer_id)
     UNION ALL SELECT format('%s: key %s is %s', name, n, coalesce(title, 'lost')) FROM loaded
     WHERE state = '00000' AND (title LIKE 'v0 %' OR (title IS NULL AND work_id NOT IN (SELECT work_id FROM deleted)))
     UNION ALL SELECT format('%s failed, and key %s is there', name, n) FROM loaded
     WHERE state <> '00000' AND title LIKE version || ' %' AND version NOT IN (SELECT version FROM loaded WHERE state = '00000')
     UNION ALL SELECT format('loads are mixed: %s', string_agg(rows, ', ')) FROM (
       SELECT format('%s rows of %s', count(*), left(title, 2)) AS rows FROM loaded
       WHERE calm AND title IS NOT NULL AND n IN (SELECT n FROM loaded WHERE state = '00000' GROUP BY n HAVING count(*) = (SELECT count(*) FROM outcomes WHERE name <> 'composers'))
       GROUP BY left(title, 2)) versions HAVING count(*) > 1 \$\$" >/dev/null

# ---- what clients do

load() { # DOCUMENT ARGUMENTS [MORE-OF-FROM]
  cat <<SQL
SELECT clock_timestamp() AS began \gset
SELECT load_$([[ $1 == composers ]] || echo works)$([[ $1 != composers ]] || echo composers)(document, $2) FROM documents ${3:-} WHERE name = '$1';
\set state :SQLSTATE
INSERT INTO outcomes SELECT '$kind', '$1', :'state', sessions, sessions_reason, :'began' FROM (SELECT) one LEFT JOIN last_load() ON true;
SQL
}

# Statements one after the other, COUNT in all, each after a moment.
statements() { # COUNT STATEMENT...
  local count=$1 n
  shift
  for ((n = 0; n < count; n++)); do
    printf 'SELECT pg_sleep(random() * 0.01);\n%s;\n' "${@:n % $# + 1:1}"
  done
}

# One more client of the round.
client() { # LINES...
  clients+=("$(printf '%s\n' "SELECT setseed($RANDOM / 32768.0) \\g /dev/null" "SELECT pg_sleep(random() * $MOMENT) \\g /dev/null" "$@")")
}

insert='INSERT INTO works (work_id, composer_id, title)'
a_key='n = (SELECT some_key())'
insert_key="$insert SELECT work_id, composer_id, 'beside' FROM keys WHERE $a_key ON CONFLICT DO NOTHING"
insert_other="$insert SELECT gen_random_uuid(), composer_id, 'beside' FROM keys WHERE $a_key"
update_key="UPDATE works SET title = 'beside' WHERE work_id = (SELECT work_id FROM keys WHERE $a_key)"
delete_key="WITH gone AS (DELETE FROM works WHERE work_id = (SELECT work_id FROM keys WHERE $a_key) RETURNING work_id)
  INSERT INTO deleted SELECT work_id FROM gone"
delete_composer="DELETE FROM composers c WHERE composer_id = (SELECT composer_id FROM keys WHERE $a_key)
  AND NOT EXISTS (SELECT FROM works w WHERE w.composer_id = c.composer_id)"
insert_ordered="$insert SELECT work_id, composer_id, 'beside' FROM keys WHERE n IN (SELECT some_key() FROM generate_series(1, 4))
  ORDER BY composer_id, work_id ON CONFLICT DO NOTHING"

# The clients of a round.
arrange() { # ROUND
  local workers="workers => $((2 + RANDOM % 2))" pause='SELECT pg_sleep(random() * 0.04);' change=${CHANGES[$1 % ${#CHANGES[@]}]}
  local parallel here making people
  parallel=$(load 'all v1' "$workers")
  making=$(load 'all v1' "$workers, create_composers => true")
  here=$(load 'all v1' 'workers => 0')
  people=$(load composers 'workers => 0')
  clients=()
  case $kind in
    same) client "$parallel" && client "$(load 'all v1' 'workers => 2')" ;;
    opposite) client "$parallel" && client "$(load 'backwards v2' 'workers => 2')" ;;
    overlapping) client "$(load 'first v1' 'workers => 2')" && client "$(load 'last v2' "$workers")" ;;
    here) client "$parallel" && client "$here" ;;
    block) client "$parallel" && client 'BEGIN;' "$here" "$pause" 'COMMIT;' ;;
    both) client "$making" && client 'BEGIN;' "$people" "$pause" "$here" 'COMMIT;' ;;
    reversed) client "$making" && client 'BEGIN;' "$here" "$pause" "$people" 'COMMIT;' ;;
    composers) client "$(load composers 'workers => 2')" && client "$making" ;;
    composers_here) client "$(load composers 'workers => 2')" && client "$(load 'all v1' 'workers => 0, create_composers => true')" ;;
    rows)
      client "$parallel"
      client "$(statements 20 "$insert_key" "$delete_key" "$update_key" "$insert_other")"
      client "$(statements 20 "$update_key" "$insert_key" "$insert_key" "$delete_key")"
      ;;
    parents) client "$([[ $(($1 % 2)) == 0 ]] && echo "$parallel" || echo "$making")" && client "$(statements 20 "$delete_composer")" ;;
    crossing)
      client "$parallel"
      client "$(statements 8 "DO \$\$ BEGIN $insert_key; $update_key; $insert_key; $delete_key; END \$\$" \
        "DO \$\$ BEGIN $delete_key; $insert_other; $update_key; END \$\$")"
      ;;
    ordered) client "$parallel" && client "$(statements 10 "$insert_ordered")" ;;
    changes)
      client "$(load 'faulty v1' "$workers, on_error => 'ignore'")" && client "$(statements 2 "${change%|*}" "${change#*|}")"
      ;;
    lock)
      client "$parallel" && client "$here"
      client 'BEGIN; LOCK TABLE works IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(0.2); COMMIT;'
      ;;
    resolve) client "$parallel" && client "$(load 'all v2' 'workers => 2')" && client "$(statements 30 'SELECT resolve_loads()')" ;;
  esac
}

# Makes the tables what they are before a round.
prepare() { # STATE
  local rows=false
  case $1 in
    empty) sql 'TRUNCATE works' ;;
    bare) sql 'TRUNCATE works, composers' ;;
    some) rows="hashint4(n + $RANDOM) % 3 = 0" ;;
    all) rows=true ;;
    # Half of the composers have works, and stay.
    *) rows="n % $COMPOSERS < $COMPOSERS / 2" ;;
  esac
  sql 'INSERT INTO tally TABLE outcomes' 'TRUNCATE outcomes, deleted' 'DELETE FROM works' \
    "INSERT INTO composers SELECT * FROM people WHERE '$1' <> 'bare' ON CONFLICT (composer_id) DO UPDATE SET permlink = NULL" \
    "INSERT INTO works (work_id, composer_id, title, imslp_id) SELECT work_id, composer_id, 'v0 ' || n, n FROM keys WHERE $rows" >/dev/null
}

# ---- what is looked at

# Ends the test, and shows who waits for whom.
stuck() { # WHAT
  verdict "$kind: $1" false "$(sql "SELECT pid, pg_blocking_pids(pid) AS waits_for, backend_type, application_name, state, wait_event_type,
      wait_event, left(query, 150) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY pid" \
    "SELECT pid, locktype, relation::regclass, objid, objsubid, transactionid, mode, granted FROM pg_locks
     WHERE NOT granted OR locktype = 'object' ORDER BY pid")" "$(cd "$WORK" && tail -n 3 "${names[@]/%/.out}")"
  sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()" >/dev/null
  exit 1
}

# Until all clients have ended.
all_end() {
  local deadline=$((SECONDS + HANGS_AFTER)) process
  for process in "${sessions[@]}"; do
    while kill -0 "$process" 2>/dev/null; do
      if ((SECONDS > deadline)); then stuck 'nobody hangs'; fi
      sleep 0.01
    done
  done
  sessions=()
}

# The errors that the clients $names saw but for those allowed, and who did not come to the end.
errors() { # ALLOWED
  local name
  for name in "${names[@]}"; do
    if ! grep -q '^end of script$' "$WORK/$name.out"; then echo "$name has not come to its end"; fi
    # With all that belongs to the error.
    awk -v allowed="^(${1:-none})$" '
      /(ERROR|FATAL|PANIC):  / { state = $0; sub(/^.*(ERROR|FATAL|PANIC):  /, "", state); show = substr(state, 1, 5) !~ allowed }
      !/^(psql|DETAIL|HINT|CONTEXT|Process )/ { show = 0 }
      show { print substr($0, 1, 300) }' "$WORK/$name.out"
  done
}

# What is wrong with the tables. Then loads all of it again, which writes what was missing or other.
tables() { # CALM
  local lines
  mapfile -t lines < <(sql "SELECT * FROM wrong('$1' = 'calm') LIMIT 5" \
    "SELECT count(*) FROM people LEFT JOIN composers c USING (composer_id) WHERE c.composer_id IS NULL" \
    "SELECT count(*) FROM keys LEFT JOIN works USING (work_id) WHERE title IS DISTINCT FROM 'v1 ' || n" \
    "SELECT load_composers(document, on_conflict => 'skip', workers => 0) FROM documents WHERE name = 'composers'" \
    "SELECT load_works(document, workers => 0) FROM documents WHERE name = 'all v1'" 2>&1)
  if ((${#lines[@]} > 4)); then printf '%s\n' "${lines[@]:0:${#lines[@]}-4}"; fi
  if [[ "${lines[*]: -4:2}" != "${lines[*]: -2}" ]]; then
    echo "missing or other: ${lines[*]: -4:2} composers and works; loading again wrote ${lines[*]: -2}"
  fi
}

# ---- rounds

# Whether a load of this kind has been written by parallel sessions. All loads of some rounds may have run in one, where
# each met the others.
parallel_seen() {
  [[ $kind == lock || $(sql "SELECT EXISTS (SELECT FROM (TABLE outcomes UNION ALL TABLE tally) loads WHERE kind = '$kind' AND sessions > 1)") == t ]]
}

seen=''
slowest=0
while IFS='|' read -r kind rounds allowed calm states title; do
  read -ra states <<<"${states:-half}"
  faults=''
  for ((round = 0; round < 4 * rounds; round++)); do
    if ((round >= rounds)) && parallel_seen; then break; fi
    state=${states[round % ${#states[@]}]}
    prepare "$state"
    arrange "$round"
    began=$EPOCHREALTIME
    names=()
    for script in "${clients[@]}"; do
      names+=("client${#names[@]}")
      session "${names[-1]}" <<<"$script"
    done
    all_end
    slowest=$(printf '%s\n' "$slowest" "$(difference "$EPOCHREALTIME" "$began") s, $kind" | sort -gr | head -n 1)
    seen+=$(cd "$WORK" && sed -n -E "s/^.*(ERROR|FATAL|PANIC):  ([0-9A-Z]{5}):.*/$kind \2/p" "${names[@]/%/.out}")$'\n'
    found=$(errors "$allowed" && tables "$calm")
    if [[ -n $found ]]; then faults+="round $round, from $state"$'\n'$found$'\n'; fi
  done
  same "$title, $round rounds" '' "$(head -n 30 <<<"$faults")"
done <<<"$KINDS"

# ---- crossings that are arranged: each move waits until the one before is seen

# At POINT.SESSION a load stops, until it may go on.
data=$(sql 'SHOW data_directory')
stop() { touch "${@/#/$data/pg_opus_stop.}"; }
go_on() { rm -f "${@/#/$data/pg_opus_stop.}"; }

until_there() { # TABLE CONDITION
  local deadline=$((SECONDS + HANGS_AFTER))
  until [[ $(sql "SELECT EXISTS (SELECT FROM $1 WHERE $2)") == t ]]; do
    if ((SECONDS > deadline)); then stuck "it never came to $2"; fi
    sleep 0.02
  done
}

until_stops() { # POINT.SESSION...
  local point
  for point; do until_there pg_stat_activity "query = 'pg_opus stops at $point'"; done
}

until_waits() { # CLIENT, or the number of a session
  local who="application_name = '$1' AND backend_type = 'client backend'"
  if [[ $1 == [0-9] ]]; then who="backend_type LIKE 'pg\_opus%session $1 of 2'"; fi
  until_there pg_stat_activity "$who AND wait_event_type = 'Lock'"
}

# It, or a session of its load, waits for a lock; or it has ended.
until_settled() { # CLIENT
  local deadline=$((SECONDS + HANGS_AFTER))
  until grep -q '^end of script$' "$WORK/$1.out" ||
    [[ $(sql "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = '$1' AND wait_event_type = 'Lock')") == t ]]; do
    if ((SECONDS > deadline)); then stuck "$1 neither waits nor ends"; fi
    sleep 0.02
  done
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

# One check: all end soon, with these errors only, and the tables are right.
ended() { # ALLOWED [CALM]
  local began=$EPOCHREALTIME
  all_end
  same "$kind" '' "$(difference "$EPOCHREALTIME" "$began" | awk -v soon="$SOON" '$1 > soon { print "it took " $1 " s" }' &&
    errors "$1" && tables "${2:-}")"
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
  # Until the leader has heard all there is to hear.
  sleep 0.3
  release other
}

# With a constraint the sessions insert their rows, and wait for who writes the same ones.
sql "ALTER TABLE works ADD CONSTRAINT titled CHECK (title <> '')"
begin empty 'a deadlock: somebody takes rows against the order of the load'
cross 1 2 "$(insert_of 2)" "$(insert_of 1)"
ended 40P01
matches 'the deadlock: an error names who waits for whom, or the load says why it ran in one session' "for the next: $way\.|deadlock" \
  "$(grep 'for the next' "$WORK/load.out" || sql 'SELECT reason FROM outcomes')"

begin empty 'no deadlock: somebody takes rows in the order of the load'
cross 2 1 "$(insert_of 1)" "$(insert_of 2)"
ended ''
sql 'ALTER TABLE works DROP CONSTRAINT titled'

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
  sleep 0.5
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

# ---- that the rounds were what they are meant to be, and what is left

sql 'INSERT INTO tally TABLE outcomes' "DELETE FROM tally WHERE kind LIKE '% %'"
# But for the one in which the table is always locked.
same 'each kind of round had parallel loads' '' \
  "$(sql "SELECT kind FROM tally WHERE kind <> 'lock' GROUP BY kind HAVING coalesce(max(sessions), 0) < 2 ORDER BY kind")"
same 'each kind of two loads had loads that met' '' \
  "$(sql "SELECT kind FROM tally a WHERE kind NOT IN ('rows', 'parents', 'crossing', 'ordered', 'changes') GROUP BY kind
     HAVING NOT bool_or(EXISTS (SELECT FROM tally b WHERE b.kind = a.kind AND a.began < b.began AND b.began < a.ended)) ORDER BY kind")"
echo "# loads in rounds: $(sql "SELECT string_agg(format('%s with %s', n, what), ', ' ORDER BY what) FROM (
    SELECT count(*) AS n, CASE WHEN state <> '00000' THEN state ELSE sessions || ' sessions' END AS what FROM tally GROUP BY 2) loads")"
echo "# slowest round: $slowest; errors in rounds: $(sort <<<"$seen" | sed '/^$/d' | uniq -c | tr -s ' \n' ' ')"

same 'no prepared transaction is left, no worker, no lock' 0 \
  "$(sql "SELECT (SELECT count(*) FROM pg_prepared_xacts) + (SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg\_opus%')
     + (SELECT count(*) FROM pg_locks WHERE locktype = 'object' AND pid <> pg_backend_pid())")"
amcheck
