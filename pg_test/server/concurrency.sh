#!/usr/bin/env bash
# Loads of overlapping documents at the same time, beside a session that inserts
# and deletes what they write: none hangs, no work is left without its composer,
# and indexes and tables agree.
#
# What may go wrong in such a round is what may go wrong between any two
# sessions: a deadlock, or a composer that somebody has just deleted.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

ROUNDS=30
# Loads of each kind and session in a round, and statements beside them: enough
# that each meets the others, whoever starts first.
LOADS=3
STATEMENTS=60
HANGS_AFTER=120
ALLOWED='40001|40P01|23503'

COMPOSERS=600
WORKS=3000

sql 'CREATE EXTENSION pg_opus' 'SELECT create_catalogue()' 'CREATE UNLOGGED TABLE documents (name text, document text)' \
  "INSERT INTO documents
   SELECT 'composers ' || half, jsonb_agg(jsonb_build_object('id', 'Category:C' || n, 'type', '1', 'intvals', '[]'::jsonb))
   FROM (VALUES ('first', 0, $COMPOSERS * 2 / 3), ('second', $COMPOSERS / 3, $COMPOSERS - 1), ('all', 0, $COMPOSERS - 1)) h (half, a, b),
     generate_series(a, b) n GROUP BY half" \
  "INSERT INTO documents
   SELECT 'works ' || half, jsonb_agg(jsonb_build_object('id', 'w' || n, 'type', '2', 'intvals',
     jsonb_build_object('composer', 'C' || n % $COMPOSERS, 'worktitle', half || n, 'pageid', n)) ORDER BY hashint4(n))
   FROM (VALUES ('first', 1, $WORKS * 2 / 3), ('second', $WORKS / 3, $WORKS), ('all', 1, $WORKS)) h (half, a, b),
     generate_series(a, b) n GROUP BY half" \
  'CREATE TABLE tally (what text, n bigint)' >/dev/null

# The arguments of a round's loads of works.
arguments=(
  "on_error => 'ignore'"
  "on_conflict => 'update'"
  "on_error => 'ignore', on_conflict => 'skip'"
  'create_composers => true'
)

loads() { # HALF ARGUMENTS
  local load
  for ((load = 0; load < LOADS; load++)); do
    cat <<SQL
SELECT load_composers(document) FROM documents WHERE name = 'composers $1';
SELECT load_works(document, $2) FROM documents WHERE name = 'works $1';
\set state :SQLSTATE
INSERT INTO tally SELECT what, n FROM last_load(),
  LATERAL (VALUES ('written', inserted + updated), ('rejected', rejected), ('as a set', (foreign_key_check = 'as a set')::int)) t (what, n)
WHERE :'state' = '00000';
SQL
  done
}

# Each statement is a transaction of its own, but for those that stay open for a
# while with what they have locked.
disturb() {
  local statement
  for ((statement = 0; statement < STATEMENTS; statement++)); do
    case $((statement % 6)) in
      0) echo 'DELETE FROM works WHERE random() < 0.05;' ;;
      # Most of these composers get a work while this looks whether they have one.
      1) echo "WITH gone AS (DELETE FROM composers c WHERE random() < 0.2
                 AND NOT EXISTS (SELECT FROM works w WHERE w.composer_id = c.composer_id) RETURNING 1)
               INSERT INTO tally SELECT 'deleted composers', count(*) FROM gone;" ;;
      2) echo "INSERT INTO works (work_id, composer_id, title)
               SELECT gen_random_uuid(), 'C' || (random() * ($COMPOSERS - 1))::int, 'beside' FROM generate_series(1, 3);" ;;
      3) echo "DELETE FROM works WHERE composer_id IN (SELECT composer_id FROM composers WHERE random() < 0.1);" ;;
      4) echo "INSERT INTO composers (composer_id, last_name, complete_name)
               SELECT 'C' || n, 'C' || n, 'C' || n FROM generate_series(0, $COMPOSERS - 1) n WHERE random() < 0.05 ON CONFLICT DO NOTHING;" ;;
      # Sent as one, a transaction without BEGIN: where its first statement meets a deadlock, nothing follows.
      5) echo "DELETE FROM works WHERE composer_id = 'C' || (random() * $COMPOSERS)::int\\; SELECT pg_sleep(0.003)\\;
               DELETE FROM composers WHERE composer_id = 'C' || (random() * $COMPOSERS)::int;" ;;
    esac
  done
}

