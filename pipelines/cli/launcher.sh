#!/bin/sh
# `make setup` copies this file to .venv/bin/ocrnet. It runs the code of the checkout that it is called in, like all other
# commands, or else that of the checkout that the environment belongs to.
bin=$(dirname "$0")
[ -d pipelines/cli ] || export PYTHONPATH="$bin/../..${PYTHONPATH:+:$PYTHONPATH}"
exec "$bin/python" -m pipelines.cli "$@"
