# scripts/lib.sh: sourced by the other scripts. Needs bash and what every Debian has; installs the rest.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# A clone in another folder finds the same objects in the cache.
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=true
export LC_ALL=C.UTF-8

step() { printf '==> %s\n' "$*"; }
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "installing packages needs root: run this script as root, or install sudo"
  fi
}

# Prints the packages of the groups that are not installed.
missing_packages() {
  local wanted package
  for wanted in "$@"; do
    while read -r package; do
      [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || echo "$package"
    done < <(sed -n "s/^$wanted //p" scripts/packages.txt)
  done
}

apt_update() {
  step "Reading the package lists (apt-get update)"
  as_root apt-get update -q >build/apt.log 2>&1 || { cat build/apt.log >&2; die "apt-get update failed"; }
}

apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-remove --no-install-recommends "$@" \
    >build/apt.log 2>&1
}

# install_packages GROUP...: one step, and nothing at all when everything is there.
install_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  mkdir -p build
  # Lists that do not know a package are absent or old.
  apt-cache show "${missing[@]}" >/dev/null 2>&1 || apt_update
  step "Installing ${#missing[@]} packages: ${missing[*]}"
  if ! apt_install "${missing[@]}"; then
    apt_update
    apt_install "${missing[@]}" || { cat build/apt.log >&2; die "apt-get install failed (log above)"; }
  fi
}

jobs_count() { nproc 2>/dev/null || echo 2; }

# configure PRESET [cmake arguments]: with ccache and the fastest linker that is there.
configure() {
  local preset=$1 options=()
  shift
  mkdir -p "build/$preset"
  command -v ccache >/dev/null && options+=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  if command -v mold >/dev/null; then
    options+=(-DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=mold)
  elif command -v ld.lld >/dev/null; then
    options+=(-DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld)
  fi
  cmake --preset "$preset" "${options[@]}" "$@" >"build/$preset/configure.log" 2>&1 ||
    { cat "build/$preset/configure.log" >&2; die "configuring $preset failed (log above)"; }
}

# build PRESET [targets]
build() {
  local preset=$1 targets=()
  shift
  [ $# -eq 0 ] || targets=(--target "$@")
  cmake --build "build/$preset" --parallel "$(jobs_count)" "${targets[@]}" >"build/$preset/build.log" 2>&1 ||
    { grep -v '^\[' "build/$preset/build.log" | tail -n 100 >&2; die "building $preset failed: build/$preset/build.log"; }
}

# listens PORT: somebody does, on 127.0.0.1.
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
  local port
  for _ in {1..100}; do
    port=$((20000 + RANDOM % 20000))
    if ! listens $port; then echo $port && return; fi
  done
  die "no free port on 127.0.0.1"
}

# wait_listening PID PORT NAME LOG
wait_listening() {
  for _ in {1..300}; do
    if listens "$2"; then return 0; fi
    kill -0 "$1" 2>/dev/null || { tail -n 20 "$4" >&2; die "$3 ended by itself (end of its log above)"; }
    sleep 0.1
  done
  tail -n 20 "$4" >&2
  die "$3 does not listen (end of its log above)"
}
