#!/usr/bin/env bash
# A parallel load that is ended at each of its steps, in each way there is: all of
# its rows are there afterwards, or none. No prepared transaction and no worker is
# left, and the next load works. A cell is one step and one way: the load stops at
# a fault point (src/sessions/fault.rs), is seen to stop there, and is ended.
#
# Assumes a build with fault points, $SERVER, which scripts/server has started and
# nobody else uses, and $PREPARED, its max_prepared_transactions: at least 2, or 0
# for one-phase commit.
# crashes the server
set -euo pipefail
source "$(dirname "$0")/../server/lib.sh"

# Seconds. The promises are one second; the rest is for a busy machine.
LIMIT=2
# By then whatever ends at all has ended.
PATIENCE=60
# Long enough for a load to come to its last step.
TIMEOUT=4

# ---- the matrix

# Where the leader is, a point has the number 999; session 1 is the second of two.
STEPS=(decoding.999 inserting.1 inserted.1 written.999 preparing.1 prepared.999 decided.999)
# Of the worker, of the leader, of the server. "worker" is the second one.
WAYS=(error cancel_worker terminate_worker cancel terminate timeout kill kill_worker immediate)

# What makes a worker fail by itself at a step, and the SQLSTATE of it. Elsewhere a
# worker has nothing to fail at: there cancel_worker raises its error.
declare -A ERROR=([inserting.1]=23514 [written.999]=53200 [preparing.1]=53200 [prepared.999]=42704)
# Transactions of the load that a crash leaves prepared.
declare -A LEFT=([preparing.1]=1 [prepared.999]=2 [decided.999]=1)

two_phase() { ((PREPARED > 0)); }
crashes() { [[ $1 == kill || $1 == kill_worker || $1 == immediate ]]; } # WAY
of_worker() { [[ $1 == error || $1 == *_worker ]]; }                    # WAY

there_is() { # STEP WAY
  # One-phase commit prepares nothing.
  if ! two_phase && [[ $1 == prepar* || ($2 == error && $1 != inserting.1) ]]; then return 1; fi
  # No worker has been started.
  if [[ $1 == decoding.999 ]] && of_worker "$2"; then return 1; fi
  [[ $2 != error || -n ${ERROR[$1]:-} ]]
}

# A worker acts on no signal from PREPARE on.
is_deaf() { # STEP
  two_phase && [[ $1 == preparing.1 || $1 == prepared.999 || $1 == decided.999 ]]
}

# Who is to end the load cannot until the load goes on.
waits() { # STEP WAY
  case $2 in
    error) true ;;
    cancel_worker | terminate_worker) [[ $1 != inserting.1 && $1 != inserted.1 ]] ;;
    # The leader waits for a deaf worker, or is past the decision.
    *) [[ $1 == preparing.1 || $1 == decided.999 ]] ;;
  esac
}

# none, all, or part: of the document's rows, when all is done.
rows_of() { # STEP WAY
  if [[ $1 == decided.999 ]]; then
    # Without a prepared transaction a lost worker's rows are lost too.
    if two_phase || [[ $2 == cancel || $2 == terminate || $2 == timeout ]]; then echo all; else echo part; fi
  elif is_deaf "$1" && [[ $2 == cancel_worker || $2 == terminate_worker ]]; then
    echo all
  else
    echo none
  fi
}

# What the client is told: a SQLSTATE, or nothing.
answer_of() { # STEP WAY
  case $2 in
    error) echo "${ERROR[$1]}" ;;
    cancel | timeout) echo 57014 ;;
    terminate) echo 57P01 ;;
    cancel_worker) if ! is_deaf "$1"; then echo 57014; fi ;;
    terminate_worker) if ! is_deaf "$1"; then echo 57P01; fi ;;
  esac
}

# ---- the server

log=$("$ROOT/scripts/server" log "$SERVER")
data=$(sql 'SHOW data_directory')

