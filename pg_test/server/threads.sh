#!/usr/bin/env bash
# The threads that decode a document are deaf to signals, and gone after the
# load, however it ends: only a backend's own thread may run the server's
# handlers, and a thread left behind would read memory that has been freed.
#
# Assumes Linux: /proc.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

THREADS=3
# SIGKILL and SIGSTOP cannot be blocked; 32 to 34 are the C library's own.
NOT_CATCHABLE=$((1 << 8 | 1 << 18 | 1 << 31 | 1 << 32 | 1 << 33))
SIGINT=$((1 << 1))
SIGTERM=$((1 << 14))
# Of the backend's own threads, seen from within.
COUNT="SELECT 'threads ' || count(*) FROM pg_ls_dir('/proc/self/task')"

[[ -e /proc/self/task ]] || skip 'no /proc/PID/task'

sql 'CREATE EXTENSION pg_opus'
make_documents
sql "SELECT load_composers($(file "$CATALOGUE/composers.json"))" >/dev/null

# Prints the mask of signals that a thread blocks, or nothing where it has ended.
blocked() { # PID TID
  sed -n 's/^SigBlk:\t/0x/p' "/proc/$1/task/$2/status" 2>/dev/null || true
}

# Looks at a backend until it has had threads and has them no longer, or until
# its session ends; with UNTIL_ALL only until all are there. Sets most: how many threads there were at once; deaf and hearing: how
# often a thread of the pool was seen that blocks all signals, and one that does
# not; open: how often the backend's own thread let signals in meanwhile.
watch() { # PID
  local task tasks mask
  most=1 deaf=0 hearing=0 open=0
  while kill -0 "$SESSION" 2>/dev/null; do
    tasks=("/proc/$1/task/"*)
    if ((${#tasks[@]} == 1)); then
      if ((most > 1)); then return; fi
      continue
    fi
    if ((${#tasks[@]} > most)); then most=${#tasks[@]}; fi
    for task in "${tasks[@]}"; do
      task=${task##*/}
      mask=$(blocked "$1" "$task")
      if [[ -z $mask ]]; then continue; fi
      if [[ $task == "$1" ]]; then
        if (((mask & (SIGINT | SIGTERM)) == 0)); then open=$((open + 1)); fi
      elif (((~mask & ~NOT_CATCHABLE) == 0)); then
        deaf=$((deaf + 1))
      else
        hearing=$((hearing + 1))
      fi
    done
    if [[ -n ${UNTIL_ALL:-} ]] && ((most > THREADS && deaf > 0)); then return; fi
  done
}

verdicts() { # NAME
  same "$1: threads at once" $((1 + THREADS)) "$most"
  same "$1: threads that a signal could reach" 0 "$hearing"
  if ((deaf == 0)); then same "$1: threads looked at" 'some' 'none'; fi
}

script() { # STATEMENT
  cat <<SQL
SET pg_opus.decode_threads = $THREADS;
$COUNT;
SELECT 'pid ' || pg_backend_pid();
$1;
SELECT 'state ' || :'SQLSTATE';
$COUNT;
SQL
}

# The count before the load and the one after it.
counts() { # NAME
  said "$1" threads 0 | paste -sd ' '
}

# Runs a session of its own with the load and watches it; again where it was done before all threads were seen, on a
# machine that had no time for the watcher. No thread that a signal could reach may be seen in any of these.
observe() { # NAME STATEMENT
  local run reachable=0
  for ((run = 0; run < 20; run++)); do
    sql 'TRUNCATE works'
    session "$1" < <(script "$2")
    watch "$(said "$1" pid)"
    await "$SESSION"
    reachable=$((reachable + hearing))
    if ((most > THREADS && deaf > 0 && open > 0)); then break; fi
  done
  hearing=$reachable
}

for form in text jsonb; do
  observe loading "SELECT 'loaded ' || load_works(as_$form) FROM documents WHERE name = 'works'"
  verdicts "$form"
  if ((open == 0)); then same "$form: the backend's own thread lets signals in" 'some times' 'never'; fi
  same "$form: rows" 267000 "$(said loading loaded 0)"
  same "$form: threads before and after it" '1 1' "$(counts loading)"
done

# Nearly all of the document is decoded before the error is found.
observe failing "SELECT load_works(rtrim(as_text, E']\n') || ',{\"id\":7}]') FROM documents WHERE name = 'works'"
verdicts 'a bad last record'
matches 'a bad last record: the error' 'ERROR:  [0-9A-Z]{5}: record 267000: .* at \$\[267000\]' "$(<"$WORK/failing.out")"
same 'a bad last record: threads before and after it' '1 1' "$(counts failing)"

# Broken JSON ends the finding of records, before any is decoded.
observe broken "SELECT load_works(rtrim(as_text, E']\n')) FROM documents WHERE name = 'works'"
verdicts 'broken JSON'
same 'broken JSON: SQLSTATE' 22P02 "$(said broken state 0)"
same 'broken JSON: threads before and after it' '1 1' "$(counts broken)"

# Cancelled while all threads are there; once more where they had ended by then.
for ((run = 0; run < 20; run++)); do
  sql 'TRUNCATE works'
  session cancelled < <(script "SELECT load_works(as_text) FROM documents WHERE name = 'works'")
  pid=$(said cancelled pid)
  UNTIL_ALL=1 watch "$pid"
  answer=$(sql "SELECT pg_cancel_backend($pid), count(*) FROM pg_ls_dir('/proc/$pid/task', true, false)")
  await "$SESSION"
  if [[ $answer == "t|$((1 + THREADS))" && $(said cancelled state 0) == 57014 ]]; then break; fi
done
verdicts 'a cancelled load'
same 'a cancelled load: threads when it is cancelled' "t|$((1 + THREADS))" "$answer"
same 'a cancelled load: SQLSTATE' 57014 "$(said cancelled state 0)"
same 'a cancelled load: threads before and after it' '1 1' "$(counts cancelled)"

# A small document is decoded at once: starting threads would take as long.
same 'a small document: threads that decoded it, and records' '1|10' \
  "$(sql "SET pg_opus.decode_threads = $THREADS" \
    "DO \$\$ BEGIN PERFORM load_works(jsonb_path_query_array(as_jsonb, '\$[0 to 9]')) FROM documents WHERE name = 'some'; END \$\$" \
    'SELECT decode_threads, received FROM last_load()')"
