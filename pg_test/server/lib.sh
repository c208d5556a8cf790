# shellcheck shell=bash disable=SC2034 # variables for the tests
# Assertions and sessions for the tests of this folder. Sourced by each test,
# never run.
#
# Assumes what pg_test/server/run sets: the clients' environment leads to a new
# database of the test's own; $WORK is its folder, $CATALOGUE the large
# catalogue, $MAJOR the server's version. A test goes on after a failed assertion
# and fails at its end; a command that fails ends it at once.
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/env.sh"

# Below, "sample/FILE" is meant.
SAMPLE=$ROOT/examples/sample
REAL=$ROOT/../shared/data
# What a test exits with that ran nothing.
SKIPPED=77

# Bytes are bytes, and numbers have a point. Notices are asked for where they are looked at.
export PGOPTIONS='-c client_min_messages=warning' PGCLIENTENCODING=UTF8 LC_ALL=C

checks=0
failures=0
sessions=()

finish() {
  local status=$? session
  for session in ${sessions[@]+"${sessions[@]}"}; do
    kill "$session" 2>/dev/null || true
  done
  if ((status != 0 && status != SKIPPED)); then
    printf '  not ok: the test ended early, with status %s\n' "$status"
  elif ((status == 0 && (failures > 0 || checks == 0))); then
    printf '  %s of %s checks failed\n' "$failures" "$checks"
    exit 1
  fi
}
trap finish EXIT

# ---- assertions

verdict() { # NAME TRUE|FALSE [LINE...]
  checks=$((checks + 1))
  if [[ $2 == true ]]; then
    printf '  ok - %s\n' "$1"
  else
    failures=$((failures + 1))
    printf '  not ok - %s\n' "$1"
    printf '      %s\n' "${@:3}"
  fi
}

same() { # NAME EXPECTED ACTUAL
  local equal=false
  if [[ $2 == "$3" ]]; then equal=true; fi
  if [[ $equal == true || $2$3 != *$'\n'* ]]; then
    verdict "$1" $equal "expected: $2" "found:    $3"
  else
    verdict "$1" false 'expected (<) and found (>):' "$(diff <(echo "$2") <(echo "$3"))"
  fi
}

matches() { # NAME EXTENDED-REGULAR-EXPRESSION ACTUAL
  local found=false
  if [[ $3 =~ $2 ]]; then found=true; fi
  verdict "$1" $found "expected to match: $2" "found: $3"
}

at_most() { # NAME LIMIT ACTUAL, decimal numbers
  local below=false
  if [[ -n $3 ]] && awk -v a="$3" -v b="$2" 'BEGIN { exit !(a + 0 <= b + 0) }'; then below=true; fi
  verdict "$1" $below "expected at most: $2" "found: $3"
}

# The statements run in one session; the last one that runs must fail with this
# SQLSTATE. All that the client saw is then in $OUTPUT.
fails() { # NAME SQLSTATE STATEMENT...
  local name=$1 expected=$2 state
  shift 2
  OUTPUT=$(VERBOSITY=verbose sql "$@" 2>&1) || true
  state=$(sed -n -E 's/^(psql:[^ ]* )?(ERROR|FATAL):  ([0-9A-Z]{5}):.*/\3/p' <<<"$OUTPUT")
  same "$name: SQLSTATE" "$expected" "$state"
}

skip() { # REASON: ends the test
  printf 'skip %s: %s\n' "$(basename "$0" .sh)" "$1"
  exit "$SKIPPED"
}

# ---- statements

# Runs statements one by one in one session, until one fails; prints what they
# return. PGUSER, PGDATABASE and the like may stand before it.
sql() { # STATEMENT...
  printf '%s;\n' "$@" | psql -XqAt -v ON_ERROR_STOP=1 -v VERBOSITY="${VERBOSITY:-default}"
}

# A SQL expression for the text of a file, which the server reads.
file() { # PATH
  printf "pg_read_file('%s')" "${1//\'/\'\'}"
}

# Makes the large documents, each as text and as jsonb, in the server and not
# compressed, so that a load of them starts at once. "some" are the first works.
SOME=1000
make_documents() {
  sql 'CREATE UNLOGGED TABLE documents (name text, as_text text, as_jsonb jsonb)' \
    'ALTER TABLE documents ALTER as_text SET STORAGE EXTERNAL, ALTER as_jsonb SET STORAGE EXTERNAL' \
    "INSERT INTO documents SELECT 'works', t, t::jsonb FROM $(file "$CATALOGUE/works.json") t" \
    "INSERT INTO documents SELECT 'some', j::text, j
     FROM (SELECT jsonb_path_query_array(as_jsonb, '\$[0 to $((SOME - 1))]') j FROM documents) first"
}

# ---- sessions beside the test's own

# Starts a psql that runs a script, and goes on after errors. Its output is in
# $WORK/NAME.out, its process in $SESSION.
session() { # NAME <SCRIPT
  { cat && echo "SELECT 'end of script';"; } >"$WORK/$1.sql"
  : >"$WORK/$1.out"
  psql -XqAt -v VERBOSITY=verbose -f "$WORK/$1.sql" >"$WORK/$1.out" 2>&1 &
  SESSION=$!
  sessions+=("$SESSION")
}

# Waits until the session has printed a line "WORD VALUE" and prints the value.
said() { # NAME WORD [SECONDS]
  local deadline=$((SECONDS + ${3:-60})) value
  until value=$(sed -n "s/^$2 //p" "$WORK/$1.out") && [[ -n $value ]]; do
    if ((SECONDS > deadline)); then
      printf 'session %s never said %s: %s\n' "$1" "$2" "$(<"$WORK/$1.out")" >&2
      return 1
    fi
    sleep 0.005
  done
  printf '%s\n' "$value"
}

# Waits for a session's end; its exit status is in $STATUS.
await() { # PROCESS
  local process=$1 session others=()
  STATUS=0
  wait "$process" || STATUS=$?
  for session in "${sessions[@]}"; do
    if [[ $session != "$process" ]]; then others+=("$session"); fi
  done
  sessions=(${others[@]+"${others[@]}"})
}

# How often a process has waited of its own accord. Assumes Linux: /proc.
rests() { # PROCESS
  sed -n 's/^voluntary_ctxt_switches:\t//p' "/proc/$1/status"
}

difference() { # LATER EARLIER, seconds
  awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", a - b }'
}

# The rows of a table without their order: how many, and a sum over all of them.
fingerprint() { # TABLE
  sql "SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM $1 t"
}

# ---- the database

# Looks whether all tables and indexes are sound; without pg_amcheck it says so.
amcheck() {
  if command -v pg_amcheck >/dev/null && [[ $(sql "SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'") == 1 ]]; then
    sql 'CREATE EXTENSION amcheck'
    local status=0
    OUTPUT=$(pg_amcheck --heapallindexed --rootdescend --database="$PGDATABASE" 2>&1) || status=$?
    same 'pg_amcheck' '0|' "$status|$OUTPUT"
  else
    echo "skip $(basename "$0" .sh), the part with pg_amcheck: no pg_amcheck or no extension amcheck"
  fi
}