ready_lines() { grep -ac 'database system is ready to accept connections' "$log" || true; }

# Until the server has recovered once more than READY-LINES times.
recovered() { # READY-LINES
  local deadline=$((SECONDS + PATIENCE))
  until (($(ready_lines) > $1)) && pg_isready -q && psql -XqAtc 'SELECT' >/dev/null 2>&1; do
    if ((SECONDS > deadline)); then die 'the server has not come back'; fi
    sleep 0.05
  done
}

# With the settings it has. A backtrace would be part of some messages.
restart() {
  (cd "$data" && unset RUST_BACKTRACE PGOPTIONS &&
    unprivileged pg_ctl --silent -D "$data" -m immediate -w -t "$PATIENCE" -l "$log" restart </dev/null)
}

amcheck=(pg_amcheck --heapallindexed --rootdescend --database="$PGDATABASE")
if command -v pg_amcheck >/dev/null && [[ $(sql "SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'") == 1 ]]; then
  sql 'CREATE EXTENSION amcheck'
else
  echo 'skip faults, the part with pg_amcheck: no pg_amcheck or no extension amcheck'
  amcheck=(true)
fi

sound() { # NAME [ARGUMENT...]
  local status=0
  OUTPUT=$("${amcheck[@]}" "${@:2}" 2>&1) || status=$?
  same "$1: pg_amcheck" '0|' "$status|$OUTPUT"
}

# ---- the load

# more is works and other. Each of two sessions has two batches of works, of 5,000
# rows and 1,000. The first work is the last row of the last one: its composer is.
WORKS=12000 MORE=13000
sql 'CREATE EXTENSION pg_opus' 'SELECT create_catalogue()' \
  "SELECT load_composers(jsonb_agg(jsonb_build_object('id', 'Category:C' || n, 'type', '1', 'intvals', '[]'::jsonb)))
   FROM generate_series(0, 99) n" \
  "CREATE TABLE documents AS
   SELECT name, jsonb_agg(jsonb_build_object('id', 'w' || n, 'type', '2', 'intvals', jsonb_build_object(
     'composer', 'C' || CASE n WHEN 1 THEN 99 ELSE n % 10 END, 'worktitle', 'T ' || n, 'pageid', n)))::text AS document
   FROM (VALUES ('works', 1, $WORKS), ('other', $WORKS + 1, $MORE), ('more', 1, $MORE)) d (name, a, b), generate_series(a, b) n
   GROUP BY name" >/dev/null

load() { # DOCUMENT
  echo "SELECT 'loaded ' || load_works(document, workers => 2) FROM documents WHERE name = '$1'"
}

PARALLEL='SET pg_opus.min_parallel_rows = 0'
OURS="FROM pg_prepared_xacts WHERE gid LIKE 'pg\\_opus:%'"
# What the rows of a document are, once each.
declare -A WHOLE
for document in works other more; do
  sql "SELECT load_works(document, workers => 0) FROM documents WHERE name = '$document'" >/dev/null
  WHOLE[$document]=$(fingerprint works)
  sql 'TRUNCATE works'
done

# ---- one load that stops

worker() { sql "SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'pg_opus:%session 2 of 2'"; }

is_at() { # STEP
  local condition
  case $1 in
    # The point shows nothing: the load stays in its first step as long as the file is there.
    decoding.999) condition="(SELECT bool_and(tuples_processed = 0) FROM pg_stat_progress_copy)" ;;
    # The other session has prepared.
    preparing.1) condition="(SELECT count(*) = 1 $OURS)" ;;
    *) condition=true ;;
  esac
  if [[ $1 != decoding.999 ]]; then
    condition+=" AND EXISTS (SELECT FROM pg_stat_activity WHERE query = 'pg_opus stops at $1')"
  fi
  [[ $(sql "SELECT $condition") == t ]]
}

