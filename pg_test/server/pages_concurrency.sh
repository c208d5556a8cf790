# crashes the server
# Rows being laid, and others who want the same: waits, cancels, crashes.
source "$(dirname "$0")/lib.sh"

sql 'CREATE EXTENSION pg_opus' "SELECT load_composers($(file "$CATALOGUE/composers.json"))" >/dev/null
make_documents
LOAD="SELECT load_works(as_text, workers => 0) FROM documents WHERE name = 'works'"
sql "$LOAD" 'CREATE TABLE kept AS SELECT * FROM works ORDER BY random() LIMIT 1' 'TRUNCATE works' >/dev/null
ROWS=267000

# Whether somebody waits for another's transaction.
waiting() {
  local deadline=$((SECONDS + 60))
  until [[ $(sql "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'") == 1 ]]; do
    ((SECONDS < deadline)) || return 1
    sleep 0.01
  done
}

# Another session has one of the rows, and has not ended.
beside() { # NAME END
  session "$1" <<SQL
BEGIN;
INSERT INTO works SELECT * FROM kept;
SELECT 'holds 1';
SELECT pg_advisory_lock(1);
$2;
SQL
  local holder=$SESSION load
  said "$1" holds >/dev/null
  session "$1_load" <<SQL
$LOAD;
SELECT 'counts ' || concat_ws('|', inserted, updated, unchanged, rejected) FROM last_load();
SQL
  load=$SESSION
  waiting
  echo 'SELECT pg_advisory_unlock(1);' >&"${LATCH[1]}"
  await "$holder"
  await "$load"
  said "$1_load" counts
}
# A session that holds the latch until it is told.
coproc LATCH { psql -XqAt; }
sessions+=("$LATCH_PID")
latch() { echo 'SELECT pg_advisory_lock(1);' >&"${LATCH[1]}" && read -r _ <&"${LATCH[0]}"; }

latch
same 'a row that comes meanwhile is not written twice' "$((ROWS - 1))|0|1|0" "$(beside committed COMMIT)"
same 'all rows are there' "$ROWS|$ROWS" "$(sql 'SELECT count(*), count(DISTINCT work_id) FROM works')"
sql 'TRUNCATE works'
latch
same 'one that does not come after all is' "$ROWS|0|0|0" "$(beside rolled_back ROLLBACK)"
sql 'TRUNCATE works'

session holder <<SQL
BEGIN;
INSERT INTO works SELECT * FROM kept;
SELECT 'holds 1';
SELECT pg_sleep(600);
SQL
holder=$SESSION
said holder holds >/dev/null
fails 'lock_timeout' 55P03 "SET lock_timeout = '200ms'" "$LOAD"
sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()" >/dev/null
await "$holder"
same 'nothing is written' 0 "$(sql 'SELECT count(*) FROM works')"

# Two loads of the same rows.
for name in first second; do
  session $name <<<"$LOAD;"
  declare "$name=$SESSION"
done
# shellcheck disable=SC2154 # declared in the loop
await "$first" && await "$second"
same 'two loads at once: all rows, once' "$ROWS|$ROWS" "$(sql 'SELECT count(*), count(DISTINCT work_id) FROM works')"

# Whether the session's load has written some of its rows and not ended: waits for that.
written() { sql "SELECT coalesce(max(tuples_processed), 0) FROM pg_stat_progress_copy WHERE datname = current_database()"; }
until_writes() {
  until (($(written) > 20000)); do kill -0 "$SESSION" 2>/dev/null || return 0; done
}

# Cancelled while rows are laid; once more where all of them were by then.
for ((run = 0; run < 20; run++)); do
  sql 'TRUNCATE works'
  session cancelled <<<"$LOAD;"
  until_writes
  sql "SELECT pg_cancel_backend(pid) FROM pg_stat_progress_copy WHERE datname = current_database()" >/dev/null
  await "$SESSION"
  if grep -q 57014 "$WORK/cancelled.out"; then break; fi
done
matches 'a cancel ends it' 57014 "$(<"$WORK/cancelled.out")"
same 'and leaves nothing' 0 "$(sql 'SELECT count(*) FROM works')"

# The server stops without mercy while rows are laid; once more where all of them were by then.
kill "$LATCH_PID" 2>/dev/null || true
restart() { "$ROOT/scripts/server" start "$SERVER" "$MAJOR" fsync=off max_wal_size=1GB deadlock_timeout=200ms >/dev/null; }
for ((run = 0; run < 20; run++)); do
  sql 'TRUNCATE works'
  session crashed <<<"$LOAD;"
  until_writes
  "$ROOT/scripts/server" crash "$SERVER"
  await "$SESSION" 2>/dev/null
  restart
  if ! grep -q '^end of script$' "$WORK/crashed.out"; then break; fi
done
same 'after a crash there is nothing of it' 0 "$(sql 'SELECT count(*) FROM works')"
same 'and the next load works' "$ROWS" "$(sql "SELECT load_works($(file "$CATALOGUE/works.json"), workers => 0)")"
"$ROOT/scripts/server" crash "$SERVER"
restart
same 'what was committed outlives one' "$ROWS" "$(sql 'SELECT count(*) FROM works')"
amcheck
