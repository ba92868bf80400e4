"""The part of the page about the scores of models: tables, confusion, calibration, curves."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ocrnet.config.arms import BASELINE
from ocrnet.config.evaluation import MIOU
from ocrnet.data.manifest import ClassTable
from ocrnet.evaluation.scoring import Cell
from ocrnet.evaluation.verdict_text import difference, percent
from ocrnet.report.charts import Axes, Series, interval_chart, line_chart
from ocrnet.report.files import curve, read_json, read_lines
from ocrnet.report.values import css_colour, interval_of, percent_of

BEFORE, AFTER = "var(--before)", "var(--after)"
Json = dict[str, Any]


def read_scores(data: Path) -> Json:
    """Read the scores of all models, as `evaluate` wrote them."""
    scores: Json = read_json(data / "evaluate" / "scores.json")
    return scores


def class_rows(scores: Json, classes: ClassTable) -> list[Json]:
    """Return a row per class with the scores of the baseline and of the shown arm."""
    arm = scores["shown"]["arm"]
    comparison = scores["against_baseline"][arm]
    intervals = [interval_of(raw) for raw in comparison["per_class"]]
    intervals.append(interval_of(comparison["miou"]))
    ends = [abs(end) for one in intervals for end in (one.low, one.high) if not math.isnan(end)]
    ends += [abs(one.value) for one in intervals if not math.isnan(one.value)]
    limit = max(ends, default=1.0)
    edges = [
        _mean_rows([model["boundary_iou"] for model in scores["models"] if model["arm"] == name])
        for name in (BASELINE, arm)
    ]
    edges = [[*row, _mean([value for value in row if value is not None])] for row in edges]
    rows = []
    for i, name in enumerate([*classes.class_names, "mean"]):
        is_class = i < classes.num_classes
        rows.append({
            "name": name,
            "colour": css_colour(classes.palette[i]) if is_class else None,
            "rare": name in scores["rare"] and is_class,
            "share": percent(scores["train_shares"][i]) if is_class else "",
            "before": percent_of(scores["arms"][BASELINE][i]),
            "after": percent_of(scores["arms"][arm][i]),
            "gain": difference(intervals[i], comparison["unit"]),
            "chart": interval_chart(intervals[i], limit),
            "edge_before": percent_of(edges[0][i]),
            "edge_after": percent_of(edges[1][i]),
        })  # fmt: skip
    return rows


def precision_rows(scores: Json, classes: ClassTable) -> list[Json]:
    """Return a row per class: precision, recall and Dice of the baseline and of the shown arm, means over seeds."""
    values = [
        _mean_rows([model[key] for model in scores["models"] if model["arm"] == arm])
        for key in ("precision", "recall", "dice")
        for arm in (BASELINE, scores["shown"]["arm"])
    ]
    return [
        {"name": name, "colour": css_colour(colour), "values": [percent_of(one[i]) for one in values]}
        for i, (name, colour) in enumerate(zip(classes.class_names, classes.palette, strict=False))
    ]  # fmt: skip


def model_rows(scores: Json) -> list[Json]:
    """Return a row per model, then one per ensemble of an arm's seeds."""
    return [
        {
            "name": model["model"],
            "chosen": model["model"] == scores["challenger"],
            "values": [
                percent_of(model.get(key))
                for key in (
                    *_val_keys(scores),
                    "miou",
                    "accuracy",
                    "mean_accuracy",
                    "boundary_miou",
                )
            ],
            "calibration_error": percent_of(model["calibration_error"]),
        }
        for model in [*scores["models"], *scores["ensembles"]]
    ]


def _val_keys(scores: Json) -> list[str]:
    """Return the validation scores that the page shows: the mIoU, and the score that chooses models."""
    return list(dict.fromkeys(["val_miou", f"val_{scores.get('metric', MIOU)}"]))


def shown_models(scores: Json) -> tuple[Json, Json]:
    """Return the scores of the baseline and of the retrained model in the gallery."""
    by_name = {model["model"]: model for model in scores["models"]}
    return by_name[scores["shown"]["baseline"]], by_name[scores["shown"]["retrained"]]


def confusion_tables(scores: Json) -> list[Json]:
    """Return the confusion matrix of both shown models, as shares of the true pixels."""
    tables = []
    for model in shown_models(scores):
        rows = []
        for i, (name, counts) in enumerate(
            zip(scores["class_names"], model["confusion"], strict=True)
        ):
            total = sum(counts)
            shares = [count / total if total else 0.0 for count in counts]
            cells = [
                {"text": f"{100 * share:.1f}", "strength": f"{share:.3f}", "right": i == j,
                 "dark": share > 0.55}
                for j, share in enumerate(shares)
            ]  # fmt: skip
            rows.append({"name": name, "cells": cells, "pixels": f"{total:,}"})
        tables.append({"model": model["model"], "rows": rows})
    return tables


def reliability_chart(scores: Json) -> Markup:
    """Draw the accuracy of each shown model over its confidence."""
    series = []
    for model, colour in zip(shown_models(scores), (BEFORE, AFTER), strict=True):
        pixels, confidence, right = model["calibration"]
        bins = [i for i, count in enumerate(pixels) if count]
        total = sum(pixels)
        series.append(
            Series(
                f"{model['model']} (error {percent_of(model['calibration_error'])})",
                colour,
                tuple((confidence[i] / pixels[i], right[i] / pixels[i]) for i in bins),
                tuple(2.0 + 5.0 * math.sqrt(pixels[i] / total) for i in bins),
            )
        )
    return line_chart(
        series,
        Axes(
            "Reliability: accuracy of pixels over the confidence of the model",
            "confidence", "accuracy", (0.0, 1.0), (0.0, 1.0), diagonal=True,
        ),
    )  # fmt: skip


def training_charts(scores: Json, data: Path) -> list[Markup]:
    """Draw the training loss and the validation mIoU of both shown models."""
    charts = []
    names = {"train/loss": "training loss", "val/mIoU": "validation mIoU"}
    for metric, words in names.items():
        series = []
        for model, colour in zip(shown_models(scores), (BEFORE, AFTER), strict=True):
            folder = Cell(model["arm"], model["seed"]).folder(data)
            points = curve(read_lines(folder / "metrics.jsonl"), metric)
            if points:
                marks = (3.0,) * len(points) if metric == "val/mIoU" else ()
                series.append(Series(model["model"], colour, points, marks))
        charts.append(line_chart(series, Axes(f"{words} by step", "optimizer step", words)))
    return charts


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _mean_rows(rows: Sequence[Sequence[float | None]]) -> list[float | None]:
    return [
        _mean([value for value in column if value is not None])
        for column in zip(*rows, strict=True)
    ]
