#!/usr/bin/env bash
# Parallel loads beside other work, in rounds at random moments: other loads, INSERT, UPDATE, DELETE, changes of the
# tables, locks. Nobody hangs, no row is lost, no work is left without its composer, two loads do not mix, and a load
# fails only where an INSERT … SELECT of its rows would.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

# In a round each client begins after a moment of at most so many seconds.
MOMENT=0.03

# Kind, rounds, SQLSTATEs that an INSERT would have too, "calm" where nobody writes
# but loads, the tables before a round, and what it is.
#   23503: the composer has been deleted. 40P01: transactions of several rows in
#   any order cross the order of an INSERT … SELECT too.
KINDS='same|15||calm|empty some all|the same document twice
opposite|10||calm|empty some all|the same records in opposite order
overlapping|10||calm|empty some all|overlapping documents
here|10||calm|empty some all|a parallel load, and one in its own session
block|10||calm|empty some all|a parallel load, and one in a transaction block
both|15||calm|bare some|works that make composers, beside composers and works in one transaction
reversed|15||calm|some all|the same, of works first
composers|15||calm|bare some|composers beside works that make composers
composers_here|15||calm|bare some|composers beside works that make composers in their own session
rows|20|||empty some all|single rows inserted, changed, deleted
parents|20|23503|||composers deleted
crossing|15|40P01||empty some all|several rows in any order
ordered|15|||empty|several rows in the order of the load
changes|32||calm|empty some all|changes of the tables
lock|10||calm|empty some all|LOCK TABLE
resolve|10||calm|empty some all|resolve_loads()'

# What somebody does with the tables, and, behind a bar, takes back.
CHANGES=(
  'ALTER TABLE works ADD COLUMN extra int|ALTER TABLE works DROP COLUMN extra'
  'ALTER TABLE composers ADD COLUMN extra int|ALTER TABLE composers DROP COLUMN extra'
  'CREATE INDEX extra ON works (title)|DROP INDEX extra'
  'CREATE INDEX extra ON composers (last_name)|DROP INDEX extra'
  'CREATE TRIGGER extra BEFORE INSERT OR UPDATE ON works FOR EACH ROW EXECUTE FUNCTION lock_it(each)|DROP TRIGGER extra ON works'
  'TRUNCATE rejected_records|TRUNCATE rejected_records'
  'VACUUM works|ANALYZE works'
  'REINDEX TABLE composers|REINDEX TABLE works'
)

# ---- what clients do

# Statements one after the other, COUNT in all, each after a moment.
statements() { # COUNT STATEMENT...
  local count=$1 n
  shift
  for ((n = 0; n < count; n++)); do
    printf 'SELECT pg_sleep(random() * 0.01);\n%s;\n' "${@:n % $# + 1:1}"
  done
}

# One more client of the round.
client() { # LINES...
  clients+=("$(printf '%s\n' "SELECT setseed($RANDOM / 32768.0) \\g /dev/null" "SELECT pg_sleep(random() * $MOMENT) \\g /dev/null" "$@")")
}

a_key='n = (SELECT some_key())'
insert_key="$insert SELECT work_id, composer_id, 'beside' FROM keys WHERE $a_key ON CONFLICT DO NOTHING"
insert_other="$insert SELECT gen_random_uuid(), composer_id, 'beside' FROM keys WHERE $a_key"
update_key="UPDATE works SET title = 'beside' WHERE work_id = (SELECT work_id FROM keys WHERE $a_key)"
delete_key="WITH gone AS (DELETE FROM works WHERE work_id = (SELECT work_id FROM keys WHERE $a_key) RETURNING work_id)
  INSERT INTO deleted SELECT work_id FROM gone"
delete_composer="DELETE FROM composers c WHERE composer_id = (SELECT composer_id FROM keys WHERE $a_key)
  AND NOT EXISTS (SELECT FROM works w WHERE w.composer_id = c.composer_id)"
insert_ordered="$insert SELECT work_id, composer_id, 'beside' FROM keys WHERE n IN (SELECT some_key() FROM generate_series(1, 4))
  ORDER BY composer_id, work_id ON CONFLICT DO NOTHING"

