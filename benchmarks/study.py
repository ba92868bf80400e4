"""A study runs variants of the params through the pipeline by DVC, and reads the test scores of their models.

A variant has a work folder of its own below `work/`, with its params and a stage more for each model, which scores it
(`pipelines/_work_folders`). DVC restores there what any variant, or the checkout itself, has computed before.
"""

import hashlib
import json
import logging
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

from ruamel.yaml import YAML

from benchmarks.score import PREFIX, Scores
from ocrnet.config import Params
from ocrnet.errors import DataError
from ocrnet.evaluation.scoring import Cell
from pipelines._command.lock import locked
from pipelines._dvc_files.lock_check import GRAPH_FILE
from pipelines._repository.git import git, try_git
from pipelines._stage.dependencies import CODE
from pipelines._work_folders.work_folder import (
    bring_up,
    committed_head,
    put_params,
    start_stages,
    tree_of,
)

logger = logging.getLogger("benchmarks")
PROTOCOL = ("window", "overlap", "scales", "flip", "merge", "window_weights")  # keys of `evaluate`


@dataclass(frozen=True)
class Variant:
    """One set of params, with the models that are trained with it.

    Args:
        name: Name of the variant in tables and folders.
        params: Params of its pipeline.
        models: Models to train and score, the first ones first.
        root: Folder of the study.
    """

    name: str
    params: Params
    models: tuple[Cell, ...]
    root: Path

    @cached_property
    def folder(self) -> Path:
        """The work folder; other params have another one, so that it never holds the scores of other params."""
        tree = tree_of(self.params)
        known = {
            **{key: value for key, value in tree.items() if key != "publish"},
            "seeds": tree["seeds"][:1],  # the first one makes the pairs; more models change none
            "retrain": {key: value for key, value in tree["retrain"].items() if key != "arms"},
            "evaluate": {key: tree["evaluate"][key] for key in PROTOCOL},
        }
        digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
        name = re.sub(r"[^\w.-]+", "_", self.name)
        return self.root / "work" / f"{name}-{digest[:10]}"

    @property
    def data(self) -> Path:
        """The outputs of its stages."""
        return self.folder / "data"

    @cached_property
    def scores(self) -> dict[Cell, Scores]:
        """The scores of the models that have some.

        Raises:
            DataError: two models were scored on different images.
        """
        found = {cell: Scores.read(self.data / f"{PREFIX}{cell.name}") for cell in self.models}
        scores = {cell: one for cell, one in found.items() if one is not None}
        require_same_images(scores.values(), place=str(self.folder))
        return scores

    @property
    def commit(self) -> str:
        """The commit of the code that ran last."""
        return try_git(self.folder, "rev-parse", "--short=10", "HEAD") or "unknown"


def require_same_images(scores: Iterable[Scores], *, place: str) -> None:
    """Check that models were scored on the same images.

    Raises:
        DataError: they were not.
    """
    if len({(one.ids, one.groups) for one in scores}) > 1:
        raise DataError(f"{place}: models were scored on different images. Run without --table.")


def run_variants(variants: Iterable[Variant], raw: Path) -> int:
    """Run the pipelines of variants in turn, and return 0 or the exit code of the stage that failed.

    Args:
        variants: Variants to run.
        raw: Folder of the raw set.

    Raises:
        ParamsError: the checkout has changes that are not committed.
    """
    commit = committed_head("benchmarks")
    for variant in variants:
        with locked(variant.folder.with_name(variant.folder.name + ".lock")) as lock:
            _bring_up(variant, commit, lock, raw)
            logger.info("%s: %d models, in %s", variant.name, len(variant.models), variant.folder)
            code = _run_dvc(variant, lock)
        if code:
            return code
    return 0


def _bring_up(variant: Variant, commit: str, lock: IO[bytes], raw: Path) -> None:
    """Bring the work folder up, with the variant's params and stages.

    At another commit than before, scores are deleted, so that no table shows those of other code; DVC restores them.
    """
    if bring_up(variant.folder, commit, lock):
        for scores in variant.data.glob(f"{PREFIX}*"):
            shutil.rmtree(scores)
    _write_graph(variant, commit)
    put_params(variant.folder, variant.params, raw)


def _write_graph(variant: Variant, commit: str) -> None:
    """Write the pipeline of the commit with a stage more for each model."""
    graph = YAML(typ="safe").load(git(variant.folder, "show", f"{commit}:{GRAPH_FILE}"))
    code = [dep for dep in graph["stages"]["evaluate"]["deps"] if dep.startswith(CODE)]
    for cell in variant.models:
        graph["stages"][f"{PREFIX}{cell.name}"] = {
            "cmd": f"python -m benchmarks.score {cell.name}",
            "deps": ["data/prepare", str(cell.folder(Path("data"))), *code, "benchmarks/score.py"],
            "params": [f"evaluate.{key}" for key in PROTOCOL],
            "outs": [f"data/{PREFIX}{cell.name}"],
        }
    YAML().dump(graph, variant.folder / GRAPH_FILE)


def _run_dvc(variant: Variant, lock: IO[bytes]) -> int:
    """Run the stages of a variant and return the exit code."""
    targets = [f"{PREFIX}{cell.name}" for cell in variant.models]
    with start_stages(variant.folder, targets, locks=variant.root / "locks", lock=lock) as process:
        return process.wait()
