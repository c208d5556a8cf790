#!/usr/bin/env bash
# Databases of other encodings than UTF-8, and clients of another encoding than
# the database's: what the encoding has is read back as it was, and a record with
# what it lacks is refused by name, or set aside.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

base=$PGDATABASE
# More than the row-by-row check of foreign keys is used for.
MANY=600

# Makes a database and leads the clients to it.
use() { # ENCODING
  export PGDATABASE=${base}_$1
  createdb --template=template0 --locale=C --encoding="$1" "$PGDATABASE"
  sql 'CREATE EXTENSION pg_opus' 'SELECT create_catalogue()' >/dev/null
}

leave() {
  local database=$PGDATABASE
  PGDATABASE=$base dropdb --force "$database"
  export PGDATABASE=$base
}

composer() { # NAME
  printf '{"id":"Category:%s","type":"1","parent":"","intvals":[],"permlink":"https://imslp.org/"}' "$1"
}

work() { # PAGE COMPOSER TITLE
  printf '{"id":"%s","type":"2","parent":"Category:%s","intvals":{"composer":"%s","worktitle":"%s","icatno":"","pageid":"%s"},"permlink":""}' \
    "$3 ($2)" "$2" "$2" "$3" "$1"
}

works() { # HOW-MANY COMPOSER TITLE
  local page
  for ((page = 1; page <= $1; page++)); do
    if ((page > 1)); then printf ','; fi
    work "$page" "$2" "$3 $page"
  done
}

# The report of the load before it in the session.
COUNTS='SELECT received, inserted, updated, unchanged, duplicate, rejected FROM last_load()'
ADD_UP='SELECT received = inserted + updated + unchanged + duplicate + rejected FROM last_load()'

# Names in the encoding come back as they were, from text and from jsonb, raw and
# escaped, and are found again as keys.
keeps() { # NAME COMPOSER TITLE ESCAPED-COMPOSER
  local form count
  for form in text jsonb; do
    sql 'TRUNCATE composers CASCADE'
    same "$1, $form: rows" "1 $MANY" "$(sql "SELECT load_composers('[$(composer "$2")]'::$form)" \
      "SELECT load_works('[$(works $MANY "$2" "$3")]'::$form)" | paste -sd ' ')"
    same "$1, $form: the composer" "$2|${2//, /,_}" \
      "$(sql "SELECT last_name || ', ' || first_name, composer_id FROM composers" | sed 's/ ,_/,_/')"
    same "$1, $form: a title" "$3 7" "$(sql 'SELECT title FROM works WHERE imslp_id = 7')"
    same "$1, $form: the rest of the titles" "$MANY" "$(sql "SELECT count(*) FROM works WHERE title LIKE '$3 %'")"
    for count in 1 "$MANY"; do
      same "$1, $form: $count of them again, in escapes where it is text" 0 \
        "$(sql "SELECT load_works('[$(works "$count" "$( [[ $form == text ]] && echo "$4" || echo "$2")" "$3")]'::$form)")"
    done
    same "$1, $form: the composer again, escaped" 0 "$(sql "SELECT load_composers('[$(composer "$4")]'::text)")"
  done
}

