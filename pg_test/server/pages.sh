# Rows laid into the pages of a plain table: the same rows as by INSERT, and INSERT wherever it would do more.
source "$(dirname "$0")/lib.sh"

# One session lays all its rows in one subtransaction; an INSERT has one for each 5,000.
ROWS=11000
document() { # FIRST: works of 700 composers, as a SQL expression
  echo "(SELECT jsonb_agg(jsonb_build_object('intvals', jsonb_build_object('composer', 'C' || i % 700,
    'worktitle', 'Title ' || i, 'icatno', CASE WHEN i % 2 = 0 THEN 'Op. ' || i END, 'pageid', i)))::text
    FROM generate_series($1, $1 + $ROWS - 1) i)"
}
COMPOSERS="(SELECT jsonb_agg(jsonb_build_object('id', 'Category:C' || i))::text FROM generate_series(0, 699) i)"
SUM="count(*), sum(hashtextextended(concat_ws('|', work_id, composer_id, title, subtitle, catalogue_number, imslp_id, openopus_id, permlink), 0)::numeric)"

# A catalogue of its own schema, whose works have been changed, is loaded; how, and which rows.
written() { # SCHEMA CHANGE...
  sql "CREATE SCHEMA $1" "SET search_path = $1, public" 'SELECT create_catalogue()' "${@:2}" \
    "SELECT load_composers($COMPOSERS)" "SELECT 'n ' || load_works($(document 1))" >"$WORK/$1.log" 2>&1 ||
    { cat "$WORK/$1.log" && return 1; }
  sql "SET search_path = $1, public" "SELECT CASE WHEN count(DISTINCT xmin::text) = 1 THEN 'laid' ELSE 'inserted' END FROM works"
}
sum_of() { # SCHEMA
  sql "SELECT $SUM FROM $1.works"
}

sql 'CREATE EXTENSION pg_opus'
same 'a table as create_catalogue() makes it' laid "$(written plain)"
expected=$(sum_of plain)
same 'all rows are there' "$ROWS" "${expected%%|*}"
same 'the key finds each of them' "$ROWS" "$(sql 'SET enable_seqscan = off' 'SET enable_hashjoin = off' 'SET enable_mergejoin = off' \
  'SELECT count(*) FROM (SELECT work_id FROM plain.works OFFSET 0) a JOIN plain.works b USING (work_id)')"
same 'the index of composers as well' "$ROWS" "$(sql 'SET enable_seqscan = off' 'SET enable_bitmapscan = off' \
  "SELECT sum(n) FROM (SELECT (SELECT count(*) FROM plain.works w WHERE w.composer_id = c.composer_id) n FROM plain.composers c) s")"
same 'a second load changes nothing' '0' "$(sql 'SET search_path = plain, public' "SELECT load_works($(document 1))")"

# With all that COPY serves too.
while IFS='|' read -r name change; do
  same "$name: laid" laid "$(written "$name" "$change")"
  same "$name: the same rows" "$expected" "$(sum_of "$name")"
done <<'TABLES'
column_of_the_owners|ALTER TABLE works ADD note text
dropped_column_behind|ALTER TABLE works ADD note text; ALTER TABLE works DROP COLUMN note
index_of_the_owners|CREATE INDEX ON works (title, imslp_id)
fillfactor|ALTER TABLE works SET (fillfactor = 50)
unlogged|ALTER TABLE works SET UNLOGGED
check_constraint|ALTER TABLE works ADD CHECK (true)
row_trigger|CREATE TABLE seen (id uuid); CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen VALUES (NEW.work_id); RETURN NULL; END $$; CREATE TRIGGER see AFTER INSERT ON works FOR EACH ROW EXECUTE FUNCTION see()
unique_index|CREATE UNIQUE INDEX ON works (imslp_id)
expression_index|CREATE INDEX ON works (lower(title))
partial_index|CREATE INDEX ON works (title) WHERE imslp_id > 5
hash_index|CREATE INDEX ON works USING hash (title)
default_value|ALTER TABLE works ADD note text DEFAULT 'x'
identity_value|ALTER TABLE works ADD number bigint GENERATED ALWAYS AS IDENTITY
generated_value|ALTER TABLE works ADD length int GENERATED ALWAYS AS (length(title)) STORED
former_default|ALTER TABLE works ADD note text DEFAULT 'x'; ALTER TABLE works ALTER note DROP DEFAULT
another_order|ALTER TABLE works DROP COLUMN subtitle, ADD subtitle text
TABLES
sql "UPDATE column_of_the_owners.works SET note = 'x' WHERE imslp_id < 100"
same 'a column of the owner is null, and can be set' "$((ROWS - 99))|99" \
  "$(sql 'SELECT count(*) FILTER (WHERE note IS NULL), count(note) FROM column_of_the_owners.works')"
