# shellcheck shell=bash disable=SC2034 # variables for the tests
# Parallel loads beside other work: the documents, what clients do, and what is looked at. Sourced by beside.sh and
# crossings.sh, never run.
#
# Assumes a build with fault points (src/sessions/fault.rs), and a server that nobody else uses, with a deadlock_timeout of
# 0.2 s and room for 24 workers.
source "$(dirname "${BASH_SOURCE[0]}")/../server/lib.sh"

# The moments are the same in each run, as far as the machine allows.
RANDOM=1
# Seconds: what takes longer hangs, on the slowest machine too.
HANGS_AFTER=120

COMPOSERS=120
WORKS=3000

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

insert='INSERT INTO works (work_id, composer_id, title)'

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

# It, or a session of its load, waits for a lock; or it has ended.
until_settled() { # CLIENT
  local deadline=$((SECONDS + HANGS_AFTER))
  until grep -q '^end of script$' "$WORK/$1.out" ||
    [[ $(sql "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = '$1' AND wait_event_type = 'Lock')") == t ]]; do
    if ((SECONDS > deadline)); then stuck "$1 neither waits nor ends"; fi
    sleep 0.02
  done
}

# The leader of its load, which looks at its workers again and again, has done so so many times.
until_looked() { # CLIENT TIMES
  local deadline=$((SECONDS + HANGS_AFTER)) leader before
  leader=$(sql "SELECT pid FROM pg_stat_activity WHERE application_name = '$1' AND backend_type = 'client backend'")
  before=$(rests "$leader")
  until (($(rests "$leader") >= before + $2)); do
    if ((SECONDS > deadline)); then stuck "the leader of $1 does not look"; fi
    sleep 0.02
  done
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

# What is left when all have ended.
nothing_is_left() {
  same 'no prepared transaction is left, no worker, no lock' 0 \
    "$(sql "SELECT (SELECT count(*) FROM pg_prepared_xacts) + (SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg\_opus%')
       + (SELECT count(*) FROM pg_locks WHERE locktype = 'object' AND pid <> pg_backend_pid())")"
  amcheck
}
