#!/usr/bin/env bash
# A parallel load is its caller's: the same users, rights, row security, settings
# and names, the same triggers and constraints, the same messages and time limits
# as in the caller's own session.
#
# Assumes what pg_test/sessions/run sets, $PREPARED among it: with 16 all loads
# here commit in two phases, with 0 none does. Small documents go parallel
# because pg_opus.min_parallel_rows is 0. Each case has new tables in the schema
# own; the tables in public stay empty.
set -euo pipefail
source "$(dirname "$0")/../server/lib.sh"

# Enough for the composers to be proved as a set, where nothing forbids it.
MANY=600
phases='one-phase commit: max_prepared_transactions leaves no room for two-phase'
if ((PREPARED > 0)); then phases='two-phase commit'; fi

COUNTS='SELECT received, inserted, updated, unchanged, duplicate, rejected, foreign_key_check FROM last_load()'
REASON="SELECT format('wrote: %s|%s', sessions, sessions_reason) FROM last_load()"
rows() { # TABLE [COLUMNS]
  echo "(SELECT (count(*), sum(hashtextextended(t::text, 0)::numeric)) FROM (SELECT ${2:-*} FROM $1) t)"
}
TABLES="SELECT $(rows composers), $(rows works), $(rows rejected_records 'kind, ordinal, path, sqlstate, reason, record')"
NOTHING="SELECT $(rows composers), $(rows '(SELECT 1 WHERE false) works'), $(rows '(SELECT 1 WHERE false) rejected_records')"
HERE='SET search_path = own, public'
PARALLEL=('SET client_min_messages = notice' 'SET pg_opus.min_parallel_rows = 0')
# The workers of all loads.
WORKERS="FROM pg_stat_activity WHERE backend_type LIKE 'pg_opus: load%'"
log=$("$ROOT/scripts/server" log "$SERVER")

# works(a, b, t): works a to b of ten composers, titled "t n".
sql 'CREATE EXTENSION pg_opus' 'SELECT create_catalogue()' \
  "CREATE FUNCTION composers() RETURNS text LANGUAGE sql AS \$\$
     SELECT jsonb_agg(jsonb_build_object('id', 'Category:C' || n))::text FROM generate_series(0, 9) n \$\$" \
  "CREATE FUNCTION works(a int, b int, t text DEFAULT 'T') RETURNS text LANGUAGE sql AS \$\$
     SELECT jsonb_agg(jsonb_build_object('intvals', jsonb_build_object('composer', 'C' || n % 10, 'worktitle', t || ' ' || n, 'pageid', n)) ORDER BY n)::text
     FROM generate_series(a, b) n \$\$" \
  'CREATE ROLE writers' 'CREATE ROLE caller LOGIN CONNECTION LIMIT 1' 'CREATE ROLE inserter LOGIN' 'CREATE ROLE member LOGIN' \
  'CREATE ROLE elsewhere LOGIN' 'CREATE ROLE definer' 'GRANT writers TO member' 'GRANT writers TO elsewhere' 'GRANT CREATE ON SCHEMA public TO definer' \
  "ALTER ROLE elsewhere SET search_path = own, public" \
  'CREATE TABLE seen (pid int, users text, path text, settings text)' 'GRANT SELECT, INSERT ON seen TO PUBLIC' \
  "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
     INSERT INTO public.seen VALUES (pg_backend_pid(), concat_ws(' ', session_user, current_user, current_setting('role')), current_setting('search_path'),
       concat_ws('|', current_setting('app.x', true), '1999-12-31 12:00 UTC'::timestamptz, current_setting('application_name'), current_setting('work_mem')));
     RETURN new;
   END \$\$" \
  "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
     IF new.title LIKE 'T %33' THEN
       RAISE EXCEPTION 'no % für mich', new.title USING ERRCODE = TG_ARGV[0], DETAIL = 'Said the trigger.', HINT = 'Try another.';
     END IF;
     RETURN new;
   END \$\$" \
  "CREATE FUNCTION notify() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN PERFORM pg_notify('works', new.title); RETURN new; END \$\$" \
  "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS \$\$
     DECLARE about text := format('%s %s by %s', current_setting('app.x'), new.imslp_id, pg_backend_pid());
     BEGIN
       RAISE DEBUG '%', about;
       RAISE INFO '%', about;
       RAISE NOTICE '%', about USING ERRCODE = 'OP00N', DETAIL = 'Detail of ' || new.imslp_id, HINT = 'Hint of ' || new.imslp_id;
       RAISE WARNING '%', about USING ERRCODE = 'OP00W', DETAIL = 'More of ' || new.imslp_id;
       RETURN new;
     END \$\$" >/dev/null

