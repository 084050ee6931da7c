# `make` alone prints what there is. Everything made or started lives in .local/ and .venv/.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test check up down setup format lock

BIN := .venv/bin
# Building a root file system is root's.
IMAGE := $(if $(filter 0,$(shell id -u)),,sudo -E )setup/base-image.sh >/dev/null
ENGINE := setup/engine.sh
TEST_TIMEOUT_S ?= 840

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

demo: setup ## a release end to end on this machine: CI, gate, blue-green, two bad versions (KEEP=1 keeps it running)
	@$(ENGINE) bash -c '$(IMAGE) && exec $(BIN)/python -m demo demo'

up: setup ## the local cloud and Prefect, for use by hand; addresses in .local/endpoints.json
	@KEEP=1 $(ENGINE) bash -c '$(IMAGE) && exec $(BIN)/python -m demo up'

down: ## stops what `make up` or KEEP=1 left running
	@[ ! -x $(BIN)/python ] || $(BIN)/python -m demo down
	@$(ENGINE) --stop

test: setup ## every test, with coverage of flows, tasks and decisions enforced; leaves nothing behind
	@$(ENGINE) bash -c '$(IMAGE) && exec setup/run-tests.sh $(TEST_TIMEOUT_S)'

check: setup ## lint, format, types, import rules and the tests that need no Docker: under a minute
	@setup/run-checks.sh

setup: ## what this machine lacks: packages by apt, the locked Python environment
	@setup/packages.sh
	@setup/python.sh

format: setup ## formats and mends what ruff can mend
	@$(BIN)/ruff check -q --fix . ; $(BIN)/ruff format .

lock: setup ## resolves pyproject.toml into requirements.lock, with hashes and without index addresses
	@$(BIN)/uv pip compile -q --generate-hashes --no-header --no-emit-index-url --no-emit-find-links \
	  --python-version 3.11 --universal --group localcloud --group scanners --group dev \
	  pyproject.toml -o requirements.lock
	@setup/python.sh
