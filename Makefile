# Scopegate. `make test` needs Go and Node and installs the rest of what it needs.

GO       ?= go
BUILD    := build
FUZZTIME ?= 2s
CHECKS   ?= 100000

# A DynamoDB of your own: name it in AWS_ENDPOINT_URL_DYNAMODB, and no server is installed.
ifeq ($(AWS_ENDPOINT_URL_DYNAMODB),)
DYNAMODB := node_modules/.installed
endif

# Lambda's flags: no RPC server, no paths and no build id in the binary, so that
# the same source gives the same bytes.
LAMBDA_FLAGS := -tags lambda.norpc -trimpath -buildvcs=false -ldflags "-s -w -buildid="
FUNCTIONS    := $(notdir $(wildcard functions/*))
ZIPS         := $(addprefix zip-,$(FUNCTIONS))

# The deployment tool: no telemetry, deprecations are errors.
STAGE      ?= example
OSLS_FLAGS ?= # such as --param 'NAME=value', in the place of deploy/stages.yml
OSLS       := SLS_DEPRECATION_NOTIFICATION_MODE=error SLS_TELEMETRY_DISABLED=1 node_modules/.bin/osls

.PHONY: help dev test lint build package verify-deploy deploy remove unit fuzz-short fuzz bench clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

dev: ## Start everything on this machine (Go alone)
	$(GO) run ./cmd/scopegate dev

test: lint build fuzz-short unit verify-deploy ## Everything that CI checks

lint: ## gofmt, go vet, staticcheck
	@out=$$(gofmt -l $$($(GO) list -f '{{.Dir}}' ./...)); \
	if [ -n "$$out" ]; then echo "gofmt would change:"; echo "$$out"; exit 1; fi
	$(GO) vet ./... && $(GO) vet -tags deploy ./internal/deploytest/...
	$(GO) tool staticcheck ./... && $(GO) tool staticcheck -tags deploy ./internal/deploytest/...

build: $(addprefix build-,$(FUNCTIONS)) ## Every main, for this machine and for Lambda (linux/arm64)
	$(GO) build -o $(BUILD)/ ./cmd/...
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO) build -trimpath -o $(BUILD)/linux_arm64/ ./cmd/...

build-%:
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO) build $(LAMBDA_FLAGS) -o $(BUILD)/linux_arm64/$*/bootstrap ./functions/$*

zip-%: build-%
	@$(GO) run ./internal/lambdazip -o $(BUILD)/$*.zip $(BUILD)/linux_arm64/$*/bootstrap

package: $(ZIPS) node_modules/.installed ## The zips and the template of a STAGE, without AWS
	$(OSLS) package --stage $(STAGE) --package $(BUILD)/package/scopegate $(OSLS_FLAGS)
	@$(GO) run ./internal/stagecheck $(BUILD)/package/scopegate/cloudformation-template-update-stack.json

deploy: package ## Deploy a STAGE to AWS, and bring its table up to date
	@PACKAGE=$(BUILD)/package/scopegate scripts/deploy.sh $(STAGE) $(OSLS_FLAGS)

remove: node_modules/.installed ## Remove a STAGE from AWS; its table stays
	@scripts/remove.sh $(STAGE) $(OSLS_FLAGS)

verify-deploy: $(ZIPS) node_modules/.installed ## What is deployed, checked as far as it can be without AWS
	$(GO) test -tags deploy -count=1 -timeout 30m ./internal/deploytest/... # two minutes, on a busy machine many

unit: $(DYNAMODB) ## All tests and examples, with the race detector; the store over the wire
	$(GO) test -race -timeout 30m ./... # the store over the wire takes minutes, on a busy machine many

fuzz-short: ## Every fuzz target for $(FUZZTIME)
	@scripts/fuzz.sh $(FUZZTIME)

fuzz: ## Every fuzz target for a minute, every property 100,000 times
	@scripts/fuzz.sh 60s
	$(GO) test ./mapping ./policy -rapid.checks=$(CHECKS) -timeout 240m

bench: $(DYNAMODB) bench/peers/node/node_modules/.installed ## All figures of docs/benchmarks.md that take minutes, and the benchmarks beside the code
	$(GO) run ./bench/speed --markdown docs/benchmarks.md
	$(GO) run ./bench/scale --markdown docs/benchmarks.md
	$(GO) test -run '^$$' -bench . -benchtime 200ms -benchmem ./...

# What the authorizers in Node that we compare ours with need; tests do without.
bench/peers/node/node_modules/.installed: bench/peers/node/package.json bench/peers/node/package-lock.json
	cd bench/peers/node && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

# The server is a test's dependency only; nothing of it is ever deployed.
node_modules/.installed: package.json package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

clean: ## Remove what was built and installed
	rm -rf $(BUILD) node_modules bench/peers/node/node_modules
