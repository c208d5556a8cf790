#!/usr/bin/env bash
# A load ends within a second of being asked to, wherever it is: by
# pg_cancel_backend, statement_timeout, pg_terminate_backend, and Ctrl-C in psql.
# Nothing is written then, and the session, where there still is one, goes on.
#
# The moments are shares of what a whole load takes here, which is measured first;
# a load that was done by then is loaded again, and ended sooner. At the end two
# steps are met for certain: the load is watched until it has come to them.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

# Seconds. An end that is not heard shows in the load's coming to its own end, or in its waiting for ever; this is for
# what is heard late, on the slowest machine.
LIMIT=20
# Hundredths of the time of a whole load: 2.5 s here makes 50 ms to 2 s.
MOMENTS=(2 6 12 20 32 48 80)
FEWER_MOMENTS=(6 20 45)
# How often a load is loaded again that was done before it could be ended.
TRIES=10

sql 'CREATE EXTENSION pg_opus'
make_documents
sql "SELECT load_composers($(file "$CATALOGUE/composers.json"))" >/dev/null

started=$(sql 'SELECT pg_postmaster_start_time()')
slowest=0
slowest_name=''
steps=()

load() { # FORM [ARGUMENTS]
  echo "SELECT load_works(as_$1${2:+, $2}) FROM documents WHERE name = 'works'"
}

load_some() { # FORM
  echo "SELECT load_works(as_$1) FROM documents WHERE name = 'some'"
}

# All that a load of works may write.
ROWS="SELECT (SELECT count(*) FROM works) || '+' || (SELECT count(*) FROM rejected_records)"

# Seconds of a whole load, which is then undone.
whole() { # STATEMENT
  local start=$EPOCHREALTIME
  sql BEGIN "$1" ROLLBACK >/dev/null
  difference "$EPOCHREALTIME" "$start"
}

moment() { # WHOLE HUNDREDTHS
  awk -v whole="$1" -v part="$2" 'BEGIN { printf "%.3f", whole * part / 100 }'
}

# Half of so many seconds; a step stays what it is.
sooner() { # SECONDS|STEP
  if [[ $1 == [0-9]* ]]; then awk -v s="$1" 'BEGIN { printf "%.4f", s / 2 }'; else echo "$1"; fi
}

# What makes the tables what they were, after a load that nobody has ended in time.
RESTORE='TRUNCATE works, rejected_records'

took() { # NAME SECONDS
  at_most "$1: seconds until the client has its answer" "$LIMIT" "$2"
  if awk -v a="$2" -v b="$slowest" 'BEGIN { exit !(a > b) }'; then
    slowest=$2
    slowest_name=$1
  fi
}

# The step a load is in, by its row of pg_stat_progress_copy.
STEP="CASE WHEN p.pid IS NULL THEN 'read' WHEN p.tuples_processed > 0 THEN 'insert'
      WHEN p.bytes_processed = 0 THEN 'find' ELSE 'decode, order, prove' END"

# Waits in the server until the load is under way, and then for so many seconds or, where that is no number, for this
# step. A load that has ended is not waited for.
await_moment() { # PID SECONDS|STEP
  local pause="PERFORM pg_sleep($2)" begun="query LIKE '%load\_works(%'"
  if [[ $2 != [0-9]* ]]; then
    pause="WHILE EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 AND state = 'active' AND $begun)
        AND NOT EXISTS (SELECT FROM pg_stat_progress_copy p WHERE p.pid = $1 AND $STEP = '$2') LOOP
      PERFORM pg_stat_clear_snapshot();
    END LOOP"
  fi
  echo "DO \$\$ BEGIN
    WHILE EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 AND NOT $begun) LOOP PERFORM pg_stat_clear_snapshot(); END LOOP;
    $pause;
  END \$\$"
}

# Calls FUNCTION(pid) in the server at this moment. Prints the time of the call, what it returned, and the step the load
# was in.
signal() { # FUNCTION PID SECONDS|STEP
  sql "$(await_moment "$2" "$3")" \
    "SELECT extract(epoch FROM clock_timestamp()), $1($2), $STEP
     FROM (VALUES (1)) one LEFT JOIN pg_stat_progress_copy p ON p.pid = $2"
}

nothing_written() { # NAME
  same "$1: no row is written" 0 "$(sql 'SELECT count(*) FROM works')"
  same "$1: no session is left" 0 \
    "$(sql "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT load\_works%'")"
  sql 'TRUNCATE works'
}

