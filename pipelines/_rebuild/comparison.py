"""Compare the records of a version with the rebuilt model, row by row."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocrnet.errors import RebuildError
from ocrnet.record import RECORD_FILE
from pipelines._dvc_files.lock import DATA_STAGE, file_hash
from pipelines._mlflow.challenger import WEIGHTS_FILE
from pipelines._mlflow.origin import Origin

from .stages import ScratchClone

# A score of the version, and its name in `scores.json`.
SCORES = {
    "val/mIoU": "val_miou", "test/mIoU": "miou", "test/accuracy": "accuracy",
    "test/boundary_mIoU": "boundary_miou", "test/calibration_error": "calibration_error",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One thing compared.

    Args:
        name: Name of what is compared, such as a score.
        wanted: Value that the version records.
        found: Value of the rebuilt model.
        is_equal: Whether the two agree.
        decides: Whether a difference makes the rebuilt model count as different; if not, it is only reported.
    """

    name: str
    wanted: str
    found: str
    is_equal: bool
    decides: bool = True

    @property
    def word(self) -> str:
        """Text of the last column."""
        if self.is_equal:
            return "equal"
        return "DIFFERENT" if self.decides else "different"


def compare(origin: Origin, clone: ScratchClone, *, tolerance: float) -> list[Row]:
    """Compare weights, scores, data and params; with a tolerance for scores the weights may differ.

    Raises:
        RebuildError: A file to compare was not rebuilt.
    """
    weights = clone.out / WEIGHTS_FILE
    if not weights.is_file():
        raise RebuildError(f"{weights}: {origin.stage} of this commit did not rebuild this file.")
    sha = file_hash(weights, "sha256")
    wanted = origin.tags["weights_sha256"]
    rows = [Row("weights sha256", wanted[:12], sha[:12], sha == wanted, decides=tolerance == 0)]
    found = read_scores(clone.evaluated, origin.stage)
    rows += compare_scores(origin.metrics, found, tolerance=tolerance)
    if "params.sha" in origin.tags:
        params = _params_sha(clone.out)
        sha = origin.tags["params.sha"]
        rows.append(Row("params of the stage", sha[:12], params[:12], sha == params))
    rows += _compare_lineage(origin)
    if clone.changed_code:
        shown = ", ".join(clone.changed_code[:3]) + (" ..." if clone.changed_code[3:] else "")
        # `git.dirty` already reports changes that no commit holds.
        rows.append(Row("code of the commit", "as it ran", shown, False, not origin.is_dirty))
    return rows


def compare_scores(
    wanted: Mapping[str, float | None], found: Mapping[str, float | None], *, tolerance: float
) -> list[Row]:
    """Compare scores by name; a score that only one side has counts as different.

    Examples:
        >>> [row.word for row in compare_scores({"a": 0.5, "b": 1.0}, {"a": 0.5}, tolerance=0.0)]
        ['equal', 'DIFFERENT']
    """
    return [
        Row(name, _shown(wanted.get(name)), _shown(found.get(name)),
            is_close(wanted.get(name), found.get(name), tolerance))
        for name in sorted({*wanted, *found})
    ]  # fmt: skip


def is_close(wanted: float | None, found: float | None, tolerance: float) -> bool:
    """Tell whether two scores agree; they also agree if both are missing."""
    if wanted is None or found is None:
        return wanted is found
    if math.isnan(wanted) or math.isnan(found):
        return math.isnan(wanted) and math.isnan(found)
    return wanted == found or abs(wanted - found) <= tolerance


def read_scores(evaluated: Path, stage: str) -> dict[str, float | None]:
    """Return the scores of the model of a stage, under the names that a version uses.

    After a training on a GPU the evaluation may name another challenger, but `scores.json` has every model.

    Raises:
        RebuildError: The evaluation did not score that model.
    """
    from ocrnet.evaluation.object_files import flat_objects, flat_val_objects

    challenger = _read_json(evaluated / "challenger.json")
    if challenger.get("stage") == stage:
        return dict(challenger.get("metrics", {}))
    scores = _read_json(evaluated / "scores.json")
    for model in scores.get("models", []):
        if model.get("stage") == stage:
            found = {name: model.get(key) for name, key in SCORES.items()}
            names = [f"test/IoU/{name}" for name in scores.get("class_names", [])]
            found |= zip(names, model.get("iou", []), strict=True)
            found |= flat_objects(model, "test") | flat_val_objects(model, "val/")
            return {name: value for name, value in found.items() if value is not None}
    raise RebuildError(f"{evaluated / 'scores.json'}: it has no scores of {stage}.")


def to_text(rows: Sequence[Row]) -> str:
    """Return the rows as an aligned table."""
    cells = [("", "version", "rebuilt", ""), *((r.name, r.wanted, r.found, r.word) for r in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(4)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def _compare_lineage(origin: Origin) -> list[Row]:
    """Compare the version's tags for data and output with `dvc.lock`."""
    stages = origin.provenance.stages
    rows = []
    compared = (
        ("dvc.data_md5", DATA_STAGE, "prepared data"),
        ("dvc.out_md5", origin.stage, "output of the stage"),
    )
    for tag, stage, name in compared:
        outs = stages.get(stage, {}).get("outs", [])
        if tag in origin.tags and outs:
            wanted, found = origin.tags[tag], str(outs[0].get("md5", ""))
            rows.append(Row(name, wanted[:12], found[:12], wanted == found))
    return rows


def _params_sha(out: Path) -> str:
    record = _read_json(out / RECORD_FILE)
    return hashlib.sha256(json.dumps(record.get("params", {}), sort_keys=True).encode()).hexdigest()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        loaded = json.loads(path.read_text())
    except FileNotFoundError:
        raise RebuildError(f"{path}: this file was not rebuilt.") from None
    except ValueError as error:
        raise RebuildError(f"{path}: this is not JSON: {error}.") from None
    return loaded if isinstance(loaded, dict) else {}


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.9g}"
