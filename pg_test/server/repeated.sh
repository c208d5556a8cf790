# A few records again and again in one session: what the first load says, the quick ones after it say too, whatever has
# become of the table meanwhile.
source "$(dirname "$0")/lib.sh"

sql 'CREATE EXTENSION pg_opus' 'SELECT create_catalogue()' \
  "CREATE FUNCTION work(id int, title text DEFAULT 'T', composer text DEFAULT 'A') RETURNS text LANGUAGE sql AS
   \$\$SELECT jsonb_build_object('intvals', jsonb_build_object('pageid', id, 'composer', composer, 'worktitle', title))::text\$\$" \
  "CREATE VIEW said AS SELECT concat_ws('|', received, inserted, updated, unchanged, duplicate, rejected, sessions, sessions_reason, foreign_key_check) AS all FROM last_load()" \
  "SELECT load_composers('[{\"id\": \"Category:A\"}, {\"id\": \"Category:B\"}]')" >/dev/null
ROW="load_works(work(1))"
# Else the reason depends on what the statement is.
PGOPTIONS+=' -c pg_opus.workers=0'
ROW_BY_ROW='0|pg_opus.workers is 0|row by row: too few rows'

last() { # STATEMENT...: the last line
  sql "$@" | tail -n 1
}

same 'a new row' "1|1|0|0|0|0|$ROW_BY_ROW" "$(last "SELECT $ROW" 'SELECT load_works(work(2))' 'SELECT "all" FROM said')"
same 'the long way says the same' "1|1|0|0|0|0|$ROW_BY_ROW" "$(last 'SELECT load_works(work(3))' 'SELECT "all" FROM said')"
same 'a changed row' "1|0|1|0|0|0|$ROW_BY_ROW" "$(last "SELECT $ROW" "SELECT load_works(work(2, 'U'))" 'SELECT "all" FROM said')"
same 'an equal one' "1|0|0|1|0|0|$ROW_BY_ROW" "$(last "SELECT $ROW" "SELECT $ROW" 'SELECT "all" FROM said')"
same 'rows of all kinds in one document' "4|1|1|1|1|0|$ROW_BY_ROW" "$(last "SELECT $ROW" \
  "SELECT load_works('[' || work(1) || ',' || work(2, 'V') || ',' || work(5) || ',' || work(5, 'U') || ']')" 'SELECT "all" FROM said')"
same 'the last of two wins' U "$(sql 'SELECT title FROM works WHERE imslp_id = 5')"
same 'an equal row stays where it is' 't' "$(last "SELECT load_works(work(1))" 'CREATE TEMP TABLE was AS SELECT ctid::text AS place, xmin::text AS by FROM works' \
  "SELECT load_works(work(1)) + load_works(work(2, 'U'))" 'SELECT bool_and(works.xmin::text = by) FROM works JOIN was ON place = works.ctid::text')"
same 'null changes nothing' 'Op. 1' "$(last "SELECT load_works('{\"intvals\": {\"pageid\": 6, \"composer\": \"A\", \"worktitle\": \"T\", \"icatno\": \"Op. 1\"}}')" \
  "SELECT load_works(work(6, 'W'))" 'SELECT catalogue_number FROM works WHERE imslp_id = 6')"
same 'jsonb as well as text' '1|1' "$(last 'SELECT load_works(work(7))' "SELECT load_works(work(8)::jsonb) || '|' || load_works(work(9))")"
same 'skip' "2|1|0|1|0|0|$ROW_BY_ROW" "$(last "SELECT load_works(work(1), on_conflict => 'skip')" \
  "SELECT load_works(work(1, 'X') || work(10), on_conflict => 'skip')" 'SELECT "all" FROM said')"
same 'composers' '3|1|1|1' "$(last "SELECT load_composers('[{\"id\": \"Category:A\"}]')" \
  "SELECT load_composers('[{\"id\": \"Category:A\"}, {\"id\": \"Category:B\", \"permlink\": \"p\"}, {\"id\": \"Category:C\"}]')" \
  "SELECT concat_ws('|', received, inserted, updated, unchanged) FROM last_load()")"
same 'rows of a document that is not small' '600' "$(last "SELECT $ROW" "SELECT load_works(string_agg(work(i), '')) FROM generate_series(1001, 1600) i")"

