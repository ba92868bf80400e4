"""The part of the page about the GAN's layouts and the quality of its images."""

import base64
from pathlib import Path
from typing import Any

from ocrnet.data.manifest import ClassTable
from ocrnet.gan.quality.measured import QUALITY_FILE, Measure, read_quality
from ocrnet.report.files import read_json
from ocrnet.report.values import css_colour, percent_of

NEIGHBOURS_FILE = "neighbours.jpg"
SETS = {
    "synthesized": "synthesized pairs",
    "selected": "selected pairs",
    "held_out": "generated from validation label maps",
    "real": "real images",
}
Json = dict[str, Any]


def layout_rows(data: Path, classes: ClassTable) -> list[Json]:
    """Return, per class, its share in the layouts and in the training images, and the number of its pasted objects."""
    metrics = read_json(data / "synthesize" / "metrics.json")
    rows = []
    for name, colour in zip(classes.class_names, classes.palette, strict=True):
        drawn, real = (
            metrics.get(f"synthesize/{kind}/{name}") for kind in ("share", "train_share")
        )
        pasted = metrics.get(f"synthesize/pasted/{name}", 0)
        rows.append({
            "name": name,
            "colour": css_colour(colour),
            "drawn": percent_of(drawn),
            "real": percent_of(real),
            "ratio": f"{drawn / real:.2f}" if drawn is not None and real else "n/a",
            "pasted": f"{pasted:.0f}",
            "widths": [f"{100 * (share or 0.0):.1f}" for share in (drawn, real)],
        })  # fmt: skip
    return rows


def operation_words(data: Path) -> str:
    """Return the number of layouts of each operation."""
    metrics = read_json(data / "synthesize" / "metrics.json")
    prefix = "synthesize/operation/"
    counts = {
        name.removeprefix(prefix): n for name, n in metrics.items() if name.startswith(prefix)
    }
    return ", ".join(f"{name} {n:.0f}" for name, n in sorted(counts.items()))


def quality_table(data: Path) -> Json | None:
    """Return the quality numbers, a row per number and a cell per set of images; None if none were measured."""
    if not (data / "select" / QUALITY_FILE).exists():
        return None
    measures = read_quality(data / "select")
    names = dict.fromkeys((measure.name, measure.extractor) for measure in measures)
    rows = []
    for name, extractor in names:
        own = {m.of: m for m in measures if (m.name, m.extractor) == (name, extractor)}
        title = f"{name}[{extractor}]" if extractor else name
        rows.append({"name": title, "cells": [_cell(own.get(of)) for of in SETS]})
    grounds = {
        f"{m.extractor} (weights {m.extractor_sha256[:12]}, resize {m.resize})"
        for m in measures
        if m.extractor
    }
    resolutions = sorted({m.resolution for m in measures})
    splits = sorted({m.split for m in measures})
    return {
        "sets": list(SETS.values()),
        "rows": rows,
        "grounds": f"Features of {'; '.join(sorted(grounds))}. Images of {', '.join(resolutions)} pixels, compared "
        f"with the real images of {', '.join(splits)}.",
    }  # fmt: skip


def _cell(measure: Measure | None) -> Json:
    if measure is None:
        return {"value": "-", "note": ""}
    spread = "" if measure.sd is None else f" +- {measure.sd:.3g}"
    p_value = "" if measure.p_value is None else f", p {measure.p_value:.2g}"
    return {
        "value": f"{measure.value:.4g}{spread}",
        "note": f"{measure.n} vs {measure.reference_n}{p_value}",
    }


def neighbours(data: Path) -> str | None:
    """Return the sheet of generated images beside their originals as a data URI; None if there is no sheet."""
    path = data / "select" / NEIGHBOURS_FILE
    if not path.exists():
        return None
    return f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
