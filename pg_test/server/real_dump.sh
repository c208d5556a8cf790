#!/usr/bin/env bash
# The whole Open Opus catalogue: nothing is lost, text and jsonb give the same
# rows, and a second load touches nothing.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

dump=$REAL/openopus_dump.json
[[ -e $dump ]] || skip 'no ../shared/data'

COUNTS='SELECT kind, received, inserted, updated, unchanged, duplicate, rejected FROM last_load()'
# Where each row is, and which transaction wrote it.
versions() { # TABLE
  sql "SELECT count(*), md5(string_agg(ctid || ' ' || xmin, ',' ORDER BY ctid)) FROM $1"
}

sql 'CREATE EXTENSION pg_opus'
declare -A rows
for form in text jsonb; do
  sql 'SELECT create_catalogue()' 'TRUNCATE composers CASCADE' >/dev/null
  same "$form: composers" $'220\ncomposers|220|220|0|0|0|0' "$(sql "SELECT load_composers($(file "$dump")::$form)" "$COUNTS")"
  same "$form: works" $'24975\nworks|24975|24975|0|0|0|0' "$(sql "SELECT load_works($(file "$dump")::$form)" "$COUNTS")"
  same "$form: rows in the tables" '220|24975' "$(sql 'SELECT (SELECT count(*) FROM composers), count(*) FROM works')"
  rows[$form]="$(fingerprint composers) $(fingerprint works)"

  before="$(versions composers) $(versions works)"
  for other in text jsonb; do
    same "$form, then $other: composers" $'0\ncomposers|220|0|0|220|0|0' "$(sql "SELECT load_composers($(file "$dump")::$other)" "$COUNTS")"
    same "$form, then $other: works" $'0\nworks|24975|0|0|24975|0|0' "$(sql "SELECT load_works($(file "$dump")::$other)" "$COUNTS")"
    same "$form, then $other: no row is touched" "$before" "$(versions composers) $(versions works)"
  done
done
same 'text and jsonb give the same rows' "${rows[text]}" "${rows[jsonb]}"

# As an independent reader has them: the server's own jsonb functions.
sql "CREATE TABLE document AS SELECT $(file "$dump")::jsonb AS document" \
  "CREATE VIEW dump AS
     SELECT c ->> 'complete_name' AS composer, w FROM document, jsonb_array_elements(document -> 'composers') c,
       jsonb_array_elements(c -> 'works') w" \
  "CREATE FUNCTION clean(text) RETURNS text LANGUAGE sql AS \$\$ SELECT nullif(btrim(regexp_replace(\$1, '\s+', ' ', 'g')), '') \$\$"
same 'each title as often as the document has it, blanks aside' 0 \
  "$(sql "SELECT count(*) FROM (
            (SELECT clean(composer), clean(w ->> 'title'), clean(w ->> 'subtitle'), w ->> 'genre', w ->> 'popular' = '1',
                    w ->> 'recommended' = '1' FROM dump
             EXCEPT ALL SELECT complete_name, title, subtitle, genre, works.popular, works.recommended FROM works JOIN composers USING (composer_id))
            UNION ALL
            (SELECT complete_name, title, subtitle, genre, works.popular, works.recommended FROM works JOIN composers USING (composer_id)
             EXCEPT ALL SELECT clean(composer), clean(w ->> 'title'), clean(w ->> 'subtitle'), w ->> 'genre', w ->> 'popular' = '1',
                    w ->> 'recommended' = '1' FROM dump)) different")"
same 'each composer as the document has it' 0 \
  "$(sql "SELECT count(*) FROM (
            (SELECT clean(c ->> 'complete_name'), (c ->> 'birth')::date, (c ->> 'death')::date, c ->> 'epoch',
                    c ->> 'popular' = '1', c ->> 'recommended' = '1' FROM document, jsonb_array_elements(document -> 'composers') c
             EXCEPT ALL SELECT complete_name, birth, death, epoch, popular, recommended FROM composers)) different")"
same 'a title that is there seven times' 7 "$(sql "SELECT count(*) FROM works WHERE composer_id LIKE 'Grainger,%' AND title = 'Irish Tune from County Derry'")"
same 'composers without a recommendation, and without a death' '141|11' \
  "$(sql 'SELECT count(*) FILTER (WHERE recommended IS NULL), count(*) FILTER (WHERE death IS NULL) FROM composers')"
same 'the years' '1135-01-01|1971-01-01' "$(sql 'SELECT min(birth), max(birth) FROM composers')"

# Names that their complete names do not end with.
odd="'Carl Philipp Emanuel Bach', 'Johann Christian Bach', 'Leoš Janáček', 'Alessandro Marcello', 'Alessandro Scarlatti'"
same 'odd names: their keys' 'Bach,_Carl_Philipp_Emanuel|Bach,_Johann_Christian|Janáček,_Leoš|Marcello,_Alessandro|Scarlatti,_Alessandro' \
  "$(sql "SELECT string_agg(composer_id, '|' ORDER BY composer_id) FROM composers WHERE complete_name IN ($odd)")"
same 'odd names: last and first names' 'Bach|Bach|Janáček|Marcello|Scarlatti' \
  "$(sql "SELECT string_agg(last_name, '|' ORDER BY composer_id) FROM composers WHERE complete_name IN ($odd)")"
same 'all keys are last and first name' 0 \
  "$(sql "SELECT count(*) FROM composers WHERE composer_id <> replace(concat_ws(', ', last_name, first_name), ' ', '_')")"
same 'Bachs stay several people' 3 "$(sql "SELECT count(*) FROM composers WHERE complete_name LIKE '% Bach'")"
same 'odd names: works' "$(sql "SELECT count(*) FROM dump WHERE composer IN ($odd)")" \
  "$(sql "SELECT count(*) FROM works JOIN composers USING (composer_id) WHERE complete_name IN ($odd)")"