# New tables, with the ten composers, and whatever the statements make of them.
new_case() { # STATEMENT...
  sql 'DROP SCHEMA IF EXISTS own CASCADE' 'TRUNCATE seen' 'CREATE SCHEMA own' "$HERE" 'SELECT create_catalogue()' \
    'SELECT load_composers(composers())' 'GRANT USAGE ON SCHEMA own TO PUBLIC' \
    'GRANT SELECT, INSERT, UPDATE ON works TO caller, writers, definer' 'GRANT INSERT ON works TO inserter' \
    'GRANT INSERT ON rejected_records TO caller, writers' "$@" >/dev/null
}

# The same for one session and two, which @ stands for: what the client sees (but
# for the load's id, and lines that say in which session it was), and the rows.
# The setup is the owner's. A failing load writes nothing.
both() { # NAME ANSWER SETUP STATEMENT..., the answer an extended regular expression
  local n got answer tables first name=$1 like=$2 setup=$3 expected='0|workers is 0'
  shift 3
  for n in 0 2; do
    PGUSER=postgres new_case "$setup"
    got=$(VERBOSITY=verbose sql "${PARALLEL[@]}" "$HERE" "${@//@/$n}" "$COUNTS" "$REASON" 2>&1) || true
    answer=$(sed -E "/^(wrote: |LOCATION: )/d; /^(CONTEXT:  )?(batch [0-9]+ of session [0-9]+ of 2|session [0-9]+ of the load)\$/d; s/^psql:[^ ]* //; s/'[^']*'::uuid/id/" <<<"$got")
    tables=$(PGUSER=postgres sql "$HERE" "$TABLES")
    if ((n == 0)); then
      first=$answer$'\n'$tables
      matches "$name" "$like" "$answer"
    else
      expected="2|$phases"
      same "$name, 2 sessions" "$first" "$answer"$'\n'"$tables"
    fi
    if [[ $answer == *ERROR:* ]]; then
      same "$name, workers => $n: nothing is written" "$(PGUSER=postgres sql "$HERE" "$NOTHING")" "$tables"
    else
      same "$name, workers => $n: who wrote" "wrote: $expected" "$(grep -a '^wrote: ' <<<"$got")"
    fi
  done
}

load() { # [ARGUMENTS]
  echo "SELECT load_works(works(1, $MANY), workers => @${1:+, $1})"
}
TWO=$(load | sed 's/@/2/')

# ---- who writes

NOTE='CREATE TRIGGER note BEFORE INSERT OR UPDATE ON works FOR EACH ROW EXECUTE FUNCTION note()'
# With and without a trigger that notes who runs it: session_user, current_user
# and the role.
written_by() { # NAME USERS STATEMENT...
  local name=$1 users=$2 got trigger check='as a set'
  shift 2
  for trigger in 'SELECT' "$NOTE"; do
    PGUSER=postgres new_case "$trigger"
    got=$(sql "${PARALLEL[@]}" 'SELECT pg_backend_pid()' "${@//@/2}" "$REASON" 'SELECT foreign_key_check FROM last_load()' 2>&1) || true
    same "$name, $check: who wrote" "$MANY wrote: 2|$phases $check" "$(tail -n 3 <<<"$got" | paste -sd ' ')"
    same "$name, $check: rows, and none elsewhere" "$MANY|0" "$(PGUSER=postgres sql 'SELECT (SELECT count(*) FROM own.works), count(*) FROM works')"
    check='row by row: the table has a BEFORE trigger'
  done
  same "$name: the users, the workers and the search_path that the trigger saw" "$MANY|2|0|$users|own, public" \
    "$(PGUSER=postgres sql "SELECT count(*), count(DISTINCT pid), count(*) FILTER (WHERE pid = ${got%%$'\n'*}), string_agg(DISTINCT users, ','), string_agg(DISTINCT path, ' and ') FROM seen")"
}
written_by 'superuser' 'postgres postgres none' "$HERE" "$(load)"
PGUSER=caller written_by 'INSERT, SELECT, UPDATE' 'caller caller none' "$HERE" "$(load)"
PGUSER=inserter written_by 'INSERT alone' 'inserter inserter none' "$HERE" "$(load "on_conflict => 'error'")"
PGUSER=member written_by 'SET ROLE' 'member writers writers' "$HERE" 'SET ROLE writers' "$(load)"
written_by 'SET ROLE of a superuser' 'postgres writers writers' "$HERE" 'SET ROLE writers' "$(load)"
written_by 'SET SESSION AUTHORIZATION' 'caller caller none' "$HERE" 'SET SESSION AUTHORIZATION caller' "$(load)"
written_by 'SET SESSION AUTHORIZATION and SET ROLE' 'member writers writers' "$HERE" 'SET SESSION AUTHORIZATION member' 'SET ROLE writers' "$(load)"
PGUSER=elsewhere written_by 'the search_path of the role' 'elsewhere writers writers' 'SET ROLE writers' "$(load)"
PGUSER=caller both 'no right' 'ERROR:  42501: permission denied for table works' 'REVOKE UPDATE ON works FROM caller' "$(load)"
PGUSER=inserter both 'no right on rejected_records' 'ERROR:  42501: permission denied for table rejected_records' \
  "ALTER TABLE works ADD CHECK (title <> 'T 33')" "$(load "on_conflict => 'error', on_error => 'ignore'")"
