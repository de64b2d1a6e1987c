#!/usr/bin/env bash
# Runs every fuzz target of the module for the given time: scripts/fuzz.sh 5s
set -euo pipefail
duration=${1:?usage: scripts/fuzz.sh DURATION}
cd "$(dirname "$0")/.."

for dir in $(go list -f '{{.Dir}}' ./...); do
	for target in $(cat "$dir"/*_test.go 2>/dev/null | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p'); do
		printf 'fuzz %s %s for %s\n' ".${dir#"$PWD"}" "$target" "$duration"
		# Its own lines about progress are kept for the case that it fails.
		if ! out=$(go test -run '^$' -fuzz "^$target\$" -fuzztime "$duration" -fuzzminimizetime 10x "$dir" 2>&1); then
			printf '%s\n' "$out"
			exit 1
		fi
	done
done
