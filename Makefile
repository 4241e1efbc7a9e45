# Two commands on a fresh machine: make demo, make test. Everything is installed into .venv first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help install demo test test-slow lint

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

install: .venv/.installed  ## make .venv with the tested versions

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch -c constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]" -c constraints.txt
	touch $@

demo: install  ## the whole walk on embedded digits
	$(BIN)/gensynth demo

test: install  ## the tests, under ten minutes on two cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: install  ## wheel, notebooks, kills, long runs
	$(BIN)/python -m pytest -m slow

lint: install  ## ruff and mypy
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy gensynth
