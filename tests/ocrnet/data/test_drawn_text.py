"""No picture shows the boxes that a font draws for letters that it lacks."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ocrnet.data.drawn_text import class_label, drawable


def drawn(text: str) -> np.ndarray:
    picture = Image.new("L", (200, 30))
    ImageDraw.Draw(picture).text((2, 2), text, fill=255, font=ImageFont.load_default(14))
    return np.asarray(picture)


@pytest.mark.parametrize(
    "name", ["\u80cc\u666f", "\u3072\u3073", "\uade0\uc5f4", "crack \u5927", "a\nb"]
)
def test_a_name_that_the_font_lacks_is_shown_by_its_number(name: str) -> None:
    assert class_label(name, 3) == "class 3"


def test_plain_names_stay_and_what_is_drawn_has_no_box() -> None:
    assert class_label("weld seam (2)", 1) == "weld seam (2)"
    box = drawn("\U0010ffff")
    assert box.any()
    for letter in "\u80cc\u00e9\ud55c":
        if np.array_equal(drawn(letter), box):
            assert drawable(letter) == "?"
    assert drawable("a/\u80cc/b.png") == "a/?/b.png"
