# Every target works alone on a fresh machine with make and Python 3.11 to 3.13.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --constraint requirements.lock

.DEFAULT_GOAL := help
.PHONY: help setup train test soak lint bench lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info[:2] <= (3, 13); \
	    sys.exit(0 if ok else "Python %d.%d: ganlab needs 3.11 to 3.13; type make PYTHON=python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(BIN)/python pyproject.toml requirements.lock
	@echo "Installing PyTorch and the rest into $(VENV): up to 5.8 GB on Linux (CUDA's libraries), some minutes."
	$(INSTALL) --editable .
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(INSTALL) --editable '.[test]'
	@touch $@

$(VENV)/installed-lint: $(BIN)/python pyproject.toml requirements.lock
	$(INSTALL) --editable '.[lint]'
	@touch $@

setup: $(VENV)/installed  ## create .venv and install what training needs

train: $(VENV)/installed  ## train the default: a DCGAN on embedded digits, minutes on two cores
	$(BIN)/python src/train.py $(ARGS)

test: $(VENV)/installed-test  ## run every test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

soak: $(VENV)/installed-test  ## run the slow proofs of docs/reliability.md, some 40 minutes on two cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m soak -vv --numprocesses 2 --dist worksteal $(ARGS)

lint: $(VENV)/installed-lint  ## check style and types
	$(BIN)/ruff check src tests benchmarks notebooks
	$(BIN)/ruff format --check src tests benchmarks notebooks
	$(BIN)/mypy

bench: $(VENV)/installed  ## run the quick benchmarks and write docs/benchmarks.md, some minutes
	$(BIN)/python benchmarks/quick.py $(ARGS)

lock: $(BIN)/python  ## pin every version anew, for Linux and macOS
	$(BIN)/python -m pip install --quiet 'uv>=0.9,<1'
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --all-extras --no-emit-index-url \
	    --no-emit-find-links --no-annotate --no-header --quiet --output-file requirements.lock

clean:  ## remove the environment and caches, never runs or data
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis src/*.egg-info
	find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
