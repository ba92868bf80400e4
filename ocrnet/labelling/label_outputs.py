"""What `ocrnet next --labels` writes about the labelled images.

| file | what |
|---|---|
| label_errors.csv | an image per row, the most suspicious first: share of likely wrong labels, most frequent kind |
| joint.csv | pixels by labelled class (row) and likely class (column): which classes are mixed up |
| sheet.png | the first images: image, labels, predicted classes, likely errors in white |
"""

from pathlib import Path

import numpy as np
import pandas as pd

from ocrnet.data.csv_tables import write_csv_table
from ocrnet.data.decode import read_image, read_label_map, write_image
from ocrnet.data.files import whole_file
from ocrnet.data.manifest import ClassTable
from ocrnet.labelling.label_ranking import RankedLabels, Suspect
from ocrnet.labelling.outputs import SHEET_FILE
from ocrnet.labelling.sheet import MOST_SHOWN, SheetRow, make_sheet
from ocrnet.predict_files.bands import Band
from ocrnet.predict_files.outputs import blend
from ocrnet.predict_files.png_rows import palette_of

LABELS_FILE, JOINT_FILE = "label_errors.csv", "joint.csv"


def write_label_errors(out: Path, ranked: RankedLabels, classes: ClassTable, *, shown: int) -> None:
    """Write all files into a folder.

    Args:
        out: Folder of the outputs.
        ranked: Judged images.
        classes: Class table.
        shown: Number of images on the sheet.
    """
    names = classes.class_names
    rows = [_cells(place, one, names) for place, one in enumerate(ranked.suspects, start=1)]
    with whole_file(out / LABELS_FILE) as partial:
        write_csv_table(partial, pd.DataFrame(rows), float_format="%.6g")
    joint = pd.DataFrame(ranked.joint, columns=list(names))
    joint.insert(0, "labelled", list(names))
    with whole_file(out / JOINT_FILE) as partial:
        write_csv_table(partial, joint)
    suspects = ranked.suspects[: min(shown, MOST_SHOWN)]
    sheet = make_sheet(
        [_sheet_row(place, one, ranked, classes) for place, one in enumerate(suspects, start=1)]
    )
    with whole_file(out / SHEET_FILE) as partial:
        write_image(partial, sheet)


def _cells(place: int, one: Suspect, names: tuple[str, ...]) -> dict[str, object]:
    given, likely, pixels = one.worst or (None, None, 0)
    return {
        "rank": place, "id": one.row["id"], "split": one.row["split"], "image": one.row["image"],
        "label_map": one.row["label_map"], "raw_label_map": one.row["raw_label_map"],
        "share": one.share, "pixels": one.pixels,
        "labelled": "" if given is None else names[given],
        "likely": "" if likely is None else names[likely], "of_this_kind": pixels,
    }  # fmt: skip


def _sheet_row(place: int, one: Suspect, ranked: RankedLabels, classes: ClassTable) -> SheetRow:
    """Return a row: the image, its labels over it, the predicted classes over it, and the likely errors."""
    image = read_image(ranked.folder / one.row["image"])
    label_map = read_label_map(ranked.folder / one.row["label_map"])
    judged, probabilities = ranked.judge_again(one)
    colours = palette_of(classes)
    predicted = probabilities.argmax(axis=0).astype(np.uint8)
    text = f"{place}  {one.row['id']} ({one.row['split']})  {100 * one.share:.2f} % likely wrong"
    if one.worst is not None:
        given, likely, pixels = one.worst
        text += f", {pixels} px {classes.class_names[given]} likely {classes.class_names[likely]}"
    white = np.repeat(judged.wrong[..., None], 3, axis=2).astype(np.uint8) * 255
    covered = [blend(Band(image, one), colours) for one in (label_map, predicted)]
    return SheetRow(text, (image, *covered, white))
