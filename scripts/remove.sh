#!/usr/bin/env bash
# Removes a stage from AWS: scripts/remove.sh STAGE [what else osls is to be told]. Its table stays, with everything in it.
set -euo pipefail
cd "$(dirname "$0")/.."
stage=${1:?usage: scripts/remove.sh STAGE}
export SLS_DEPRECATION_NOTIFICATION_MODE=error SLS_TELEMETRY_DISABLED=1 NODE_NO_WARNINGS=1

if ! info=$(node_modules/.bin/osls info --verbose --stage "$@"); then # there is no such stack
	echo "$info" >&2 # osls says on standard output why
	exit 1
fi
table=$(sed -n 's/^ *TableName: //p' <<<"$info")
node_modules/.bin/osls remove --stage "$@"
if [[ -z $table ]]; then
	echo "Removed. The stack named no table; one that a deployment made and did not finish may be left, as scopegate-$stage-Table-…"
	exit
fi
cat <<END

Removed. The table $table stays.
  To use it again: tableName: $table for stage $stage in deploy/stages.yml, and make deploy STAGE=$stage.
  To delete it for good, with its audit trail: switch its deletion protection off, and delete it.
END
