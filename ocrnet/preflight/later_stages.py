"""Checks of the prepared files for faults that a later stage would refuse, before any training.

| code | what | stage that would refuse it |
|---|---|---|
| E131 | a split without a labelled pixel | `train`, which chooses weights by val, and `evaluate` |
| E132 | no class has enough labelled pixels in the split that sets the thresholds | `select` |
| E133 | operations that move things, but no class occurs as things | `synthesize` |
| E134 | a val or test split without an object, but `evaluate.metric` is a score of objects | `evaluate` |
| E135 | more folds than groups of training images | `train_fold` |
"""

from pathlib import Path

import pandas as pd

from ocrnet.config import Params
from ocrnet.config.evaluation import MIOU
from ocrnet.data.instance_maps import INSTANCES, show_objects
from ocrnet.data.manifest import SPLITS, ClassTable, pixel_columns, read_manifest
from ocrnet.errors import DataError, ParamsError
from ocrnet.gan import free_operations, idle_operations
from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.selection.pixel_filter import LEAST_PIXELS

SCORED = ("val", "test")  # splits that evaluate.metric is measured on


def check_outlook(prepared: Path, params: Params) -> None:
    """Check that the prepared files have what later stages need.

    Args:
        prepared: Folder of the manifest.
        params: Params with `folds`, `select.calibrate_on`, `synthesize.operations` and `evaluate.metric`.

    Raises:
        DataError: E131, E132, E134 or E135, one line each.
        ParamsError: E133.
    """
    columns = pixel_columns(ClassTable.read(prepared).class_names)
    table = read_manifest(prepared)
    lines = [
        f"E131 split {split}: no pixel of its {len(rows)} images is labelled: all are ignore_index. Label some, or "
        "add other images to the split."
        for split, rows in _by_split(table)
        if rows[columns].to_numpy().sum() == 0
    ]
    split = params.select.calibrate_on
    pixels = table.loc[table["split"] == split, columns].sum()
    if not lines and pixels.max() < LEAST_PIXELS:
        lines.append(
            f"E132 split {split}: no class has {LEAST_PIXELS} labelled pixels (found {pixels.astype(int).tolist()}), "
            "which select.calibrate_on needs for a threshold. Add images to the split, or set "
            "select.calibrate_on to the other of val and train."
        )
    if params.evaluate.metric != MIOU:
        lines += _lines_without_objects(prepared, table, params)
    groups = table.loc[table["split"] == "train", "group"].nunique()
    if groups < len(params.folds):
        lines.append(
            f"E135 split train: its images are of {groups} groups, which stay whole, but folds names "
            f"{len(params.folds)}. Name fewer folds, or add images."
        )
    if lines:
        raise DataError("\n".join(lines))
    idle = idle_operations(params.synthesize.operations)
    if idle and not Catalog(prepared).thing_classes():
        kept = ", ".join(free_operations())
        raise ParamsError(
            f"params.yaml: synthesize.operations: E133 {', '.join(idle)} move things, but no class of the training "
            f"split occurs as things. Set {'it' if len(idle) == 1 else 'them'} to 0, and one of {kept} "
            "above 0."
        )


def _lines_without_objects(prepared: Path, table: pd.DataFrame, params: Params) -> list[str]:
    return [
        f"E134 split {split}: no image shows an object of {', '.join(params.data.things)}, so evaluate.metric "
        f"{params.evaluate.metric} has no value. Add images with objects to the split, or set evaluate.metric to miou."
        for split, rows in _by_split(table)
        if split in SCORED and not show_objects(prepared, list(rows[INSTANCES]))
    ]


def _by_split(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(split, table[table["split"] == split]) for split in SPLITS]
