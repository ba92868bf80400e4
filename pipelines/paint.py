"""Repaint an image after its label map was edited: `python -m pipelines.paint IMAGE LABEL_MAP -o OUT.png`.

The trained GAN generates the edited region and a rim of a few pixels; every other pixel is kept to the bit. The label
map before the edit comes from `--original-mask`, otherwise from the prepared data if it holds the image, otherwise from
a prediction of the baseline. A file that is rotated or deeper than 8 bits is read as the data of that baseline was.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from ocrnet.config import DataParams
from ocrnet.config.base import MAX_PIXELS
from ocrnet.config.params_file import load_params
from ocrnet.errors import DataError, ParamsError
from pipelines._command.arguments import Parser, path_argument
from pipelines._command.exit_codes import command

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ocrnet.bundles.card import Decoding
    from ocrnet.data.manifest import ClassTable

    LabelMap = npt.NDArray[np.uint8]

PARAMS = Path("params.yaml")


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = Parser(
        prog="python -m pipelines.paint",
        description="Repaint an image after its label map was edited.",
    )
    found.add_argument("image", type=path_argument, metavar="IMAGE", help="Image to repaint")
    found.add_argument(
        "mask",
        type=path_argument,
        metavar="MASK",
        help="Edited label map: ids, or the colours of the classes",
    )
    found.add_argument(
        "-o",
        "--out",
        type=path_argument,
        required=True,
        metavar="OUT.png",
        help="File for the repainted image",
    )
    found.add_argument(
        "--gan",
        type=path_argument,
        default=Path("data/train_gan"),
        metavar="FOLDER",
        help="Folder of the trained GAN (default: data/train_gan)",
    )
    found.add_argument(
        "--original-mask",
        type=path_argument,
        metavar="MASK",
        help="Label map before the edit (default: that of --data, otherwise a prediction by --model)",
    )
    found.add_argument(
        "--data",
        type=path_argument,
        default=Path("data/prepare"),
        metavar="FOLDER",
        help="Prepared set that may hold the image with its label map (default: data/prepare)",
    )
    found.add_argument(
        "--model", type=path_argument, default=Path("data/train/0"), metavar="BUNDLE",
        help="Bundle that predicts the label map before the edit if --original-mask and --data do not give it",
    )  # fmt: skip
    found.add_argument(
        "--exif", choices=get_args(DataParams.model_fields["exif"].annotation),
        help="Meaning of a rotation flag of the image (default: that of the model's card, otherwise data.exif)",
    )  # fmt: skip
    found.add_argument(
        "--alpha", choices=get_args(DataParams.model_fields["alpha"].annotation),
        help="Meaning of transparent pixels of the image (default: as for --exif, data.alpha)",
    )  # fmt: skip
    found.add_argument(
        "--extra-bands", choices=get_args(DataParams.model_fields["extra_bands"].annotation),
        help="Meaning of bands beyond red, green, blue and alpha (default: as for --exif, data.extra_bands)",
    )  # fmt: skip
    found.add_argument(
        "--value-range", nargs=2, type=float, metavar=("LOW", "HIGH"),
        help="Range of values of an image deeper than 8 bits (default: as for --exif, data.value_range)",
    )  # fmt: skip
    found.add_argument(
        "--seed", type=int, default=0, help="Random seed of the generated image (default: 0)"
    )
    found.add_argument(
        "--style", nargs=3, type=int, action="append", default=[], metavar=("ROW", "COLUMN", "SEED"),
        help="Seed of the style of the edited component at this pixel, for a GAN of train_gan.style component",
    )  # fmt: skip
    found.add_argument(
        "--sheet",
        type=path_argument,
        metavar="SHEET.png",
        help="File for a picture of image and label map before and after the edit",
    )
    return found


def paint(argv: Sequence[str]) -> str:
    """Run the command and return what it prints.

    Raises:
        ParamsError: An argument is wrong.
        BundleError: The GAN or the model cannot be used.
        DataError: The image or a label map cannot be used.
    """
    given = parser().parse_args(argv)
    _check(given)
    from ocrnet.data.decode import write_image
    from ocrnet.gan.editing.component_styles import StyledPainter
    from ocrnet.gan.editing.edit import read_edit, write_edit_sheet
    from ocrnet.gan.editing.repaint import edited_region, paint_weight, repaint
    from ocrnet.gan.generator.painter import load_painter
    from ocrnet.runtime import pick_device

    painter = load_painter(given.gan, device=str(pick_device()))
    classes = painter.class_table
    image = _read(given, classes)
    exif = _decoding(given, classes).exif
    edited = read_edit(given.mask, classes, shape=(image.shape[0], image.shape[1]), exif=exif)
    original, source = _original(given, classes, image)
    changed = edited_region(original, edited, ignore_index=classes.ignore_index)
    repainted = paint_weight(changed) > 0
    styles = [(row, column, seed) for row, column, seed in given.style]
    result = repaint(
        image, original, edited, painter=StyledPainter(painter, styles, taken=repainted),
        ignore_index=classes.ignore_index, seed=given.seed,
    )  # fmt: skip
    for path in (given.out, given.sheet):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
    write_image(given.out, result)
    if given.sheet is not None:
        write_edit_sheet(given.sheet, image, original, edited, result, classes=classes)
    return (
        f"{given.out}: label map before the edit: {source}\n"
        f"{given.out}: {changed.mean():.1%} of the pixels were edited, {repainted.mean():.1%} were repainted with "
        "a rim, the others are unchanged"
    )


def _check(given: argparse.Namespace) -> None:
    for path in (given.out, given.sheet):
        if path is not None and path.suffix.lower() != ".png":
            raise ParamsError(
                f"{path}: found {path.suffix!r}. Give a name that ends with .png, which keeps every pixel."
            )
    if given.value_range is not None and given.value_range[0] >= given.value_range[1]:
        low, high = given.value_range
        raise ParamsError(f"--value-range: found {low:g} {high:g}. Give LOW below HIGH.")


def _read(given: argparse.Namespace, classes: "ClassTable") -> "LabelMap":
    """Read the image, and print a note if its size is not that of the GAN's training images."""
    from ocrnet.data.decode import read_image

    decoding = _decoding(given, classes)
    image = read_image(
        given.image, value_range=decoding.value_range, exif=decoding.exif, alpha=decoding.alpha,
        extra_bands=decoding.extra_bands, max_pixels=decoding.max_pixels,
    )  # fmt: skip
    if decoding.resize is not None and image.shape[:2] != decoding.resize:
        sizes = [f"{height} x {width}" for height, width in (image.shape[:2], decoding.resize)]
        print(
            f"paint: note: {given.image} is {sizes[0]} (height x width), but the GAN was trained on images of "
            f"{sizes[1]}, so the scale is wrong. Resize the image and its label maps to {sizes[1]}.",
            file=sys.stderr,
        )
    return image


