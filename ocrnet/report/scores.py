"""The part of the page that is about scores: headline, tables, confusion, calibration, curves."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ocrnet.compare import BASELINE, Interval
from ocrnet.data.manifest import ClassTable
from ocrnet.report.charts import Axes, Series, interval_chart, line_chart
from ocrnet.report.files import curve, read_json, read_lines
from ocrnet.scoring import Cell
from ocrnet.verdict import ARM_WORDS, difference, percent

BEFORE, AFTER = "var(--before)", "var(--after)"
Json = dict[str, Any]


def read_scores(data: Path) -> Json:
    """Read what `evaluate` wrote about all models."""
    scores: Json = read_json(data / "evaluate" / "scores.json")
    return scores


def headline(scores: Json) -> Json:
    """Return the outcome in a few words, and the numbers that stand beside it."""
    arm = scores["shown"]["arm"]
    rival = scores["against_best_non_gan"].get(arm)
    gain = _interval((rival or scores["against_baseline"][arm])["miou"])
    against = f" against the best arm without a GAN ({scores['best_non_gan']})"
    versus = against if rival and scores["best_non_gan"] != BASELINE else ""
    if rival is None:
        words, tone = "No arm uses a GAN", "open"
    elif scores["helps"]:
        words, tone = "The GAN pairs help", "up"
    elif gain.high < 0:
        words, tone = "The GAN pairs do harm", "down"
    else:
        words, tone = "The GAN pairs are not shown to help", "open"
    before, after = scores["arms"][BASELINE], scores["arms"][arm]
    return {
        "words": f"{words}: mIoU {difference(gain)} points{versus}",
        "tone": tone,
        "figures": [
            ("Baseline mIoU", _percent(before[-1]), ARM_WORDS[BASELINE]),
            ("Retrained mIoU", _percent(after[-1]), ARM_WORDS.get(arm, arm)),
            ("Difference", *_gain_words(scores, arm)),
            ("Challenger", scores["challenger"], "the model to register"),
        ],
    }


def interval_words(scores: Json) -> str:
    """Return what the intervals of the page are."""
    comparison = scores["against_baseline"][scores["shown"]["arm"]]
    level = f"{100 * comparison['confidence']:g} %"
    return f"{level} interval by a paired bootstrap over {comparison['units']} {comparison['unit']}"


def class_rows(scores: Json, classes: ClassTable) -> list[Json]:
    """Return a row per class: what the baseline and the shown arm reach on it."""
    arm = scores["shown"]["arm"]
    comparison = scores["against_baseline"][arm]
    intervals = [_interval(raw) for raw in comparison["per_class"]]
    intervals.append(_interval(comparison["miou"]))
    ends = [abs(end) for one in intervals for end in (one.low, one.high) if not math.isnan(end)]
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
            "before": _percent(scores["arms"][BASELINE][i]),
            "after": _percent(scores["arms"][arm][i]),
            "gain": difference(intervals[i]),
            "chart": interval_chart(intervals[i], limit),
            "edge_before": _percent(edges[0][i]),
            "edge_after": _percent(edges[1][i]),
        })  # fmt: skip
    return rows


def model_rows(scores: Json) -> list[Json]:
    """Return a row per model, then one per ensemble of an arm's seeds."""
    return [
        {
            "name": model["model"],
            "chosen": model["model"] == scores["challenger"],
            "values": [
                _percent(model[key])
                for key in ("val_miou", "miou", "accuracy", "mean_accuracy", "boundary_miou")
            ],
            "calibration_error": _percent(model["calibration_error"]),
        }
        for model in [*scores["models"], *scores["ensembles"]]
    ]


def arm_rows(scores: Json) -> list[Json]:
    """Return a row per arm: its difference from the baseline and from the best arm without a GAN."""
    rows = []
    for arm, comparison in scores["against_baseline"].items():
        rival = scores["against_best_non_gan"].get(arm)
        rows.append({
            "arm": arm,
            "words": ARM_WORDS.get(arm, ""),
            "miou": _percent(scores["arms"][arm][-1]),
            "gain": difference(_interval(comparison["miou"])),
            "gain_rival": difference(_interval(rival["miou"])) if rival else "-",
        })  # fmt: skip
    return rows


def shown_models(scores: Json) -> tuple[Json, Json]:
    """Return the scores of the baseline and of the retrained model of the pictures."""
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
    """Draw how often each shown model is right, by how sure it is."""
    series = []
    for model, colour in zip(shown_models(scores), (BEFORE, AFTER), strict=True):
        pixels, confidence, right = model["calibration"]
        bins = [i for i, count in enumerate(pixels) if count]
        total = sum(pixels)
        series.append(
            Series(
                f"{model['model']} (error {_percent(model['calibration_error'])})",
                colour,
                tuple((confidence[i] / pixels[i], right[i] / pixels[i]) for i in bins),
                tuple(2.0 + 5.0 * math.sqrt(pixels[i] / total) for i in bins),
            )
        )
    return line_chart(
        series,
        Axes(
            "Reliability: accuracy of pixels against the confidence of the model",
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


def _gain_words(scores: Json, arm: str) -> tuple[str, str]:
    comparison = scores["against_baseline"][arm]
    value, interval = difference(_interval(comparison["miou"])).split(" ", 1)
    confidence = f"{100 * comparison['confidence']:g} % interval"
    return f"{value} points", f"{confidence} {interval}, {comparison['units']} {comparison['unit']}"


def _interval(raw: Json) -> Interval:
    return Interval(
        *(math.nan if raw[key] is None else raw[key] for key in ("value", "low", "high"))
    )


def _percent(value: float | None) -> str:
    return percent(math.nan if value is None else value)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _mean_rows(rows: Sequence[Sequence[float | None]]) -> list[float | None]:
    return [
        _mean([value for value in column if value is not None])
        for column in zip(*rows, strict=True)
    ]


def css_colour(colour: tuple[int, int, int]) -> str:
    """Return a colour as CSS writes it."""
    return "#{:02x}{:02x}{:02x}".format(*colour)
