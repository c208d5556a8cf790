# shellcheck shell=bash
# Runs lanes of commands side by side. Sourced, never run.

lanes=()

# Starts each lane, a function and its arguments in one word, and waits for all.
# Fails where one has failed. Each has a process group of its own, so that
# Control-C ends what it has started.
side_by_side() { # LANE...
  local lane status=0
  trap end_lanes INT TERM
  set -m
  for lane; do
    # shellcheck disable=SC2086 # several words
    $lane </dev/null &
    lanes+=($!)
  done
  set +m
  for lane in "${lanes[@]}"; do wait "$lane" || status=1; done
  lanes=()
  trap - INT TERM
  return $status
}

end_lanes() {
  local lane
  for lane in ${lanes[@]+"${lanes[@]}"}; do kill -INT -- "-$lane" 2>/dev/null || true; done
  wait
  exit 130
}
