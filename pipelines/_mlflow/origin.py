"""The origin of a registered version: its tags, and the `dvc.lock` and `params.yaml` that its run keeps."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ocrnet.errors import RebuildError
from pipelines._dvc_files.lock import key_of
from pipelines._dvc_files.lock_check import check_lock

from .registry import EVALUATION_TAG
from .runs import KEY_TAG

EVALUATE = "evaluate"


@dataclass(frozen=True)
class Provenance:
    """The two files that a run keeps, which name every file and number that went into its stage."""

    run_id: str
    lock: bytes
    params: bytes

    @property
    def stages(self) -> dict[str, Any]:
        """The stages of `dvc.lock`, every scalar as text.

        Raises:
            RebuildError: the content is not what DVC writes.
        """
        return check_lock(self.lock, f"dvc.lock of run {self.run_id}", RebuildError)

    def unlike(self, tags: Mapping[str, str]) -> str | None:
        """Return how the entries of the version's stages differ from its tags, or None."""
        wanted = {tags["stage"]: tags[KEY_TAG], EVALUATE: tags[EVALUATION_TAG]}
        stages = self.stages
        for stage, key in wanted.items():
            if stage not in stages or not stages[stage].get("outs"):
                return f"its dvc.lock has no {stage} with an output"
            if key_of(stage, stages[stage]) != key:
                return f"its dvc.lock has another {stage} than the version"
        return None


@dataclass(frozen=True)
class Origin:
    """A registered version and its provenance.

    Args:
        model: Name of the registered model.
        version: Number of the version.
        tags: Tags of the version.
        provenance: Files from which the version can be made again.
        evaluated: Tags of the evaluation's run; empty where the run is gone.
        notes: Remarks on the provenance, for people.
    """

    model: str
    version: str
    tags: Mapping[str, str]
    provenance: Provenance
    evaluated: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @property
    def stage(self) -> str:
        """Name of the stage that trained it."""
        return self.tags["stage"]

    @property
    def metrics(self) -> dict[str, float | None]:
        """Scores that the version records."""
        loaded: dict[str, float | None] = json.loads(self.tags["metrics"])
        return loaded

    @property
    def is_dirty(self) -> bool:
        """Whether the training or the evaluation ran with changes that no commit holds."""
        return "true" in (self.tags["git.dirty"], self.evaluated.get("git.dirty"))