def _decoding(given: argparse.Namespace, classes: "ClassTable") -> "Decoding":
    """Return how to read the image: by the options, the card of the model, or `params.yaml`, in this order."""
    from ocrnet.bundles.bundle import MODEL_FILE, read_card
    from ocrnet.bundles.card import Decoding

    known = []
    if (given.model / MODEL_FILE).exists():
        card = read_card(given.model)
        known += [card.decoding] * (card.classes.class_names == classes.class_names)
    if PARAMS.exists():
        params = load_params(PARAMS)
        known.append(
            Decoding(
                params.data.value_range, params.data.exif, params.prepare.resize, params.data.max_pixels,
                alpha=params.data.alpha, extra_bands=params.data.extra_bands,
            )
        )  # fmt: skip
    # A card with no range, or with exif error, comes from a set without such images: it has no rule for them.
    ranges = [given.value_range, *(one.value_range for one in known)]
    return Decoding(
        value_range=next((tuple(found) for found in ranges if found is not None), None),
        exif=_first_allowed(given.exif, [one.exif for one in known]),
        resize=known[0].resize if known else None,
        max_pixels=max((one.max_pixels for one in known), default=MAX_PIXELS),
        alpha=_first_allowed(given.alpha, [one.alpha for one in known]),
        extra_bands=_first_allowed(given.extra_bands, [one.extra_bands for one in known]),
    )


def _first_allowed(option: Any, known: list[Any]) -> Any:
    """Return the option if it is given, otherwise the first known value that is not `error`."""
    return option or next((found for found in known if found != "error"), "error")


def _original(
    given: argparse.Namespace, classes: "ClassTable", image: "LabelMap"
) -> "tuple[LabelMap, str]":
    """Return the label map before the edit and its source."""
    from ocrnet.gan.editing.edit import find_label_map, read_edit

    if given.original_mask is not None:
        shape = (image.shape[0], image.shape[1])
        exif = _decoding(given, classes).exif
        label_map = read_edit(given.original_mask, classes, shape=shape, exif=exif)
        return label_map, str(given.original_mask)
    found = find_label_map(given.data, given.image, image)
    if found is not None:
        return found, f"from {given.data}"
    if not given.model.exists():
        raise DataError(
            f"{given.image}: its label map before the edit is unknown: {given.data} does not hold the image, and "
            f"there is no model {given.model} to predict it. Give --original-mask or --model."
        )
    from ocrnet.inference.predict import labels, load_segmenter
    from ocrnet.runtime import pick_device

    segmenter = load_segmenter(given.model, device=str(pick_device()))
    known = segmenter.class_table.class_names
    if known != classes.class_names:
        raise DataError(
            f"{given.model}: found the classes {list(known)}, but the GAN was trained on {list(classes.class_names)}. "
            "Give --original-mask, or a --model that was trained on the GAN's data."
        )
    predicted = labels(segmenter.scores_at_size(image))
    return predicted, f"predicted by {given.model} (may contain errors)"


@command("paint")
def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    print(paint(argv))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
