#!/usr/bin/env bash
# A load may do what its caller may do, as any INSERT: privileges, row security,
# SET ROLE, SECURITY DEFINER, read-only transactions, and whose tables the names
# mean. Each case runs with few works, whose composers the server checks one by
# one, and with many, which are proved as a set.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

FEW=10
MANY=600
COUNTS='SELECT received, inserted, updated, unchanged, duplicate, rejected FROM last_load()'
# "as a set" or "row by row".
CHECK="SELECT split_part(foreign_key_check, ':', 1) FROM last_load()"

# works(a, b): works a to b of ten composers, each with its own title.
sql 'CREATE EXTENSION pg_opus' 'SELECT create_catalogue()' \
  "CREATE FUNCTION composers() RETURNS text LANGUAGE sql AS \$\$
     SELECT jsonb_agg(jsonb_build_object('id', 'Category:C' || n, 'type', '1', 'intvals', '[]'::jsonb))::text
     FROM generate_series(0, 9) n \$\$" \
  "CREATE FUNCTION works(a int, b int) RETURNS text LANGUAGE sql AS \$\$
     SELECT jsonb_agg(jsonb_build_object('id', 'w' || n, 'type', '2', 'intvals',
       jsonb_build_object('composer', 'C' || n % 10, 'worktitle', 'T ' || n, 'pageid', n)))::text
     FROM generate_series(a, b) n \$\$" \
  'CREATE ROLE owner' 'GRANT CREATE ON SCHEMA public TO owner' 'CREATE ROLE role LOGIN' 'CREATE ROLE reader LOGIN' >/dev/null
for table in composers works rejected_records; do sql "ALTER TABLE $table OWNER TO owner"; done

# Empty works, the ten composers, and a role without any rights.
reset() {
  sql 'TRUNCATE composers, rejected_records CASCADE' 'SELECT load_composers(composers())' \
    'REVOKE ALL ON composers, works, rejected_records FROM role' \
    'ALTER TABLE works DISABLE ROW LEVEL SECURITY' 'ALTER TABLE composers DISABLE ROW LEVEL SECURITY' \
    'ALTER TABLE composers NO FORCE ROW LEVEL SECURITY' >/dev/null
  sql "SELECT format('DROP POLICY %I ON %I.%I', policyname, schemaname, tablename) FROM pg_policies" |
    while read -r statement; do sql "$statement"; done
}

works() {
  sql 'SELECT count(*) FROM works'
}

as_role() { # STATEMENT...
  PGUSER=role sql "$@"
}

role_fails() { # NAME SQLSTATE STATEMENT...
  PGUSER=role fails "$@"
}

