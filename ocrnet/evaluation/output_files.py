"""The files that `evaluate` writes, except the report and the gallery."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ocrnet.config import EvaluateParams
from ocrnet.config.arms import uses_unlabelled
from ocrnet.config.evaluation import MIOU
from ocrnet.data.csv_tables import write_csv_table
from ocrnet.evaluation.arm_comparison import StudyResult
from ocrnet.evaluation.bootstrap import Comparison
from ocrnet.evaluation.object_comparison import ObjectComparisons
from ocrnet.evaluation.object_files import flat_objects, flat_val_objects, object_columns
from ocrnet.evaluation.object_text import finite
from ocrnet.evaluation.prediction_counts import Counts
from ocrnet.evaluation.scored_split import TestSplit
from ocrnet.evaluation.scoring import EnsembleScores, ModelScores
from ocrnet.evaluation.verdict_text import rare_classes, write_verdict
from ocrnet.inference.scoring_protocol import ScoringProtocol
from ocrnet.metrics import miou, pixel_accuracy

ROWS_PER_CLASS = 100  # DVC's confusion template gets one row per percent of a true class


def write_files(  # noqa: PLR0913
    out: Path,
    scores: Sequence[ModelScores],
    ensembles: Sequence[EnsembleScores],
    *,
    split: TestSplit,
    result: StudyResult,
    params: EvaluateParams,
    data: Path,
    objects: ObjectComparisons | None = None,
    folds: dict[str, Any] | None = None,
) -> None:
    """Write the scores, the decision and the challenger into `out`; ensembles are shown but never chosen."""
    summaries = {score.cell: score.summary for score in scores}
    together = [score.summary for score in ensembles]
    everything: list[ModelScores | EnsembleScores] = [*scores, *ensembles]
    verdict = write_verdict(result, split, params)
    (out / "verdict.txt").write_text(verdict + "\n")
    content = _scores_file(list(summaries.values()), together, split, result, params)
    if objects is not None:
        content |= {"things": split.things, "objects": finite(objects)}
    if folds is not None:
        content["folds"] = folds
    _write_json(out / "scores.json", content)
    chosen = summaries[result.challenger]
    challenger = {**_challenger(chosen, result, data), "verdict": verdict}
    challenger["metrics"] = (
        _challenger_metrics(chosen, split)
        | flat_val_objects(chosen, "val/")
        | flat_objects(chosen, "test")
    )
    _write_json(out / "challenger.json", challenger)
    _write_per_image(out / "per_image.csv", everything, split)
    arrays: dict[str, Any] = {
        "ids": np.array(split.ids),
        "groups": np.array(split.groups),
        "class_names": np.array(split.classes.class_names),
        **{f"confusion.{score.name}": score.confusions for score in everything},
    }
    np.savez_compressed(out / "confusions.npz", **arrays)
    shown = [*summaries.values(), *together]
    _write_plots(out / "plots", shown, chosen, split.classes.class_names)


def _challenger(chosen: dict[str, Any], result: StudyResult, data: Path) -> dict[str, Any]:
    return {
        "stage": result.challenger.stage,
        "folder": result.challenger.folder(data).as_posix(),
        "arm": result.challenger.arm,
        "seed": result.challenger.seed,
        "helps": result.helps,
        "weights_sha256": chosen["weights_sha256"],
    }


def _challenger_metrics(chosen: dict[str, Any], split: TestSplit) -> dict[str, float]:
    metrics = {
        "val/mIoU": chosen["val_miou"],
        "test/mIoU": chosen["miou"],
        "test/accuracy": chosen["accuracy"],
        "test/boundary_mIoU": chosen["boundary_miou"],
        "test/calibration_error": chosen["calibration_error"],
    }
    for name, value in zip(split.classes.class_names, chosen["iou"], strict=True):
        metrics[f"test/IoU/{name}"] = value
    return {name: value for name, value in metrics.items() if value is not None}


def image_mious(score: Counts) -> list[float]:
    """Return the mIoU of each single image; nan if every pixel is ignored."""
    return [miou(confusion) for confusion in score.confusions]


def flat_scores(score: ModelScores | EnsembleScores, split: TestSplit) -> dict[str, float]:
    """Return the defined scores of one model under flat metric names."""
    summary = score.summary
    names = {"miou": "mIoU", "accuracy": "accuracy", "mean_accuracy": "mean_accuracy",
             "boundary_miou": "boundary_mIoU", "calibration_error": "calibration_error",
             "val_miou": "val_mIoU"}  # fmt: skip
    place = f"test/{score.name}"
    flat = {f"{place}/{name}": summary[key] for key, name in names.items()}
    for i, name in enumerate(split.classes.class_names):
        flat[f"{place}/IoU/{name}"] = summary["iou"][i]
        flat[f"{place}/boundary_IoU/{name}"] = summary["boundary_iou"][i]
    known = {name: value for name, value in flat.items() if value is not None}
    return known | flat_val_objects(summary, f"{place}/val_") | flat_objects(summary, place)


def flat_differences(result: StudyResult, split: TestSplit) -> dict[str, float]:
    """Return the differences between arms, with their intervals, under flat metric names."""
    flat: dict[str, float] = {}
    for word, comparisons in (
        ("delta", result.against_baseline),
        ("delta_best_non_gan", result.against_best_non_gan),
    ):
        for arm, comparison in comparisons.items():
            named = {"mIoU": comparison.miou}
            named.update(
                (f"IoU/{name}", interval)
                for name, interval in zip(
                    split.classes.class_names, comparison.per_class, strict=True
                )
            )
            for name, interval in named.items():
                place = f"test/{word}/{arm}/{name}"
                flat |= {place: interval.value, f"{place}/low": interval.low,
                         f"{place}/high": interval.high}  # fmt: skip
    return {name: value for name, value in flat.items() if math.isfinite(value)}


def _scores_file(
    summaries: list[dict[str, Any]],
    together: list[dict[str, Any]],
    split: TestSplit,
    result: StudyResult,
    params: EvaluateParams,
) -> dict[str, Any]:
    protocol = ScoringProtocol.of(params)
    baseline, retrained = result.shown_pair

    def table(comparisons: dict[str, Comparison]) -> dict[str, Any]:
        return {arm: finite(_plain(comparison)) for arm, comparison in comparisons.items()}

    metric = {"metric": result.metric, "metric_scores": finite(result.metric_scores)}

    return {
        "images": len(split),
        "test_sha256": split.sha256,
        "protocol": {"words": protocol.words, **asdict(protocol)},
        "class_names": split.classes.class_names,
        "train_shares": split.train_shares,
        "rare": [split.classes.class_names[i] for i in rare_classes(split, params)],
        "models": summaries,
        "ensembles": together,
        **({} if result.metric == MIOU else metric),
        "arms": finite(result.arm_scores),
        "against_baseline": table(result.against_baseline),
        "against_best_non_gan": table(result.against_best_non_gan),
        "best_non_gan": result.best_non_gan,
        **({"rivals": result.rivals} if any(map(uses_unlabelled, result.val_scores)) else {}),
        **({"gan_sees_unlabelled": True} if result.gan_sees else {}),
        "gan_arms": result.gan_arms,
        "shown": {"arm": result.shown, "baseline": baseline.name, "retrained": retrained.name},
        "challenger": result.challenger.name,
        "helps": result.helps,
    }


def _plain(comparison: Comparison) -> dict[str, Any]:
    """Return the values of a comparison; that of objects is left out if the mIoU decides."""
    return {name: value for name, value in asdict(comparison).items() if value is not None}


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n")


def _write_per_image(
    path: Path, scores: Sequence[ModelScores | EnsembleScores], split: TestSplit
) -> None:
    tables = [
        pd.DataFrame({
            "id": split.ids,
            "group": split.groups,
            "model": score.name,
            "pixels": score.confusions.sum(axis=(1, 2)),
            "miou": image_mious(score),
            "accuracy": [pixel_accuracy(confusion) for confusion in score.confusions],
            **object_columns(score.objects),
        })
        for score in scores
    ]  # fmt: skip
    _write_csv(path, pd.concat(tables))


def _write_plots(
    folder: Path, summaries: Sequence[dict[str, Any]], chosen: dict[str, Any], names: Sequence[str]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    iou = [
        {"model": summary["model"], "class": name, "iou": value}
        for summary in summaries
        for name, value in zip(names, summary["iou"], strict=True)
    ]
    _write_csv(folder / "iou.csv", pd.DataFrame(iou))
    _write_csv(folder / "reliability.csv", pd.concat([_reliability(one) for one in summaries]))
    _write_csv(folder / "confusion.csv", _confusion_rows(np.array(chosen["confusion"]), names))


def _reliability(summary: dict[str, Any]) -> pd.DataFrame:
    pixels, confidence, right = np.array(summary["calibration"])
    filled = pixels > 0
    under = pixels[filled]
    return pd.DataFrame({
        "model": summary["model"],
        "confidence": confidence[filled] / under,
        "accuracy": right[filled] / under,
        "share": under / pixels.sum(),
    })  # fmt: skip


def _confusion_rows(confusion: np.ndarray, names: Sequence[str]) -> pd.DataFrame:
    """Return 100 rows per true class, divided in proportion to its predictions by largest remainders.

    DVC's confusion template counts rows; one row per pixel would be millions of rows.
    """
    rows = []
    for name, counts in zip(names, confusion, strict=True):
        if counts.sum() == 0:
            continue
        exact = counts * ROWS_PER_CLASS / counts.sum()
        whole = np.floor(exact).astype(int)
        most = np.argsort(whole - exact, kind="stable")[: ROWS_PER_CLASS - whole.sum()]
        whole[most] += 1
        rows += [(name, other) for other, n in zip(names, whole, strict=True) for _ in range(n)]
    return pd.DataFrame(rows, columns=["actual", "predicted"])


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    write_csv_table(path, table)
