#!/usr/bin/env bash
# Deploys a stage that `make package` has packaged: scripts/deploy.sh STAGE [what else osls is to be told]. Credentials are the
# AWS SDK's.
#
# A table that is there, the stack's or one that it adopts, is brought up to date first: the code that is running goes on with a
# newer table, new code need not with an older one, and with a table that is missing, or of a later version, not at all. A new
# stack's own table is made by it, and brought up to date afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."
stage=${1:?usage: scripts/deploy.sh STAGE}
stack=scopegate-$stage
package=${PACKAGE:-build/package/scopegate}
export SLS_DEPRECATION_NOTIFICATION_MODE=error SLS_TELEMETRY_DISABLED=1 NODE_NO_WARNINGS=1

read -r packaged AWS_REGION adopted < <(node -p "
	const { provider, custom } = JSON.parse(fs.readFileSync(process.argv[1])).service;
	[provider.stage, provider.region, custom.settings.table === 'adopted' ? custom.settings.tableName : ''].join(' ')
	" "$package/serverless-state.json")
export AWS_REGION
if [[ $packaged != "$stage" ]]; then
	echo "$package holds stage $packaged, not $stage: make package STAGE=$stage" >&2
	exit 1
fi
if [[ $stage == example ]]; then
	echo "stage example cannot be deployed: its tenants and audiences are placeholders. Add a stage of yours to deploy/stages.yml and name it: make deploy STAGE=…" >&2
	exit 1
fi

# osls looks for credentials where scopegate does not, and prefers others: the table of one account must not be brought up to date
# for the functions of another.
upper=$(tr '[:lower:]' '[:upper:]' <<<"$stage")
for name in "AWS_${upper}_PROFILE" "AWS_${upper}_ACCESS_KEY_ID"; do
	if [[ -n $(printenv "$name" || true) ]]; then
		echo "$name: osls would use it and scopegate would not, perhaps for another account: set AWS_PROFILE" >&2
		exit 1
	fi
done
if [[ " $*" == *" --aws-profile"* ]]; then
	echo "--aws-profile: osls would use it and scopegate would not, perhaps for another account: set AWS_PROFILE" >&2
	exit 1
fi
if [[ -n ${AWS_PROFILE:-} && -n ${AWS_ACCESS_KEY_ID:-} ]]; then
	echo "AWS_PROFILE, AWS_ACCESS_KEY_ID: osls would use the one and scopegate the other, perhaps for another account: set one of them" >&2
	exit 1
fi

scopegate() { ${SCOPEGATE:-go run ./cmd/scopegate} "$@"; }

status=0
if [[ -n $adopted ]]; then
	said=$(TABLE_NAME=$adopted scopegate migrate --create=false 2>&1) || status=$?
else
	said=$(scopegate migrate --stack "$stack" 2>&1) || status=$?
fi
if [[ $status -eq 0 ]]; then
	echo "$said"
elif [[ -z $adopted && ( $said == *"there is no such stack"* || $said == *"output TableName: must be given"* ) ]]; then
	echo "There is no table of stack $stack in $AWS_REGION yet." # the latter: its first deployment failed
else
	echo "$said" >&2
	echo "The table ${adopted:+$adopted }of $stack could not be brought up to date; nothing was deployed." >&2
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