same 'an index of the owner finds a row' 1 \
  "$(sql 'SET enable_seqscan = off' "SELECT count(*) FROM index_of_the_owners.works WHERE title = 'Title 77'")"

# What COPY does row by row.
while IFS='|' read -r name change; do
  same "$name: inserted" inserted "$(written "$name" "$change")"
  same "$name: the same rows" "$expected" "$(sum_of "$name")"
done <<'TABLES'
rule|CREATE TABLE seen (id uuid); CREATE RULE see AS ON INSERT TO works DO ALSO INSERT INTO seen VALUES (NEW.work_id)
before_trigger|CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$; CREATE TRIGGER keep BEFORE INSERT ON works FOR EACH ROW EXECUTE FUNCTION keep()
volatile_default|ALTER TABLE works ADD at timestamptz DEFAULT clock_timestamp()
another_type|ALTER TABLE works ALTER title TYPE varchar
TABLES
same 'a trigger has seen each row' "$ROWS" "$(sql 'SELECT count(*) FROM row_trigger.seen')"
same 'a rule as well' "$ROWS" "$(sql 'SELECT count(*) FROM rule.seen')"
same 'a default is there' "$ROWS" "$(sql "SELECT count(*) FROM default_value.works WHERE note = 'x'")"
same 'a default that was dropped is not' 0 "$(sql 'SELECT count(note) FROM former_default.works')"
same 'generated values are there' "$ROWS" "$(sql 'SELECT count(*) FROM generated_value.works WHERE length = length(title)')"
same 'identities too' "$ROWS" "$(sql 'SELECT count(DISTINCT number) FROM identity_value.works')"

# What the loader leaves null may not be null here: each of those rows is refused, and named.
sql 'CREATE SCHEMA strict' 'SET search_path = strict, public' 'SELECT create_catalogue()' "SELECT load_composers($COMPOSERS)" \
  'ALTER TABLE works ALTER catalogue_number SET NOT NULL' >/dev/null
fails 'NOT NULL of the owner' 23502 'SET search_path = strict, public' "SELECT load_works($(document 1))"
matches 'the record is named' 'load_works, record 0, \$\[0\]' "$OUTPUT"
same 'the others are loaded' $((ROWS / 2)) "$(sql 'SET search_path = strict, public' "SELECT load_works($(document 1), on_error => 'ignore')")"

# Row security, for one whom it concerns.
sql 'CREATE ROLE opus_reader' 'CREATE SCHEMA secured' 'SET search_path = secured, public' 'SELECT create_catalogue()' \
  "SELECT load_composers($COMPOSERS)" 'ALTER TABLE works ENABLE ROW LEVEL SECURITY' \
  'CREATE POLICY low ON works USING (true) WITH CHECK (imslp_id <= 10000)' \
  'GRANT USAGE ON SCHEMA secured TO opus_reader' 'GRANT ALL ON ALL TABLES IN SCHEMA secured TO opus_reader' >/dev/null
same 'a policy refuses its rows' 10000 "$(sql 'SET search_path = secured, public' 'SET ROLE opus_reader' \
  "SELECT load_works($(document 1), on_error => 'ignore')")"
fails 'without INSERT' 42501 'SET search_path = plain, public' 'SET ROLE opus_reader' "SELECT load_works($(document 1))"
sql 'GRANT USAGE ON SCHEMA plain TO opus_reader' 'GRANT SELECT ON ALL TABLES IN SCHEMA plain TO opus_reader' \
  'GRANT INSERT (work_id, composer_id, title) ON plain.works TO opus_reader'