# A record with a character that the encoding lacks, which only an escape brings
# this far, stands at place 2 of 4.
lacks() { # NAME ESCAPE
  local name="$1 lacks $2"
  local composers works
  composers="[$(composer A),$(composer B),$(composer "C$2"),$(composer D)]"
  works="[$(work 1 A a),$(work 2 A b),$(work 3 A "c$2"),$(work 4 B d)]"
  sql 'TRUNCATE composers, rejected_records CASCADE'
  fails "$name, stop" 22P05 "SELECT load_composers('$composers'::text)"
  matches "$name, stop: the record and its path" 'record 2: a character .* at \$\[2\]' "$OUTPUT"
  same "$name, stop: nothing is written" 0 "$(sql 'SELECT count(*) FROM composers')"
  same "$name, ignore: counts" $'3\n4|3|0|0|0|1\nt' \
    "$(sql "SELECT load_composers('$composers'::text, on_error => 'ignore')" "$COUNTS" "$ADD_UP")"
  same "$name, ignore: the others" 'A B D' "$(sql "SELECT string_agg(composer_id, ' ' ORDER BY composer_id) FROM composers")"
  same "$name, ignore: the record is kept" 'composers|2|$[2]|22P05|t' \
    "$(sql "SELECT kind, ordinal, path, sqlstate, strpos(record #>> '{}', '$2') > 0 FROM rejected_records")"

  fails "$name, works, stop" 22P05 "SELECT load_works('$works'::text)"
  matches "$name, works, stop: the record and its path" 'record 2: a character .* at \$\[2\]' "$OUTPUT"
  same "$name, works, stop: nothing is written" 0 "$(sql 'SELECT count(*) FROM works')"
  same "$name, works, ignore: counts" $'3\n4|3|0|0|0|1\nt' \
    "$(sql "SELECT load_works('$works'::text, on_error => 'ignore')" "$COUNTS" "$ADD_UP")"
  same "$name, works, ignore: the others" 'a b d' "$(sql "SELECT string_agg(title, ' ' ORDER BY title) FROM works")"
  same "$name, works, ignore: the record is kept" '2|$[2]|22P05' \
    "$(sql "SELECT ordinal, path, sqlstate FROM rejected_records WHERE kind = 'works'")"

  # As the composer of works that are proved as a set.
  fails "$name, as a composer of many works" 22P05 \
    "SELECT load_works('[$(works $MANY A t),$(work 9001 "C$2" t)]'::text)"
  matches "$name, as a composer of many works: the record" "record $MANY: a character" "$OUTPUT"
  same "$name, as a composer of many works: nothing is written" 3 "$(sql 'SELECT count(*) FROM works')"
  # As a key that is looked up where rows are already there.
  same "$name, as an unknown composer's name, ignore" "$((MANY - 3))"$'\nt' \
    "$(sql "SELECT load_works('[$(works $MANY A t),$(work 9001 "C$2" t)]'::text, on_error => 'ignore', on_conflict => 'skip')" "$ADD_UP")"

  # jsonb of such a character is refused by the server's own input.
  fails "$name, jsonb" 22P05 "SELECT load_composers('$composers'::jsonb)"
}

# Of several such records the first one of the document is named, in whatever
# order and batches they would have been written.
names_the_first() { # NAME ESCAPE
  local between
  between=$(composer 'M%s')
  sql 'TRUNCATE composers, rejected_records CASCADE'
  fails "$1: two records" 22P05 \
    "SELECT load_composers('[$(composer "Zz$2"),' || string_agg(format('$between', n), ',') || ',$(composer "Aa$2")]')
     FROM generate_series(1, 12000) n"
  matches "$1: two records, far from each other in the order of writing" 'record 0: a character' "$OUTPUT"
}

# What the server says of a row, in the database's encoding, reaches the caller
# and rejected_records as it is.
repeats_the_server() { # NAME
  sql 'TRUNCATE composers, rejected_records CASCADE' \
    'ALTER TABLE composers ADD CONSTRAINT "größe" CHECK (length(last_name) < 5)'
  fails "$1: a constraint's name" 23514 "SELECT load_composers('[$(composer 'Händel')]')"
  matches "$1: a constraint's name, in the message" '"(größe|gr\\u\{f6\}\\u\{df\}e)"' "$OUTPUT"
  matches "$1: the row, in the detail" 'Failing row contains \((Händel|H\\u\{e4\}ndel),' "$OUTPUT"
  sql "SELECT load_composers('[$(composer 'Händel')]', on_error => 'ignore')" >/dev/null
  same "$1: a constraint's name, in rejected_records" t \
    "$(sql "SELECT reason LIKE '%\"größe\"%' OR reason LIKE '%gr\_u{f6}\_u{df}e%' FROM rejected_records")"
  same "$1: the record, in rejected_records" 'Category:Händel' "$(sql "SELECT record ->> 'id' FROM rejected_records")"
  sql 'ALTER TABLE composers DROP CONSTRAINT "größe"'
}

# A rejected record is kept as it is, whatever is rejected beside it.
keeps_apart() { # NAME ESCAPE
  sql 'TRUNCATE rejected_records' \
    "SELECT load_works('[$(work x Händel a),$(work "$2" Böhm b)]', on_error => 'ignore')" >/dev/null
  same "$1: a rejected record beside one that the encoding lacks" 'invalid value for type bigint: "x"|Category:Händel' \
    "$(sql "SELECT reason, record ->> 'parent' FROM rejected_records WHERE ordinal = 0")"
}

for encoding in LATIN1 WIN1252; do
  use $encoding
  keeps $encoding 'Böhm, Théo' 'Élégie für Flöte' 'B\u00f6hm, Th\u00e9o'
  lacks $encoding '\u0416'
  lacks $encoding '\ud83c\udfb5'
  names_the_first $encoding '\u0416'
  repeats_the_server $encoding
  keeps_apart $encoding '\u0416'
  leave
done

# It has the euro sign, and LATIN1 has not.
use WIN1252
same 'WIN1252 has the euro sign' '1|€' "$(sql "SELECT load_composers('[$(composer '\u20ac')]'::text)" 'SELECT last_name FROM composers' | paste -sd '|')"
leave

use EUC_JP
keeps EUC_JP '武満, 徹' '弦楽のためのレクイエム' '\u6b66\u6e80, \u5fb9'
keeps EUC_JP 'Прокофьев, Сергей' 'Пётр' "\u041f\u0440\u043e\u043a\u043e\u0444\u044c\u0435\u0432, \u0421\u0435\u0440\u0433\u0435\u0439"
lacks EUC_JP '\ud83c\udfb5'
leave

# Any bytes are text here. The loader takes and gives UTF-8.
use SQL_ASCII
same 'SQL_ASCII: rows' 2 "$(sql "SELECT load_composers('[$(composer 'Böhm, Théo'),$(composer '\u0416 \ud83c\udfb5')]'::text)")"
same 'SQL_ASCII: the bytes are those of UTF-8' 'Böhm,_Théo|Ж_🎵' \
  "$(sql "SELECT string_agg(composer_id, '|' ORDER BY composer_id) FROM composers")"
same 'SQL_ASCII: jsonb' 0 "$(sql "SELECT load_composers('[$(composer 'Böhm, Théo')]'::jsonb)")"
for form in text jsonb; do
  # A single byte E9, which is é in LATIN1 and nothing in UTF-8.
  fails "SQL_ASCII: no UTF-8 in $form" 22P02 \
    "SELECT load_composers(convert_from('\\x$(composer 'Th~o' | sed 's/.*/[&]/' | od -An -v -tx1 | tr -d ' \n' | sed 's/7e/e9/')', 'SQL_ASCII')::$form)"
done
same 'SQL_ASCII: nothing of it is written' 2 "$(sql 'SELECT count(*) FROM composers')"
leave

# Clients of another encoding than the database's.
for pair in LATIN1:LATIN1 UTF8:LATIN1 LATIN1:UTF8 WIN1252:UTF8 UTF8:UTF8 EUC_JP:UTF8; do
  client=${pair%:*}
  name="a client of $client, a database of ${pair#*:}"
  page=${client/WIN/CP}
  page=${page/_/-}
  text='Böhm, Théo'
  if [[ $client == EUC_JP ]]; then text='武満, 徹'; fi
  use "${pair#*:}"
  statement=$(iconv -f UTF-8 -t "$page" <<<"SELECT load_composers('[$(composer "$text")]')")
  same "$name: rows" 1 "$(PGCLIENTENCODING=$client sql "$statement")"
  same "$name: it reads back" "${text/ /_}" \
    "$(PGCLIENTENCODING=$client sql 'SELECT composer_id FROM composers' | iconv -f "$page" -t UTF-8)"
  same "$name: so does a client of UTF8" "${text/ /_}" "$(sql 'SELECT composer_id FROM composers')"
  PGCLIENTENCODING=$client fails "$name, an error" 22P02 \
    "$(iconv -f UTF-8 -t "$page" <<<"SELECT load_works('[$(work "$text" A a)]')")"
  matches "$name, an error: its record" 'record 0: invalid value for type bigint: .* at \$\[0\]\.intvals\.pageid' "$OUTPUT"
  leave
done
