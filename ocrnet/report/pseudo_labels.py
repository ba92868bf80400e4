"""The part of the page about pseudo-labels: what is kept of each class, and examples."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ocrnet.data.manifest import ClassTable
from ocrnet.data.pseudo_shares import FOLDER, SHEET_FILE, TABLE_FILE, read_shares
from ocrnet.evaluation.verdict_text import percent
from ocrnet.report.files import read_json, required
from ocrnet.report.values import css_colour

Json = dict[str, Any]


def labelled_folders(data: Path, seeds: Sequence[int]) -> list[tuple[int, Path]]:
    """Return the seeds whose trainings had pseudo-labels, with the folder of the labels."""
    folders = [(seed, data / FOLDER / str(seed)) for seed in seeds]
    return [(seed, folder) for seed, folder in folders if (folder / TABLE_FILE).exists()]


def pseudo_label_sets(data: Path, seeds: Sequence[int], classes: ClassTable) -> list[Json]:
    """Return the sets of pseudo-labels with their rows per class; seeds with equal numbers are one set.

    Args:
        data: Folder of the stages' outputs.
        seeds: Seeds of the trainings.
        classes: Class table with the colours.
    """
    sets: dict[bytes, Json] = {}
    for seed, folder in labelled_folders(data, seeds):
        key = (folder / TABLE_FILE).read_bytes()
        if key in sets:
            sets[key]["seeds"].append(seed)
            continue
        metrics = read_json(folder / "metrics.json")
        sets[key] = {
            "seeds": [seed],
            "images": f"{metrics['pseudo_label/images']:.0f}",
            "pairs": f"{metrics['pseudo_label/pairs']:.0f}",
            "kept": percent(metrics["pseudo_label/kept_share"]),
            "rows": _rows(read_shares(folder), classes),
            "sheet": _picture(required(folder / SHEET_FILE)) if not sets else None,
        }
    return list(sets.values())


def _rows(table: pd.DataFrame, classes: ClassTable) -> list[Json]:
    columns = ("val_precision", "val_kept", "predicted_share", "kept_share", "kept_of_predicted")
    return [
        {
            "name": row["class"],
            "colour": css_colour(colour),
            "pooled": row["source"] == "pooled",
            "threshold": f"{row['threshold']:.3f}",
            "values": [percent(float(row[column])) for column in columns],
        }
        for row, colour in zip(table.to_dict("records"), classes.palette, strict=True)
    ]


def _picture(path: Path) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
