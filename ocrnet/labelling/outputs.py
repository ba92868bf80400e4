"""What `ocrnet next` writes about the images to label.

| file | what |
|---|---|
| next.csv | an image per row, in the order to label: file, score, uncertainty, distance, entropy, predicted shares |
| sheet.png | the first of them: image, pre-label over it, disagreement of the members |
| images/NAME | copies of the images |
| label_maps/NAME.png | pre-labels: class ids; the palette shows them in the colours of the classes |
| coco.json | the same pre-labels in the form of COCO, one annotation per image and class |
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ocrnet.data.csv_tables import write_csv_table
from ocrnet.data.decode import write_image, write_label_map
from ocrnet.data.files import whole_file
from ocrnet.data.manifest import ClassTable
from ocrnet.errors import ParamsError
from ocrnet.labelling.panel import Panel
from ocrnet.labelling.ranking import Ranked, Read
from ocrnet.labelling.sheet import MOST_SHOWN, SheetRow, brightest, heat, make_sheet
from ocrnet.labelling.uncertainty import disagreement
from ocrnet.predict_files.bands import Band
from ocrnet.predict_files.coco import CocoImage, write_coco
from ocrnet.predict_files.outputs import LABEL_MAPS, blend, path_text, require_folder
from ocrnet.predict_files.png_rows import palette_of

IMAGES, TABLE_FILE, SHEET_FILE, COCO_FILE = "images", "next.csv", "sheet.png", "coco.json"


def require_empty(out: Path) -> None:
    """Check that a folder is empty or can be made: someone may have corrected the pre-labels in an earlier one.

    Raises:
        ParamsError: It has files, or it is one.
    """
    require_folder(out)
    if out.is_dir() and any(out.iterdir()):
        raise ParamsError(f"{out}: the folder is not empty. Choose another one with -o.")


def write_next(out: Path, ranked: Sequence[Ranked], panel: Panel, read: Read) -> None:
    """Write all files into a folder.

    Args:
        out: Folder of the outputs.
        ranked: Images to label, one or more, in their order.
        panel: Models that label them.
        read: Function that decodes a file.

    Raises:
        DataError: A file cannot be decoded any more.
    """
    known = [_write_pre_label(out, one, panel, read) for one in ranked]
    write_coco(out / COCO_FILE, known, panel.classes)
    _write_table(out / TABLE_FILE, ranked, panel.classes)
    with whole_file(out / SHEET_FILE) as partial:
        write_image(partial, make_sheet(_sheet_rows(ranked[:MOST_SHOWN], panel, read)))


def _write_pre_label(out: Path, one: Ranked, panel: Panel, read: Read) -> CocoImage:
    source = one.candidate
    copied = Path(f"{source.name}{source.path.suffix}")
    with whole_file(out / IMAGES / copied) as partial:
        shutil.copyfile(source.path, partial)
    label_map = panel.label_map(read(source.path))
    target = out / LABEL_MAPS / f"{source.name}.png"
    classes = panel.classes
    with whole_file(target) as partial:
        write_label_map(
            partial, label_map, palette=classes.palette, ignore_index=classes.ignore_index
        )
    size = (label_map.shape[0], label_map.shape[1])
    return CocoImage(path_text(copied.as_posix()), size, target)


def _write_table(path: Path, ranked: Sequence[Ranked], classes: ClassTable) -> None:
    names = [f"share_{name}" for name in classes.class_names]
    rows = [
        {
            "rank": place, "name": path_text(one.candidate.name), "image": path_text(one.candidate.path.as_posix()),
            "raw_image": one.candidate.raw_image, "score": one.score, "uncertainty": one.uncertainty,
            "distance": one.distance, "entropy": one.entropy, **dict(zip(names, one.shares, strict=True)),
        }
        for place, one in enumerate(ranked, start=1)
    ]  # fmt: skip
    with whole_file(path) as partial:
        write_csv_table(partial, pd.DataFrame(rows), float_format="%.6g")


def _sheet_rows(ranked: Sequence[Ranked], panel: Panel, read: Read) -> list[SheetRow]:
    """Return a row per image: the image, its pre-label over it, and the disagreement of the members."""
    images = [panel.prepared(read(one.candidate.path)) for one in ranked]
    maps = [disagreement(panel.members(image)).astype(np.float32) for image in images]
    top, colours = brightest(maps), palette_of(panel.classes)
    return [
        SheetRow(
            f"{place}  {one.candidate.name}  score {one.score:.3g} = uncertainty {one.uncertainty:.3g} "
            f"x distance {one.distance:.3g}",
            (image, blend(Band(image, panel.label_map(image)), colours), heat(values, top)),
        )
        for place, (one, image, values) in enumerate(
            zip(ranked, images, maps, strict=True), start=1
        )
    ]
