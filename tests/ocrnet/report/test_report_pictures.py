"""The pictures, charts and words that the report is made of."""

import base64
import io
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from ocrnet.data.manifest import ClassTable
from ocrnet.evaluation.bootstrap import Interval
from ocrnet.report.charts import Axes, Series, interval_chart, line_chart, nice_ticks
from ocrnet.report.gallery import _rejected as told_rejected
from ocrnet.report.pictures import error_picture, photo, rejected_picture
from tests.ocrnet.evaluation.evaluated import NAMES, PALETTE

CLASSES = ClassTable(NAMES, PALETTE, 255)


def test_error_map_tells_fixed_from_broken() -> None:
    truth = np.array([[0, 0, 0, 0, 255]], np.uint8)
    before = np.array([[0, 1, 0, 1, 0]], np.uint8)
    after = np.array([[0, 0, 1, 2, 1]], np.uint8)
    pixels = decode(error_picture(truth, before, after, ignore_index=255))
    assert [tuple(pixel) for pixel in pixels[0].tolist()] == [
        (222, 227, 232), (0, 114, 178), (213, 94, 0), (77, 77, 77), (255, 255, 255),
    ]  # fmt: skip


def test_rejected_pixels_are_striped_and_the_rest_is_as_painted() -> None:
    layout = np.ones((24, 32), np.uint8)
    kept = layout.copy()
    kept[:12] = 255
    pixels = decode(rejected_picture(layout, kept, CLASSES))
    assert {tuple(pixel) for pixel in pixels[12:].reshape(-1, 3).tolist()} == {PALETTE[1]}
    stripes = {tuple(pixel) for pixel in pixels[:12].reshape(-1, 3).tolist()}
    assert stripes == {(213, 94, 0), (255, 255, 255)}


def test_large_images_are_shown_small() -> None:
    assert decode(photo(np.zeros((1024, 2048, 3), np.uint8))).shape == (240, 480, 3)


def test_charts_are_well_formed_and_span_their_data() -> None:
    chart = line_chart(
        [Series("<a>", "red", ((0.0, 0.2), (10.0, 0.9)), (3.0, 3.0))], Axes("t", "x", "y")
    )
    root = ElementTree.fromstring(chart)
    assert [text.text for text in root.iter("text")][-1] == "<a>"
    marks = [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in root.iter("circle")]
    assert marks[0][0] == 52  # step 0 on the left edge
    assert marks[0][1] > marks[1][1]  # a larger value is higher up
    (legend,) = [float(text.attrib["y"]) for text in root.iter("text") if text.text == "<a>"]
    assert (
        float(root.attrib["viewBox"].split()[1]) < legend < 0
    )  # above the frame, where no line runs
    assert "Nothing was logged" in line_chart([], Axes("t", "x", "y"))


@pytest.mark.parametrize(
    ("interval", "tone"),
    [((0.1, 0.05, 0.2), "up"), ((-0.1, -0.2, -0.05), "down"), ((0.1, 0.0, 0.2), "open")],
)
def test_interval_chart_tells_whether_zero_is_inside(
    interval: tuple[float, float, float], tone: str
) -> None:
    root = ElementTree.fromstring(interval_chart(Interval(*interval), 0.2))
    assert root.attrib["class"] == f"interval {tone}"
    (mark,) = root.iter("circle")
    assert (float(mark.attrib["cx"]) > 75) == (interval[0] > 0)  # 75 is the middle


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0.0, 400.0, [0, 100, 200, 300, 400]), (0.0, 0.05, [0, 0.01, 0.02, 0.03, 0.04, 0.05]),
     (-1.0, 1.0, [-1, -0.5, 0, 0.5, 1]), (0.0, 0.0, [0, 0.2, 0.4, 0.6, 0.8, 1])],
)  # fmt: skip
def test_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert nice_ticks(low, high) == pytest.approx(ticks)


def decode(uri: str) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))) as image:
        return np.array(image.convert("RGB"))


def test_what_the_cap_kept_is_told_beside_what_went() -> None:
    assert told_rejected(0.1, 0.1) == "10.0 %"
    assert told_rejected(0.4, 0.65) == "40.0 %, without the cap 65.0 %"
    assert told_rejected(0.1, None) == "10.0 %"  # a selection from before there was a cap