fails 'with INSERT on some columns' 42501 'SET search_path = plain, public' 'SET ROLE opus_reader' \
  "SELECT load_works($(document 20000), on_conflict => 'error')"
sql 'DROP OWNED BY opus_reader' 'DROP ROLE opus_reader'

# A title that an index of the owner's cannot hold: its row alone is refused.
LONG="(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 400) i)"
WITH_LONG="(SELECT jsonb_set(d, '{6000,intvals,worktitle}', to_jsonb($LONG))::text FROM (SELECT $(document 1)::jsonb d) s)"
sql 'CREATE SCHEMA narrow' 'SET search_path = narrow, public' 'SELECT create_catalogue()' "SELECT load_composers($COMPOSERS)" \
  'CREATE INDEX ON works (title)' >/dev/null
fails 'a row too large for an index' 54000 'SET search_path = narrow, public' "SELECT load_works($WITH_LONG)"
matches 'the record is named' 'load_works, record 6000, ' "$OUTPUT"
same 'nothing is written' 0 "$(sql 'SELECT count(*) FROM narrow.works')"
same 'the others are loaded' "$((ROWS - 1))|1" "$(sql 'SET search_path = narrow, public' "SELECT load_works($WITH_LONG, on_error => 'ignore')" \
  'SELECT inserted, rejected FROM last_load()' | tail -n 1)"
same 'by INSERT' 6000 "$(sql 'SELECT ordinal FROM narrow.rejected_records')"
sql 'TRUNCATE narrow.works, narrow.rejected_records'
matches 'sessions of their own leave it to the caller’s' '^10999\|0\|the database refuses a row: index row' \
  "$(sql 'SET search_path = narrow, public' 'SET pg_opus.min_parallel_rows = 0' "SELECT load_works($WITH_LONG, on_error => 'ignore', workers => 2)" \
    'SELECT inserted, sessions, sessions_reason FROM last_load()' | tail -n 1)"

# Values of any size.
LARGE="(SELECT jsonb_set(jsonb_set(d, '{77,intvals,worktitle}', to_jsonb(repeat('é', 3000))), '{78,intvals,worktitle}',
  to_jsonb((SELECT string_agg(md5(i::text), '') FROM generate_series(1, 30000) i)))::text FROM (SELECT $(document 1)::jsonb d) s)"
sql 'CREATE SCHEMA large' 'SET search_path = large, public' 'SELECT create_catalogue()' "SELECT load_composers($COMPOSERS)" "SELECT load_works($LARGE)" >/dev/null
same 'large values are laid' 1 "$(sql 'SELECT count(DISTINCT xmin::text) FROM large.works')"
same 'and come back whole' 't|960000' "$(sql "SELECT (SELECT title = repeat('é', 3000) FROM large.works WHERE imslp_id = 78), (SELECT length(title) FROM large.works WHERE imslp_id = 79)")"

# Some rows are there: the new ones are laid, the others as the policy has it.
half() { # POLICY
  sql 'SET search_path = plain, public' 'TRUNCATE works' "SELECT load_works($(document 1))" "UPDATE works SET title = 'old' WHERE imslp_id % 10 = 0" \
    'DELETE FROM works WHERE imslp_id <= 5500' "SELECT load_works($(document 1), on_conflict => '$1')" \
    'SELECT inserted, updated, unchanged FROM last_load()' | tail -n 1
}
same 'update' '5500|550|4950' "$(half update)"
same 'all rows are as they should be' "$expected" "$(sum_of plain)"
same 'skip' '5500|0|5500' "$(half skip)"
fails 'error' 23505 'SET search_path = plain, public' "SELECT load_works($(document 6000), on_conflict => 'error')"
matches 'the first record whose key is there' 'load_works, record 0, ' "$OUTPUT"

same 'composers are laid in any isolation level' '700|700' "$(sql 'CREATE SCHEMA serial' 'SET search_path = serial, public' 'SELECT create_catalogue()' \
  'BEGIN ISOLATION LEVEL SERIALIZABLE' "SELECT load_composers($COMPOSERS)" 'COMMIT' 'SELECT count(*), count(DISTINCT composer_id) FROM composers' | tail -n 1)"

amcheck
