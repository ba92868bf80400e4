"""The answer on the page: the headline and the comparison of the arms."""

from collections.abc import Mapping
from typing import Any

from ocrnet.config.arms import (
    BASELINE,
    data_words_of,
    files_of,
    step_cost,
    uses_gan,
    uses_mean_teacher,
    uses_pseudo_labels,
    words_of,
)
from ocrnet.config.evaluation import METRICS, MIOU
from ocrnet.data.manifest import ClassTable
from ocrnet.evaluation.intervals import shortage_words
from ocrnet.evaluation.verdict_text import difference
from ocrnet.report.values import css_colour, interval_of, percent_of

Json = dict[str, Any]


def headline(scores: Json, answer: str) -> Json:
    """Return the answer, its colour and the main numbers.

    Args:
        scores: Result of `read_scores`.
        answer: First line of `verdict.txt`.
    """
    arm = scores["shown"]["arm"]
    best_non_gan = _rival(scores, arm)
    word, values = metric_word(scores), _metric_scores(scores)
    figures = [
        (f"Baseline {word}", percent_of(values[BASELINE]), words_of(BASELINE)),
        (f"Retrained {word}", percent_of(values[arm]), words_of(arm)),
        ("Against real images only", *_gain_words(scores["against_baseline"][arm])),
    ]
    if arm in scores["gan_arms"] and best_non_gan != BASELINE:
        words = f"Against {data_words_of(best_non_gan)}"
        figures.append((words, *_gain_words(scores["against_best_non_gan"][arm])))
    challenger = ("Challenger", scores["challenger"], "the model to register")
    return {"words": answer, "tone": _tone(scores, arm), "figures": [*figures, challenger]}


def _tone(scores: Json, arm: str) -> str:
    if scores["helps"]:
        return "up"
    comparison = scores["against_best_non_gan"].get(arm)
    if arm in scores["gan_arms"] and interval_of(_deciding(comparison)).high < 0:
        return "down"
    return "open"


def _rival(scores: Json, arm: str) -> str:
    """Return the arm that an arm is held against: the best without a GAN or, of a GAN, that of the same files."""
    rival: str = scores.get("rivals", {}).get(arm, scores["best_non_gan"])
    return rival


def interval_words(scores: Json) -> str:
    """Return the description of the page's intervals."""
    return _words_of(scores["against_baseline"][scores["shown"]["arm"]])


def _words_of(comparison: Json) -> str:
    if comparison["units"] < comparison["least"]:
        shortage = shortage_words(comparison["units"], comparison["unit"], comparison["least"])
        return f"no interval, because {shortage}"
    level = f"{100 * comparison['confidence']:g} %"
    seeds = f"{comparison['seeds']} seeds and " if comparison["seeds"] > 1 else ""
    units = f"{comparison['units']} {comparison['unit']}"
    return f"{level} interval by a paired bootstrap over {seeds}{units}"


def seeds_of(scores: Json) -> list[int]:
    """Return the seeds, which are the same for all arms."""
    return sorted({model["seed"] for model in scores["models"]})


def arm_rows(scores: Json, params: Mapping[str, str]) -> list[Json]:
    """Return a row per arm: its mean, the scores of its seeds, its files and cost, and its differences from others.

    Args:
        scores: Result of `read_scores`.
        params: Recorded params of the trainings, by dotted names.
    """
    metric = scores.get("metric", MIOU)
    rows = []
    for arm, value in _metric_scores(scores).items():
        by_seed = {m["seed"]: _of_model(m, metric) for m in scores["models"] if m["arm"] == arm}
        gains = [
            _named_difference(scores[key].get(arm), _rival(scores, arm), reference)
            for key, reference in _references(scores)
        ]
        rows.append({
            "arm": arm,
            "words": words_of(arm),
            "files": files_of(arm, gan_sees=scores.get("gan_sees_unlabelled", False)),
            "cost": _cost_words(arm, params),
            "best_non_gan": arm == scores["best_non_gan"],
            "score": percent_of(value),
            "seeds": [percent_of(by_seed.get(seed)) for seed in seeds_of(scores)],
            "gains": gains,
        })  # fmt: skip
    return rows


def class_arm_rows(scores: Json, classes: ClassTable) -> list[Json]:
    """Return a row per class with a cell per arm: the IoU and its differences from the reference arms."""
    against = _references(scores)
    rows = []
    for i, name in enumerate([*classes.class_names, "mean"]):
        is_class = i < classes.num_classes
        cells = []
        for arm, values in scores["arms"].items():
            lines = [
                (reference if key == "against_baseline" else _rival(scores, arm),
                 _difference(comparison, i if is_class else None))
                for key, reference in against
                if (comparison := scores[key].get(arm)) is not None
            ]  # fmt: skip
            cells.append({"iou": percent_of(values[i]), "lines": lines})
        colour = css_colour(classes.palette[i]) if is_class else None
        rows.append({"name": name, "colour": colour, "cells": cells})
    return rows


def _cost_words(arm: str, params: Mapping[str, str]) -> str:
    ratio = float(params["mean_teacher.ratio"]) if uses_mean_teacher(arm) else 0.0
    before = ["the training of the GAN"] * uses_gan(arm)
    before += ["the labelling of the unlabelled images by the baseline"] * uses_pseudo_labels(arm)
    after = f", after {' and '.join(before)}" if before else ""
    return f"{step_cost(arm, ratio):.2g}{after}"


def _named_difference(comparison: Json | None, rival: str, reference: str) -> str:
    """Return the text of a deciding difference, with the arm if it is not the one that the column names."""
    words = "-" if comparison is None else _deciding_difference(comparison)
    other = comparison is not None and reference != BASELINE and rival != reference
    return f"{words} ({rival})" if other else words


def _references(scores: Json) -> list[tuple[str, str]]:
    """Return the keys and names of the reference arms: the baseline and, if it differs, the best without a GAN."""
    found = {BASELINE: "against_baseline"}
    found.setdefault(scores["best_non_gan"], "against_best_non_gan")
    return [(key, arm) for arm, key in found.items()]


def _gain_words(comparison: Json) -> tuple[str, str]:
    value, interval = _deciding_difference(comparison).split(" ", 1)
    return f"{value} points", f"{interval}, {_words_of(comparison)}"


def metric_word(scores: Json) -> str:
    """Return the name of the score that decides."""
    return METRICS[scores.get("metric", MIOU)]


def _metric_scores(scores: Json) -> dict[str, float | None]:
    """Return the deciding score of each arm."""
    plain = {arm: values[-1] for arm, values in scores["arms"].items()}
    found: dict[str, float | None] = scores.get("metric_scores", plain)
    return found


def _of_model(model: Json, metric: str) -> float | None:
    score: float | None = model["miou"] if metric == MIOU else model["objects"][metric]
    return score


def _deciding(comparison: Json) -> Json:
    """Return the difference that decides: that of objects, or else of the mIoU."""
    found: Json = comparison.get("of_objects") or comparison["miou"]
    return found


def _deciding_difference(comparison: Json) -> str:
    return difference(interval_of(_deciding(comparison)), comparison["unit"])


def _difference(comparison: Json | None, class_id: int | None = None) -> str:
    """Return the text of the difference of a class, or of the mIoU."""
    if comparison is None:
        return "-"
    raw = comparison["miou"] if class_id is None else comparison["per_class"][class_id]
    return difference(interval_of(raw), comparison["unit"])
