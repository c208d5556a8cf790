#!/usr/bin/env bash
# A parallel load that is ended at each of its steps, in each way there is: all of
# its rows are there afterwards, or none. No prepared transaction and no worker is
# left, and the next load works. A cell is one step and one way: the load stops at
# a fault point (src/sessions/fault.rs), is seen to stop there, and is ended.
#
# Assumes a build with fault points, a server that nobody else uses ($SERVER), and
# in $PREPARED its max_prepared_transactions: 0 for one-phase commit.
# crashes the server
set -euo pipefail
source "$(dirname "$0")/../server/lib.sh"

# Seconds. What has not ended by then never does; a load that nobody ends stays where it stops.
PATIENCE=60
# Within it a load comes to its last step; where it does not, on a busy machine, within twice as much or so.
TIMEOUT=2
# No statement of the test itself hangs; the loads have a limit of their own or none.
export PGOPTIONS="$PGOPTIONS -c statement_timeout=${PATIENCE}s"

# Waits until COMMAND succeeds; fails where it does not in time.
eventually() { # SECONDS COMMAND [ARGUMENT...]
  local last=$((${EPOCHREALTIME/./} + $1 * 1000000))
  until "${@:2}"; do
    if ((${EPOCHREALTIME/./} > last)); then return 1; fi
    sleep 0.01
  done
}

# ---- the matrix

# A point of the leader has the number 999; session 1 is the second of two.
STEPS=(decoding.999 inserting.1 inserted.1 written.999 preparing.1 prepared.999 decided.999)
# Each is a function below. The worker is session 1's.
WAYS=(error cancel_worker terminate_worker cancel_leader terminate_leader time_out kill_leader kill_worker immediate)

# What makes a worker fail by itself, and the SQLSTATE of it. Elsewhere nothing
# does: there the error in a worker is that of cancel_worker.
declare -A ERROR=([inserting.1]=23514 [written.999]=53200 [preparing.1]=53200 [prepared.999]=42704)
# How many transactions of the load a crash leaves prepared.
declare -A LEFT=([preparing.1]=1 [prepared.999]=2 [decided.999]=1)

two_phase() { ((PREPARED > 0)); }
crashes() { [[ $1 == kill_* || $1 == immediate ]]; }                      # WAY
signals_worker() { [[ $1 == cancel_worker || $1 == terminate_worker ]]; } # WAY

there_is() { # STEP WAY
  # No worker has been started.
  if [[ $1 == decoding.999 && $2 == *_worker ]]; then return 1; fi
  if [[ $2 != error ]]; then return 0; fi
  # What fails there otherwise is PREPARE TRANSACTION, and what follows it.
  [[ -n ${ERROR[$1]:-} && ($1 == inserting.1 || $PREPARED != 0) ]]
}

# All have prepared, which in one phase means just this: they listen to the leader
# alone.
is_deaf() { [[ $1 == prepared.999 || $1 == decided.999 ]]; } # STEP

# Whoever is to end the load cannot before it goes on.
waits() { # STEP WAY
  case $2 in
    error) true ;;
    # The worker is deaf, or the leader does not listen.
    cancel_worker | terminate_worker) [[ $1 == *.999 ]] ;;
    # The leader is past the decision.
    *) [[ $1 == decided.999 ]] ;;
  esac
}

# A session cannot prepare: the caller's own writes, and all is well.
goes_home() { [[ $2 == error && ($1 == written.999 || $1 == preparing.1) ]]; } # STEP WAY

# How many of the rows are there when all is done: none, all, or a part.
rows_of() { # STEP WAY
  if goes_home "$1" "$2"; then echo all && return; fi
  if [[ $1 == decided.999 ]]; then
    if ! two_phase && crashes "$2"; then echo part; else echo all; fi
  elif is_deaf "$1" && signals_worker "$2"; then
    echo all
  else
    echo none
  fi
}

# What the client is told: a SQLSTATE, or nothing.
answer_of() { # STEP WAY
  if goes_home "$1" "$2" || { is_deaf "$1" && signals_worker "$2"; }; then return; fi
  case $1+$2 in
    # It comes too late to undo anything, and is forgotten.
    decided.999+cancel_leader | decided.999+time_out) return ;;
  esac
  case $2 in
    error) echo "${ERROR[$1]}" ;;
    cancel_* | time_out) echo 57014 ;;
    terminate_*) echo 57P01 ;;
  esac
}

# ---- the server

log=$("$ROOT/scripts/server" log "$SERVER")
data=$(sql 'SHOW data_directory')

ready_lines() { grep -ac 'database system is ready to accept connections' "$log" || true; }

has_started() { # READY-LINES: that there were before
  (($(ready_lines) > $1)) && psql -XqAtc 'SELECT' >/dev/null 2>&1
}
recovered() { eventually "$PATIENCE" has_started "$1" || die 'the server has not come back'; }