PGUSER=member both 'no right on composers, which are to be made' 'ERROR:  42501: permission denied for table composers' \
  "DELETE FROM composers WHERE composer_id = 'C7'" 'SET ROLE writers' "$(load 'create_composers => true')"

# The role's search_path does not count where the session has another.
new_case 'GRANT SELECT, INSERT, UPDATE ON public.works TO elsewhere' 'SET search_path = public' 'SELECT load_composers(composers())'
same 'SET search_path, another than the role has' "$MANY wrote: 2|$phases" \
  "$(PGUSER=elsewhere sql "${PARALLEL[@]}" 'SET search_path = public' "$TWO" "$REASON" 2>&1 | paste -sd ' ')"
same 'SET search_path: rows' "0|$MANY" "$(sql 'SELECT (SELECT count(*) FROM own.works), count(*) FROM works')"
sql 'TRUNCATE composers, works'

# The wrapper is a call within another statement; its owner writes.
new_case "$NOTE" "CREATE FUNCTION public.load_it() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = own, public
  AS 'SELECT load_works(works(1, $MANY), workers => 2)'" 'ALTER FUNCTION load_it OWNER TO definer'
same 'SECURITY DEFINER' $'NOTICE:  the load runs in this session: the load is called from within another statement\n'"$MANY"$'\ncaller' \
  "$(PGUSER=caller sql "${PARALLEL[@]}" 'SELECT load_it()' 'SELECT current_user' 2>&1 | grep -v '^CONTEXT')"
same 'SECURITY DEFINER: who wrote' "$MANY|caller definer none" "$(sql "SELECT count(*), string_agg(DISTINCT users, ',') FROM seen")"
sql 'DROP FUNCTION load_it'

# ---- row security, which asks a setting of the session

policy="ALTER TABLE works ENABLE ROW LEVEL SECURITY;
  CREATE POLICY tenant ON works TO caller USING (title LIKE current_setting('app.t') || '%') WITH CHECK (title LIKE current_setting('app.t') || '%')"
# Works 1 to 600, some of them another tenant's.
mixed="SELECT load_works(regexp_replace(works(1, $MANY), 'T (\d*77\")', 'U \1', 'g'), workers => @"
PGUSER=caller both 'row security, stop' 'ERROR:  42501: new row violates row-level security policy.*record 76,' "$policy" "SET app.t = 'T'" "$mixed)"
PGUSER=caller both 'row security, ignore' '600\|594\|0\|0\|0\|6\|row by row: the table has row security' "$policy" "SET app.t = 'T'" "$mixed, on_error => 'ignore')"
PGUSER=caller both 'row security, the other tenant' '600\|6\|0\|0\|0\|594\|row by row: the table has row security' "$policy" "SET app.t = 'U'" "$mixed, on_error => 'ignore')"
PGUSER=caller both 'row security, rows that are hidden' '600\|594\|0\|0\|0\|6\|' \
  "SELECT load_works(works(77, 77, 'V'), workers => 0), load_works(works(177, 177, 'V'), workers => 0); $policy" "SET app.t = 'T'" "$mixed, on_error => 'ignore')"
