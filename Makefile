# Needs python >= 3.10 with venv, git, cargo and GNU make; the rest is fetched, hashes pinned.
# One virtual environment serves every target.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

# The first of these that runs and is new enough; PYTHON=… chooses another.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null \
	&& echo $$python && break; done)
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# The live template builds where and as the tests build rendered projects (tests/rust/conftest.py),
# so that the dependencies compile once.
template: export CARGO_TARGET_DIR := $(CURDIR)/.cache/target
template: export CARGO_PROFILE_DEV_DEBUG := line-tables-only

.DEFAULT_GOAL := help
.PHONY: help new test lint python template rust demo bench bench-verdict bench-updates lock clean
.DELETE_ON_ERROR:

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-20s %s\n", $$1, $$2}'

# Inside this clone a project would have neither a repository of its own nor a first commit, so a
# PATH without a slash, or none at all, is taken beside the clone.
new: $(VENV)/.tool ## start the wizard; flags and a PATH by ARGS="…"; the project goes beside this clone
	@cd $(if $(findstring /,$(ARGS)),.,..) && "$(CURDIR)/$(BIN)/asyncscaffold" new $(ARGS)
	@command -v asyncscaffold >/dev/null || echo 'To call it from anywhere: export PATH="$(CURDIR)/$(BIN):$$PATH"'

test: lint python template rust ## every gate, as continuous integration runs them

lint: $(VENV)/.dev ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

python: $(VENV)/.dev ## the Python tests that compile nothing, with their coverage
	$(BIN)/pytest -n 2 -m "not compiles" --cov

template: ## the live template, linted and tested where it lies
	@command -v cargo >/dev/null || { echo "cargo is not there: https://rustup.rs installs it." >&2; exit 1; }
	cd template && cargo fmt --all --check
	cd template && cargo clippy --workspace --all-targets --locked -- -D warnings
	cd template && cargo test --workspace --locked

rust: $(VENV)/.dev ## what is rendered, compiled, linted and tested
	$(BIN)/pytest -m compiles --durations=15

demo: $(VENV)/.tool ## questions, service, drain and update, for watching
	@$(BIN)/python demo/demo.py

bench: $(VENV)/.dev ## speed and memory beside others, measured in turn; parts of it by ARGS="--quick http resp"
	@$(BIN)/python -m bench $(ARGS)

bench-verdict: $(VENV)/.dev ## threads beside tokio at every scale; writes docs/threads-or-tokio.md and its chart
	@$(BIN)/python -m bench.verdict $(ARGS)

bench-updates: $(VENV)/.dev ## the table of update cases with copier and with this; writes docs/update-compared.md
	@$(BIN)/python -m bench.update_compared $(ARGS)

lock: ## write requirements*.txt anew from pyproject.toml; needs uv
	uv pip compile $(LOCK) --extra build pyproject.toml -o requirements.txt
	uv pip compile $(LOCK) --extra build --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt

LOCK := --quiet --universal --python-version 3.10 --generate-hashes --no-header

clean: ## remove the virtual environment and every cache
	rm -rf $(VENV) .cache .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache

# Stamps: nothing is installed again until one of the files behind them changes.
$(VENV)/.python:
	@test -n "$(PYTHON)" || { echo "No python >= 3.10 found: install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { echo "$(PYTHON) does not run, or is older than 3.10: name another by PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "$(PYTHON) lacks venv: install it (Debian, Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@echo "Setting up $(VENV) …" >&2
	@rm -rf $(VENV) && $(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.tool: requirements.txt pyproject.toml | $(VENV)/.python
	@echo "Installing what asyncscaffold needs …" >&2
	@$(INSTALL) --no-deps --require-hashes -r requirements.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.tool
	@echo "Installing what its tests need …" >&2
	@$(INSTALL) --no-deps --require-hashes -r requirements-dev.txt
	@touch $@
