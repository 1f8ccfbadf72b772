# `make demo` and `make test` do all set-up themselves, into .venv, and need no root.
# Set-up uses pip alone: uv and poetry do not find the CPU build of torch where pip does.
PYTHON ?= python3
ARGS ?=
VENV := .venv
SET_UP := pyproject.toml constraints.txt scripts/set-up.sh

export TOKENIZERS_PARALLELISM := false

.PHONY: help setup setup-dev demo test test-slow lint clean
.DEFAULT_GOAL := help
.NOTPARALLEL:

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile
	@echo "PYTHON=python3.12 chooses the interpreter, ARGS=... adds arguments to what is run."

setup: $(VENV)/.set-up-run ## Make .venv for evaluation, training and the leaderboard

setup-dev: $(VENV)/.set-up-dev ## Make .venv with everything, vLLM and the tests' tools too

$(VENV)/.set-up-run: $(SET_UP)
	@PYTHON="$(PYTHON)" sh scripts/set-up.sh run

$(VENV)/.set-up-dev: $(SET_UP)
	@PYTHON="$(PYTHON)" sh scripts/set-up.sh dev

demo: setup ## Run the whole loop on a toy domain
	$(VENV)/bin/harness demo $(ARGS)

# One thread a process: with more, small models on a CPU are over ten times slower.
test test-slow: export OMP_NUM_THREADS := 1
test test-slow: export HF_HUB_OFFLINE := 1

test: setup-dev ## Run everything that proves a promise at small scale
	$(VENV)/bin/python -m pytest -m "not slow" $(ARGS)

# pytest says 5 where it found no test.
test-slow: setup-dev ## Run the long proofs
	@$(VENV)/bin/python -m pytest -m slow $(ARGS) || { status=$$?; \
	test $$status -eq 5 && echo "There are no slow tests to run."; }

lint: setup-dev ## Check style, formatting and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

clean: ## Remove caches and build outputs; .venv, runs and work stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path ./$(VENV) -prune -o -type d -name __pycache__ -exec rm -rf {} +
