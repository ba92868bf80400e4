"""Stage `score-MODEL` of a study: score one model on the test split as `evaluate` does."""

import sys
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines._stage.stage import Stage, run_stage

PREFIX = "score-"  # of the names of these stages
FILE = "scores.npz"


@dataclass(frozen=True)
class Scores:
    """The scores of a model on the test split.

    Args:
        val_miou: mIoU on the validation split.
        confusions: Confusion matrix of each test image.
        ids: Id of each test image.
        groups: Group of each test image.
    """

    val_miou: float
    confusions: NDArray[np.int64]
    ids: tuple[str, ...]
    groups: tuple[str, ...]

    def write(self, folder: Path) -> None:
        """Write the file that `read` reads."""
        np.savez_compressed(folder / FILE, **{f.name: getattr(self, f.name) for f in fields(self)})  # fmt: skip

    @classmethod
    def read(cls, folder: Path) -> "Scores | None":
        """Read the scores of a model; return None where it has none yet."""
        if not (folder / FILE).exists():
            return None
        with np.load(folder / FILE) as file:
            ids, groups = (tuple(map(str, file[name])) for name in ("ids", "groups"))
            return cls(float(file["val_miou"]), file["confusions"], ids, groups)


def score(stage: Stage) -> None:
    """Score the model that the stage is named for."""
    from ocrnet.evaluation.evaluate import score_cell
    from ocrnet.evaluation.scored_split import read_test_split
    from ocrnet.evaluation.scoring import cells_of
    from ocrnet.inference.ensemble import load_segmenters
    from ocrnet.inference.scoring_protocol import ScoringProtocol
    from ocrnet.runtime import pick_device

    data, split = Path("data"), read_test_split(Path("data/prepare"))
    (cell,) = (one for one in cells_of(stage.params) if f"{PREFIX}{one.name}" == stage.name)
    protocol = ScoringProtocol.of(stage.params.evaluate)
    load = partial(load_segmenters, device=str(pick_device()), protocol=protocol)
    found = score_cell(cell, load, data=data, split=split, params=stage.params)
    Scores(found.val_miou, found.confusions, tuple(split.ids), tuple(split.groups)).write(stage.out)


if __name__ == "__main__":
    sys.exit(run_stage(score, f"{PREFIX}{sys.argv[1]}", argv=[]))
