#!/usr/bin/env bash
# However many sessions write a document, the tables, the records set aside, the
# errors and the counts are those of one session; and a load goes parallel only
# where its caller cannot tell, and says why it did not.
#
# Assumes what pg_test/sessions/run sets, $PREPARED among it: with 16 all loads
# here commit in two phases, with 0 none does. Small documents go parallel
# because pg_opus.min_parallel_rows is 0. Files are read by the server, which
# runs on this machine, a Linux.
set -euo pipefail
source "$(dirname "$0")/../server/lib.sh"

WORKERS=(0 1 2 4 8)
WORKS=$CATALOGUE/works.json
COMPOSERS=$CATALOGUE/composers.json
DUMP=$REAL/openopus_dump.json

phases='one-phase commit: max_prepared_transactions leaves no room for two-phase'
if ((PREPARED > 0)); then phases='two-phase commit'; fi

# The last column: the counts add up, and what was set aside belongs to this load.
COUNTS='SELECT kind, source, received, inserted, updated, unchanged, duplicate, rejected,
               received = inserted + updated + unchanged + duplicate + rejected
               AND rejected = (SELECT count(*) FROM rejected_records r WHERE r.load_id = l.load_id) FROM last_load() l'
REASON="SELECT format('wrote: %s|%s', sessions, sessions_reason) FROM last_load()"
rows() { # TABLE [COLUMNS]
  echo "(SELECT (count(*), sum(hashtextextended(t::text, 0)::numeric)) FROM (SELECT ${2:-*} FROM $1) t)"
}
# All tables without their order, and where their rows are and who wrote them.
TABLES="SELECT $(rows composers), $(rows works), $(rows rejected_records 'kind, ordinal, path, sqlstate, reason, record')"
VERSIONS="SELECT $(rows composers 'ctid, xmin'), $(rows works 'ctid, xmin'), $(rows rejected_records 'ctid, xmin')"
PARALLEL=('SET client_min_messages = notice' 'SET pg_opus.min_parallel_rows = 0')

