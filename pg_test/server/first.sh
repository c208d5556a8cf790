# Loads that make the tables themselves: the same tables as create_catalogue() makes, and the same rows, although the
# indexes of works come after the rows.
source "$(dirname "$0")/lib.sh"

sql 'CREATE EXTENSION pg_opus' >/dev/null
works() { # COUNT [COMPOSER-OF-NUMBER-7]
  echo "(SELECT jsonb_agg(jsonb_build_object('intvals', jsonb_build_object('pageid', i + 1, 'worktitle', 'W' || i,
    'composer', CASE WHEN i = 7 THEN ${2:-NULL::text} END), 'parent', 'Category:C' || i % 50))::text FROM generate_series(0, $1 - 1) i)"
}
# The definition of a catalogue in a schema, without the schema's name.
definition() {
  pg_dump --schema-only --schema "$1" --no-comments | sed -E "s/\b$1\.//g; s/\b$1\b//g" | grep -vE '^(--|SET|SELECT pg_catalog|\\(un)?restrict|CREATE SCHEMA|ALTER SCHEMA|$)'
}
first() { # SCHEMA STATEMENT: what psql shows of the load
  sql "CREATE SCHEMA $1" "SET search_path = $1, public" 'SET client_min_messages = notice' "${@:2}" 2>&1
}

sql 'CREATE SCHEMA made' 'SET search_path = made, public' 'SELECT create_catalogue()' >/dev/null
expected=$(definition made)
matches 'the definition is one' 'works_composer_id_idx' "$expected"

OUTPUT=$(first large "SELECT load_works($(works 12000), create_composers => true)" \
  "SELECT concat_ws('|', received, inserted, rejected, foreign_key_check) FROM last_load()")
matches 'a large first load' 'tables composers, works and rejected_records created in schema "large"' "$OUTPUT"
same 'its counts' '12000|12000|0|as a set' "$(tail -n 1 <<<"$OUTPUT")"
same 'its tables are those of create_catalogue()' "$expected" "$(definition large)"
same 'its rows' '12000|12000|50' "$(sql 'SELECT count(*), count(DISTINCT work_id), count(DISTINCT composer_id) FROM large.works JOIN large.composers USING (composer_id)')"
same 'laid, all of them' 1 "$(sql 'SELECT count(DISTINCT xmin::text) FROM large.works')"
same 'the indexes hold' '12000|240' "$(sql 'SET enable_seqscan = off' 'SET enable_bitmapscan = off' \
  "SELECT count(*) FROM large.works WHERE work_id >= '00000000-0000-0000-0000-000000000000'" "SELECT count(*) FROM large.works WHERE composer_id = 'C3'" | paste -sd'|')"
same 'a second load' 0 "$(sql 'SET search_path = large, public' "SELECT load_works($(works 12000))")"

matches 'a small first load' 'created in schema "small"' "$(first small "SELECT load_works($(works 20), create_composers => true)")"
same 'its tables' "$expected" "$(definition small)"
same 'its rows' 20 "$(sql 'SELECT count(*) FROM small.works')"
first persons "SELECT load_composers('[{\"id\": \"Category:A\"}]')" >/dev/null
same 'a first load of composers makes the same tables' "$expected" "$(definition persons)"

# No composer is there.
sql 'CREATE SCHEMA lonely'
fails 'unknown composers' 23503 'SET search_path = lonely, public' "SELECT load_works($(works 600))"
matches 'the first one is named' 'record 0' "$OUTPUT"
same 'no table is left' 0 "$(sql "SELECT count(*) FROM pg_class WHERE relnamespace = 'lonely'::regnamespace")"
same 'set aside' '0|600' "$(sql 'SET search_path = lonely, public' "SELECT load_works($(works 600), on_error => 'ignore')" \
  "SELECT inserted || '|' || rejected FROM last_load()" | tail -n 1)"
same 'the tables stay' "$expected" "$(definition lonely)"

# A composer whose key no index holds: 10,000 characters that do not compress.
LONG="(SELECT string_agg(md5(j::text), '') FROM generate_series(1, 320) j)"
sql 'CREATE SCHEMA narrow'
fails 'a row that an index refuses' 54000 'SET search_path = narrow, public' "SELECT load_works($(works 600 "$LONG"), create_composers => true)"
same 'no table is left' 0 "$(sql "SELECT count(*) FROM pg_class WHERE relnamespace = 'narrow'::regnamespace")"
same 'it alone is set aside' '599|1|7' "$(sql 'SET search_path = narrow, public' \
  "SELECT load_works($(works 600 "$LONG"), create_composers => true, on_error => 'ignore')" \
  "SELECT inserted || '|' || rejected || '|' || (SELECT string_agg(ordinal::text, ' ') FROM rejected_records) FROM last_load()" | tail -n 1)"
same 'the tables are whole' "$expected" "$(definition narrow)"

sql 'CREATE SCHEMA undone' 'SET search_path = undone, public' BEGIN "SELECT load_works($(works 600), create_composers => true)" ROLLBACK >/dev/null
same 'rolled back' 0 "$(sql "SELECT count(*) FROM pg_class WHERE relnamespace = 'undone'::regnamespace")"

# Somebody adds a trigger to every new table.
sql 'CREATE TABLE public.seen (id uuid)' \
  "CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN INSERT INTO public.seen VALUES (NEW.work_id); RETURN NULL; END \$\$" \
  "CREATE FUNCTION public.watch() RETURNS event_trigger LANGUAGE plpgsql AS \$\$ BEGIN
     IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'see') AND to_regclass('watched.works') IS NOT NULL THEN
       CREATE TRIGGER see AFTER INSERT ON watched.works FOR EACH ROW EXECUTE FUNCTION public.see();
     END IF; END \$\$" \
  "CREATE EVENT TRIGGER watch ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.watch()"
first watched "SELECT load_works($(works 600), create_composers => true)" >/dev/null
same 'a trigger that comes with the table' '600|600' "$(sql 'SELECT (SELECT count(*) FROM watched.works) || $$|$$ || (SELECT count(*) FROM seen)')"
sql 'DROP EVENT TRIGGER watch'
amcheck
