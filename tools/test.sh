#!/usr/bin/env bash
# make test: sets up what is missing, then runs every check. All of them run even when one fails, so that one run
# tells everything; the exit status is 0 only if all passed. The last line counts the tests.
set -euo pipefail

cd "$(dirname "$0")/.."
export ORBITQ_TOOLS=required # a tool that is missing now fails its test instead of skipping it
started=$SECONDS
failures=()

# step NAME COMMAND... runs one check and says how long it took.
step() {
  local name=$1 at=$SECONDS
  shift
  if "$@"; then
    printf 'test: %-10s ok      %4d s\n' "$name" $((SECONDS - at))
  else
    failures+=("$name")
    printf 'test: %-10s FAILED  %4d s\n' "$name" $((SECONDS - at))
  fi
}

# Packages where goroutines meet; they run under the race detector, once, and the rest without.
concurrent='/internal/(entry|worker|wire|copernicus|account|gate|memstore|memqueue|local)(/|$)'

build_counter() { go build -o .orbitq/build/testcount ./tools/testcount; }

# Tests of one package that run at a time without the race detector. Those of the whole system wait more than they
# compute: for visibility timeouts, windows of the limiter, schedules.
abreast=4

# run_tests fails when a test fails, and also when go itself does before any test ran. The race detector runs beside the
# rest, one package at a time and behind it: the whole system, which takes longest, leaves the processor idle now and then.
# Its output goes through a file, because long lines of two writers would mix in one pipe.
run_tests() {
  local racy plain
  racy=$(go list ./... | grep -E "$concurrent")
  plain=$(go list ./... | grep -vE "$concurrent")
  (
    status=0
    (
      trap - INT # the shell lets background jobs ignore Ctrl-C
      # shellcheck disable=SC2086 # package paths have no spaces
      exec nice -n 5 go test -json -race -p 1 -count=1 -shuffle=on -timeout 20m $racy >"$races"
    ) &
    # shellcheck disable=SC2086
    go test -json -count=1 -parallel "$abreast" -shuffle=on -timeout 20m $plain || status=1
    wait "$!" || status=1
    cat "$races"
    exit "$status"
  ) | .orbitq/build/testcount | tee "$log"
}

lint=.orbitq/tools/bin/golangci-lint
log=.orbitq/test.log
races=.orbitq/race.json

step set-up tools/setup.sh
[ ${#failures[@]} = 0 ] || exit 1
step build make --no-print-directory build
step engines bin/orbitq local install
step counter build_counter
step format "$lint" fmt --diff
step vet go vet ./...
step lint "$lint" run
step tests run_tests

printf 'test: %d s altogether\n' $((SECONDS - started))
[ ${#failures[@]} = 0 ] || printf 'test: FAILED: %s\n' "${failures[*]}"
tail -n 1 "$log" # the counts
[ ${#failures[@]} = 0 ]
