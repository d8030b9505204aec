#!/usr/bin/env bash
# Installs the tools of the checks into .orbitq/tools, at the versions pinned in versions.env, requirements.txt and
# package-lock.json. Node is optional: without it one check of the state machines is skipped and says so.
#
#   tools/setup.sh          everything
#   tools/setup.sh check    only look for what the program itself needs: Go, Python, a JDK, Rust and Maven (on Debian as
#                           root: install them)
#
# Running it again does nothing: a stamp next to each tool names what it was made from. Nothing is installed outside
# the repository, except system packages on Debian when root runs it.
set -euo pipefail

cd "$(dirname "$0")/.."
. tools/versions.env
home=$PWD/.orbitq/tools
mkdir -p "$home/bin"

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# at_least WANTED FOUND compares dotted versions.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# debian PACKAGE... installs system packages, where that is possible without asking anybody.
updated=
debian() {
  command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || return 1
  say "installing $*"
  [ -n "$updated" ] || { apt-get update -qq >/dev/null || return 1; updated=yes; }
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

go_version() { GOTOOLCHAIN=local go env GOVERSION 2>/dev/null | sed 's/^go//'; }
python_version() { python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true; }
rust_version() { cargo --version 2>/dev/null | sed 's/^cargo \([0-9.]*\).*/\1/'; }
node_version() { node --version 2>/dev/null | sed 's/^v//'; }
java_version() { java -version 2>&1 | sed -n '1s/.*version "\([0-9]*\).*/\1/p'; }

check_system() {
  command -v go >/dev/null || die "Go is missing: install Go $GO_MINIMUM or newer (https://go.dev/doc/install), then run this again"
  at_least "$GO_MINIMUM" "$(go_version)" || die "Go is $(go_version), $GO_MINIMUM or newer is needed (https://go.dev/doc/install)"

  command -v python3 >/dev/null || debian python3 python3-venv || die "Python 3 is missing: install Python $PYTHON_MINIMUM or newer with its venv module"
  at_least "$PYTHON_MINIMUM" "$(python_version)" || die "Python is $(python_version), $PYTHON_MINIMUM or newer is needed"
  python3 -c 'import ensurepip' 2>/dev/null || debian python3-venv || die "Python lacks the venv module (Debian: apt-get install python3-venv)"

  [ -n "$(command -v java)" ] || debian default-jre-headless || die "a JDK is missing: install Java $JAVA_MINIMUM or newer (Debian: apt-get install default-jre-headless)"
  at_least "$JAVA_MINIMUM" "$(java_version)" || die "Java is $(java_version), $JAVA_MINIMUM or newer is needed"
  command -v cargo >/dev/null || die "Rust is missing, it builds the local table engine: install Rust $RUST_MINIMUM or newer (https://rustup.rs)"
  at_least "$RUST_MINIMUM" "$(rust_version)" || die "Rust is $(rust_version), $RUST_MINIMUM or newer is needed (https://rustup.rs)"
  command -v mvn >/dev/null || debian maven || die "Maven is missing, it fetches the local engines (Debian: apt-get install maven)"
}

# fresh NAME WHAT: the stamp of NAME says it was made from WHAT.
fresh() { [ "$(cat "$home/$1.stamp" 2>/dev/null)" = "$2" ]; }
stamp() { printf '%s\n' "$2" > "$home/$1.stamp"; }

install_lint() {
  local want log=$home/golangci-lint.log
  want="golangci-lint $GOLANGCI_LINT go$(go_version)"
  fresh golangci-lint "$want" && return
  say "building golangci-lint $GOLANGCI_LINT (about 100 s on two cores)"
  GOBIN=$home/bin GOFLAGS=-buildvcs=false go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$GOLANGCI_LINT" >"$log" 2>&1 ||
    { tail -n 20 "$log" >&2; die "golangci-lint did not build; whole log: $log"; }
  stamp golangci-lint "$want"
  say "golangci-lint is ready"
}

install_python() {
  local want log=$home/venv.log
  want="$home $(python_version) $(cksum < tools/requirements.txt)" # a venv does not survive a move
  fresh venv "$want" && return
  say "installing the SAM CLI and cfn-lint (about 40 s)"
  rm -rf "$home/venv" "$home/venv.stamp"
  { python3 -m venv "$home/venv" && "$home/venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps -r tools/requirements.txt; } >"$log" 2>&1 ||
    { tail -n 20 "$log" >&2; die "the Python tools did not install; whole log: $log"; }
  stamp venv "$want"
  say "SAM CLI and cfn-lint are ready"
}

# without_node REASON notes why asl-validator is not there; its test is then skipped with that reason.
without_node() {
  rm -rf "$home/asl" "$home/asl.stamp"
  printf '%s\n' "$1" > "$home/asl.skipped"
  say "$1: the state machines are not held against asl-validator"
}

install_asl() {
  local want log=$home/asl.log
  command -v npm >/dev/null || debian nodejs npm || { without_node "there is no Node $NODE_MINIMUM with npm here"; return 0; }
  at_least "$NODE_MINIMUM" "$(node_version)" || { without_node "Node is $(node_version), $NODE_MINIMUM or newer is needed"; return 0; }
  want="asl-validator $(cat tools/package.json tools/package-lock.json | cksum)"
  fresh asl "$want" && return
  say "installing asl-validator (about 5 s)"
  rm -rf "$home/asl" "$home/asl.stamp" "$home/asl.skipped"
  mkdir "$home/asl"
  cp tools/package.json tools/package-lock.json "$home/asl/"
  (cd "$home/asl" && npm ci --ignore-scripts --no-audit --no-fund) >"$log" 2>&1 ||
    { tail -n 20 "$log" >&2; die "asl-validator did not install; whole log: $log"; }
  stamp asl "$want"
  say "asl-validator is ready"
}

check_system
[ "${1:-}" != check ] || exit 0
command -v cc >/dev/null || command -v gcc >/dev/null || debian gcc libc6-dev || die "a C compiler is missing, the race detector needs one (Debian: apt-get install gcc libc6-dev)"

# One at a time over the whole repository: make test beside make demo must not build the same venv twice.
if command -v flock >/dev/null; then exec 9>"$home/lock"; flock 9; fi

trap 'kill "${python:-}" 2>/dev/null || true' EXIT
install_python &
python=$!
install_asl
install_lint
wait "$python"
trap - EXIT