# Cancels STATEMENT after SECONDS, or in a step; or, where these are "wait", when it
# waits for a lock or sleeps. NEXT is what the session does after it.
cancel() { # NAME STATEMENT SECONDS|STEP|wait NEXT EXPECTED
  local name=$1 moment=$3 pid answer before
  before=$(sql "$ROWS")
  session cancelled <<SQL
SELECT 'pid ' || pg_backend_pid();
$2;
\! date +'returned %s.%N'
SELECT 'state ' || :'SQLSTATE';
SELECT 'rows ' || (${ROWS});
SELECT 'same ' || pg_backend_pid();
SELECT 'next ' || ($4);
SQL
  pid=$(said cancelled pid)
  if [[ $3 == wait ]]; then
    until [[ $(sql "SELECT wait_event_type FROM pg_stat_activity WHERE pid = $pid") =~ Lock|Timeout ]]; do sleep 0.01; done
    moment=0
  fi
  IFS='|' read -ra answer <<<"$(signal pg_cancel_backend "$pid" "$moment")"
  await "$SESSION"
  # On a machine that has time for it now, the load was done before: once more, and sooner.
  if [[ $3 != wait && $(said cancelled state 0) == 00000 && ${tries:-0} -lt $TRIES ]]; then
    sql "$RESTORE"
    tries=$((${tries:-0} + 1)) cancel "$1" "$2" "$(sooner "$3")" "$4" "$5"
    return
  fi
  steps+=("${answer[2]}")
  same "$name: SQLSTATE" 57014 "$(said cancelled state 0)"
  took "$name" "$(difference "$(said cancelled returned 0)" "${answer[0]}")"
  same "$name: no row is written" "$before" "$(said cancelled rows 0)"
  same "$name: the session is the same" "$pid" "$(said cancelled same 0)"
  same "$name: the session's next load" "$5" "$(said cancelled next 0)"
}

# On a machine that has time for it now, a load was done before: then FUNCTION is
# called again, and does what it does in half the time.
was_done() { # SESSION FUNCTION FORM WHOLE HUNDREDTHS
  grep -qxE '[0-9]{6,}' "$WORK/$1.out" && ((${tries:-0} < TRIES)) || return 1
  sql 'TRUNCATE works'
  tries=$((${tries:-0} + 1)) "$2" "$3" "$(awk -v s="$4" 'BEGIN { printf "%.3f", s / 2 }')" "$5"
}

time_out() { # FORM WHOLE HUNDREDTHS
  local name="$1, statement_timeout at $3 %" seconds
  seconds=$(moment "$2" "$3")
  session timed_out <<SQL
SET statement_timeout = '${seconds}s';
\! date +'began %s.%N'
$(load "$1");
\! date +'returned %s.%N'
SELECT 'state ' || :'SQLSTATE';
SET statement_timeout = 0;
SELECT 'next ' || load_works(as_$1) FROM documents WHERE name = 'some';
SQL
  await "$SESSION"
  if was_done timed_out time_out "$@"; then return; fi
  same "$name: SQLSTATE" 57014 "$(said timed_out state 0)"
  took "$name" "$(awk -v a="$(said timed_out returned 0)" -v b="$(said timed_out began 0)" \
    -v c="$seconds" 'BEGIN { printf "%.3f", a - b - c }')"
  matches "$name: the message" 'canceling statement due to statement timeout' "$(<"$WORK/timed_out.out")"
  same "$name: the session's next load, and no other row" "$SOME|$SOME" \
    "$(said timed_out next 0)|$(sql 'SELECT count(*) FROM works')"
  sql 'TRUNCATE works'
}

terminate() { # FORM WHOLE HUNDREDTHS
  local name="$1, terminated at $3 %" pid answer returned
  session terminated <<SQL
SELECT 'pid ' || pg_backend_pid();
$(load "$1");
SQL
  pid=$(said terminated pid)
  IFS='|' read -ra answer <<<"$(signal pg_terminate_backend "$pid" "$(moment "$2" "$3")")"
  await "$SESSION"
  returned=$EPOCHREALTIME
  if was_done terminated terminate "$@"; then return; fi
  steps+=("${answer[2]}")
  matches "$name: SQLSTATE" 'FATAL:  57P01:' "$(<"$WORK/terminated.out")"
  took "$name" "$(difference "$returned" "${answer[0]}")"
  nothing_written "$name"
}

control_c() { # FORM WHOLE HUNDREDTHS
  local name="$1, Ctrl-C at $3 %" pid start returned
  session control_c <<SQL
SELECT 'pid ' || pg_backend_pid();
$(load "$1");
SQL
  pid=$(said control_c pid)
  sql "$(await_moment "$pid" "$(moment "$2" "$3")")"
  start=$EPOCHREALTIME
  kill -INT "$SESSION"
  await "$SESSION"
  returned=$EPOCHREALTIME
  if was_done control_c control_c "$@"; then return; fi
  matches "$name: SQLSTATE" 'ERROR:  57014:' "$(<"$WORK/control_c.out")"
  took "$name" "$(difference "$returned" "$start")"
  nothing_written "$name"
}

