"""What `ocrnet drift` writes.

| file | what |
|---|---|
| drift.html | the page, one file that loads nothing |
| drift.csv | each image with its measures, its p-value, whether it is strange, and why |
| drift.json | the tests of the set, the number of strange images, the false-alarm rate on the split test |
| candidates.txt | paths of the strange images, the strangest first: what to look at and to label |
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import UInt8

from ocrnet.data.csv_tables import write_csv_table
from ocrnet.data.files import whole_file, write_whole
from ocrnet.data.manifest import ClassTable
from ocrnet.drift.alarms import Judgement, SetTest
from ocrnet.drift.measures import TAILS
from ocrnet.report.charts import Axes, Series, line_chart
from ocrnet.report.pages import fill_page
from ocrnet.report.pictures import label_picture, photo

TEMPLATE = Path(__file__).with_name("page.html.j2")
MOST_SHOWN = 24  # strange images on the page
Ratio = tuple[float, float, float]  # value, low, high


@dataclass(frozen=True)
class Drift:
    """The comparison of new images with the reference.

    Args:
        model: Name of the model.
        paths: Path of each image.
        table: Measures, a row per image.
        judgement: Images one by one.
        tests: Tests of the set; empty if there are too few images.
        val: Measures of the val images.
        test_rate: Share of strange images in the split test with its interval; None without test images.
    """

    model: str
    paths: tuple[str, ...]
    table: pd.DataFrame
    judgement: Judgement
    tests: tuple[SetTest, ...]
    val: pd.DataFrame
    test_rate: Ratio | None

    @property
    def order(self) -> list[int]:
        """The images, the strangest first."""
        return [int(i) for i in np.argsort(-self.judgement.strangeness, kind="stable")]

    @property
    def strange(self) -> list[int]:
        """The strange images, the strangest first."""
        return [i for i in self.order if self.judgement.strange[i]]

    @property
    def alarms(self) -> list[SetTest]:
        """The tests of the set that give an alarm, the clearest first."""
        return sorted((one for one in self.tests if one.alarm), key=lambda one: one.p_value)

    @property
    def expected(self) -> float:
        """The highest number of strange images that is expected by chance."""
        return self.judgement.rate * len(self.paths)

    @property
    def words(self) -> str:
        """The result in one line."""
        parts = [
            f"{len(self.strange)} of {len(self.paths)} images are strange (expected by chance: at most "
            f"{self.expected:.3g})"
        ]
        if self.alarms:
            names = ", ".join(one.measure for one in self.alarms)
            parts.append(f"as a set they differ from the val images in {names}")
        elif self.tests:
            parts.append("as a set they do not differ measurably from the val images")
        else:
            parts.append("too few images to test them as a set")
        return "; ".join(parts)


def write_drift(
    out: Path,
    drift: Drift,
    shown: Sequence[tuple[int, UInt8[np.ndarray, "H W 3"], UInt8[np.ndarray, "H W"]]],
    classes: ClassTable,
) -> None:
    """Write all files into a folder.

    Args:
        out: Folder of the outputs, which exists.
        drift: Comparison.
        shown: Index, image and label map of the images that the page shows.
        classes: Class table of the model.
    """
    _write_table(out / "drift.csv", drift)
    write_whole(out / "drift.json", json.dumps(summary_of(drift), indent=1) + "\n")
    write_whole(out / "candidates.txt", "".join(f"{drift.paths[i]}\n" for i in drift.strange))
    pictures = [
        {
            "path": drift.paths[index],
            "p_value": float(drift.judgement.p_values[index]),
            "reasons": ", ".join(drift.judgement.reasons(index)),
            "photo": photo(image),
            "label_map": label_picture(label_map, classes),
        }
        for index, image, label_map in shown
    ]
    page = fill_page(TEMPLATE, drift=drift, pictures=pictures, charts=_charts(drift))
    write_whole(out / "drift.html", page)


def summary_of(drift: Drift) -> dict[str, Any]:
    """Return the result as values for a JSON file."""
    rate = None
    if drift.test_rate is not None:
        rate = dict(zip(("value", "low", "high"), drift.test_rate, strict=True))
    return {
        "model": drift.model,
        "images": len(drift.paths),
        "strange": len(drift.strange),
        "rate": drift.judgement.rate,
        "expected_at_most": drift.expected,
        "false_alarms_on_test": rate,
        "set": [asdict(one) for one in drift.tests],
    }


def metrics_of(drift: Drift) -> dict[str, float]:
    """Return the result as metrics of a run."""
    metrics = {
        "drift/images": float(len(drift.paths)),
        "drift/strange": float(len(drift.strange)),
        "drift/strange_share": len(drift.strange) / len(drift.paths),
        "drift/alarms": float(len(drift.alarms)),
    }
    for one in drift.tests:
        metrics |= {
            f"drift/{one.measure}_statistic": one.statistic, f"drift/{one.measure}_p": one.p_value
        }  # fmt: skip
    return metrics


def _write_table(path: Path, drift: Drift) -> None:
    judgement = drift.judgement
    table = pd.DataFrame({"path": drift.paths}).join(drift.table)
    table["p_value"] = judgement.p_values
    table["strange"] = judgement.strange.astype(int)
    table["reasons"] = [
        " ".join(judgement.reasons(i)) if judgement.strange[i] else "" for i in range(len(table))
    ]
    with whole_file(path) as partial:
        write_csv_table(partial, table.iloc[drift.order], float_format="%.6g")


def _charts(drift: Drift) -> list[Any]:
    return [
        line_chart(
            (
                Series("val images", "var(--before)", _steps(drift.val[name])),
                Series("new images", "var(--new)", _steps(drift.table[name])),
            ),
            _axes(name, drift),
        )
        for name in TAILS
        if drift.val[name].notna().any() and drift.table[name].notna().any()
    ]


def _axes(name: str, drift: Drift) -> Axes:
    both = pd.concat([drift.val[name], drift.table[name]]).dropna()
    low, high = float(both.min()), float(both.max())
    room = 0.05 * (high - low) or 0.05
    return Axes(name, name, "share of images up to", (low - room, high + room), (0.0, 1.0))


def _steps(values: "pd.Series[float]") -> tuple[tuple[float, float], ...]:
    """Return the empirical distribution function as a line."""
    rising = np.sort(values.dropna().to_numpy())
    points = []
    for index, value in enumerate(rising):
        points += [(float(value), index / len(rising)), (float(value), (index + 1) / len(rising))]
    return tuple(points)
