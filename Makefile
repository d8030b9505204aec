# What a contributor needs, and nothing else. Everything fetched or built goes to .orbitq/ and bin/, which git ignores.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help build demo test sim lint race e2e clean

FUNCTIONS := $(notdir $(patsubst %/,%,$(wildcard functions/*/)))

help: ## Show this list
	@grep -hE '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-7s %s\n", $$1, $$2 }'

build: ## Build the command line (bin/orbitq) and the functions for this machine (.orbitq/build)
	@go build -trimpath -ldflags '-s -w' -o bin/orbitq ./cmd/orbitq
	@for f in $(FUNCTIONS); do \
	  CGO_ENABLED=0 GOOS=linux go build -tags lambda.norpc -trimpath -ldflags '-s -w' -o .orbitq/build/$$f/bootstrap ./functions/$$f; \
	done

demo: ## Run the whole system here on real pixels: 25 points, a chain and a batch; ONCE=1 stops after the tables
	@tools/setup.sh check
	@$(MAKE) --no-print-directory build
	@bin/orbitq demo $(if $(ONCE),--once)

test: ## Set up, then run every check; what CI runs
	@tools/test.sh

sim: ## Simulate the whole system for a minute; SEED=n replays one run with every effect, SIM_SECONDS=n goes on longer
	@$(if $(SEED),SEED=$(SEED) go test ./internal/sim -count=1 -run 'TestReplay$$' -v,go test ./internal/sim -count=1 -timeout 0 -run 'TestSwarm$$' -v)

lint: ## Format and lint; FIX=1 repairs what can be repaired
	@tools/setup.sh
	@.orbitq/tools/bin/golangci-lint fmt $(if $(FIX),,--diff)
	@.orbitq/tools/bin/golangci-lint run $(if $(FIX),--fix)

race: ## Run every test under the race detector (slow)
	@tools/setup.sh
	@$(MAKE) --no-print-directory build
	@go test -race -count=1 -timeout 30m ./...

e2e: build ## Run only the end-to-end tests: real binaries on the local stack
	@go test -count=1 -timeout 15m -v ./internal/e2e/...

clean: ## Remove what was built; fetched tools stay (rm -rf .orbitq removes them too)
	@rm -rf bin .orbitq/build .orbitq/aws-sam .orbitq/sam