# An immediate shutdown, and a start with the same settings. A backtrace would be
# part of some messages.
immediate() {
  local before
  before=$(ready_lines)
  (cd "$data" && unset RUST_BACKTRACE PGOPTIONS &&
    unprivileged pg_ctl --silent -D "$data" -m immediate -w -t "$PATIENCE" -l "$log" restart </dev/null)
  recovered "$before"
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

# ---- the documents

# Each of two sessions has two batches of works, of 5,000 rows and 1,000. Work 1 is
# the last row of the last one, because its composer is. "more" is works and other.
WORKS=12000 MORE=13000
sql 'CREATE EXTENSION pg_opus' 'SELECT create_catalogue()' \
  "ALTER TABLE works ADD CHECK (title <> 'refused')" \
  "SELECT load_composers(jsonb_agg(jsonb_build_object('id', 'Category:C' || n, 'type', '1', 'intvals', '[]'::jsonb)))
   FROM generate_series(0, 99) n" \
  "CREATE TABLE documents AS
   SELECT name, jsonb_agg(jsonb_build_object('id', 'w' || n, 'type', '2', 'intvals', jsonb_build_object(
     'composer', 'C' || CASE n WHEN 1 THEN 99 ELSE n % 10 END, 'pageid', n,
     'worktitle', CASE WHEN n = 1 AND name = 'refused' THEN 'refused' ELSE 'T ' || n END)))::text AS document
   FROM (VALUES ('works', 1, $WORKS), ('refused', 1, $WORKS), ('other', $WORKS + 1, $MORE), ('more', 1, $MORE)) d (name, a, b),
     generate_series(a, b) n GROUP BY name" >/dev/null

load() { # DOCUMENT [WORKERS]
  echo "SELECT 'loaded ' || load_works(document, workers => ${2:-2}) FROM documents WHERE name = '$1'"
}

# What the rows of a document are, once each.
declare -A WHOLE
for document in works other more; do
  sql "$(load $document 0)" >/dev/null
  WHOLE[$document]=$(fingerprint works)
  sql 'TRUNCATE works'
done

PARALLEL='SET pg_opus.min_parallel_rows = 0'
OURS="FROM pg_prepared_xacts WHERE gid LIKE 'pg\\_opus:%'"

# ---- a load that stops

is_at() { # STEP
  local condition="EXISTS (SELECT FROM pg_stat_activity WHERE query = 'pg_opus stops at $1')"
  case $1 in
    # It shows nothing: a load is in its first step as long as the file is there.
    decoding.999) condition='EXISTS (SELECT FROM pg_stat_progress_copy)' ;;
    # Session 0 has prepared.
    preparing.1) if two_phase; then condition+=" AND (SELECT count(*) = 1 $OURS)"; fi ;;
  esac
  [[ $(sql "SELECT $condition") == t ]]
}

client_has_ended() { ! kill -0 "$SESSION" 2>/dev/null; }
is_at_or_over() { is_at "$1" || client_has_ended; } # STEP

# Starts a load and waits until it stops at STEP. One that has no time for that is started again with twice the time.
begin() { # NAME STEP WAY
  local stopped=true
  timeout=$TIMEOUT
  until start "$2" "$3"; do
    if [[ $3 != time_out ]] || ((timeout > PATIENCE)) || ! grep -q '57014' "$WORK/load.out"; then
      stopped=false
      break
    fi
    await "$SESSION"
    timeout=$((2 * timeout))
  done
  verdict "$1: the load stops there" $stopped "$(<"$WORK/load.out")"
  $stopped
}

# Whether the load stops at STEP.
start() { # STEP WAY
  local document=works bulk=on limit=0
  if [[ $2 == time_out ]]; then limit=${timeout}s; fi
  if [[ $1 == inserting.1 && $2 == error ]]; then document=refused bulk=off; fi
  touch "$data/pg_opus_stop.$1"
  session load <<SQL
$PARALLEL;
SET statement_timeout = '$limit';
SET pg_opus.bulk_insert = $bulk;
SELECT 'pid ' || pg_backend_pid();
$(load $document);
SQL
  leader=$(said load pid)
  eventually "$PATIENCE" is_at_or_over "$1" && is_at "$1"
}

goes_on() { rm -f "$data"/pg_opus_stop.*; }

# Ends the load and waits for the client's end. Its SQLSTATE is in $STATE.
end() { # NAME STEP WAY
  local ended=true
  "$3" "$2"
  if crashes "$3" || waits "$2" "$3"; then goes_on; fi
  eventually "$PATIENCE" client_has_ended || ended=false
  verdict "$1: the client has its answer" $ended \
    "$(sql "SELECT pid, backend_type, state, wait_event, query FROM pg_stat_activity WHERE query <> ''")"
  $ended || return 1
  await "$SESSION"
  goes_on
  STATE=$(sed -n -E 's/.*(ERROR|FATAL):  ([0-9A-Z]{5}):.*/\2/p' "$WORK/load.out")
}

# ---- how it is ended

roll_back() { # GID-PATTERN
  psql -XqAt -v ON_ERROR_STOP=1 <<<"SELECT format('ROLLBACK PREPARED %L', gid) FROM pg_prepared_xacts WHERE gid LIKE '$1' \\gexec"
}

