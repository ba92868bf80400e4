"""Restore every stage in the run cache and list the stages to run: `python -m pipelines._dvc.restore_stages`.

It reads a JSON object from standard input (`targets`, and the stages `done` in this run) and prints one object per
stage, with its state: `restored`, `ready` to run, or `waits`. It runs no stage's command.
"""

import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from dvc.exceptions import DvcException, ReproductionError
from dvc.repo import Repo

from ocrnet.errors import DataError, OcrnetError
from pipelines._dvc.graph import Node, read_graph
from pipelines._dvc.outputs import check_out_outputs, remove_stale_outputs
from pipelines._dvc.process import MACHINE, exit_code_of, open_repo
from pipelines._dvc.run_cache import has_remote
from pipelines._dvc.stage_shell import NOBODY, REFUSED, lease_to


def advance(repo: Repo, targets: Sequence[str], done: Sequence[str]) -> Iterator[dict[str, object]]:
    """Restore the stages that are in the run cache, and yield the state of each stage.

    Raises:
        DataError: An input of a stage is missing and no stage makes it.
    """
    finished = set(done)
    for node in read_graph(repo, targets):
        if node.name in finished:
            continue
        state = "waits"
        if finished.issuperset(node.upstream):
            state = "restored" if _restore(repo, node) else "ready"
        if state == "restored":
            finished.add(node.name)
        yield {"state": state, **asdict(node)}


def _restore(repo: Repo, node: Node) -> bool:
    if node.always:
        return False
    if not node.command:
        check_out_outputs(repo, [node.name])
        return True
    (stage,) = repo.stage.collect(node.name)
    remove_stale_outputs(repo, stage)
    missing = [dep.def_path for dep in stage.deps if not dep.exists]
    if missing:
        raise DataError(
            f"{missing[0]}: {node.name} reads it, but this commit does not hold it and DVC does not track it. "
            f"Run `dvc add {missing[0]}` and commit {missing[0]}.dvc."
        )
    try:
        repo.reproduce(node.name, single_item=True, pull=has_remote(repo))
    except ReproductionError as error:
        if exit_code_of(error) == REFUSED:
            return False
        raise
    return True


def main() -> int:
    """Run the command and return its exit code."""
    asked = json.load(sys.stdin)
    # DVC's prints go to standard error, like its log.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    code, message = 0, ""
    try:
        with open_repo(level=logging.WARNING) as repo:
            lease_to(NOBODY, Path(repo.root_dir))
            for line in advance(repo, asked["targets"], asked["done"]):
                print(json.dumps(line), file=answer, flush=True)
    except OcrnetError as error:
        code, message = error.exit_code, str(error)
    except DvcException as error:
        code, message = MACHINE, " ".join(str(error).split())
    if code:
        line = {"state": "error", "code": code, "message": message}
        print(json.dumps(line), file=answer, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