# Bad records, after good ones.
fails 'a key that is there' 23505 "SELECT load_works(work(11), on_conflict => 'error')" "SELECT load_works(work(12) || work(11), on_conflict => 'error')"
matches 'its record is named' 'load_works, record 1, ' "$OUTPUT"
same 'nothing is written' 0 "$(sql 'SELECT count(*) FROM works WHERE imslp_id = 12')"
fails 'an unknown composer' 23503 "SELECT $ROW" "SELECT load_works(work(13) || work(14, 'T', 'Nobody'))"
matches 'it is named' 'Key \(composer_id\)=\(Nobody\).*Load the composers first.*load_works, record 1, ' "${OUTPUT//$'\n'/ }"
fails 'no JSON' 22P02 "SELECT $ROW" "SELECT load_works('[')"
fails 'a wrong type' 42804 "SELECT $ROW" "SELECT load_works('[{\"intvals\": {\"composer\": \"A\", \"worktitle\": 5}}]')"
same 'set aside' '2|1|0|0|0|1' "$(last "SELECT load_works(work(15), on_error => 'ignore')" \
  "SELECT load_works(work(16) || work(17, 'T', 'Nobody'), on_error => 'ignore')" "SELECT concat_ws('|', received, inserted, updated, unchanged, duplicate, rejected) FROM last_load()")"
fails 'a CHECK that has come' 23514 "SELECT $ROW" "ALTER TABLE works ADD CONSTRAINT good CHECK (title <> 'bad')" "SELECT load_works(work(18, 'bad'))"
matches 'the record is named' 'load_works, record 0, ' "$OUTPUT"
sql 'ALTER TABLE works DROP CONSTRAINT good'

# The table changes.
same 'a trigger that has come sees what is written, and no more' '2' "$(last "SELECT $ROW" \
  'CREATE TABLE seen (id bigint)' "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN INSERT INTO seen VALUES (NEW.imslp_id); RETURN NEW; END \$\$" \
  'CREATE TRIGGER see BEFORE INSERT ON works FOR EACH ROW EXECUTE FUNCTION see()' \
  'SELECT load_works(work(1))' 'SELECT load_works(work(20))' 'SELECT load_works(work(21))' 'SELECT load_works(work(21))' 'SELECT count(*) FROM seen')"
same 'one that has gone does not' '2' "$(last "SELECT $ROW" 'DROP TRIGGER see ON works' 'SELECT load_works(work(22))' 'SELECT load_works(work(23))' 'SELECT count(*) FROM seen')"
same 'a column' 'x' "$(last "SELECT $ROW" "ALTER TABLE works ADD note text DEFAULT 'x'" 'SELECT load_works(work(24))' 'SELECT note FROM works WHERE imslp_id = 24')"
same 'another table of its name' '1|1' "$(last "SELECT $ROW" 'ALTER TABLE works RENAME TO other' 'CREATE TABLE works (LIKE other INCLUDING ALL)' \
  'SELECT load_works(work(25))' 'SELECT load_works(work(26))' 'DROP TABLE works' 'ALTER TABLE other RENAME TO works' \
  "SELECT load_works(work(25)) || '|' || count(*) FROM works WHERE imslp_id = 1")"
same 'another schema of its name' '2|0' "$(last 'CREATE SCHEMA s' 'SET search_path = s, public' 'SELECT create_catalogue()' "SELECT load_composers('[{\"id\": \"Category:A\"}]')" \
  "SELECT $ROW" 'SELECT load_works(work(2))' 'ALTER SCHEMA s RENAME TO t' 'CREATE SCHEMA s' 'SELECT create_catalogue()' "SELECT load_composers('[{\"id\": \"Category:A\"}]')" \
  "SELECT $ROW" 'SELECT load_works(work(3))' "SELECT (SELECT count(*) FROM s.works) || '|' || (SELECT count(*) FROM t.works WHERE imslp_id = 3)")"
same 'another search_path' '1' "$(last "SELECT $ROW" "SELECT $ROW" 'SET search_path = t, public' 'SELECT load_works(work(30))' 'SELECT count(*) FROM t.works WHERE imslp_id = 30')"
same 'a temporary table in front' '1|0' "$(last "SELECT $ROW" 'CREATE TEMP TABLE works (LIKE public.works INCLUDING ALL)' 'SELECT load_works(work(31))' \
  "SELECT (SELECT count(*) FROM pg_temp.works WHERE imslp_id = 31) || '|' || (SELECT count(*) FROM public.works WHERE imslp_id = 31)")"
same 'no foreign key any more' 'none: works has no foreign key' "$(last 'SET search_path = t, public' "SELECT $ROW" \
  'ALTER TABLE works DROP CONSTRAINT works_composer_id_fkey' 'SELECT load_works(work(32))' 'SELECT load_works(work(33))' 'SELECT foreign_key_check FROM last_load()')"
same 'a setting' 'row by row: pg_opus.set_based_foreign_keys is off' "$(last "SELECT $ROW" 'SET pg_opus.set_based_foreign_keys = off' "SELECT $ROW" "SELECT $ROW" 'SELECT foreign_key_check FROM last_load()')"
fails 'no table any more' 42P01 'SET search_path = t, public' "SELECT $ROW" 'DROP TABLE works' 'SET search_path = t' 'SELECT public.load_works(public.work(1))'
sql 'CREATE ROLE opus_clerk' 'GRANT INSERT, SELECT, UPDATE ON works, composers TO opus_clerk'
same 'row security that has come' 2 "$(last 'SET ROLE opus_clerk' "SELECT $ROW" 'SELECT load_works(work(34))' 'RESET ROLE' 'ALTER TABLE works ENABLE ROW LEVEL SECURITY' \
  'CREATE POLICY low ON works USING (true) WITH CHECK (imslp_id < 100)' 'SET ROLE opus_clerk' 'SELECT load_works(work(35))' 'SELECT load_works(work(36))' 'SELECT count(*) FROM works WHERE imslp_id IN (35, 36)')"