for n in "$FEW" "$MANY"; do
  check='row by row'
  if [[ $n == "$MANY" ]]; then check='as a set'; fi

  reset
  sql 'GRANT INSERT ON works TO role'
  same "$n works, INSERT alone, on_conflict => error" "$n|$check" \
    "$(as_role "SELECT load_works(works(1, $n), on_conflict => 'error')" "$CHECK" | paste -sd '|')"
  role_fails "$n works, INSERT alone, on_conflict => error, a second time" 23505 \
    "SELECT load_works(works(1, $n), on_conflict => 'error')"
  for policy in update skip; do
    role_fails "$n works, INSERT alone, on_conflict => $policy, where works are there" 42501 \
      "SELECT load_works(works(2, $((n + 1))), on_conflict => '$policy')"
    role_fails "$n works, INSERT alone, on_conflict => $policy, on_error => ignore" 42501 \
      "SELECT load_works(works(2, $((n + 1))), on_conflict => '$policy', on_error => 'ignore')"
  done
  same "$n works, INSERT alone: the others wrote nothing" "$n|0" \
    "$(works)|$(sql 'SELECT count(*) FROM rejected_records')"
  # What a statement may do does not depend on what is in the table.
  for policy in update skip; do
    sql 'TRUNCATE works'
    role_fails "$n works, INSERT alone, on_conflict => $policy, where works is empty" 42501 \
      "SELECT load_works(works(1, $n), on_conflict => '$policy')"
    same "$n works, INSERT alone, on_conflict => $policy: nothing is written where works is empty" 0 "$(works)"
  done

  reset
  sql 'GRANT INSERT, SELECT, UPDATE ON works TO role'
  same "$n works, no right on composers" "$n|$check" "$(as_role "SELECT load_works(works(1, $n))" "$CHECK" | paste -sd '|')"
  same "$n works, no right on composers, again" 0 "$(as_role "SELECT load_works(works(1, $n))")"
  role_fails "$n works, no right on composers, which are to be made" 42501 \
    "SELECT load_works(replace(works(1, $n), 'C1', 'New'), create_composers => true)"
  role_fails "$n works, an unknown composer" 23503 "SELECT load_works(replace(works(1, $n), 'C1', 'New'))"
  role_fails "$n works, no right on rejected_records" 42501 \
    "SELECT load_works(replace(works(1, $n), 'C1', 'New'), on_error => 'ignore')"
  same "$n works, no right on composers: the failed ones wrote nothing" "$n" "$(works)"

  reset
  sql 'GRANT SELECT, UPDATE ON works TO role' 'GRANT INSERT ON rejected_records TO role'
  for policy in update skip error; do
    for on_error in stop ignore; do
      role_fails "$n works, no INSERT, $policy, $on_error" 42501 \
        "SELECT load_works(works(1, $n), on_conflict => '$policy', on_error => '$on_error')"
      matches "$n works, no INSERT, $policy, $on_error: the message" 'permission denied for table works' "$OUTPUT"
    done
  done
  # For all columns but one.
  sql 'GRANT INSERT (work_id, composer_id, title) ON works TO role'
  role_fails "$n works, INSERT for some columns" 42501 "SELECT load_works(works(1, $n), on_error => 'ignore')"
  same "$n works, no INSERT: nothing is written" '0|0' "$(works)|$(sql 'SELECT count(*) FROM rejected_records')"

  # The wrapper's owner may do it; who calls it may not, before and after it.
  reset
  sql 'GRANT EXECUTE ON FUNCTION works TO owner' \
    "CREATE OR REPLACE FUNCTION load(document text) RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp
       AS 'SELECT load_works(document)'" \
    'ALTER FUNCTION load OWNER TO owner' 'GRANT EXECUTE ON FUNCTION load TO role'
  same "$n works, SECURITY DEFINER" "$n|role" "$(as_role "SELECT load(works(1, $n))" 'SELECT current_user' | paste -sd '|')"
  role_fails "$n works, SECURITY DEFINER, then without" 42501 "SELECT load(works(1, $n))" "SELECT load_works(works(1, $n))"
  role_fails "$n works, SECURITY DEFINER, an error in it" 23503 "SELECT load(replace(works(1, $n), 'C1', 'New'))"
  same "$n works, SECURITY DEFINER: the user after an error in it" role \
    "$(as_role "DO \$\$ BEGIN PERFORM load('['); EXCEPTION WHEN others THEN NULL; END \$\$" 'SELECT current_user')"

  # As SET ROLE says, and not as the session's user.
  reset
  sql 'GRANT INSERT ON works TO role'
  fails "$n works, SET ROLE to one who may not" 42501 'SET ROLE reader' "SELECT load_works(works(1, $n), on_conflict => 'error')"
  same "$n works, SET ROLE to one who may" "$n" "$(sql 'SET ROLE role' "SELECT load_works(works(1, $n), on_conflict => 'error')")"
  # The check of composers runs as their owner, and leaves the role as it was.
  same "$n works, SET ROLE: the role after it" role \
    "$(sql 'SET ROLE role' "SELECT load_works(works(1001, $((1000 + n))), on_conflict => 'error')" 'SELECT current_user' | tail -n 1)"

  # Some rows are refused.
  reset
  sql 'GRANT SELECT, INSERT, UPDATE ON works TO role' 'GRANT INSERT ON rejected_records TO role' \
    'ALTER TABLE works ENABLE ROW LEVEL SECURITY' \
    "CREATE POLICY no_sevens ON works TO role USING (true) WITH CHECK (title NOT LIKE '%7')"
  sevens=$((n / 10))
  role_fails "$n works, a policy refuses some" 42501 "SELECT load_works(works(1, $n))"
  matches "$n works, a policy refuses some: the message" 'new row violates row-level security policy for table "works"' "$OUTPUT"
  matches "$n works, a policy refuses some: the first one, in the context" \
    'CONTEXT:.*load_works, record 6, \$\[6\]: .*"T 7"' "$OUTPUT"
  same "$n works, a policy refuses some, stop: nothing is written" 0 "$(works)"
  same "$n works, a policy refuses some, ignore" "$((n - sevens))"$'\n'"$n|$((n - sevens))|0|0|0|$sevens" \
    "$(as_role "SELECT load_works(works(1, $n), on_error => 'ignore')" "$COUNTS")"
  same "$n works, a policy refuses some, ignore: which" "$sevens|$sevens" \
    "$(sql "SELECT count(*), count(*) FILTER (WHERE sqlstate = '42501' AND ordinal % 10 = 6 AND path = format('\$[%s]', ordinal)
              AND record #>> '{intvals,worktitle}' LIKE '%7') FROM rejected_records")"
  same "$n works, a policy refuses some, ignore: the others are there" "$((n - sevens))|0" \
    "$(sql "SELECT count(*), count(*) FILTER (WHERE title LIKE '%7') FROM works")"

  # What is there already is hidden: never changed, and never counted as written.
  reset
  sql "SELECT load_works(works(1, $((n / 2))))" 'GRANT SELECT, INSERT, UPDATE ON works TO role' \
    'GRANT INSERT ON rejected_records TO role' 'ALTER TABLE works ENABLE ROW LEVEL SECURITY' \
    "CREATE POLICY hidden ON works TO role USING (imslp_id > $((n / 2)))" >/dev/null
  before=$(fingerprint works)
  role_fails "$n works, half of them hidden" 42501 "SELECT load_works(replace(works(1, $n), 'T ', 'U '))"
  same "$n works, half of them hidden: nothing is written" "$before" "$(fingerprint works)"
  for policy in update skip error; do
    got=$(as_role "SELECT load_works(replace(works(1, $n), 'T ', 'U '), on_conflict => '$policy', on_error => 'ignore')" \
      'SELECT received = inserted + updated + unchanged + duplicate + rejected, inserted, updated FROM last_load()' | paste -sd '|')
    same "$n works, half of them hidden, ignore, $policy: rows and counts" "$((n / 2))|t|$((n / 2))|0" "$got"
    same "$n works, half of them hidden, ignore, $policy: those are as they were" "$before" \
      "$(fingerprint "(SELECT * FROM works WHERE imslp_id <= $((n / 2)))")"
    sql "DELETE FROM works WHERE imslp_id > $((n / 2))"
  done

  # Row security of composers does not hide them from the check, not even from
  # their owner's.
  reset
  sql 'ALTER TABLE composers ENABLE ROW LEVEL SECURITY' 'ALTER TABLE composers FORCE ROW LEVEL SECURITY' \
    'GRANT SELECT, INSERT, UPDATE ON works TO role'
  same "$n works, composers hidden by row security" "$n|$check" \
    "$(as_role "SELECT load_works(works(1, $n))" "$CHECK" | paste -sd '|')"
  sql 'TRUNCATE works'
  same "$n works, composers hidden from their owner" "$n|$check" \
    "$(sql 'SET ROLE owner' "SELECT load_works(works(1, $n))" "$CHECK" | paste -sd '|')"

  # Nothing is written where nothing may be, and no table is made either.
  reset
  fails "$n works, READ ONLY" 25006 'BEGIN READ ONLY' "SELECT load_works(works(1, $n))"
  fails "$n works, default_transaction_read_only" 25006 'SET default_transaction_read_only = on' "SELECT load_works(works(1, $n))"
  fails "$n works, READ ONLY, no tables yet" 25006 'CREATE SCHEMA IF NOT EXISTS bare' 'SET search_path = bare' 'BEGIN READ ONLY' \
    "SELECT public.load_works(public.works(1, $n))"
  same "$n works, READ ONLY: nothing is written" '0|0' \
    "$(works)|$(sql "SELECT count(*) FROM pg_class WHERE relnamespace = 'bare'::regnamespace")"
  same "$n works, READ ONLY, refused in a block that goes on" 1 \
    "$(sql 'BEGIN READ ONLY' "DO \$\$ BEGIN PERFORM load_works(works(1, $n)); EXCEPTION WHEN read_only_sql_transaction THEN NULL; END \$\$" 'SELECT 1' 'COMMIT')"

  # The names mean what they mean to any statement.
  sql 'CREATE SCHEMA IF NOT EXISTS other'
  same "$n works, another schema" "$n|$n|0" \
    "$(sql 'SET search_path = other, public' \
      'DO $$ BEGIN PERFORM create_catalogue(); PERFORM load_composers(composers()); END $$' "SELECT load_works(works(1, $n))" 'SELECT count(*) FROM other.works' 'SELECT count(*) FROM public.works' | paste -sd '|')"
  sql 'DROP SCHEMA other CASCADE'

  same "$n works, temporary tables" "10|$n|10|$n|0" \
    "$(sql 'CREATE TEMPORARY TABLE composers (LIKE public.composers INCLUDING ALL)' \
      'CREATE TEMPORARY TABLE works (LIKE public.works INCLUDING ALL, FOREIGN KEY (composer_id) REFERENCES composers)' \
      'SELECT load_composers(composers())' "SELECT load_works(works(1, $n))" \
      'SELECT count(*) FROM pg_temp.composers' 'SELECT count(*) FROM pg_temp.works' 'SELECT count(*) FROM public.works' | paste -sd '|')"
  # One of them alone: the works' foreign key leads to the other composers.
  sql 'DELETE FROM composers'
  same "$n works, temporary composers alone" "10|0|0" \
    "$(sql 'CREATE TEMPORARY TABLE composers (LIKE public.composers INCLUDING ALL)' 'SELECT load_composers(composers())' \
      "DO \$\$ BEGIN PERFORM load_works(works(1, $n)); EXCEPTION WHEN foreign_key_violation THEN NULL; END \$\$" \
      'SELECT count(*) FROM public.works' 'SELECT count(*) FROM public.composers' | paste -sd '|')"
done
