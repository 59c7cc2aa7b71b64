# `make` prints the targets. Everything lives in .venv; remove it and start again at any time.
# Pip gets constraints.txt each time, so that every run sees the same versions.

PYTHON ?= python3
WORKERS ?= 2
ARGS ?=

BIN := .venv/bin
PIP_INSTALL := pip install --quiet --constraint constraints.txt
PYTEST_ARGS := --numprocesses $(WORKERS) --dist loadfile --timeout 300 $(ARGS)
# What a missing extra could break. Most tests of components are of rules in plain Python, and run with the extras alone.
LIGHT := README.md docs tests/packaging tests/cli tests/context tests/examples tests/memory \
	tests/contracts/test_components.py tests/components/test_hipporag.py tests/components/test_sir_llm.py \
	tests/components/test_think_drawing.py
DOCUMENTS := $(wildcard README.md docs tests/docs)

.DEFAULT_GOAL := help
.PHONY: help demo test test-full test-light check fix docs bench smoke clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.installed ## install the light package into .venv and run `memkit demo`
	$(BIN)/memkit demo

test: test-light test-full ## run all tests, without the extras and then with them

test-full: .venv/.installed-test ## run all tests with every extra; nothing may be missing
	$(BIN)/python -m pytest $(PYTEST_ARGS) --require-extras

test-light: .venv-light/.installed ## run what every user meets without any extra, in a second environment
	.venv-light/bin/python -m pytest $(PYTEST_ARGS) -m "not slow" $(LIGHT)

check: .venv/.installed-dev ## check format, lint, types and the direction of imports
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: .venv/.installed-dev ## repair format and lint where a tool can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: .venv/.installed-test ## run every example in README.md and docs/
	$(BIN)/python -m pytest $(DOCUMENTS) $(ARGS)

bench: .venv/.installed-test ## measure, and write benchmarks/results
	$(BIN)/python benchmarks/run.py $(ARGS)

smoke: .venv/.installed ## build the wheel and try it in a fresh environment outside the tree
	rm -rf dist
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .
	set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	$(PYTHON) -m venv "$$folder/venv"; \
	"$$folder/venv/bin/$(word 1,$(PIP_INSTALL))" $(wordlist 2,9,$(PIP_INSTALL)) "$$(ls dist/*.whl)[test-light]"; \
	cd "$$folder"; venv/bin/memkit --help; \
	venv/bin/python -m pytest --override-ini pythonpath= $(CURDIR)/tests/packaging/test_importing.py

clean: ## remove the environments, caches and builds
	rm -rf .venv .venv-light build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp says what an environment holds; it is older than pyproject.toml when that may no longer be true.
.venv/.installed: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/$(PIP_INSTALL) --editable .
	@touch $@

.venv/.installed-%: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/$(PIP_INSTALL) --editable ".[$*]"
	@touch $@

.venv-light/.installed: pyproject.toml constraints.txt | .venv-light/bin/python
	.venv-light/bin/$(PIP_INSTALL) --editable ".[test-light]"
	@touch $@

.venv/bin/python .venv-light/bin/python:
	$(PYTHON) -m venv $(@D:/bin=)
