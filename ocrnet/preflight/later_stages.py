"""Checks of what the stages after `prepare` would refuse in its files, before anything is trained.

| code | what | who would refuse it |
|---|---|---|
| E131 | a split without a labelled pixel | `train`, which chooses weights by val, and `evaluate` |
| E132 | no class has enough labelled pixels in the split that sets the thresholds | `select` |
| E133 | operations that move objects, and no class comes as objects | `synthesize` |
"""

from pathlib import Path

import pandas as pd

from ocrnet.config import Params
from ocrnet.data.manifest import SPLITS, ClassTable, pixel_columns, read_manifest
from ocrnet.errors import DataError, ParamsError
from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.operations import OPERATIONS, idle_operations
from ocrnet.gan.selection.thresholds import LEAST_PIXELS


def check_outlook(prepared: Path, params: Params) -> None:
    """Check that the prepared files have what later stages need.

    Args:
        prepared: Folder of the manifest.
        params: Parameters with `select.calibrate_on` and `synthesize.operations`.

    Raises:
        DataError: E131 or E132, a line each.
        ParamsError: E133.
    """
    columns = pixel_columns(ClassTable.read(prepared).class_names)
    table = read_manifest(prepared)
    lines = [
        f"E131 split {split}: no pixel of its {len(rows)} images is labelled: all is ignore_index. Label some, or "
        "put other images into it."
        for split, rows in _by_split(table)
        if rows[columns].to_numpy().sum() == 0
    ]
    split = params.select.calibrate_on
    pixels = table.loc[table["split"] == split, columns].sum()
    if not lines and pixels.max() < LEAST_PIXELS:
        lines.append(
            f"E132 split {split}: no class has {LEAST_PIXELS} labelled pixels (found {pixels.astype(int).tolist()}), "
            "by which select.calibrate_on could set the threshold of a class. Give it more images, or set "
            "select.calibrate_on to the other of val and train."
        )
    if lines:
        raise DataError("\n".join(lines))
    idle = idle_operations(params.synthesize.operations)
    if idle and not Catalog(prepared).object_classes():
        kept = [name for name in OPERATIONS if not OPERATIONS[name].needs_objects]
        raise ParamsError(
            f"params.yaml: synthesize.operations: E133 {', '.join(idle)} move objects, but no class of the training "
            f"split comes as objects. Set {'it' if len(idle) == 1 else 'them'} to 0, and one of {', '.join(kept)} "
            "above 0."
        )


def _by_split(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(split, table[table["split"] == split]) for split in SPLITS]
