# The entry points of the project; the programs that they run are in tools/.
PYTHON =
BIN = .venv/bin

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | expand -t 14

setup: ## Set up what is missing: Python packages, base image, Compose, images
	@PYTHON="$(PYTHON)" tools/setup

demo: setup ## Show how a slow reader closes the receive window (half a minute)
	@$(BIN)/testbed run --delay 1s --chunk 10k

test: ## Run all tests
	@PYTHON="$(PYTHON)" tools/setup --tests
	@$(BIN)/python tools/lanes.py

test-kernels: ## Run the tests that need a guest under every kernel, or KERNELS="bookworm sid"
	@PYTHON="$(PYTHON)" tools/setup --tests
	@$(BIN)/python -m tools.kernels $(KERNELS)

check: ## Run the tests that need no Docker
	@PYTHON="$(PYTHON)" tools/setup --no-docker
	@$(BIN)/python tools/lanes.py --no-docker

bench: setup ## Measure speed, memory and overhead
	@$(BIN)/python -m benchmarks.run

bench-link: setup ## Measure the link alone: rates, delay error, cost
	@$(BIN)/python -m benchmarks.run link paths punctual cells

link-figures: setup ## Measure the link and write the tables of docs/link.md
	@$(BIN)/python -m benchmarks.link_figures

soak: setup ## Kill 200 matrices at random moments (KILLS=, SEED=), then load the machine for MINUTES=30
	@$(BIN)/python -m benchmarks.kill_proof --kills $(or $(KILLS),200) $(if $(SEED),--seed $(SEED))
	@$(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),30)

ci-steps: setup ## Run the steps of the CI workflow here, in order
	@$(BIN)/python tools/ci_steps.py

lock: ## Regenerate the lock files; make lock UPGRADE=1 upgrades the versions
	@PYTHON="$(or $(PYTHON),python3)" tools/lock $(if $(UPGRADE),--upgrade)

clean: ## Remove what setup and the tests created: environment, stack, images, guests (runs/ stays)
	@if [ -x $(BIN)/testbed ]; then $(BIN)/testbed clean && $(BIN)/testbed vm rm --all; fi
	@if docker compose version >/dev/null 2>&1; then docker compose down --volumes; fi
	@if docker info >/dev/null 2>&1; then \
		for label in testbed.image testbed.role=vm-build; do docker image prune --all --force --filter label=$$label; done; fi
	@rm -rf .venv .env .mypy_cache .ruff_cache .pytest_cache .hypothesis build

.PHONY: help setup demo test test-kernels check bench bench-link link-figures soak ci-steps lock clean
