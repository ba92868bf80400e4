"""Repaint an image after its label map was edited: `python -m pipelines.paint IMAGE LABEL_MAP -o OUT.png`.

The trained GAN paints what was edited; every pixel beyond a rim of a few around it stays as it was, to the bit. What
the image showed before is taken from `--original-mask`, else from the prepared data where the image is one of it, else
predicted by the baseline.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ocrnet.data.manifest import ClassTable
from ocrnet.errors import DataError, OcrnetError, ParamsError
from pipelines._arguments import Parser

LabelMap = npt.NDArray[np.uint8]


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = Parser(prog="python -m pipelines.paint", description="Repaint an edited image.")
    found.add_argument("image", type=Path, metavar="IMAGE")
    found.add_argument(
        "mask", type=Path, metavar="MASK", help="the edited label map: ids, or the class colours"
    )
    found.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.png")
    found.add_argument("--gan", type=Path, default=Path("data/train_gan"), metavar="FOLDER")
    found.add_argument(
        "--original-mask", type=Path, metavar="MASK", help="the label map before the edit"
    )
    found.add_argument("--data", type=Path, default=Path("data/prepare"), metavar="FOLDER")
    found.add_argument(
        "--model", type=Path, default=Path("data/train/0"), metavar="BUNDLE",
        help="predicts the label map before the edit where nothing else says it",
    )  # fmt: skip
    found.add_argument("--seed", type=int, default=0, help="of the painting")
    found.add_argument("--sheet", type=Path, metavar="SHEET.png", help="before and after")
    return found


def paint(argv: Sequence[str]) -> str:
    """Run the command and return what it prints.

    Raises:
        ParamsError: an argument is wrong.
        BundleError: the GAN or the model cannot be used.
        DataError: the image or a label map cannot be.
    """
    given = parser().parse_args(argv)
    for path in (given.out, given.sheet):
        if path is not None and path.suffix.lower() != ".png":
            raise ParamsError(f"{path}: found {path.suffix!r}. Write PNG, which keeps every pixel.")
    from ocrnet.data.decode import read_image, write_image
    from ocrnet.gan.edit import read_edit, write_edit_sheet
    from ocrnet.gan.painter import load_painter
    from ocrnet.gan.repaint import edited_region, paint_weight, repaint
    from ocrnet.runtime import pick_device

    painter = load_painter(given.gan, device=str(pick_device()))
    classes = painter.class_table
    image = read_image(given.image)
    shape = (image.shape[0], image.shape[1])
    edited = read_edit(given.mask, classes, shape=shape)
    original, source = _original(given, classes, image)
    result = repaint(
        image, original, edited, painter=painter, ignore_index=classes.ignore_index, seed=given.seed
    )
    for path in (given.out, given.sheet):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
    write_image(given.out, result)
    if given.sheet is not None:
        write_edit_sheet(given.sheet, image, original, edited, result, classes=classes)
    changed = edited_region(original, edited, ignore_index=classes.ignore_index)
    return (
        f"{given.out}: label map before the edit: {source}\n"
        f"{given.out}: {changed.mean():.1%} of the pixels edited, {(paint_weight(changed) > 0).mean():.1%} repainted "
        f"with their rim, the others unchanged"
    )


def _original(
    given: argparse.Namespace, classes: ClassTable, image: npt.NDArray[np.uint8]
) -> tuple[LabelMap, str]:
    """Return the label map before the edit and where it is from."""
    from ocrnet.gan.edit import find_label_map, read_edit

    if given.original_mask is not None:
        shape = (image.shape[0], image.shape[1])
        return read_edit(given.original_mask, classes, shape=shape), str(given.original_mask)
    found = find_label_map(given.data, given.image, image)
    if found is not None:
        return found, f"that of {given.data}"
    if not given.model.exists():
        raise DataError(
            f"{given.image}: its label map before the edit is unknown: it is not in {given.data}, and there is no "
            f"model {given.model} to predict it. Give --original-mask or --model."
        )
    from ocrnet.predict import load_segmenter
    from ocrnet.runtime import pick_device

    segmenter = load_segmenter(given.model, device=str(pick_device()))
    known = segmenter.class_table.class_names
    if known != classes.class_names:
        raise DataError(
            f"{given.model}: predicts {list(known)}, but the GAN paints {list(classes.class_names)}. "
            "Give --original-mask or the model of this data."
        )
    return segmenter.label_map_of_file(
        given.image
    ), f"predicted by {given.model}, and wrong where it is"


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    try:
        print(paint(argv))
    except OcrnetError as error:
        print(f"paint: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
