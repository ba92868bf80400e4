# `make help` lists the targets. Every target sets up `.venv` first, and again whenever the lock changed.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Stage commands say `python`: it must be the one of the environment.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export DVC_NO_ANALYTICS := 1
export DO_NOT_TRACK := true
export MLFLOW_DISABLE_TELEMETRY := true
UV_VERSION := 0.13.8
SET ?=
NEEDS ?=
PREFECT_PORT ?=
MLFLOW_PORT ?=

.DEFAULT_GOAL := help
.PHONY: help setup repro test test-fast check format lock use mlflow servers deploy workers clean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /|/' | column -t -s '|'

setup: $(VENV)/.ready  ## Build .venv from requirements.lock
	@$(BIN)/python -c "" || { echo "make setup: $(BIN)/python does not start: the Python that it was made from is gone." \
	  "Delete the folder $(VENV), then: make setup" >&2; exit 2; }
	@made=$$(cat $(VENV)/.ready); [ -z "$$made" ] || [ -L $(VENV) ] || \
	  [ "$$made" = "$(CURDIR)/$(VENV)" ] \
	  || echo "make: $(VENV) was made as $$made and moved here. What make runs works; dvc, prefect and mlflow by their" \
	    "names do not. Delete the folder $(VENV), then: make setup" >&2

# It empties a folder that it made before, and no other: .ready lies in it, or its number in .venv.making, where the
# rule was broken off.
$(VENV)/.ready: requirements.lock
	@if cmp -s requirements.lock $(VENV)/.lock && [ -e $@ ]; then [ -L $(VENV) ] || touch $@; exit 0; fi; \
	if [ -L $(VENV) ]; then \
	  echo "make setup: $(VENV) is a link to $$(readlink $(VENV)), where packages may differ from requirements.lock. Nothing was" \
	    "changed there. Run make setup in its own folder, or delete the link (rm $(VENV)) to get an environment here." >&2; exit 2; \
	fi; \
	if [ -e $(VENV) ] && [ ! -e $@ ] && [ "$$(ls -di $(VENV))" != "$$(cat $(VENV).making 2>/dev/null)" ]; then \
	  echo "make setup: $(VENV) is there, and make did not make it. Nothing was changed. Rename it, then: make setup" >&2; exit 2; \
	fi; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11) or sys.version_info[:2] > (3, 13))' \
	  || { echo "make: $(PYTHON) is $$($(PYTHON) -V 2>&1); 3.11 to 3.13 is needed. Set PYTHON=python3.12, say." >&2; exit 2; }; \
	set -ex; \
	mkdir -p $(VENV); ls -di $(VENV) > $(VENV).making; \
	$(PYTHON) -m venv --clear $(VENV); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); \
	$(BIN)/python -m uv pip sync --quiet --compile-bytecode --require-hashes requirements.lock; \
	cp requirements.lock $(VENV)/.lock; \
	echo "$(CURDIR)/$(VENV)" > $@; \
	rm $(VENV).making

repro: setup  ## Run the pipeline on the set in force, or on another: make repro SET=camvid
	@if [ -n "$(SET)" ]; then $(BIN)/python -m pipelines.use $(SET); fi
	@told=$$(git rev-parse --git-dir 2>&1) || { echo "make repro: $$told. DVC needs git: clone the repository." >&2; exit 2; }
	@$(BIN)/python -m pipelines.check
	@find .dvc/cache/runs -mindepth 2 -type d -empty -delete 2>/dev/null || true  # DVC fails at a key without an entry
	$(BIN)/python -m pipelines.repro
	@$(BIN)/python -m pipelines.show

use: setup  ## Put a set of params/ in force: make use SET=camvid
	@$(BIN)/python -m pipelines.use $(SET)

# One torch thread per process: two processes of two threads on two cores stand in each other's way.
test: setup  ## Run all tests, two processes at a time
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test-fast: setup  ## Run the tests of the library alone, about a minute
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/ocrnet -m "not slow"

check: setup  ## Lint, types and import directions, as in CI
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -c "from importlinter.cli import lint_imports_command; lint_imports_command()"

format: setup  ## Format the code and sort its imports
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

lock: $(VENV)/.ready  ## Resolve the newest versions that pyproject.toml allows into requirements.lock
	$(BIN)/python -m uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate \
	  --python-version 3.11 --extra pipeline --extra s3 --extra ssh --extra servers --group dev --upgrade pyproject.toml -o requirements.lock

mlflow: setup  ## Open MLflow on the local store; another port: make mlflow MLFLOW_PORT=5001
	$(BIN)/python -m pipelines.servers --only mlflow $(if $(MLFLOW_PORT),--mlflow-port $(MLFLOW_PORT))

servers: setup  ## Run a Prefect and an MLflow server until Ctrl-C; other ports: PREFECT_PORT=4201 MLFLOW_PORT=5001
	$(BIN)/python -m pipelines.servers \
	  $(if $(PREFECT_PORT),--prefect-port $(PREFECT_PORT)) $(if $(MLFLOW_PORT),--mlflow-port $(MLFLOW_PORT))

deploy: setup  ## Make pools and deployments on the Prefect server; a machine without GPU: make deploy NEEDS=gpu:gpus=0
	$(BIN)/python -m pipelines.deploy $(if $(NEEDS),--needs $(NEEDS))

workers: setup  ## Run the workers of this machine until Ctrl-C, which lets what runs end
	$(BIN)/python -m pipelines.work

clean:  ## Delete stage outputs, checkpoints and caches; keep raw data, DVC's cache, MLflow's store and .venv
	rm -rf .state .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf data/{validate,prepare,train,train_gan,synthesize,select,retrain,evaluate}