error() { # STEP
  local n
  case $1 in
    # The row is in the worker's last batch.
    inserting.1) ;;
    # There is no room for one more prepared transaction.
    written.999 | preparing.1)
      for ((n = 0; n < PREPARED; n++)); do
        printf "BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION 'filler %s';\n" "$n"
      done | psql -XqAt >/dev/null 2>&1
      ;;
    # That of session 0 is gone.
    prepared.999) roll_back 'pg\_opus:%:0:%' ;;
  esac
}

worker() { sql "SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'pg\\_opus:%session 2 of 2'"; }
cancel_leader() { sql "SELECT pg_cancel_backend($leader)" >/dev/null; }
cancel_worker() { sql "SELECT pg_cancel_backend($(worker))" >/dev/null; }
terminate_leader() { sql "SELECT pg_terminate_backend($leader)" >/dev/null; }
terminate_worker() { sql "SELECT pg_terminate_backend($(worker))" >/dev/null; }

# The caller's statement_timeout does.
time_out() { # STEP
  eventually "$PATIENCE" has_had seconds 0
  if waits "$1" time_out; then
    # It has been heard once the leader, which looks at the file again and again, has run after that.
    eventually "$PATIENCE" has_had seconds 0.5
    local before
    before=$(rests "$leader")
    eventually "$PATIENCE" has_had runs $((before + 3))
  fi
}
has_had() { # seconds MORE-THAN-THE-TIMEOUT, or runs COUNT; or the load has ended
  if client_has_ended; then return 0; fi
  case $1 in
    seconds) [[ $(sql "SELECT clock_timestamp() > query_start + '$timeout s'::interval + '$2 s' FROM pg_stat_activity WHERE pid = $leader") != f ]] ;;
    runs) (($(rests "$leader") >= $2)) ;;
  esac
}

kill_one() { # PROCESS
  local before
  before=$(ready_lines)
  kill -9 "$1"
  recovered "$before"
}
kill_leader() { kill_one "$leader"; }
kill_worker() { kill_one "$(worker)"; }

# ---- what must be so then

answered() { # NAME STEP WAY
  if crashes "$3"; then
    same "$1: psql has lost its server" 2 "$STATUS"
    return
  fi
  same "$1: SQLSTATE" "$(answer_of "$2" "$3")" "$STATE"
}

workers() { sql "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg\\_opus:%'"; }
is_alone() { [[ $(workers) == 0 ]]; }

# Only a crash leaves prepared transactions, and resolve_loads() ends all of them.
resolved() { # NAME STEP WAY
  local left=0
  if two_phase && crashes "$3"; then left=${LEFT[$2]:-0}; fi
  same "$1: prepared transactions, those that resolve_loads() ends, and those after it" "$left $left 0" \
    "$(sql "SELECT count(*) $OURS") $(sql 'SELECT resolve_loads()') $(sql "SELECT count(*) $OURS")"
}

written() { # NAME STEP WAY
  local rows partly=false
  rows=$(sql 'SELECT count(*) FROM works')
  case $(rows_of "$2" "$3") in
    none) same "$1: rows" 0 "$rows" ;;
    all) same "$1: rows" "${WHOLE[works]}" "$(fingerprint works)" ;;
    part)
      if ((rows > 0 && rows < WORKS)); then partly=true; fi
      verdict "$1: a part of the rows" $partly "$rows"
      sql "$PARALLEL" "$(load works)" >/dev/null
      same "$1: loading again completes it" "${WHOLE[works]}" "$(fingerprint works)"
      ;;
  esac
}

next_load() { # NAME DOCUMENT ROWS
  OUTPUT=$(sql "$PARALLEL" "$(load "$2")" 'SELECT sessions FROM last_load()' 2>&1) || true
  same "$1: sessions of the next load" 2 "$(tail -n 1 <<<"$OUTPUT")"
  same "$1: every row once" "$3" "$(fingerprint works)"
}

# Also after a cell that has failed.
clean() {
  goes_on
  client_has_ended || immediate
  roll_back %
  sql 'TRUNCATE works'
}

cell() { # STEP WAY
  local name="$2 at $1"
  if begin "$name" "$1" "$2" && end "$name" "$1" "$2"; then
    answered "$name" "$1" "$2"
    eventually "$PATIENCE" is_alone || true
    same "$name: workers that are left" 0 "$(workers)"
    roll_back 'filler %'
    resolved "$name" "$1" "$2"
    written "$name" "$1" "$2"
    next_load "$name" more "${WHOLE[more]}"
    if crashes "$2"; then sound "$name" --table=works; fi
  fi
  clean
}

# The next load does by itself what resolve_loads() would.
then_a_load() { # STEP DOCUMENT-THAT-IS-THERE-THEN
  local name="kill_leader at $1, then another load"
  if begin "$name" "$1" kill_leader && end "$name" "$1" kill_leader; then
    same "$name: prepared transactions" "${LEFT[$1]}" "$(sql "SELECT count(*) $OURS")"
    next_load "$name" other "${WHOLE[$2]}"
    same "$name: prepared transactions after it" 0 "$(sql "SELECT count(*) $OURS")"
  fi
  clean
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
  then_a_load prepared.999 other
  then_a_load decided.999 more
fi
sound 'the whole database'
echo "# $cells cells"