PGUSER=caller both 'row_security = off' 'ERROR:  42501: query would be affected by row-level security' "$policy" "SET app.t = 'T'" 'SET row_security = off' "$mixed)"

# ---- tables of other makings

both 'partitions' '600\|594\|0\|0\|0\|6\|row by row' \
  "ALTER TABLE works RENAME TO plain; CREATE TABLE works (LIKE plain INCLUDING ALL, CHECK (title NOT LIKE 'U%'), FOREIGN KEY (composer_id) REFERENCES composers) PARTITION BY HASH (work_id);
   CREATE TABLE works_0 PARTITION OF works FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE works_1 PARTITION OF works FOR VALUES WITH (MODULUS 2, REMAINDER 1)" \
  "$mixed, on_error => 'ignore')"
both 'another foreign key' '600\|594\|0\|0\|0\|6\|works_composer_id_fkey: as a set; works_title_fkey: as a set' \
  "CREATE TABLE titles (title text PRIMARY KEY); INSERT INTO titles SELECT 'T ' || n FROM generate_series(1, $MANY) n; ALTER TABLE works ADD FOREIGN KEY (title) REFERENCES titles" \
  "$mixed, on_error => 'ignore')"
both 'session_replication_role' '600\|600\|0\|0\|0\|0\|' "CREATE TRIGGER refuse BEFORE INSERT ON works FOR EACH ROW EXECUTE FUNCTION refuse('OP001')" \
  'SET session_replication_role = replica' "$(load)"

# A deferred constraint is checked before any session commits. Where it is checked
# later in one session, the context is another.
refused_late() { # NAME ANSWER SETUP
  local n name=$1 like=$2 setup=$3
  for n in 0 2; do
    new_case "$setup"
    # Without a NOTICE that it runs in the caller's session.
    matches "$name, workers => $n" "^$like" "$(VERBOSITY=verbose sql "${PARALLEL[@]}" "$HERE" "$(load | sed "s/@/$n/")" 2>&1)"
    same "$name, workers => $n: nothing is written" "$(sql "$HERE" "$NOTHING")" "$(sql "$HERE" "$TABLES")"
  done
}
deferred='ALTER TABLE works DROP CONSTRAINT works_composer_id_fkey, ADD FOREIGN KEY (composer_id) REFERENCES composers DEFERRABLE INITIALLY DEFERRED'
both 'a deferred foreign key' '600\|600\|0\|0\|0\|0\|row by row: the foreign key is deferrable' "$deferred" "$(load)"
refused_late 'a deferred foreign key, a composer is missing' 'ERROR:  23503: .*"works_composer_id_fkey".*DETAIL:  Key \(composer_id\)=\(C7\)' "$deferred; DELETE FROM composers WHERE composer_id = 'C7'"
refused_late 'a deferred trigger' 'ERROR:  OP003: no T [0-9]*33 für mich.*DETAIL:  Said the trigger.*HINT:  Try another' \
  "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON works DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse('OP003')"

# A transaction that has called NOTIFY cannot be prepared.
new_case 'CREATE TRIGGER notify AFTER INSERT ON works FOR EACH ROW EXECUTE FUNCTION notify()'
got=$(sql "${PARALLEL[@]}" "$HERE" 'LISTEN works' "$TWO" "$REASON" 'SELECT pg_sleep(0.1)' 'SELECT 1' 2>&1)
reason='a parallel session could not prepare its transaction: cannot PREPARE a transaction that has executed LISTEN, UNLISTEN, or NOTIFY'
expected="wrote: 2|$phases"
if ((PREPARED > 0)); then expected="NOTICE:  the load runs in this session: $reason"$'\n'"wrote: 0|$reason"; fi
same 'NOTIFY: who wrote' "$expected" "$(grep -aE '^(wrote|NOTICE|ERROR)' <<<"$got")"
same 'NOTIFY: rows and notifications' "$MANY|$MANY" "$(sql 'SELECT count(*) FROM own.works')|$(grep -ac '^Asynchronous notification "works" with payload "T ' <<<"$got")"

