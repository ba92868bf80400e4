"""What is known about a model of the server beside its weights: its scores on the test split, and its lineage."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ocrnet.data.csv_tables import read_csv_table
from ocrnet.errors import DataError, StoreError
from ocrnet.predict_files.references import is_registered
from ocrnet.record import RECORD_FILE
from pipelines._mlflow.version_evaluation import PER_IMAGE, fetch_evaluation
from pipelines._serve.models import ServedModel

SCORES = "scores.json"
TEXT = ("id", "group", "model")


@dataclass(frozen=True)
class Evaluation:
    """The scores of a model by the stage `evaluate`.

    Args:
        model: Scores of the model on the whole test split.
        images: mIoU of each test image, by its id, worst first; images without a scored pixel are left out.
        test_sha256: Hash of the test split.
        protocol: Words for the scoring protocol.
        place: Words for where the scores are.
    """

    model: Mapping[str, Any]
    images: Mapping[str, float]
    test_sha256: str
    protocol: str
    place: str


@dataclass(frozen=True)
class Known:
    """What is known about a model.

    Args:
        evaluation: Its scores; None if there are none.
        fault: Why there are none; empty if there are.
        lineage: Facts about its origin, by their names.
    """

    evaluation: Evaluation | None
    fault: str = ""
    lineage: Mapping[str, str] = field(default_factory=dict)


def known_about(model: ServedModel, data: Path) -> Known:
    """Find the scores and the lineage of a model; a fault in them never ends the server.

    Args:
        model: Model of the server.
        data: Folder of the outputs of the stages.
    """
    name = model.predictor.name
    if not is_registered(name):
        return _known_in_folder(model, data, _lineage_of_folder(Path(name)))
    with TemporaryDirectory(prefix="ocrnet-scores-") as folder:
        try:
            facts = fetch_evaluation(name, Path(folder))
        except (DataError, StoreError) as error:
            return Known(None, str(error))
        lineage = {key: value for key, value in facts.tags.items() if value}
        if not facts.complete:
            return _known_in_folder(model, data, lineage)
        return _known(model, Path(folder), f"run {facts.run} in MLflow", lineage)


def _known_in_folder(model: ServedModel, data: Path, lineage: Mapping[str, str]) -> Known:
    folder = data / "evaluate"
    if not all((folder / name).is_file() for name in (SCORES, PER_IMAGE)):
        words = f"{folder} has no scores. Run `dvc repro evaluate`, or give --data FOLDER."
        return Known(None, words, lineage)
    return _known(model, folder, folder.as_posix(), lineage)


def _known(model: ServedModel, folder: Path, place: str, lineage: Mapping[str, str]) -> Known:
    try:
        evaluation = _read(model.predictor.segmenter.weights_sha256, folder, place)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return Known(None, f"the scores in {place} are damaged ({type(error).__name__}).", lineage)
    if evaluation is None:
        words = f"the scores in {place} are those of other models. Run `dvc repro evaluate`."
        return Known(None, words, lineage)
    return Known(evaluation, "", lineage)


def _read(weights_sha256: str, folder: Path, place: str) -> Evaluation | None:
    """Return the scores of the model with these weights; None if it was not scored."""
    scores = json.loads((folder / SCORES).read_text(encoding="utf-8"))
    found = [one for one in scores["models"] if one["weights_sha256"] == weights_sha256]
    if not found or not weights_sha256:
        return None
    table = read_csv_table(folder / PER_IMAGE, text=TEXT)
    table = table[table["model"] == found[0]["model"]].dropna(subset=["miou"])
    table = table.sort_values(["miou", "id"])
    return Evaluation(
        model=found[0],
        images={
            str(name): float(value) for name, value in zip(table["id"], table["miou"], strict=True)
        },
        test_sha256=str(scores["test_sha256"]),
        protocol=str(scores["protocol"]["words"]),
        place=place,
    )


def _lineage_of_folder(folder: Path) -> dict[str, str]:
    """Return the record that a stage wrote beside a bundle; nothing for a bundle from elsewhere."""
    try:
        record = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
        facts = {"ocrnet.stage": str(record["stage"]), "fingerprint": str(record["fingerprint"])}
        return facts | {f"params: {key}": str(value) for key, value in record["params"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
