#!/usr/bin/env bash
# A running load is seen in pg_stat_progress_copy, as a running COPY is, and no
# longer than it runs.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

sql 'CREATE EXTENSION pg_opus'
make_documents
sql "SELECT load_composers($(file "$CATALOGUE/composers.json"))" >/dev/null
sql 'CREATE UNLOGGED TABLE seen AS SELECT 0 AS look, p.*, relid::regclass::text AS relation
     FROM pg_stat_progress_copy p' \
  'CREATE SEQUENCE looks'

# Loads in a session and looks at it from another one, every 5 ms, until it has
# said "done". What was seen of it is in the table seen. A load decodes for less
# than a tenth of a second, on all cores, and on a busy machine nobody may look
# at it just then: it is run again until as much has been seen as is wanted.
observe() { # STATEMENT [WANTED: a condition of all that was seen]
  local runs enough=f
  for ((runs = 0; runs < 20; runs++)); do
    sql 'TRUNCATE seen, works, rejected_records'
    look_at "$1"
    enough=$(sql "SELECT ${2:-count(*) >= 0} FROM seen")
    if [[ $enough == t ]]; then break; fi
  done
}

look_at() { # STATEMENT
  local pid
  session loading <<SQL
SELECT 'pid ' || pg_backend_pid();
SELECT pg_advisory_lock(1);
$1;
SELECT 'state ' || :'SQLSTATE';
SELECT 'after ' || count(*) FROM pg_stat_progress_copy;
SELECT pg_advisory_unlock_all();
SQL
  pid=$(said loading pid)
  sql "DO \$\$
    BEGIN
      -- The load's session lets go of it when it has done.
      WHILE NOT pg_try_advisory_lock(1) LOOP
        PERFORM pg_stat_clear_snapshot();
        INSERT INTO seen SELECT nextval('looks'), p.*, relid::regclass::text
        FROM pg_stat_progress_copy p WHERE pid = $pid;
        PERFORM pg_sleep(0.005);
      END LOOP;
    END \$\$"
  await "$SESSION"
}

# What holds for each look at a load, whatever became of it.
seen() { # NAME RELATION BYTES
  same "$1: relation, command, type, database, size" "$2|COPY FROM|CALLBACK|t|$3" \
    "$(sql 'SELECT DISTINCT relation, command, type, datname = current_database(), bytes_total FROM seen')"
  same "$1: bytes and rows never go back" 0 \
    "$(sql 'SELECT count(*) FROM (SELECT bytes_processed < lag(bytes_processed) OVER w
              OR tuples_processed < lag(tuples_processed) OVER w OR tuples_excluded < lag(tuples_excluded) OVER w
              OR bytes_processed > bytes_total AS wrong FROM seen WINDOW w AS (ORDER BY look)) looks WHERE wrong')"
  same "$1: gone afterwards" 0 "$(said loading after 0)"
}

# How many values above zero were seen of a counter.
values() { # COUNTER
  echo "count(DISTINCT $1) FILTER (WHERE $1 > 0)"
}

grows() { # NAME COUNTER
  local seen
  seen=$(sql "SELECT $(values "$2") FROM seen")
  verdict "$1: $2 grows" "$( ((seen > 1)) && echo true || echo false)" "values seen: $seen"
}

declare -A bytes
bytes[text]=$(sql "SELECT octet_length(as_text) FROM documents WHERE name = 'works'")
# Stored neither compressed nor in line: that is the container, without a header.
bytes[jsonb]=$(sql "SELECT pg_column_size(as_jsonb) FROM documents WHERE name = 'works'")

for form in text jsonb; do
  observe "SELECT 'rows ' || load_works(as_$form) FROM documents WHERE name = 'works'" \
    "$(values bytes_processed) > 1 AND $(values tuples_processed) > 1"
  same "$form: rows" 267000 "$(said loading rows 0)"
  seen "$form" works "${bytes[$form]}"
  grows "$form" bytes_processed
  grows "$form" tuples_processed
  same "$form: the whole document is decoded when rows are written" "${bytes[$form]}" \
    "$(sql 'SELECT DISTINCT bytes_processed FROM seen WHERE tuples_processed > 0')"
  at_most "$form: rows counted" 267000 "$(sql 'SELECT max(tuples_processed) FROM seen')"
done

# The error is in the last record: all but it is decoded by then.
bad_last="rtrim(as_text, E']\n') || ',{\"id\":7}]'"
observe "SELECT load_works($bad_last) FROM documents WHERE name = 'works'" "$(values bytes_processed) > 1"
same 'an error: SQLSTATE' 23502 "$(said loading state 0)"
seen 'an error' works "$(sql "SELECT octet_length($bad_last) FROM documents WHERE name = 'works'")"
grows 'an error' bytes_processed

# Rows that the table refuses end subtransactions, and each ERROR in a session
# takes its row out of the view. One work in 10,000 is as bad as the first bits
# of its key say.
sql "ALTER TABLE works ADD CONSTRAINT some_are_refused CHECK (work_id::text !~ '^(0000|1111|2222|3333|4444|5555|6666)')"
refused="(SELECT count(*) FROM rejected_records)"
between="count(DISTINCT tuples_processed) FILTER (WHERE tuples_excluded > 0 AND tuples_excluded < $refused) > 2"
observe "SELECT 'rows ' || load_works(as_text, on_error => 'ignore') FROM documents WHERE name = 'works'" \
  "$between AND $(values tuples_excluded) > 1"
refused=$(sql "SELECT $refused")
at_most 'refused rows: there are some' "$refused" 5
same 'refused rows: rows' $((267000 - refused)) "$(said loading rows 0)"
seen 'refused rows' works "${bytes[text]}"
grows 'refused rows' tuples_processed
grows 'refused rows' tuples_excluded
at_most 'refused rows: excluded' "$refused" "$(sql 'SELECT max(tuples_excluded) FROM seen')"
same 'refused rows: the load is seen between them' t "$(sql "SELECT $between FROM seen")"

observe "SELECT 'rows ' || load_composers($(file "$CATALOGUE/composers.json"), on_conflict => 'skip')"
same 'composers: rows' 0 "$(said loading rows 0)"
same 'composers: gone afterwards' 0 "$(said loading after 0)"
