"""Input and output files for an edit of an image by its label map."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from ocrnet.config.base import MAX_PIXELS
from ocrnet.data.contact_sheet import fitted
from ocrnet.data.decode import Exif, read_image, read_label_map
from ocrnet.data.manifest import MANIFEST_FILE, ClassTable, file_sha256, read_manifest
from ocrnet.data.stored_labels import StoredLabels, checked_label_map
from ocrnet.errors import DataError

TILE_WIDTH, TILE_HEIGHT = 360, 1440  # largest size of an image on the sheet, in pixels
GAP, LINE = 8, 22
_WHITE = (255, 255, 255)

LabelMap = npt.NDArray[np.uint8]
Pixels = npt.NDArray[np.uint8]


def read_edit(
    path: Path, classes: ClassTable, *, shape: tuple[int, int], exif: Exif = "error"
) -> LabelMap:
    """Read a label map for an image: ids, a palette PNG, or the palette's colours (white is ignored).

    A graphics program may save the palette in any order, so indexes are ids only if their colours are not
    the colours of other classes.

    Args:
        path: Path of the file.
        classes: Classes that the generator was trained on.
        shape: (height, width) of the image.
        exif: Treatment of a rotation flag of the label map.

    Raises:
        DataError: The file cannot be read, has another size, has values that are no class, or is ambiguous.
    """
    labels = checked_label_map(path, exif=exif, max_pixels=max(shape[0] * shape[1], MAX_PIXELS))
    raw = labels.values
    if raw.shape[:2] != shape:
        raise DataError(
            f"{path}: the size is {_size(raw.shape)}, but the image has {_size(shape)} (height x width). Edit a label "
            "map of the image's size."
        )
    return _ids(path, labels, classes) if raw.ndim == 2 else _ids_of_colours(path, raw, classes)


def find_label_map(prepared: Path, image_path: Path, image: Pixels) -> LabelMap | None:
    """Return the label map of an image in the prepared set; None if the set does not have the image.

    An image is found by the SHA-256 of the file, or by the file's stem as its id. The pixels must be equal.
    """
    if not (prepared / MANIFEST_FILE).exists():
        return None
    table = read_manifest(prepared)
    known = (table["image_sha256"] == file_sha256(image_path)) | (table["id"] == image_path.stem)
    for _, row in table[known].iterrows():
        if np.array_equal(read_image(prepared / row["image"]), image):
            return read_label_map(prepared / row["label_map"])
    return None


def write_edit_sheet(
    path: Path, image: Pixels, original: LabelMap, edited: LabelMap, result: Pixels, *, classes: ClassTable
) -> None:  # fmt: skip
    """Write image, label map, edited label map and result side by side."""
    colours = np.full((256, 3), 255, dtype=np.uint8)
    colours[: classes.num_classes] = classes.palette
    parts = [
        ("image", image), ("its label map", colours[original]),
        ("edited label map", colours[edited]), ("repainted image", result),
    ]  # fmt: skip
    height, width = fitted(image.shape, (TILE_HEIGHT, TILE_WIDTH))
    sheet = Image.new("RGB", (len(parts) * (TILE_WIDTH + GAP) + GAP, height + LINE + GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for index, (title, pixels) in enumerate(parts):
        left = GAP + index * (TILE_WIDTH + GAP)
        resampling = (
            Image.Resampling.BILINEAR if index in (0, len(parts) - 1) else Image.Resampling.NEAREST
        )
        tile = Image.fromarray(pixels).resize((width, height), resampling)
        draw.text((left, 2), title, fill="black", font=font)
        sheet.paste(tile, (left, LINE))
    sheet.save(path, format="PNG", optimize=True)


def _ids(path: Path, labels: StoredLabels, classes: ClassTable) -> LabelMap:
    """Return the class ids of a file with one value per pixel, which is an id or an index of a class colour."""
    raw, table = labels.values, _colour_table(classes)
    ids = np.unique(raw).tolist()
    unknown = [i for i in ids if i != classes.ignore_index and not 0 <= i < classes.num_classes]
    shown = {i: table.get((labels.colours or {}).get(i, (-1, -1, -1))) for i in ids}
    by_colour = {i: class_id for i, class_id in shown.items() if class_id is not None}
    # A palette that starts with the class colours in order belongs to ids. It is often padded with black, which may be
    # the colour of a class.
    in_order = [(labels.colours or {}).get(i) for i in range(classes.num_classes)]
    if in_order != list(classes.palette) and (
        len(by_colour) == len(ids) and (unknown or by_colour != {i: i for i in ids})
    ):
        if not unknown:
            raise DataError(
                f"{path}: its values as ids and its colours mean different classes. Save it as gray "
                "ids without a palette, or as RGB."
            )
        lookup = np.zeros(256, dtype=np.uint8)
        lookup[ids] = [by_colour[i] for i in ids]
        return np.asarray(lookup[raw])
    if unknown:
        raise DataError(
            f"{path}: ids {unknown[:5]} are not classes. Allowed: 0 to {classes.num_classes - 1} "
            f"({', '.join(classes.class_names)}) and {classes.ignore_index} (ignored)."
        )
    return np.asarray(raw, dtype=np.uint8)


def _ids_of_colours(path: Path, raw: npt.NDArray[Any], classes: ClassTable) -> LabelMap:
    table = _colour_table(classes)
    colours, inverse = np.unique(raw.reshape(-1, 3), axis=0, return_inverse=True)
    found = [(int(r), int(g), int(b)) for r, g, b in colours]
    unknown = [colour for colour in found if colour not in table]
    if unknown:
        raise DataError(
            f"{path}: colours {unknown[:3]} are not classes. Allowed: {list(classes.palette)} "
            f"({', '.join(classes.class_names)}) and white (ignored). Draw without anti-aliasing."
        )
    ids = np.array([table[colour] for colour in found], dtype=np.uint8)
    return ids[inverse.reshape(raw.shape[:2])]


def _colour_table(classes: ClassTable) -> dict[tuple[int, int, int], int]:
    table = {colour: class_id for class_id, colour in enumerate(classes.palette)}
    table.setdefault(_WHITE, classes.ignore_index)
    return table


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} x {shape[1]}"
