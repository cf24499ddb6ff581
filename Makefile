# `make demo` and `make test` are all a fresh clone needs: each makes its own virtual environment once, in this folder.
# Another interpreter: `make test PYTHON=python3.12`.

PYTHON ?= python3
VENV := .venv
DEMO := .venv-demo
# -qq: errors only, so that what is printed here is what we say.
PIP := -m pip install -qq --disable-pip-version-check
GUARD := $(DEMO)/bin/guardreasoner

.DEFAULT_GOAL := help
.PHONY: help demo test lint types imports format docs clean python

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

demo: $(DEMO)/ready ## try the embedded guard: four checks, no GPU, no key, no download of weights
	@sh examples/demo.sh $(GUARD)

test: $(VENV)/ready lint types imports ## everything that must hold; the count of the tests comes last
	@echo "Running the tests."
	@OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false $(VENV)/bin/python -m pytest -q -n 2

lint: $(VENV)/ready ## style and format
	@echo "Checking style and format (ruff)."
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/ruff format --quiet --check . || { echo "Some files are not formatted; 'make format' does it."; exit 1; }

types: $(VENV)/ready ## types, strict
	@echo "Checking types (pyright, strict)."
	@$(VENV)/bin/pyright --pythonpath $(VENV)/bin/python

imports: $(VENV)/ready ## which module may import which
	@echo "Checking the direction of imports (import-linter)."
	@found=$$($(VENV)/bin/lint-imports --no-logo 2>&1) || { echo "$$found"; exit 1; }

format: $(VENV)/ready ## format the code and mend what ruff can mend
	@$(VENV)/bin/ruff check --quiet --fix . || true
	@$(VENV)/bin/ruff format .

docs: $(VENV)/ready ## write docs/help.md, the table of benchmarks and the printed outputs in README and docs anew
	@$(VENV)/bin/python docs/make_help.py
	@$(VENV)/bin/python docs/make_benchmarks.py
	@$(VENV)/bin/python tests/blocks.py

clean: ## remove both virtual environments and all caches
	rm -rf $(VENV) $(DEMO) build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache

# The stamp `ready` is newer than pyproject.toml: nothing to install, a second run starts at once.
$(VENV)/ready: pyproject.toml | python
	@echo "Preparing $(VENV): the package and all that its development needs (about 2 GB). Some minutes, once."
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python $(PIP) --editable '.[dev]'
	@touch $@

$(DEMO)/ready: pyproject.toml | python
	@echo "Preparing $(DEMO): the package and its base dependencies, no PyTorch. Under a minute, once."
	@test -x $(DEMO)/bin/python || $(PYTHON) -m venv $(DEMO)
	@$(DEMO)/bin/python $(PIP) --editable .
	@touch $@

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "GuardReasoner needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo not found)." \
	       "Name another one: make $(or $(firstword $(MAKECMDGOALS)),test) PYTHON=python3.12"; exit 1; }
