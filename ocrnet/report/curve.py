"""The learning curve over shares of the training images, if its benchmark was run.

`python -m benchmarks.low_data` writes `curve.json`; `evaluate` reads it from `data/curve`. The page shows it only if it
was measured on the test images of `data/prepare`.
"""

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ocrnet.data.manifest import read_manifest
from ocrnet.report.charts import Axes, Series, line_chart
from ocrnet.report.files import required

logger = logging.getLogger(__name__)
Json = dict[str, Any]
CURVE_FILE = "curve.json"
HEADS = ("arm", "share", "images", "test mIoU (%)", "interval over test images", "by seed")
COLOURS = {
    "train": "#6b7480", "gan": "#0072b2", "gan_unselected": "#56b4e9", "hybrid": "#7a4fbf", "copy_paste": "#d55e00",
    "copy_paste_unselected": "#e69f00", "real_twice": "#009e73", "real_rim": "#b3a000",
}  # fmt: skip
OTHER = "#cc79a7"
MARK = 3.5  # radius, in the units of the chart


def hash_ids(ids: Sequence[str]) -> str:
    """Return a hash of the ids of test images, independent of their order."""
    return hashlib.sha256(json.dumps(sorted(ids)).encode()).hexdigest()


def read_curve(data: Path) -> Json | None:
    """Return the learning curve of this data set for the page; None if there is none."""
    path = data / "curve" / CURVE_FILE
    if not path.is_file():
        return None
    curve: Json = json.loads(path.read_text())
    ids = [str(name) for name in read_manifest(required(data / "prepare"), split="test")["id"]]
    if curve.get("test_sha256") != hash_ids(ids):
        logger.warning(
            "%s: the curve was measured on other test images than data/prepare has, so the report omits it. Run "
            "benchmarks.low_data on this set, or remove the file",
            path,
        )
        return None
    return {**curve, "chart": curve_chart(curve), "heads": HEADS, "rows": curve_rows(curve)}


def curve_rows(curve: Json) -> list[tuple[str, list[str]]]:
    """Return a row per arm and share: the arm and the cells."""
    rows = []
    for arm, points in curve["arms"].items():
        for point in points:
            seeds = ", ".join(f"{100 * value:.2f}" for value in point["seeds"].values())
            interval = "too few images"
            if point["low"] is not None:
                interval = f"[{100 * point['low']:.1f}, {100 * point['high']:.1f}]"
            share, images = f"{100 * point['fraction']:g} %", str(point["images"])
            rows.append((arm, [share, images, f"{100 * point['miou']:.2f}", interval, seeds]))
    return rows


def curve_chart(curve: Json) -> Markup:
    """Draw the mean test mIoU of each arm over the share of the training images."""
    series = [
        Series(
            arm,
            COLOURS.get(arm, OTHER),
            tuple((100 * point["fraction"], 100 * point["miou"]) for point in points),
            (MARK,) * len(points),
        )
        for arm, points in curve["arms"].items()
    ]
    values = [y for one in series for _, y in one.points]
    margin = max(1.0, 0.15 * (max(values) - min(values))) if values else 1.0
    span = (min(values) - margin, max(values) + margin) if values else None
    return line_chart(
        series,
        Axes(
            "Test mIoU by share of the training images",
            "training images kept (%)", "mIoU (%)", (0.0, 100 * max(curve["fractions"])), span,
        ),
    )  # fmt: skip
