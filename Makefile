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
.PHONY: help setup repro test test-fast check docs format lock activate mlflow servers deploy workers clean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /|/' | column -t -s '|'

setup: $(VENV)/.ready $(BIN)/ocrnet  ## Build .venv from requirements.lock
	@$(BIN)/python -c "" || { echo "make setup: $(BIN)/python does not start: the Python that it was made from is gone." \
	  "Delete the folder $(VENV), then: make setup" >&2; exit 2; }
	@made=$$(cat $(VENV)/.ready); [ -z "$$made" ] || [ -L $(VENV) ] || \
	  [ "$$made" = "$(CURDIR)/$(VENV)" ] \
	  || echo "make: $(VENV) was made as $$made and moved here. make works, but the commands dvc, prefect and mlflow" \
	    "do not. Delete the folder $(VENV), then: make setup" >&2

# This rule empties only a folder that it made before: the folder holds .ready, or .venv.making holds its inode number
# because the rule was interrupted.
$(VENV)/.ready: requirements.lock
	@if cmp -s requirements.lock $(VENV)/.lock && [ -e $@ ]; then [ -L $(VENV) ] || touch $@; exit 0; fi; \
	if [ -L $(VENV) ]; then \
	  echo "make setup: $(VENV) is a link to $$(readlink $(VENV)), where packages may differ from requirements.lock. Nothing was" \
	    "changed there. Run make setup in its own folder, or delete the link (rm $(VENV)) to get an environment here." >&2; exit 2; \
	fi; \
	if [ -e $(VENV) ] && [ ! -e $@ ] && [ "$$(ls -di $(VENV))" != "$$(cat $(VENV).making 2>/dev/null)" ]; then \
	  echo "make setup: $(VENV) exists, but make did not make it. Nothing was changed. Rename it, then: make setup" >&2; exit 2; \
	fi; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11) or sys.version_info[:2] > (3, 13))' \
	  || { echo "make: $(PYTHON) is $$($(PYTHON) -V 2>&1); 3.11 to 3.13 is needed. Set, for example, PYTHON=python3.12." >&2; exit 2; }; \
	set -ex; \
	mkdir -p $(VENV); ls -di $(VENV) > $(VENV).making; \
	$(PYTHON) -m venv --clear $(VENV); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); \
	$(BIN)/python -m uv pip sync --quiet --compile-bytecode --require-hashes requirements.lock; \
	cp requirements.lock $(VENV)/.lock; \
	echo "$(CURDIR)/$(VENV)" > $@; \
	rm $(VENV).making

# Nothing is written into an environment that .venv links to.
$(BIN)/ocrnet: pipelines/cli/launcher.sh $(VENV)/.ready
	@[ -L $(VENV) ] || { cp $< $@ && chmod 755 $@; }

repro: setup  ## Run the pipeline on the active set of params, or on another: make repro SET=camvid
	@if [ -n "$(SET)" ]; then $(BIN)/python -m pipelines.activate $(SET); fi
	@reason=$$(git rev-parse --git-dir 2>&1) || { echo "make repro: $$reason. DVC needs git: clone the repository." >&2; exit 2; }
	@$(BIN)/python -m pipelines.check
	@find .dvc/cache/runs -mindepth 2 -type d -empty -delete 2>/dev/null || true  # DVC fails at a key without an entry
	$(BIN)/python -m pipelines.repro
	@$(BIN)/python -m pipelines.show

activate: setup  ## Write a set of params/ into params.yaml: make activate SET=camvid
	@$(BIN)/python -m pipelines.activate $(SET)

# One torch thread per process: more would slow each other down on two cores. Compiled files are kept, whatever the
# environment says: the tests start hundreds of processes.
test: setup  ## Run all tests, four processes at a time
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

test-fast: setup  ## Run the tests of the library alone, without the slow ones
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/ocrnet -m "not slow"

check: setup  ## Check lint, types, import directions and the links of docs/, as CI does
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -c "from importlinter.cli import lint_imports_command; lint_imports_command()"
	$(BIN)/python -m zensical build --strict

docs: setup  ## Build the site of docs/ with the Python reference into .state/site; a dead link is an error
	$(BIN)/python -m zensical build --strict

format: setup  ## Format the code and sort its imports
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

lock: $(VENV)/.ready  ## Resolve the newest versions that pyproject.toml allows into requirements.lock
	$(BIN)/python -m uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate \
	  --python-version 3.11 --extra pipeline --extra export --extra serve --extra s3 --extra ssh --extra servers --group dev --group docs --upgrade pyproject.toml -o requirements.lock

mlflow: setup  ## Run MLflow on the local store until Ctrl-C; another port: make mlflow MLFLOW_PORT=5001
	$(BIN)/python -m pipelines.servers --only mlflow $(if $(MLFLOW_PORT),--mlflow-port $(MLFLOW_PORT))

servers: setup  ## Run a Prefect and an MLflow server until Ctrl-C; other ports: PREFECT_PORT=4201 MLFLOW_PORT=5001
	$(BIN)/python -m pipelines.servers \
	  $(if $(PREFECT_PORT),--prefect-port $(PREFECT_PORT)) $(if $(MLFLOW_PORT),--mlflow-port $(MLFLOW_PORT))

deploy: setup  ## Make pools and deployments on the Prefect server; without a GPU: make deploy NEEDS=gpu:gpus=0
	$(BIN)/python -m pipelines.deploy $(if $(NEEDS),--needs $(NEEDS))

workers: setup  ## Run the workers of this machine until Ctrl-C, which lets running stages finish
	$(BIN)/python -m pipelines.workers

clean:  ## Delete stage outputs, checkpoints and caches; keep raw data, DVC's cache, MLflow's store and .venv
	rm -rf .state .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf data/{validate,prepare,train,train_fold/*/,train_gan,synthesize,select,pseudo_label,retrain,evaluate}