# The clients of a round.
arrange() { # ROUND
  local workers="workers => $((2 + RANDOM % 2))" pause='SELECT pg_sleep(random() * 0.04);' change=${CHANGES[$1 % ${#CHANGES[@]}]}
  local parallel here making people
  parallel=$(load 'all v1' "$workers")
  making=$(load 'all v1' "$workers, create_composers => true")
  here=$(load 'all v1' 'workers => 0')
  people=$(load composers 'workers => 0')
  clients=()
  case $kind in
    same) client "$parallel" && client "$(load 'all v1' 'workers => 2')" ;;
    opposite) client "$parallel" && client "$(load 'backwards v2' 'workers => 2')" ;;
    overlapping) client "$(load 'first v1' 'workers => 2')" && client "$(load 'last v2' "$workers")" ;;
    here) client "$parallel" && client "$here" ;;
    block) client "$parallel" && client 'BEGIN;' "$here" "$pause" 'COMMIT;' ;;
    both) client "$making" && client 'BEGIN;' "$people" "$pause" "$here" 'COMMIT;' ;;
    reversed) client "$making" && client 'BEGIN;' "$here" "$pause" "$people" 'COMMIT;' ;;
    composers) client "$(load composers 'workers => 2')" && client "$making" ;;
    composers_here) client "$(load composers 'workers => 2')" && client "$(load 'all v1' 'workers => 0, create_composers => true')" ;;
    rows)
      client "$parallel"
      client "$(statements 20 "$insert_key" "$delete_key" "$update_key" "$insert_other")"
      client "$(statements 20 "$update_key" "$insert_key" "$insert_key" "$delete_key")"
      ;;
    parents) client "$([[ $(($1 % 2)) == 0 ]] && echo "$parallel" || echo "$making")" && client "$(statements 20 "$delete_composer")" ;;
    crossing)
      client "$parallel"
      client "$(statements 8 "DO \$\$ BEGIN $insert_key; $update_key; $insert_key; $delete_key; END \$\$" \
        "DO \$\$ BEGIN $delete_key; $insert_other; $update_key; END \$\$")"
      ;;
    ordered) client "$parallel" && client "$(statements 10 "$insert_ordered")" ;;
    changes)
      client "$(load 'faulty v1' "$workers, on_error => 'ignore'")" && client "$(statements 2 "${change%|*}" "${change#*|}")"
      ;;
    lock)
      client "$parallel" && client "$here"
      client 'BEGIN; LOCK TABLE works IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(0.2); COMMIT;'
      ;;
    resolve) client "$parallel" && client "$(load 'all v2' 'workers => 2')" && client "$(statements 30 'SELECT resolve_loads()')" ;;
  esac
}

# ---- rounds

# The first round of a kind is arranged, so that what the others are about happens in one of them for certain: the first
# client's load has written its rows in parallel sessions and stops before they commit; then the others begin, and it goes
# on when each of them waits for a lock or has ended. In the other rounds each client begins at its moment.
STOP=written.999

# Starts the clients.
start() { # ARRANGED
  local script name
  names=()
  if [[ $1 == true ]]; then stop "$STOP"; fi
  for script in "${clients[@]}"; do
    name=client${#names[@]}
    names+=("$name")
    PGAPPNAME=$name session "$name" <<<"$script"
    if [[ $1 == true && $name == client0 ]]; then until_stops "$STOP"; fi
  done
  if [[ $1 == true ]]; then
    for name in "${names[@]:1}"; do until_settled "$name"; done
    go_on "$STOP"
  fi
}

seen=''
slowest=0
while IFS='|' read -r kind rounds allowed calm states title; do
  read -ra states <<<"${states:-half}"
  faults=''
  for ((round = -1; round < rounds; round++)); do
    number=$((round < 0 ? 0 : round))
    state=${states[number % ${#states[@]}]}
    prepare "$state"
    arrange "$number"
    began=$EPOCHREALTIME
    start "$( ((round < 0)) && echo true || echo false)"
    all_end
    slowest=$(printf '%s\n' "$slowest" "$(difference "$EPOCHREALTIME" "$began") s, $kind" | sort -gr | head -n 1)
    seen+=$(cd "$WORK" && sed -n -E "s/^.*(ERROR|FATAL|PANIC):  ([0-9A-Z]{5}):.*/$kind \2/p" "${names[@]/%/.out}")$'\n'
    found=$(errors "$allowed" && tables "$calm")
    if [[ -n $found ]]; then faults+="round $round, from $state"$'\n'$found$'\n'; fi
  done
  same "$title, $((rounds + 1)) rounds" '' "$(head -n 30 <<<"$faults")"
done <<<"$KINDS"

# ---- that the rounds were what they are meant to be, and what is left

sql 'INSERT INTO tally TABLE outcomes'
same 'each kind of round had parallel loads' '' \
  "$(sql "SELECT kind FROM tally GROUP BY kind HAVING coalesce(max(sessions), 0) < 2 ORDER BY kind")"
same 'each kind of two loads had loads that met' '' \
  "$(sql "SELECT kind FROM tally a WHERE kind NOT IN ('rows', 'parents', 'crossing', 'ordered', 'changes') GROUP BY kind
     HAVING NOT bool_or(EXISTS (SELECT FROM tally b WHERE b.kind = a.kind AND a.began < b.began AND b.began < a.ended)) ORDER BY kind")"
echo "# loads in rounds: $(sql "SELECT string_agg(format('%s with %s', n, what), ', ' ORDER BY what) FROM (
    SELECT count(*) AS n, CASE WHEN state <> '00000' THEN state ELSE sessions || ' sessions' END AS what FROM tally GROUP BY 2) loads")"
echo "# slowest round: $slowest; errors in rounds: $(sort <<<"$seen" | sed '/^$/d' | uniq -c | tr -s ' \n' ' ')"

nothing_is_left