# Starts a load of works and waits until it stops at STEP.
begin() { # NAME STEP WAY
  local deadline=$((SECONDS + PATIENCE)) timeout=0 stopped=true
  if [[ $3 == timeout ]]; then timeout=${TIMEOUT}s; fi
  if [[ $2$3 == inserting.1error ]]; then sql "ALTER TABLE works ADD CONSTRAINT refused CHECK (title <> 'T 1')"; fi
  touch "$data/pg_opus_stop.$2"
  session load <<SQL
SET pg_opus.min_parallel_rows = 0;
SET statement_timeout = '$timeout';
SELECT 'pid ' || pg_backend_pid();
$(load works);
SQL
  began=$EPOCHREALTIME
  leader=$(said load pid)
  until is_at "$2"; do
    if ((SECONDS > deadline)) || ! kill -0 "$SESSION" 2>/dev/null; then
      stopped=false
      break
    fi
    sleep 0.01
  done
  verdict "$1: the load stops there" $stopped "$(<"$WORK/load.out")"
}

goes_on() { rm -f "$data"/pg_opus_stop.*; }

# ---- how it is ended

fill() {
  local n
  for ((n = 0; n < PREPARED; n++)); do
    printf "BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION 'filler %s';\n" "$n"
  done | psql -XqAt >/dev/null 2>&1
}

# Ends prepared transactions by hand.
roll_back() { # GID-PATTERN
  psql -XqAt -v ON_ERROR_STOP=1 <<<"SELECT format('ROLLBACK PREPARED %L', gid) FROM pg_prepared_xacts WHERE gid LIKE '$1' \\gexec"
}

error() { # STEP
  case $1 in
    # The row is in the worker's last batch.
    inserting.1) ;;
    # No room for another prepared transaction.
    written.999 | preparing.1) fill ;;
    # The first session's is gone.
    prepared.999) roll_back 'pg\_opus:%:0:%' ;;
  esac
}

cancel() { sql "SELECT pg_cancel_backend($leader)" >/dev/null; }
cancel_worker() { sql "SELECT pg_cancel_backend($(worker))" >/dev/null; }
terminate() { sql "SELECT pg_terminate_backend($leader)" >/dev/null; }
terminate_worker() { sql "SELECT pg_terminate_backend($(worker))" >/dev/null; }

timeout() {
  local left
  left=$(awk "BEGIN { left = $began + $TIMEOUT - $EPOCHREALTIME; print (left > 0 ? left : 0) }")
  sleep "$left"
}

kill_one() { # PROCESS
  local before
  before=$(ready_lines)
  kill -9 "$1"
  recovered "$before"
}
kill_leader() { kill_one "$leader"; }
kill_worker() { kill_one "$(worker)"; }
immediate() {
  restart
  recovered 0
}

# Seconds until the client has its answer are in $TOOK, and its SQLSTATE is in $STATE.
end() { # NAME STEP WAY
  local asked=$EPOCHREALTIME deadline hangs=false
  case $3 in
    error) error "$2" ;;
    kill) kill_leader ;;
    *) "$3" ;;
  esac
  if [[ $3 != timeout ]]; then asked=$EPOCHREALTIME; else asked=$(awk "BEGIN { printf \"%.6f\", $began + $TIMEOUT }"); fi
  if crashes "$3" || waits "$2" "$3"; then goes_on; fi
  deadline=$((SECONDS + PATIENCE))
  while kill -0 "$SESSION" 2>/dev/null; do
    if ((SECONDS > deadline)); then
      hangs=true
      verdict "$1: the client has its answer" false \
        "$(sql "SELECT pid, backend_type, state, wait_event, query FROM pg_stat_activity WHERE query <> ''")"
      goes_on
      restart
      break
    fi
    sleep 0.01
  done
  TOOK=$(difference "$EPOCHREALTIME" "$asked")
  await "$SESSION"
  goes_on
  STATE=$(sed -n -E 's/.*(ERROR|FATAL):  ([0-9A-Z]{5}):.*/\2/p' "$WORK/load.out")
  [[ $hangs == false ]]
}

