"""Pictures and tables of the page."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from uuid import uuid4

import numpy as np
import numpy.typing as npt
from PIL import Image

from ocrnet.data.decode import write_image
from ocrnet.data.manifest import ClassTable
from ocrnet.predict_files.bands import Band
from ocrnet.predict_files.outputs import blend
from ocrnet.predict_files.png_rows import palette_of
from ocrnet.predict_files.segmentation import ClassArea

LONGEST_SIDE = 1600  # pixels of a picture on the page
VIEWS = ("overlay", "label map", "image")

Pixels = npt.NDArray[np.uint8]


def picture_file(
    place: Path, image: Pixels, label_map: Pixels, classes: ClassTable, view: str
) -> str:
    """Return the PNG of a view, which is written once.

    Gradio would write pixels anew into the same file each time, also while a browser reads it.

    Args:
        place: Folder of this image and label map alone.
        image: RGB image (H, W, 3).
        label_map: Class ids (H, W).
        classes: Class table, whose palette colours the classes.
        view: Name in `VIEWS`.
    """
    path = place / f"shown_{view.replace(' ', '_')}.png"
    if not path.is_file():
        partial = place / f"{uuid4().hex}.png"
        write_image(partial, picture(image, label_map, classes, view))
        partial.replace(path)
    return str(path)


def picture(image: Pixels, label_map: Pixels, classes: ClassTable, view: str) -> Pixels:
    """Return a view of an image (H, W, 3) with its label map (H, W), no larger than the page shows.

    Args:
        image: RGB image.
        label_map: Class ids.
        classes: Class table, whose palette colours the classes.
        view: Name in `VIEWS`.
    """
    size = shown_size(image.shape[0], image.shape[1])
    if view == "image":
        return fitted(image, size, Image.Resampling.BILINEAR)
    labels = fitted(label_map, size, Image.Resampling.NEAREST)
    colours = palette_of(classes)
    if view == "label map":
        return colours[labels]
    return blend(Band(fitted(image, size, Image.Resampling.BILINEAR), labels), colours)


def shown_size(height: int, width: int) -> tuple[int, int]:
    """Return height and width on the page.

    Examples:
        >>> shown_size(300, 200), shown_size(3200, 1000)
        ((300, 200), (1600, 500))
    """
    factor = min(1.0, LONGEST_SIDE / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def fitted(pixels: Pixels, size: tuple[int, int], resampling: Image.Resampling) -> Pixels:
    """Return pixels at (height, width)."""
    if pixels.shape[:2] == size:
        return pixels
    return np.array(Image.fromarray(pixels).resize((size[1], size[0]), resampling))


def area_table(areas: Sequence[ClassArea], confidence: float, classes: ClassTable) -> str:
    """Return the classes with colour, area and confidence as HTML: the legend of the picture."""
    rows = "".join(
        f"<tr><td>{swatch(color)}</td><td>{escape(area.name)}</td><td>{area.pixels:,}</td><td>{area.share:.1%}</td>"
        f"<td>{'' if area.confidence is None else f'{area.confidence:.1%}'}</td></tr>"
        for area, color in zip(areas, classes.palette, strict=True)
    )
    total = sum(area.pixels for area in areas)
    return (
        "<table class='areas'><thead><tr><th></th><th>class</th><th>pixels</th><th>area</th><th>confidence</th></tr>"
        f"</thead><tbody>{rows}</tbody><tfoot><tr><td></td><td>image</td><td>{total:,}</td><td></td>"
        f"<td>{confidence:.1%}</td></tr></tfoot></table>"
    )


def swatch(color: Sequence[int]) -> str:
    """Return a small square of a colour as HTML."""
    return f"<span class='swatch' style='background:rgb({color[0]},{color[1]},{color[2]})'></span>"


def note(words: str, *, fault: bool = False) -> str:
    """Return a sentence as HTML."""
    return f"<p class='{'fault' if fault else 'note'}'>{escape(' '.join(words.split()))}</p>"


def legend(classes: ClassTable) -> str:
    """Return the names of the classes with their colours as HTML."""
    return " &nbsp; ".join(
        f"{swatch(color)} {escape(name)}"
        for name, color in zip(classes.class_names, classes.palette, strict=True)
    )