orphans() {
  sql 'SET enable_indexscan = off' 'SET enable_indexonlyscan = off' 'SET enable_bitmapscan = off' \
    'SELECT count(*) FROM works w WHERE NOT EXISTS (SELECT FROM composers c WHERE c.composer_id = w.composer_id)'
}

# Waits for the sessions of a round; prints what still runs after the time.
hung() {
  local deadline=$((SECONDS + HANGS_AFTER)) session
  for session in "${sessions[@]}"; do
    while kill -0 "$session" 2>/dev/null; do
      if ((SECONDS > deadline)); then
        sql "SELECT pid, pg_blocking_pids(pid), wait_event, query FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()"
        return
      fi
      sleep 0.01
    done
  done
}

# What the rounds are about, and is theirs by chance: so they go on until they have had it, three times as many at most.
WANTED=(written rejected 'as a set' 'deleted composers')
covered() {
  local what tally
  tally=$(sql "SELECT format('%s %s', what, sum(n)) FROM tally GROUP BY what HAVING sum(n) > 0")
  for what in "${WANTED[@]}"; do grep -q "^$what " <<<"$tally" || return 1; done
  grep -q 23503 <<<"$errors$(sql 'SELECT DISTINCT sqlstate FROM rejected_records')"
}

errors=''
for ((round = 0; round < 3 * ROUNDS; round++)); do
  if ((round >= ROUNDS)) && covered; then break; fi
  # From empty tables, and from tables of which much is missing.
  case $((round % 3)) in
    0) sql 'TRUNCATE composers, rejected_records CASCADE' ;;
    *) sql 'DELETE FROM works WHERE random() < 0.9' \
      'DELETE FROM composers c WHERE NOT EXISTS (SELECT FROM works w WHERE w.composer_id = c.composer_id)' ;;
  esac
  # By turns, so that each set of arguments meets each state of the tables.
  argument=${arguments[round % ${#arguments[@]}]}
  session first < <(loads first "$argument")
  session second < <(loads second "$argument")
  session third < <(disturb)
  same "round $round, $argument: sessions that hang" '' "$(hung)"
  sessions=()
  found=$(sed -n -E 's/^.*(ERROR|FATAL|PANIC):  ([0-9A-Z]{5}):.*/\2/p' "$WORK"/{first,second,third}.out)
  errors+=$found$'\n'
  same "round $round, $argument: errors of other kinds" '' "$(grep -vE "^($ALLOWED)?$" <<<"$found" || true)"
  same "round $round, $argument: all sessions came to their end" 3 \
    "$(cat "$WORK"/{first,second,third}.out | grep -c '^end of script$')"
  same "round $round, $argument: works without composer" 0 "$(orphans)"
done

# That the rounds were what they are meant to be.
tally=$(sql "SELECT format('%s %s', what, sum(n)) FROM tally GROUP BY what ORDER BY what")
echo "# $(paste -sd ',' <<<"$tally"); errors: $(sort <<<"$errors" | sed '/^$/d' | uniq -c | tr -s ' \n' ' ')"
for what in "${WANTED[@]}"; do
  matches "the rounds had: $what" "(^|"$'\n'")$what [1-9]" "$tally"
done
matches 'the rounds had composers that were missing' 23503 "$errors$(sql 'SELECT DISTINCT sqlstate FROM rejected_records')"

# What is left is a catalogue as any other.
sql 'DELETE FROM works' 'DELETE FROM composers'
same 'afterwards: all of it' "$COMPOSERS $WORKS 0" \
  "$(sql "SELECT load_composers(document) FROM documents WHERE name = 'composers all'" \
    "SELECT load_works(document) FROM documents WHERE name = 'works all'" \
    "SELECT load_works(document) FROM documents WHERE name = 'works all'" | paste -sd ' ')"

amcheck
