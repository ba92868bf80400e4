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

.DEFAULT_GOAL := help
.PHONY: help setup repro test test-fast check format lock use mlflow servers deploy workers clean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /|/' | column -t -s '|'

setup: $(VENV)/.ready  ## Build .venv from requirements.lock

$(VENV)/.ready: requirements.lock Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11) or sys.version_info[:2] > (3, 13))' \
	  || { echo "make: $(PYTHON) is $$($(PYTHON) -V 2>&1); 3.11 to 3.13 is needed. Set PYTHON=python3.12, say."; exit 2; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip sync --quiet --require-hashes requirements.lock
	@touch $@

repro: setup  ## Run the pipeline on the set in force, or on another: make repro SET=camvid
	@if [ -n "$(SET)" ]; then $(BIN)/python -m pipelines.use $(SET); fi
	@[ -d .git ] || { echo "make repro: not a git repository; clone it, DVC needs git."; exit 2; }
	$(BIN)/dvc --wait-for-lock repro
	@$(BIN)/python -m pipelines.show

use: setup  ## Put a set of params/ in force: make use SET=camvid
	@$(BIN)/python -m pipelines.use $(SET)

# One torch thread per process: two processes of two threads on two cores stand in each other's way.
test: setup  ## Run all tests, two processes at a time
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test-fast: setup  ## Run the tests of the library alone, about a minute
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/ocrnet -m "not slow"

check: setup  ## Lint, types and import directions, as in CI
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup  ## Format the code and sort its imports
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(VENV)/.ready  ## Resolve the newest versions that pyproject.toml allows into requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate \
	  --python-version 3.11 --extra pipeline --extra s3 --extra ssh --extra servers --group dev --upgrade pyproject.toml -o requirements.lock

mlflow: setup  ## Open MLflow on the local store: http://127.0.0.1:5000
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow server --host 127.0.0.1 --port 5000 \
	  --backend-store-uri sqlite:///mlflow.db --artifacts-destination ./mlartifacts

servers: setup  ## Run a Prefect and an MLflow server on this machine until Ctrl-C
	$(BIN)/python -m pipelines.servers

deploy: setup  ## Make pools and deployments on the Prefect server; a machine without GPU: make deploy NEEDS=gpu:gpus=0
	$(BIN)/python -m pipelines.deploy $(if $(NEEDS),--needs $(NEEDS))

workers: setup  ## Run the workers of this machine until Ctrl-C, which lets what runs end
	$(BIN)/python -m pipelines.work

clean:  ## Delete stage outputs, checkpoints and caches; keep raw data, DVC's cache, MLflow's store and .venv
	rm -rf .state .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf data/{validate,prepare,train,train_gan,synthesize,select,retrain,evaluate}
