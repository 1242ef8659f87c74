.DEFAULT_GOAL := help
.PHONY: help dev-k8s hello test bench clean

CARGO ?= cargo
PROFILE ?= release
CORACLE ?= $(CURDIR)/target/$(PROFILE)/coracle
UP ?= up

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(CORACLE): FORCE
	@$(CARGO) build --quiet --profile $(PROFILE) --package coracle

dev-k8s: $(CORACLE) ## Bring the example up on a local cluster, live (Ctrl-C leaves it running)
	@scripts/base-images.sh $(CORACLE) examples/codex/backend/Dockerfile examples/codex/frontend/Dockerfile examples/codex/frontend/Dockerfile.dev
	@cd examples/codex && $(CORACLE) $(UP) -- --ingress

hello: $(CORACLE) ## Bring the smallest example up: one static binary, no network
	@$(MAKE) --no-print-directory -C examples/hello hello
	@cd examples/hello && $(CORACLE) $(UP)

test: ## Run everything that CI runs
	@$(CARGO) xtask ci

bench: ## Measure against the budgets; writes JSON to target/bench
	@$(CARGO) xtask bench

clean: ## Remove what was built
	@$(CARGO) clean

FORCE:
