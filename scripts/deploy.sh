#!/usr/bin/env bash
# Deploys a stage that `make package` has packaged: scripts/deploy.sh STAGE. Credentials are the AWS SDK's.
#
# A stack that is there has its table brought up to date first: the code that is deployed goes on with a newer table, new code
# need not with an older one. A new stack's table is made by it.
set -euo pipefail
cd "$(dirname "$0")/.."
stage=${1:?usage: scripts/deploy.sh STAGE}
stack=scopegate-$stage
package=${BUILD:-build}/package/scopegate
export SLS_DEPRECATION_NOTIFICATION_MODE=error SLS_TELEMETRY_DISABLED=1 NODE_NO_WARNINGS=1

packaged=$(node -p "const p = require('./$package/serverless-state.json').service.provider; p.stage + ' ' + p.region")
if [[ ${packaged% *} != "$stage" ]]; then
	echo "$package holds stage ${packaged% *}, not $stage: make package STAGE=$stage" >&2
	exit 1
fi
export AWS_REGION=${packaged#* }
if [[ $stage == example ]]; then
	echo "stage example cannot be deployed: its tenants and audiences are placeholders. Add a stage of yours to deploy/stages.yml and name it: make deploy STAGE=…" >&2
	exit 1
fi

scopegate() { go run ./cmd/scopegate "$@"; }

status=0
said=$(scopegate migrate --stack "$stack" 2>&1) || status=$?
if [[ $status -eq 0 ]]; then
	echo "$said"
elif [[ $said == *"there is no such stack"* ]]; then
	echo "There is no stack $stack in $AWS_REGION yet."
else
	echo "$said" >&2
	echo "The table of $stack could not be brought up to date; nothing was deployed." >&2
	exit 1
fi
node_modules/.bin/osls deploy --stage "$stage" --package "$package" --verbose
scopegate migrate --stack "$stack"
cat <<END

Deployed. What comes next (AWS_REGION=$AWS_REGION):
  scopegate doctor --stack $stack                    is all of it in order?
  scopegate import --admin <AdminUrl> FILE           permissions; SCOPEGATE_TOKEN is an admin's token
  examples/                                          how an API attaches the authorizer: Fn::ImportValue of $stack-AuthorizerArn
END