# works(a, b, odd): works a to b. One in three is of composer C0, the others of C1
# to C59. "odd" names some records, and what is wrong with them ("last": as
# "check", of the composer who is written last); or "changed" for one with another
# title, "again" for one that comes again at the end, with another title.
sql 'CREATE EXTENSION pg_opus' 'SELECT create_catalogue()' "ALTER TABLE works ADD CONSTRAINT good CHECK (title <> 'bad')" \
  "CREATE FUNCTION composers(a int, b int) RETURNS text LANGUAGE sql AS \$\$
     SELECT jsonb_agg(jsonb_build_object('id', 'Category:C' || n))::text FROM generate_series(a, b) n \$\$" \
  "CREATE FUNCTION works(a int, b int, odd jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS \$\$
     SELECT jsonb_agg(CASE how WHEN 'number' THEN to_jsonb(7) ELSE jsonb_build_object('intvals', jsonb_build_object('pageid', n,
         'composer', CASE WHEN how = 'nobody' THEN 'Nobody ' || n % 5 WHEN how = 'last' THEN 'C99'
                          WHEN n % 3 = 0 THEN 'C0' ELSE 'C' || n % 60 END,
         CASE how WHEN 'untitled' THEN 'name' ELSE 'worktitle' END,
         CASE WHEN how IN ('check', 'last') THEN '\"bad\"' WHEN how = 'type' THEN '[]'
              ELSE to_jsonb(CASE WHEN again THEN 'V ' WHEN how = 'changed' THEN 'U ' ELSE 'T ' END || n) END))
       END ORDER BY again, n)::text
     FROM (SELECT n, false AS again, odd ->> n::text AS how FROM generate_series(a, b) n
           UNION ALL SELECT key::int, true, NULL FROM jsonb_each_text(odd) WHERE value = 'again') records \$\$" \
  "CREATE FUNCTION odd(a int, b int, how text, step int) RETURNS jsonb LANGUAGE sql AS \$\$
     SELECT jsonb_object_agg(n, how) FROM generate_series(a, b, step) n \$\$" \
  'CREATE TABLE documents (name text PRIMARY KEY, document text)' \
  "INSERT INTO documents VALUES
     ('there', works(1, 6000)),
     ('mixed', works(2001, 12000, odd(2100, 6000, 'changed', 3) || odd(2500, 12000, 'again', 50))),
     ('new', works(6001, 12000)),
     ('bad', works(1, 12000, odd(7, 12000, 'untitled', 997) || odd(17, 12000, 'check', 701)
        || odd(23, 12000, 'nobody', 499) || odd(29, 12000, 'type', 1013) || odd(31, 12000, 'number', 3001)
        || odd(37, 12000, 'again', 1999))),
     ('check', works(1, 9000, '{\"1111\": \"check\", \"8000\": \"check\", \"8999\": \"untitled\", \"7000\": \"nobody\"}')),
     ('last', works(1, 9000, '{\"4000\": \"last\", \"6999\": \"check\", \"8999\": \"untitled\", \"8500\": \"nobody\"}')),
     ('title', works(1, 9000, '{\"3333\": \"type\", \"3334\": \"check\", \"8000\": \"nobody\"}')),
     ('composer', works(1, 9000, '{\"3000\": \"nobody\", \"3001\": \"check\", \"8000\": \"untitled\"}'))" >/dev/null

# The composers C0 to C59 and C99, and nothing else.
reset() {
  sql 'TRUNCATE composers, works, rejected_records' 'SELECT load_composers(composers(0, 59), workers => 0)' \
    'SELECT load_composers(composers(99, 99), workers => 0)' >/dev/null
}

# Runs the statements, after those of "before", once for each number of sessions,
# which stands for @; the last one is the load. It must answer, count and leave
# the same, and be written by that many. One that fails writes nothing.
before=()
# Why the caller's session writes all the same, where it does.
home=
same_for_all() { # NAME ANSWER STATEMENT..., the answer an extended regular expression
  local name=$1 like=$2 n got answer tables first clean expected='0|workers is 0'
  shift 2
  for n in "${WORKERS[@]}"; do
    reset
    ((${#before[@]} == 0)) || sql "${before[@]//@/0}" >/dev/null
    if ((n == 0)); then clean=$(sql "$TABLES"); else expected="${home:-$n|$phases}"; fi
    got=$(VERBOSITY=verbose sql "${PARALLEL[@]}" "${@//@/$n}" "$COUNTS" "$REASON" 2>&1) || true
    answer=$(sed -E '/^(wrote: |LOCATION: )/d; s/^psql:[^ ]* //' <<<"$got")
    if [[ -n $home ]]; then answer=$(grep -v 'the load runs in this session' <<<"$answer"); fi
    tables=$(sql "$TABLES")
    if ((n == 0)); then
      first="$answer"$'\n'"$tables"
      matches "$name" "$like" "$answer"
    fi
    same "$name, $n sessions: answer, counts and rows" "$first" "$answer"$'\n'"$tables"
    if [[ $answer == *ERROR:* ]]; then
      same "$name, $n sessions: nothing is written" "$clean" "$tables"
    else
      same "$name, $n sessions: who wrote" "wrote: $expected" "$(grep -a '^wrote: ' <<<"$got")"
      matches "$name, $n sessions: the counts add up" '\|t$' "$answer"
    fi
  done
}

# The same load again answers 0, and touches no row.
twice() { # NAME LOAD
  local n versions got expected='0 0|0|0|workers is 0'
  for n in "${WORKERS[@]}"; do
    reset
    ((${#before[@]} == 0)) || sql "${before[@]//@/$n}" >/dev/null
    sql "${PARALLEL[@]}" "${2//@/$n}" >/dev/null 2>&1
    versions=$(sql "$VERSIONS")
    got=$(sql "${PARALLEL[@]}" "${2//@/$n}" 'SELECT inserted, updated, sessions, sessions_reason FROM last_load()' 2>/dev/null | paste -sd ' ')
    same "$1 again, $n sessions" "$expected" "$got"
    expected='0 0|0|0|there is nothing to write'
    same "$1 again, $n sessions: no row is touched" "$versions" "$(sql "$VERSIONS")"
  done
}

# ---- the same rows

load() { # DOCUMENT [ARGUMENTS]
  echo "SELECT load_works((SELECT document FROM documents WHERE name = '$1'), workers => @${2:+, $2})"
}

before=()
same_for_all 'new works' '\|6000\|6000\|0\|0\|0\|0\|' "$(load new)"
same_for_all 'new works, on_conflict error' '\|6000\|6000\|0\|0\|0\|0\|' "$(load new "on_conflict => 'error'")"
for check in on off; do
  set="SET pg_opus.set_based_foreign_keys = $check"
  same_for_all "bad records, ignore, $set" '\|12006\|11928\|0\|0\|6\|72\|' "$set" "$(load bad "on_error => 'ignore'")"
  same_for_all "bad records, stop, $set" 'ERROR:  23502: record 6: missing value at \$\[6\]' "$set" "$(load bad)"
done
same_for_all 'bad records, a limit' 'ERROR:  22000: more than reject_limit' "$(load bad "on_error => 'ignore', reject_limit => 20")"
same_for_all 'composers made' '\|12006\|11953\|0\|0\|6\|47\|' "$(load bad "on_error => 'ignore', create_composers => true")"
sql 'TRUNCATE composers, works' "ALTER TABLE composers ADD CONSTRAINT known CHECK (composer_id !~ 'Nobody_[02]')"
same_for_all 'composers made, some refused' '\|12006\|11943\|0\|0\|6\|57\|' "$(load bad "on_error => 'ignore', create_composers => true")"
same_for_all 'composers made, one refused, stop' "ERROR:  23514: .*\"known\".*record 2999" "$(load composer 'create_composers => true')"
sql 'ALTER TABLE composers DROP CONSTRAINT known'

# Some works are there, as the document has them or not.
before=("$(load there)")
there() { # ON_CONFLICT ANSWER ANSWER-OF-STOP
  same_for_all "works there, $1, ignore" "$2" "$(load mixed "on_conflict => '$1', on_error => 'ignore'")"
  same_for_all "works there, $1, stop" "$3" "$(load mixed "on_conflict => '$1'")"
}
there update '\|10191\|6000\|1348\|2652\|191\|0\|' '\|10191\|6000\|1348\|2652\|191\|0\|'
there skip '\|10191\|6000\|0\|4000\|191\|0\|' '\|10191\|6000\|0\|4000\|191\|0\|'
home='0|a record was refused whose key others have too'
there error '\|10191\|6000\|0\|0\|0\|4191\|' 'ERROR:  23505: .*"works_pkey".*record 0,'
home=
for on_conflict in update skip; do twice "works there, $on_conflict" "$(load mixed "on_conflict => '$on_conflict'")"; done

# The lowest bad record is told, whichever session has it.
before=()
same_for_all 'the lowest bad record, a CHECK' 'ERROR:  23514: .*"good".*record 1110,' "$(load check)"
same_for_all 'the lowest bad record, in the last part' 'ERROR:  23514: .*"good".*record 3999,' "$(load last)"
same_for_all 'the lowest bad record, no text' 'ERROR:  42804: record 3332: expected a string' "$(load title)"
same_for_all 'the lowest bad record, no composer' 'ERROR:  23503: record 2999: unknown composer "Nobody_0"' "$(load composer)"

# ---- large documents

# Text and jsonb of the same name give the same rows, too.
declare -A rows_of
large() { # NAME FORM COMPOSERS HOW-MANY WORKS HOW-MANY
  local n got expected='0|workers is 0'
  for n in "${WORKERS[@]}"; do
    ((n == 0)) || expected="$n|$phases"
    got=$(sql 'TRUNCATE composers, works' 'SET pg_opus.min_parallel_rows = 0' "SELECT load_composers($(file "$3")::$2, workers => $n)" "$REASON" \
      "SELECT load_works($(file "$5")::$2, workers => $n)" "$REASON" | paste -sd ' ')
    same "$1, $2, $n sessions" "$4 wrote: $expected $6 wrote: $expected" "$got"
    got=$(sql "$TABLES")
    same "$1, $2, $n sessions: the same rows" "${rows_of[$1]:=$got}" "$got"
  done
}

if [[ -e $DUMP ]]; then
  for form in text jsonb; do large 'real dump' "$form" "$DUMP" 220 "$DUMP" 24975; done
else
  echo 'skip same: the real dump: no ../shared/data'
fi
large catalogue text "$COMPOSERS" 28000 "$WORKS" 267000
versions=$(sql "$VERSIONS")
same 'catalogue again: nothing is written' '0|0|there is nothing to write' \
  "$(sql "SELECT load_works($(file "$WORKS"), workers => 2)" 'SELECT sessions, sessions_reason FROM last_load()' | paste -sd '|')"
same 'catalogue again: no row is touched' "$versions" "$(sql "$VERSIONS")"

# The leader holds the document and the rows made of it, and sends them on a
# batch at a time.
for n in 2 8; do
  sql 'TRUNCATE composers, works' "SELECT load_composers($(file "$COMPOSERS"), workers => 0)" >/dev/null
  peak="SELECT substring(pg_read_file('/proc/self/status') FROM 'VmHWM:\s+(\d+)')::bigint / 1024"
  mapfile -t peaks < <(sql "$peak" "SELECT load_works($(file "$WORKS"), workers => $n)" "$peak" 'SELECT sessions, sessions_reason FROM last_load()')
  same "memory, $n sessions: who wrote" "$n|$phases" "${peaks[3]}"
  size=$(($(stat -c %s "$WORKS") / 1024 / 1024))
  at_most "memory, $n sessions: the leader's peak, MB" $((3 * size + peaks[0])) "${peaks[2]}"
  echo "# $n sessions: the leader's peak is ${peaks[2]} MB, ${peaks[0]} MB at its start, for a document of $size MB"
done

# ---- who goes parallel

sql 'TRUNCATE composers, works' "CREATE TABLE one AS SELECT works(1, 50) AS t" "COPY (SELECT t FROM one) TO PROGRAM 'cat >one.json'" \
  "CREATE FUNCTION load_inline(text) RETURNS bigint LANGUAGE sql AS 'SELECT load_works(\$1)'" \
  "CREATE FUNCTION load_apart(text, int) RETURNS bigint LANGUAGE sql SET work_mem = '4MB' AS 'SELECT load_works(\$1, workers => \$2)'" \
  "CREATE FUNCTION load_plpgsql(text, int) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN load_works(\$1, workers => \$2); END'" \
  'CREATE SCHEMA bare' 'CREATE SCHEMA other' 'SET search_path = other, public' 'SELECT create_catalogue()' \
  'SELECT load_composers(composers(0, 59), workers => 0)' >/dev/null
ONE=$(sql 'TABLE one')

# By default in the caller's session, whatever the statement is; by the setting or
# the call in parallel sessions. No NOTICE comes where no number is named.
by_setting() { # NAME EXPECTED STATEMENT...
  local got name="by setting, $1" expected=$2
  shift 2
  reset
  got=$(sql "${PARALLEL[@]}" "$@" "$REASON" 2>&1) || true
  same "$name" "wrote: $expected" "$(grep -aE '^(wrote|NOTICE|ERROR)' <<<"$got")"
  same "$name: rows" 50 "$(sql 'SELECT count(*) FROM works')"
}
by_setting 'none' '0|pg_opus.workers is 0' "SELECT load_works('$ONE')"
by_setting 'none, a parameter' '0|pg_opus.workers is 0' "PREPARE load AS SELECT load_works(\$1)" "EXECUTE load('$ONE')"
by_setting 'none, from a table' '0|pg_opus.workers is 0' 'SELECT load_works(t) FROM one'
by_setting 'pg_opus.workers = 0' '0|pg_opus.workers is 0' 'SET pg_opus.workers = 0' "SELECT load_works('$ONE')"
by_setting 'pg_opus.workers = 3' "3|$phases" 'SET pg_opus.workers = 3' "SELECT load_works('$ONE')"
by_setting 'a prepared statement' "2|$phases" 'SET pg_opus.workers = 2' "PREPARE load AS SELECT load_works(\$1)" "EXECUTE load('$ONE')"
by_setting 'from a table' "2|$phases" 'SET pg_opus.workers = 2' 'SELECT load_works(t) FROM one'
by_setting 'something else beside it' "2|$phases" 'SET pg_opus.workers = 2' "SELECT load_works('$ONE'), 1"
sql 'CREATE RULE nothing AS ON DELETE TO works WHERE false DO NOTHING'
by_setting 'a rule' "2|$phases" 'SET pg_opus.workers = 2' "SELECT load_works('$ONE')"
sql 'DROP RULE nothing ON works'

# In the caller's session after all; @ is the number, or NULL. A NOTICE says so
# where a number is named, and last_load() always. All rows are there.
refused() { # NAME REASON STATEMENT...
  local got n expected name=$1 reason=$2
  shift 2
  for n in 2 NULL; do
    expected="wrote: 0|$reason"$'\n'"rows 50"
    if [[ $n != NULL ]]; then expected="NOTICE:  the load runs in this session: $reason"$'\n'$expected; fi
    reset
    got=$(sql "${PARALLEL[@]}" 'SET pg_opus.workers = 2' "${@//@/$n}" "$REASON" "SELECT 'rows ' || count(*) FROM works" 2>&1) || true
    same "$name, workers => $n" "$expected" "$(grep -aE '^(wrote|rows|NOTICE:  the load|ERROR)' <<<"$got")"
  done
}
LOAD="SELECT load_works('$ONE', workers => @)"
transaction='the load is part of a transaction' written='the transaction has written before'
nested='the load is called from within another statement' isolation='the isolation level is not read committed'
refused 'in a transaction' "$transaction" BEGIN "$LOAD" COMMIT
refused 'after a savepoint' "$transaction" BEGIN 'SAVEPOINT s' "$LOAD" 'RELEASE s' COMMIT
refused 'first of two statements sent at once' "$transaction" "$LOAD\\; SELECT 1"
refused 'second of two statements sent at once' "$transaction" "SELECT 1\\; $LOAD"
if ((MAJOR >= 18)); then
  refused 'in a pipeline' "$transaction" "\\startpipeline"$'\n' "SELECT 1 \\bind \\sendpipeline"$'\n' \
    "$LOAD \\bind \\sendpipeline"$'\n' "\\endpipeline"$'\n'
fi
refused 'after a write' "$written" BEGIN "UPDATE composers SET epoch = 'x'" "$LOAD" COMMIT
refused 'after a write in the same statement' "$written" "SELECT pg_current_xact_id(), load_works('$ONE', workers => @)"
refused 'in DO' "$nested" "DO \$\$ BEGIN PERFORM load_works('$ONE', workers => @); END \$\$"
refused 'in a plpgsql function' "$nested" "SELECT load_plpgsql('$ONE', @)"
refused 'in a SQL function' "$nested" "SELECT load_apart('$ONE', @)"
for level in 'repeatable read' serializable; do
  refused "$level" "$isolation" "SET default_transaction_isolation = '$level'" "$LOAD"
done
refused 'temporary works' 'a table is temporary' 'CREATE TEMPORARY TABLE works (LIKE public.works INCLUDING ALL)' "$LOAD"
refused 'few rows' '50 rows to write are fewer than pg_opus.min_parallel_rows (51)' 'SET pg_opus.min_parallel_rows = 51' "$LOAD"
refused 'few rows that are not there' '10 rows to write are fewer than pg_opus.min_parallel_rows (11)' 'SET pg_opus.min_parallel_rows = 11' \
  'SELECT load_works(works(1, 40), workers => 0)' "$LOAD"
refused 'nothing to write' 'there is nothing to write' 'SELECT load_works(works(1, 50), workers => 0)' "$LOAD"
refused 'no tables' 'the load makes its tables' 'DROP SCHEMA bare CASCADE' 'CREATE SCHEMA bare' 'SET search_path = bare' \
  "SELECT public.load_works('$ONE', workers => @, create_composers => true)" 'SET search_path = bare, public'
refused 'no rejected_records' 'there is no table rejected_records yet' 'DROP TABLE rejected_records' \
  "SELECT load_works('[7,' || substr('$ONE', 2), workers => @, on_error => 'ignore')"

# More sessions than the server has workers: as many as there are. While they
# wait for one row that somebody else writes, no other load finds any.
key=$(sql "SELECT load_works('$ONE', workers => 0)" 'SELECT min(work_id::text) FROM works' | tail -n 1)
session holder <<SQL
BEGIN;
INSERT INTO other.works (work_id, composer_id, title) VALUES ('$key', 'C0', 'held');
SELECT 'pid ' || pg_backend_pid();
SELECT pg_sleep(600);
SQL
holder=$SESSION
said holder pid >/dev/null
session many <<SQL
SET search_path = other, public;
SET pg_opus.min_parallel_rows = 0;
SELECT load_works('$ONE', workers => 100);
SELECT 'limited ' || (sessions BETWEEN 9 AND 24 AND sessions_reason LIKE '%max_worker_processes left room for ' || sessions || ' of %') FROM last_load();
SELECT 'rows ' || count(*) FROM works;
SQL
many=$SESSION
waits="SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_opus: load_works session%' AND wait_event_type = 'Lock'"
tries=600
until [[ $(sql "$waits") == 1 ]] || ((--tries == 0)); do sleep 0.1; done
refused 'no worker is free' 'no background worker is free' "$LOAD"
sql "SELECT pg_terminate_backend($(said holder pid))" >/dev/null
await "$holder"
await "$many"
same 'workers => 100: limited, and says so' 'true|50' "$(said many limited 0)|$(said many rows 0)"
