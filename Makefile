# Everything a person runs here. Needs Python 3.11 or newer (with venv), git and make.
# `make PYTHON=python3.12` picks the Python; ARGS are passed on to what is run.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

export PYTHON ?= python3
# Many processes import the same modules: where this is set each would compile them anew.
unexport PYTHONDONTWRITEBYTECODE
ARGS ?=
# What demo and test run on: nothing but this machine, or Redis, MongoDB and S3.
BACKEND ?= embedded

BIN := .venv/bin
# Written last, so that a setup which was interrupted is done again.
RUNTIME := .venv/.setup-runtime
DEV := .venv/.setup-dev
MEMBERS := taskmgr_plugins/pyproject.toml taskmgr_core/pyproject.toml tui/pyproject.toml
# Tests import what lies beside them, so each folder is checked by itself. What is
# typed in them is checked strictly; what is not is left alone.
TEST_FOLDERS = $(shell find tests plugins/*/tests -name '*.py' -not -path 'tests/projects/*' | \
    xargs dirname | sort -u)
TEST_TYPES := --allow-untyped-defs --allow-incomplete-defs --allow-untyped-calls \
    --allow-untyped-decorators --no-check-untyped-defs --no-warn-unused-ignores \
    --disable-error-code empty-body

.PHONY: help setup setup-dev demo test test-long check docs services bench chaos load wheels lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

setup: $(RUNTIME) ## what is needed to use taskmgr
	@echo "$(BIN)/taskmgr is ready"

setup-dev: $(DEV) ## what is needed to work on taskmgr: tests, linters, types
	@echo "$(BIN) is ready"

$(RUNTIME): requirements/uv.txt requirements/runtime.txt $(MEMBERS) scripts/setup
	@scripts/setup runtime
	@touch $@

$(DEV): requirements/uv.txt requirements/dev.txt $(MEMBERS) scripts/setup
	@scripts/setup dev
	@touch $@ $(RUNTIME)

# The nearest .taskmgr is where taskmgr keeps everything: the demonstration stays in this checkout.
demo: demo-$(BACKEND) ## find faces in a picture: make demo [IMAGE=path] [BACKEND=servers]

.PHONY: demo-embedded demo-servers
demo-embedded: $(RUNTIME)
	@mkdir -p .taskmgr
	@$(BIN)/taskmgr demo $${IMAGE:+--image "$$IMAGE"} $(ARGS)

demo-servers: $(DEV)
	@$(BIN)/python -m servers.demo -- $${IMAGE:+--image "$$IMAGE"} $(ARGS)

test: test-$(BACKEND) ## every test but long, chaos and load; BACKEND=servers: acceptance on servers

.PHONY: test-embedded test-servers
# Many tests wait for something: more processes than there are cores, so that none is idle. The
# files stay in their order: the unit tests, which only compute, fill what the others leave.
test-embedded: $(DEV)
	$(BIN)/pytest -n 4 --dist loadfile \
	    --no-loadscope-reorder -m "not long and not chaos and not load" $(ARGS)

# Every process of pytest starts servers and workers of its own: no more of them than cores.
test-servers: $(DEV)
	TASKMGR_TEST_BACKEND=servers $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile \
	    -m "not long and not chaos and not load" tests/acceptance $(ARGS)

test-long: $(DEV) ## what takes long: servers of its own, the site, plugins against their contracts
	$(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder \
	    -m "long and not chaos and not load" $(ARGS)

check: $(DEV) ## format, lint, types and import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	@for folder in $(TEST_FOLDERS); do \
	    MYPYPATH=$$folder:tests $(BIN)/mypy $(TEST_TYPES) $$folder/*.py || exit 1; done
	$(BIN)/lint-imports

docs: $(DEV) ## the documentation as a site, in build/docs
	$(BIN)/sphinx-build -W --keep-going -q -b html docs build/docs
	@echo "build/docs/index.html is ready"

services: $(DEV) ## run Redis, MongoDB and S3 here: make services [ARGS="--detach --folder DIR"]
	@$(BIN)/python -m servers $(ARGS)

bench: $(DEV) ## measure, side by side with the usual ways
	$(BIN)/python -m benchmarks $(ARGS)

chaos: $(DEV) ## tests that kill processes on purpose
	$(BIN)/pytest -m chaos $(ARGS)

load: $(DEV) ## tests with many runs
	$(BIN)/pytest -m load $(ARGS)

wheels: $(DEV) ## build the wheels of taskmgr-core and taskmgr-plugins into dist/
	$(BIN)/uv build --quiet --wheel --out-dir dist taskmgr_plugins
	$(BIN)/uv build --quiet --wheel --out-dir dist taskmgr_core

lock: $(DEV) ## renew requirements/: make lock [ARGS=--upgrade]
	scripts/lock $(ARGS)

clean: ## remove .venv, caches and builds; the data of taskmgr stays
	rm -rf .venv .tox .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
