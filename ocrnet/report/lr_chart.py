"""The chart of a learning-rate range test, as a picture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from ocrnet.report.charts import nice_ticks

SIZE = (720, 420)  # width, height
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 40, 60
GRAY, LIGHT, BLUE, RED = (150, 150, 150), (225, 225, 225), (0, 114, 178), (213, 94, 0)
MOST = 1.5  # top of the frame / first smoothed loss, so that a diverging loss does not flatten the rest


def draw_range_test(
    rates: Sequence[float], losses: Sequence[float], smoothed: Sequence[float], *, suggested: float
) -> Image.Image:
    """Draw losses and the smoothed losses over rates on a logarithmic axis, with the suggested rate.

    Args:
        rates: Rising learning rates, two or more.
        losses: Loss at each rate.
        smoothed: Smoothed losses.
        suggested: Rate that is marked.
    """
    picture = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(picture)
    ends = (math.log10(rates[0]), math.log10(rates[-1]))
    frame = _Frame(ends, max(MOST * smoothed[0], max(smoothed[: len(smoothed) // 2])))
    _draw_axes(draw, frame)
    for values, colour, width in ((losses, GRAY, 1), (smoothed, BLUE, 3)):
        line = [(frame.x(rate), frame.y(value)) for rate, value in zip(rates, values, strict=True)]
        draw.line(line, fill=colour, width=width)
    if rates[0] <= suggested <= rates[-1]:
        x = frame.x(suggested)
        draw.line((x, TOP, x, SIZE[1] - BOTTOM), fill=RED, width=2)
    font = ImageFont.load_default(14)
    draw.text((LEFT, 12), "loss", fill=GRAY, font=font)
    draw.text((LEFT + 60, 12), "smoothed loss", fill=BLUE, font=font)
    draw.text((LEFT + 190, 12), f"suggested train.lr {suggested:.2g}", fill=RED, font=font)
    return picture


@dataclass(frozen=True)
class _Frame:
    """Place of a point in pixels.

    Args:
        ends: Logarithms of the lowest and the highest rate.
        top: Highest loss; a higher one is drawn there.
    """

    ends: tuple[float, float]
    top: float

    def x(self, rate: float) -> float:
        low, high = self.ends
        return LEFT + (math.log10(rate) - low) / (high - low) * (SIZE[0] - LEFT - RIGHT)

    def y(self, loss: float) -> float:
        return TOP + (1 - min(loss / self.top, 1.0)) * (SIZE[1] - TOP - BOTTOM)


def _draw_axes(draw: ImageDraw.ImageDraw, frame: _Frame) -> None:
    font = ImageFont.load_default(14)
    right, bottom = SIZE[0] - RIGHT, SIZE[1] - BOTTOM
    low, high = frame.ends
    for power in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1):
        x = frame.x(10.0**power)
        draw.line((x, TOP, x, bottom), fill=LIGHT)
        draw.text((x, bottom + 8), f"{10.0**power:g}", fill="black", font=font, anchor="ma")
    for tick in nice_ticks(0.0, frame.top):
        if tick <= frame.top:
            y = frame.y(tick)
            draw.line((LEFT, y, right, y), fill=LIGHT)
            draw.text((LEFT - 8, y), f"{tick:g}", fill="black", font=font, anchor="rm")
    middle = ((LEFT + right) / 2, SIZE[1] - 12)
    draw.text(middle, "learning rate", fill="black", font=font, anchor="ms")
