"""Overlays of predicted objects: a colour for each object, the colours of the classes elsewhere, and the counts."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int32, UInt8
from PIL import Image, ImageDraw, ImageFont

from ocrnet.data.manifest import ClassTable
from ocrnet.objects.overlay import overlay_objects
from ocrnet.predict_files.bands import Band
from ocrnet.predict_files.objects import FoundObject
from ocrnet.predict_files.outputs import Paint, blend
from ocrnet.predict_files.png_rows import palette_of
from ocrnet.raw.annotations.rasterize import Region, Runs, covered_by

FONT_SIZE = 13


def painter(
    classes: ClassTable, found: Sequence[FoundObject] = (), things: Sequence[str] = ()
) -> Paint:
    """Return the function that paints overlays.

    Args:
        classes: Class table with the colours.
        found: Objects of the image, whose bands are then the whole image.
        things: Names of the thing classes; without any, the overlay shows classes alone.
    """
    colours = palette_of(classes)

    def paint(band: Band) -> UInt8[np.ndarray, "h W 3"]:
        shown = blend(band, colours)
        return paint_objects(band.image, shown, found, things) if things else shown

    return paint


def paint_objects(
    image: UInt8[np.ndarray, "H W 3"],
    blended: UInt8[np.ndarray, "H W 3"],
    found: Sequence[FoundObject],
    things: Sequence[str],
) -> UInt8[np.ndarray, "H W 3"]:
    """Return a picture of the objects of an image.

    Args:
        image: Image.
        blended: Image with the colours of its classes, which is shown where no object is.
        found: Objects.
        things: Names of the thing classes, whose objects are counted in the upper left corner.
    """
    numbers = numbers_of(found, (image.shape[0], image.shape[1]))
    inside = numbers > 0
    shown = blended.copy()
    shown[inside] = overlay_objects(image, numbers)[inside]
    picture = Image.fromarray(shown)
    text, font = count_words(found, things), ImageFont.load_default(FONT_SIZE)
    draw = ImageDraw.Draw(picture)
    draw.rectangle(draw.textbbox((3, 2), text, font=font), fill="black")
    draw.text((3, 2), text, fill="white", font=font)
    return np.array(picture)


def numbers_of(found: Sequence[FoundObject], size: tuple[int, int]) -> Int32[np.ndarray, "H W"]:
    """Return the number of the object at each pixel of an image of a size (height, width), from 1."""
    numbers = np.zeros(size, np.int32)
    for number, one in enumerate(found, start=1):
        runs = Runs(one.segmentation["counts"], tuple(one.segmentation["size"]))
        numbers[covered_by(Region("", runs=runs), size)] = number
    return numbers


def count_words(found: Sequence[FoundObject], things: Sequence[str]) -> str:
    """Return how many objects of each thing class there are.

    Examples:
        >>> count_words([], ["scratch", "pit"])
        '0 scratch, 0 pit'
    """
    text = ", ".join(f"{sum(one.class_name == name for one in found)} {name}" for name in things)
    return "".join(one if one.isprintable() else "?" for one in text)
