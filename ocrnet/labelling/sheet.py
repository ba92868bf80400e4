"""A sheet to look at: a row of pictures per image, with a line of text above each."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont

from ocrnet.data.contact_sheet import Pixels, beside, fit_tile, under
from ocrnet.data.drawn_text import drawable

BOX = (240, 320)  # largest height and exact width of a picture, in pixels
GAP, LINE, FONT_SIZE = 6, 20, 13
BRIGHT = 0.995  # quantile of the values on the sheet that is shown brightest
MOST_SHOWN = 50  # rows: a longer sheet is too large for viewers


class SheetRow(NamedTuple):
    """A row of a sheet: its text and its pictures (H, W, 3)."""

    text: str
    pictures: tuple[Pixels, ...]


def make_sheet(rows: Sequence[SheetRow]) -> Pixels:
    """Return the rows, one or more, under each other."""
    return under([_row(one) for one in rows])


def brightest(maps: Sequence[Float[np.ndarray, "_ _"]]) -> float:
    """Return the value that is shown brightest on a sheet of such maps."""
    return float(np.quantile(np.concatenate([one.ravel() for one in maps]), BRIGHT))


def heat(values: Float[np.ndarray, "H W"], top: float) -> Pixels:
    """Return values as colours from black over red and yellow to white.

    Args:
        values: Values of the pixels, 0 or more.
        top: Value that is white; larger values are, too.
    """
    share = values / top if top > 0 else np.zeros_like(values)
    channels = np.stack([3 * share, 3 * share - 1, 3 * share - 2], axis=-1)
    colours: npt.NDArray[np.uint8] = np.rint(255 * np.clip(channels, 0, 1)).astype(np.uint8)
    return colours


def _row(row: SheetRow) -> Pixels:
    tiles = beside([fit_tile(one, BOX) for one in row.pictures], gap=GAP)
    line = Image.new("RGB", (tiles.shape[1], LINE), "white")
    font = ImageFont.load_default(FONT_SIZE)
    ImageDraw.Draw(line).text((2, 2), drawable(row.text), fill="black", font=font)
    return under([np.asarray(line), tiles], gap=GAP // 2)
