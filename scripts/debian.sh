# shellcheck shell=bash
# Unpacks Debian packages into a folder, without installing them. Sourced after
# env.sh.
#
# Assumes apt-get, apt-cache and dpkg-deb; needs no root. apt's lists and cache
# are private ones below $BUILD, so that the system's are neither needed nor
# changed. No package script runs: nothing is configured, no server is started.

APT=$BUILD/apt

# apt-get or apt-cache upon the private lists.
private_apt() { # PROGRAM ARGUMENT...
  "$1" -q -o Dir::State::lists="$APT/lists" -o Dir::Cache="$APT/cache" \
    -o Debug::NoLocking=1 -o APT::Sandbox::User= "${@:2}"
}

# Fetches the lists once for each script that asks.
debian_update() {
  local program
  for program in apt-get apt-cache dpkg-deb; do
    command -v "$program" >/dev/null || die "no $program: this needs Debian or a system like it"
  done
  mkdir -p "$APT/lists/partial" "$APT/cache/archives/partial"
  private_apt apt-get update >"$APT/log" 2>&1 ||
    die "apt-get update failed: $(tail -n 3 "$APT/log")"
}

# The names of the shared libraries that these packages need and the machine
# does not have. The JIT compiler's and perl's are left out: Postgres does
# without them.
debian_missing_libraries() { # PACKAGE...
  private_apt apt-get -s install --no-install-recommends "$@" 2>>"$APT/log" |
    sed -n 's/^Inst \(lib[^ ]*\).*/\1/p' | grep -v -e perl -e '^libllvm.*' -e '-dev$' || true
}

debian_unpack() { # FOLDER PACKAGE...
  local debs
  debs=$(mktemp -d "$APT/debs.XXXXXX")
  (cd "$debs" && private_apt apt-get download "${@:2}") >>"$APT/log" 2>&1 ||
    die "these Debian packages could not be fetched: ${*:2}. $(tail -n 3 "$APT/log")"
  mkdir -p "$1"
  for deb in "$debs"/*.deb; do dpkg-deb -x "$deb" "$1"; done
  rm -rf "$debs"
}

# The lists are large, and old by the next time.
debian_forget() { rm -rf "$APT"; }
