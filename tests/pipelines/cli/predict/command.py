"""The command `ocrnet predict` on a few images, and what it wrote."""

import csv
from pathlib import Path

import numpy as np

from ocrnet.data.decode import read_label_map
from pipelines.cli.app import main

SIZE = (70, 90)


WINDOW = ("--window", "64", "64")


FILES = ("a/x.png", "b/x.png", "b/y.tif")


def predict(model: Path, *arguments: str) -> int:
    return main(["predict", *arguments, "--model", str(model), "--device", "cpu", "-o", "out"])


def label_maps() -> dict[str, np.ndarray]:
    root = Path("out/label_maps")
    return {
        path.relative_to(root).as_posix(): read_label_map(path)
        for path in sorted(root.rglob("*.png"))
    }


def areas() -> list[dict[str, str]]:
    with Path("out/areas.csv").open() as file:
        return list(csv.DictReader(file))


def changed() -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in Path("out").rglob("*/*.*")}