for form in text jsonb; do
  whole=$(whole "$(load "$form")")
  for hundredths in "${MOMENTS[@]}"; do
    sql 'TRUNCATE works'
    cancel "$form, cancelled at $hundredths %" "$(load "$form")" "$(moment "$whole" "$hundredths")" "$(load_some "$form")" "$SOME"
  done
  sql 'TRUNCATE works'
  for hundredths in "${FEWER_MOMENTS[@]}"; do
    time_out "$form" "$whole" "$hundredths"
    terminate "$form" "$whole" "$hundredths"
    control_c "$form" "$whole" "$hundredths"
  done
  echo "# $form: a whole load takes $whole s"
done
# Where all composers are proved, and where rows are inserted: another session
# holds what the load needs.
holds() { # STATEMENT
  session holder <<SQL
BEGIN;
$1;
SELECT 'pid ' || pg_backend_pid();
SELECT pg_sleep(600);
SQL
  holder=$SESSION
  said holder pid >/dev/null
}

lets_go() {
  sql "SELECT pg_terminate_backend($(said holder pid 0))" >/dev/null
  await "$holder"
}

sql "$(load_some text)" >/dev/null
work=$(sql 'SELECT min(work_id::text) FROM works')
sql 'TRUNCATE works'
one_work="INSERT INTO works (work_id, composer_id, title) SELECT '$work', min(composer_id), 'held' FROM composers"
next="SELECT load_composers('[]')"
holds "SELECT FROM composers WHERE composer_id = (SELECT composer_id FROM composers ORDER BY composer_id DESC LIMIT 1) FOR UPDATE"
cancel 'waiting for a composer, cancelled' "$(load text)" wait "$next" 0
fails 'waiting for a composer, lock_timeout' 55P03 "SET lock_timeout = '100ms'" "$(load text)"
lets_go
holds "$one_work"
cancel 'waiting for a work, cancelled' "$(load text)" wait "$next" 0
fails 'waiting for a work, lock_timeout, on_error => ignore' 55P03 "SET lock_timeout = '100ms'" "$(load text "on_error => 'ignore'")"
lets_go
same 'waiting: no row is written' '0+0' "$(sql "$ROWS")"

# In statements that a load may undo and try again: a cancelled one is none of
# these. The trigger sleeps longer than anything here takes.
sql "CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN PERFORM pg_sleep(10); RETURN NULL; END \$\$"
for table in works rejected_records; do
  sql "CREATE TRIGGER sleep BEFORE INSERT ON $table FOR EACH STATEMENT EXECUTE FUNCTION sleep()"
  one_bad="SELECT load_works('[7,' || substr(as_text, 2), on_error => 'ignore') FROM documents WHERE name = 'some'"
  cancel "a row for $table, cancelled" "$one_bad" wait "$next" 0
  fails "a row for $table, statement_timeout" 57014 "SET statement_timeout = '500ms'" "$one_bad"
  sql "DROP TRIGGER sleep ON $table" 'TRUNCATE works, rejected_records'
done

# Other ways through a load, which take their time elsewhere.
slow_ways() {
  local name=$1 statement=$2 whole hundredths
  whole=$(whole "$statement")
  for hundredths in "${FEWER_MOMENTS[@]}"; do
    cancel "$name, cancelled at $hundredths %" "$statement" "$(moment "$whole" "$hundredths")" "$next" 0
  done
  echo "# $name: a whole load takes $whole s"
}

slow_ways 'records all bad' "SELECT load_works(replace(as_text, '\"worktitle\":', '\"other\":'), on_error => 'ignore')
  FROM documents WHERE name = 'works'"
sql "ALTER TABLE works ADD CONSTRAINT many_are_refused CHECK (work_id::text !~ '^00')"
slow_ways 'rows that the table refuses' "$(load text "on_error => 'ignore'")"
sql 'ALTER TABLE works DROP CONSTRAINT many_are_refused'
sql "$(load text)" >/dev/null
RESTORE='SELECT'
slow_ways 'rows that are all there' "$(load jsonb)"
RESTORE="UPDATE works SET title = title || ' (old)'"
sql "$RESTORE"
slow_ways 'rows that all change' "$(load text)"
sql 'TRUNCATE works'

# The shares above have met these, or not, as the machine had time.
RESTORE='TRUNCATE works'
for step in 'decode, order, prove' insert; do
  cancel "cancelled in the step: $step" "$(load text)" "$step" "$(load_some text)" "$SOME"
  sql 'TRUNCATE works'
done

echo "# the slowest end took $slowest s ($slowest_name); steps that were met: $(printf '%s\n' "${steps[@]}" | sort | uniq -c | tr -s ' \n' ' ')"

met=$(printf '%s\n' "${steps[@]}")
matches 'some loads were ended before anything was inserted' 'decode, order, prove' "$met"
matches 'some loads were ended while they inserted' 'insert' "$met"
same 'the server is the same' "$started" "$(sql 'SELECT pg_postmaster_start_time()')"
same 'a whole load works as ever' '267000|267000' \
  "$(sql "$(load text)")|$(sql 'SELECT count(*) FROM works')"
