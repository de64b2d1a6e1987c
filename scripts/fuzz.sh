#!/usr/bin/env bash
# Runs every fuzz target of the module for the given time: scripts/fuzz.sh 5s
set -euo pipefail
duration=${1:?usage: scripts/fuzz.sh DURATION}
cd "$(dirname "$0")/.."

files=$(git ls-files --cached --others --exclude-standard '*_test.go' | xargs grep -l '^func Fuzz' | sort)
for file in $files; do
	[ -f "$file" ] || continue
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
		printf 'fuzz %s %s for %s\n' "./$(dirname "$file")" "$target" "$duration"
		# Its own lines about progress are kept for the case that it fails.
		if ! out=$(go test -run '^$' -fuzz "^$target\$" -fuzztime "$duration" "./$(dirname "$file")" 2>&1); then
			printf '%s\n' "$out"
			exit 1
		fi
	done
done
