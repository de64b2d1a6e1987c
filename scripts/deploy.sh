#!/usr/bin/env bash
# Deploys a stage that `make package` has packaged: scripts/deploy.sh STAGE [what else osls is to be told]. Credentials are the
# AWS SDK's.
#
# A stack that is there has its table brought up to date first: the code that is running goes on with a newer table, new code
# need not with an older one. A new stack's table is made by it, and brought up to date afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."
stage=${1:?usage: scripts/deploy.sh STAGE}
stack=scopegate-$stage
package=${PACKAGE:-build/package/scopegate}
export SLS_DEPRECATION_NOTIFICATION_MODE=error SLS_TELEMETRY_DISABLED=1 NODE_NO_WARNINGS=1

read -r packaged AWS_REGION < <(node -p "
	const p = JSON.parse(fs.readFileSync(process.argv[1])).service.provider; p.stage + ' ' + p.region" "$package/serverless-state.json")
export AWS_REGION
if [[ $packaged != "$stage" ]]; then
	echo "$package holds stage $packaged, not $stage: make package STAGE=$stage" >&2
	exit 1
fi
if [[ $stage == example ]]; then
	echo "stage example cannot be deployed: its tenants and audiences are placeholders. Add a stage of yours to deploy/stages.yml and name it: make deploy STAGE=…" >&2
	exit 1
fi

scopegate() { ${SCOPEGATE:-go run ./cmd/scopegate} "$@"; }

status=0
said=$(scopegate migrate --stack "$stack" 2>&1) || status=$?
if [[ $status -eq 0 ]]; then
	echo "$said"
elif [[ $said == *"there is no such stack"* || $said == *"output TableName: must be given"* ]]; then
	echo "There is no table of stack $stack in $AWS_REGION yet." # the latter: its first deployment failed
else
	echo "$said" >&2
	echo "The table of $stack could not be brought up to date; nothing was deployed." >&2
	exit 1
fi
node_modules/.bin/osls deploy --package "$package" --verbose --stage "$@"
scopegate migrate --stack "$stack"
cat <<END

Deployed. What comes next, with AWS_REGION=$AWS_REGION:
  scopegate doctor --stack $stack              is all of it in order?
  scopegate import --admin <AdminUrl> FILE     permissions; SCOPEGATE_TOKEN holds an admin's token
  examples/                                    an API attaches the authorizer by Fn::ImportValue: $stack-AuthorizerArn
END