# ---- settings and messages

new_case "$NOTE"
sql "${PARALLEL[@]}" "$HERE" "SET app.x = 'it''s'" "SET DateStyle = 'German'" "SET TimeZone = 'Asia/Tokyo'" "SET application_name = 'the caller'" \
  "SET work_mem = '5MB'" "$TWO" >/dev/null
same 'settings that a trigger sees' "2|it's|31.12.1999 21:00:00 JST|the caller|5MB" "$(sql "SELECT count(DISTINCT pid), string_agg(DISTINCT settings, ' and ') FROM seen")"

# What a trigger says reaches the caller once, in order within a session, and goes
# to the log as before. The kinds that the caller hears, by setting.
declare -A HEARD=(['client_min_messages = debug1']='DEBUG INFO NOTICE WARNING' ['client_min_messages = log']='INFO NOTICE WARNING'
  ['client_min_messages = notice']='INFO NOTICE WARNING' ['client_min_messages = warning']='INFO WARNING' ['client_min_messages = error']=INFO
  ['log_min_messages = log']='INFO NOTICE WARNING' ['log_min_messages = error']='INFO NOTICE WARNING')
told() { # SETTING TAG SESSIONS
  new_case 'CREATE TRIGGER tell BEFORE INSERT ON works FOR EACH ROW EXECUTE FUNCTION tell()'
  VERBOSITY=verbose sql '\set SHOW_CONTEXT always'$'\n' "${PARALLEL[@]}" "$HERE" "SET $1" "SET app.x = '$2_$3'" "SELECT load_works(works(1, 20), workers => $3)" 2>&1 |
    { grep -aE ' by [0-9]+$|^(DETAIL|HINT|CONTEXT):  (Detail|More|Hint|PL/pgSQL)' || true; }
}
for setting in "${!HEARD[@]}"; do
  read -ra kinds <<<"${HEARD[$setting]}"
  tag=${setting//[^a-z0-9]/_}
  told "$setting" "$tag" 0 >"$WORK/one"
  told "$setting" "$tag" 2 >"$WORK/two"
  for n in one two; do
    same "messages, $setting, $n: how many of each kind" "$(printf '20 %s\n' "${kinds[@]}")" \
      "$(sed -n -E 's/^([A-Z]+):  .* by [0-9]+$/\1/p' "$WORK/$n" | sort | uniq -c | sed 's/^ *//')"
    sed -E "s/${tag}_[02] //; s/ by [0-9]+\$//" "$WORK/$n" | sort >"$WORK/$n.sorted"
  done
  same "messages, $setting: once each, with all fields" "$(<"$WORK/one.sorted")" "$(<"$WORK/two.sorted")"
  # A session writes by composer and key, and for each row the trigger says its kinds in their order.
  sql "$HERE" 'SELECT imslp_id FROM works ORDER BY composer_id, work_id' >"$WORK/written"
  same "messages, $setting: in order, in each of two sessions" 'sessions 2' \
    "$(awk 'NR == FNR { place[$1] = FNR; next } !/ by [0-9]+$/ { next } { now = place[$4] * 4 + index("DINW", substr($1, 1, 1)) }
            !($NF in last) { sessions++ } now <= last[$NF] { print } { last[$NF] = now } END { print "sessions", sessions + 0 }' "$WORK/written" "$WORK/two")"
  # The kinds in the log: warnings, but for the last two settings.
  in_log=WARNING
  if [[ $setting == log_min_messages* ]]; then in_log=; fi
  same "messages, $setting: in the log" "$in_log" "$(sed -n -E "s/.* ([A-Z]+):  ${tag}_2 .*/\1/p" "$log" | sort -u)"
done

both 'an error of a trigger' 'ERROR:  OP001: no T 33 für mich.*DETAIL:  Said the trigger\..*HINT:  Try another\..*CONTEXT:  PL/pgSQL function .*refuse\(\) line .*load_works, record 32, \$\[32\]' \
  "CREATE TRIGGER refuse BEFORE INSERT ON works FOR EACH ROW EXECUTE FUNCTION refuse('OP001')" "$(load)"
both 'an error of a trigger, ignore' '600\|594\|0\|0\|0\|6\|row by row: the table has a BEFORE trigger' \
  "CREATE TRIGGER refuse BEFORE INSERT ON works FOR EACH ROW EXECUTE FUNCTION refuse('OP001')" "$(load "on_error => 'ignore'")"
both 'an error of a trigger in the encoding of the client' 'ERROR:  OP001: no T 33 f.r mich' \
  "CREATE TRIGGER refuse BEFORE INSERT ON works FOR EACH ROW EXECUTE FUNCTION refuse('OP001')" 'SET client_encoding = LATIN1' "$(load)"
# One that is no row's fault ends the load, and tells where it was.
new_case "CREATE TRIGGER refuse BEFORE INSERT ON works FOR EACH ROW EXECUTE FUNCTION refuse('55OP1')"
fails 'an error of no row' 55OP1 "${PARALLEL[@]}" "$HERE" "$TWO"
matches 'an error of no row: the context' \
  'ERROR:  55OP1: no T [0-9]+ für mich.*DETAIL:  Said the trigger\..*HINT:  Try another\..*CONTEXT:  PL/pgSQL function .*refuse\(\) line .*batch 1 of session [12] of 2' "$OUTPUT"
same 'an error of no row: nothing is written' "$(sql "$HERE" "$NOTHING")" "$(sql "$HERE" "$TABLES")"

# ---- time limits

# Another session holds a row that the load changes.
new_case "SELECT load_works(works(1, $MANY), workers => 0)"
before=$(sql "$HERE" "$TABLES")
session holder <<SQL
BEGIN;
SELECT 'row ' || title FROM own.works WHERE title = 'T 500' FOR UPDATE;
SELECT 'pid ' || pg_backend_pid();
SELECT pg_sleep(600);
SQL
holder=$SESSION
said holder pid >/dev/null
# With a limit of 3 seconds; where it ends the load before the workers are seen, on a busy machine, with twice as many.
limited() { # SETTING SQLSTATE
  local seconds=3 names expected
  expected=$(printf 'pg_opus: load_works session %s of 2, postgres, true\n' 1 2)
  until limits "$1" "$seconds" || ((seconds > 60)); do seconds=$((2 * seconds)); done
  same "$1: the workers" "$expected" "$names"
  same "$1: SQLSTATE" "$2" "$(said limited state 0)"
  # Without the limit it would wait for the holder.
  at_most "$1: seconds from the limit until the client has its answer" 60 \
    "$(difference "$(said limited returned 0)" "$(awk -v a="$(said limited began 0)" -v b="$seconds" 'BEGIN { printf "%.3f", a + b }')")"
  local tries=6000
  until [[ $(sql "SELECT count(*) $WORKERS") == 0 ]] || ((--tries == 0)); do sleep 0.01; done
  same "$1: no worker is left" 0 "$(sql "SELECT count(*) $WORKERS")"
  same "$1: nothing is written" "$before" "$(sql "$HERE" "$TABLES")"
}

# Whether the workers have been seen before the load ended.
limits() { # SETTING SECONDS
  session limited <<SQL
SET pg_opus.min_parallel_rows = 0;
$HERE;
SET $1 = '$2s';
\! date +'began %s.%N'
SELECT load_works(works(1, $MANY, 'U'), workers => 2);
\! date +'returned %s.%N'
SELECT 'state ' || :'SQLSTATE';
SQL
  names=''
  until [[ $names == "$expected" ]] || grep -q '^state' "$WORK/limited.out"; do
    names=$(sql "SELECT backend_type || ', ' || usename || ', ' || (query LIKE 'SELECT load\\_works(%') $WORKERS ORDER BY 1")
  done
  await "$SESSION"
  [[ $names == "$expected" ]]
}
limited lock_timeout 55P03
matches 'lock_timeout: the message' 'ERROR:  55P03: canceling statement due to lock timeout' "$(<"$WORK/limited.out")"
limited statement_timeout 57014
matches 'statement_timeout: the message' 'ERROR:  57014: canceling statement due to statement timeout' "$(<"$WORK/limited.out")"
sql "SELECT pg_terminate_backend($(said holder pid 0))" >/dev/null
await "$holder"
same 'without the other session: rows' "$MANY|2|$phases" \
  "$(sql "${PARALLEL[@]}" "$HERE" "SELECT load_works(works(1, $MANY, 'U'), workers => 2)" 'SELECT sessions, sessions_reason FROM last_load()' | paste -sd '|')"