# ---- what must be so then

no_worker() { # NAME
  local start=$EPOCHREALTIME left
  until left=$(sql "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg\\_opus:%'") && [[ $left == 0 ]]; do
    if awk -v a="$EPOCHREALTIME" -v b="$start" "BEGIN { exit !(a - b > $LIMIT) }"; then break; fi
    sleep 0.02
  done
  same "$1: workers that are left" 0 "$left"
}

answered() { # NAME STEP WAY
  if crashes "$3"; then
    same "$1: the client has lost its server" 2 "$STATUS"
    return
  fi
  same "$1: SQLSTATE" "$(answer_of "$2" "$3")" "$STATE"
  if ! waits "$2" "$3"; then at_most "$1: seconds until the client has its answer" "$LIMIT" "$TOOK"; fi
}

# Only a crash leaves prepared transactions, and resolve_loads() ends all of them.
resolved() { # NAME STEP WAY
  local left=0
  if two_phase && crashes "$3"; then left=${LEFT[$2]:-0}; fi
  same "$1: prepared transactions, those that resolve_loads() ends, and those after it" "$left $left 0" \
    "$(sql "SELECT count(*) $OURS") $(sql 'SELECT resolve_loads()') $(sql "SELECT count(*) $OURS")"
}

written() { # NAME STEP WAY
  local rows
  rows=$(sql 'SELECT count(*) FROM works')
  case $(rows_of "$2" "$3") in
    none) same "$1: rows" 0 "$rows" ;;
    all) same "$1: rows" "${WHOLE[works]}" "$(fingerprint works)" ;;
    part)
      verdict "$1: a part of the rows" "$( ((rows > 0 && rows < WORKS)) && echo true || echo false)" "$rows"
      sql "$PARALLEL" "$(load works)" >/dev/null
      same "$1: loading again completes it" "${WHOLE[works]}" "$(fingerprint works)"
      ;;
  esac
}

next_load() { # NAME DOCUMENT ROWS
  OUTPUT=$(sql "SET lock_timeout = '${PATIENCE}s'" "$PARALLEL" "$(load "$2")" 'SELECT sessions FROM last_load()' 2>&1) || true
  same "$1: sessions of the next load" 2 "$(tail -n 1 <<<"$OUTPUT")"
  same "$1: every row once" "$3" "$(fingerprint works)"
}

cell() { # STEP WAY
  local name="$2 at $1"
  begin "$name" "$1" "$2"
  if end "$name" "$1" "$2"; then
    answered "$name" "$1" "$2"
    no_worker "$name"
    roll_back 'filler %'
    sql 'ALTER TABLE works DROP CONSTRAINT IF EXISTS refused'
    resolved "$name" "$1" "$2"
    written "$name" "$1" "$2"
    next_load "$name" more "${WHOLE[more]}"
    if crashes "$2"; then sound "$name" --table=works; fi
  fi
  sql 'TRUNCATE works'
}

# The next load does by itself what resolve_loads() would.
recovered_by_the_next() { # STEP DOCUMENT-THAT-IS-THERE-THEN
  local name="kill at $1, then another load"
  begin "$name" "$1" kill
  end "$name" "$1" kill
  same "$name: prepared transactions" "${LEFT[$1]}" "$(sql "SELECT count(*) $OURS")"
  next_load "$name" other "${WHOLE[$2]}"
  same "$name: prepared transactions after it" 0 "$(sql "SELECT count(*) $OURS")"
  sql 'TRUNCATE works'
}

cells=0
for step in "${STEPS[@]}"; do
  for way in "${WAYS[@]}"; do
    if there_is "$step" "$way"; then
      cell "$step" "$way"
      cells=$((cells + 1))
    fi
  done
done
if two_phase; then
  recovered_by_the_next prepared.999 other
  recovered_by_the_next decided.999 more
fi
sound 'the whole database'
echo "# $cells cells"
