.DEFAULT_GOAL := help
.PHONY: help dev-k8s hello test bench clean build binary

CARGO ?= cargo
PROFILE ?= release
EXAMPLE ?= examples/codex
UP ?= up
# One static file; without relocations, so that its helper processes share their memory.
STATIC := -C target-feature=+crt-static -C relocation-model=static
# A binary that is given is used as it is.
ifdef CORACLE
BINARY :=
else
BINARY := build
HOST := $(shell rustc -vV | sed -n 's/^host: //p')
CORACLE := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)/$(HOST)/$(PROFILE)/coracle
endif

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build the binary
	@RUSTFLAGS="$(STATIC)" $(CARGO) build --quiet --profile $(PROFILE) --target $(HOST) --package coracle

binary:
	@echo $(CORACLE)

dev-k8s: $(BINARY) ## Bring the example up on a local cluster, live (Ctrl-C leaves it running)
	@scripts/base-images.sh $(CORACLE) $(addprefix $(EXAMPLE)/,backend/Dockerfile frontend/Dockerfile frontend/Dockerfile.dev)
	@cd $(EXAMPLE) && $(CORACLE) $(UP) -- --ingress

hello: $(BINARY) ## Bring the smallest example up: one static binary, no network
	@cd examples/hello && $(CORACLE) $(UP)

test: ## Run everything that CI runs
	@$(CARGO) xtask ci

bench: ## Measure against the budgets; writes JSON to target/bench
	@$(CARGO) xtask bench

clean: ## Remove what was built
	@$(CARGO) clean