fails 'it refuses' 42501 'SET ROLE opus_clerk' "SELECT $ROW" 'SELECT load_works(work(200))'
sql 'ALTER TABLE works DISABLE ROW LEVEL SECURITY' 'REVOKE INSERT ON works FROM opus_clerk'
fails 'no right' 42501 "SELECT $ROW" "SELECT $ROW" 'SET ROLE opus_clerk' 'SELECT load_works(work(201))'
matches 'what is needed is said' 'needs INSERT, SELECT and UPDATE' "$OUTPUT"
sql 'DROP OWNED BY opus_clerk' 'DROP ROLE opus_clerk'

# Transactions, and all that a session does.
same 'undone with its transaction' '0' "$(last "SELECT $ROW" BEGIN 'SELECT load_works(work(40))' 'SAVEPOINT s' 'SELECT load_works(work(41))' 'ROLLBACK TO s' \
  'SELECT load_works(work(42))' ROLLBACK 'SELECT count(*) FROM works WHERE imslp_id BETWEEN 40 AND 42')"
same 'a thousand calls in one block' '1000' "$(last "SELECT $ROW" "DO \$\$ BEGIN FOR i IN 2001..3000 LOOP PERFORM load_works(work(i)); END LOOP; END \$\$" \
  'SELECT count(*) FROM works WHERE imslp_id BETWEEN 2001 AND 3000')"
same 'DISCARD' '1|1' "$(last "SELECT $ROW" 'DISCARD PLANS' 'SELECT load_works(work(43))' 'DISCARD ALL' "SELECT load_works(work(44)) || '|' || load_works(work(45))")"
catalogues=()
for i in {1..12}; do
  catalogues+=("CREATE SCHEMA many$i" "SET search_path = many$i, public" 'SELECT create_catalogue()' "SELECT load_composers('[{\"id\": \"Category:A\"}]')")
done
for round in 1 2; do
  for i in {1..12}; do catalogues+=("SET search_path = many$i, public" "SELECT load_works(work($round))"); done
done
sql "${catalogues[@]}" >/dev/null
same 'many tables in turn' 24 "$(last "$(printf 'SELECT sum(n) FROM (VALUES %s) v (n)' "$(printf '((SELECT count(*) FROM many%s.works)),' {1..12} | sed 's/,$//')")")"

# Other sessions.
# The latch is held before the other session can come to it.
coproc LATCH { psql -XqAt; }
sessions+=("$LATCH_PID")
echo 'SELECT pg_advisory_lock(7);' >&"${LATCH[1]}" && read -r _ <&"${LATCH[0]}"
session other <<'SQL'
SELECT load_works(work(1));
SELECT load_works(work(50));
SELECT 'ready 1';
SELECT pg_advisory_lock(7);
SELECT load_works(work(51));
SELECT 'note ' || note FROM works WHERE imslp_id = 51;
SQL
other=$SESSION
said other ready >/dev/null || true
sql "ALTER TABLE works ALTER note SET DEFAULT 'y'"
echo 'SELECT pg_advisory_unlock(7);' >&"${LATCH[1]}"
await "$other"
same 'a change by another session' y "$(said other note)"

session holder <<'SQL'
BEGIN;
SELECT load_works(work(60, 'theirs'));
SELECT 'holds 1';
SELECT pg_sleep(600);
SQL
holder=$SESSION
said holder holds >/dev/null
fails 'lock_timeout' 55P03 "SELECT $ROW" "SET lock_timeout = '200ms'" "SELECT load_works(work(60, 'ours'))"
fails 'statement_timeout' 57014 "SELECT $ROW" "SET statement_timeout = '300ms'" "SELECT load_works(work(60, 'ours'))"
session waiter <<'SQL'
SELECT load_works(work(1));
SELECT load_works(work(60, 'ours'));
SELECT 'counts ' || inserted || '|' || updated FROM last_load();
SELECT 'left ' || count(*) FROM pg_stat_progress_copy WHERE pid = pg_backend_pid();
SQL
waiter=$SESSION
until [[ $(sql "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'") == 1 ]]; do sleep 0.01; done
sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()" >/dev/null
await "$holder"
await "$waiter"
same 'a row that was waited for and is not there after all' '1|0' "$(said waiter counts)"
same 'no row of progress is left' 0 "$(said waiter left)"
