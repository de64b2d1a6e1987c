#!/usr/bin/env bash
# Runs every fuzz target of the module for the given time: scripts/fuzz.sh 5s
set -euo pipefail
duration=${1:?usage: scripts/fuzz.sh DURATION}
cd "$(dirname "$0")/.."

# fuzz runs one target. Where the time is up in the midst of something, go test
# calls that a failure at times ("context deadline exceeded", without an input
# that fails; golang/go#75804). That says nothing, so it is tried again.
fuzz() {
	local out
	for _ in 1 2 3 4; do
		# Its own lines about progress are kept for the case that it fails. Without
		# a bound, minimizing inputs that only are of interest takes all the time.
		if out=$(go test -run '^$' -fuzz "^$2\$" -fuzztime "$duration" -fuzzminimizetime 10x "$1" 2>&1); then
			return 0
		fi
		if [[ $out != *"context deadline exceeded"* || $out == *"Failing input"* || $out == *panic* ]]; then
			break
		fi
	done
	printf '%s\n' "$out"
	return 1
}

for dir in $(go list -f '{{.Dir}}' ./...); do
	for target in $(cat "$dir"/*_test.go 2>/dev/null | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p'); do
		printf 'fuzz %s %s for %s\n' ".${dir#"$PWD"}" "$target" "$duration"
		fuzz "$dir" "$target"
	done
done
