"""The answer on the page: the headline and the comparison of the arms."""

from typing import Any

from ocrnet.config.arms import BASELINE, data_words_of, words_of
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
    arm, best_non_gan = scores["shown"]["arm"], scores["best_non_gan"]
    before, after = scores["arms"][BASELINE], scores["arms"][arm]
    figures = [
        ("Baseline mIoU", percent_of(before[-1]), words_of(BASELINE)),
        ("Retrained mIoU", percent_of(after[-1]), words_of(arm)),
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
    if arm in scores["gan_arms"] and interval_of(comparison["miou"]).high < 0:
        return "down"
    return "open"


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


def arm_rows(scores: Json) -> list[Json]:
    """Return a row per arm: its mean, the scores of its seeds, and its differences from the reference arms."""
    rows = []
    for arm, values in scores["arms"].items():
        by_seed = {m["seed"]: m["miou"] for m in scores["models"] if m["arm"] == arm}
        gains = [scores[key].get(arm) for key, _ in _references(scores)]
        rows.append({
            "arm": arm,
            "words": words_of(arm),
            "best_non_gan": arm == scores["best_non_gan"],
            "miou": percent_of(values[-1]),
            "seeds": [percent_of(by_seed.get(seed)) for seed in seeds_of(scores)],
            "gains": [_difference(gain) for gain in gains],
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
                (reference, _difference(comparison, i if is_class else None))
                for key, reference in against
                if (comparison := scores[key].get(arm)) is not None
            ]  # fmt: skip
            cells.append({"iou": percent_of(values[i]), "lines": lines})
        colour = css_colour(classes.palette[i]) if is_class else None
        rows.append({"name": name, "colour": colour, "cells": cells})
    return rows


def _references(scores: Json) -> list[tuple[str, str]]:
    """Return the keys and names of the reference arms: the baseline and, if it differs, the best without a GAN."""
    found = {BASELINE: "against_baseline"}
    found.setdefault(scores["best_non_gan"], "against_best_non_gan")
    return [(key, arm) for arm, key in found.items()]


def _gain_words(comparison: Json) -> tuple[str, str]:
    value, interval = _difference(comparison).split(" ", 1)
    return f"{value} points", f"{interval}, {_words_of(comparison)}"


def _difference(comparison: Json | None, class_id: int | None = None) -> str:
    """Return the text of the difference of a class, or of the mIoU."""
    if comparison is None:
        return "-"
    raw = comparison["miou"] if class_id is None else comparison["per_class"][class_id]
    return difference(interval_of(raw), comparison["unit"])
