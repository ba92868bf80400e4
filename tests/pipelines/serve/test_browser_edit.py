"""The editor of `ocrnet serve` in a real browser: a stroke on the label map, and the GAN repaints the image there."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from ocrnet.data.decode import read_image, read_label_map
from tests.ocrnet.conftest import write_toy_set

from .browser import HANG_MS, opened
from .served import served
from .test_edits import write_gan

pytestmark = [pytest.mark.servers, pytest.mark.slow]


def picture(page: Page) -> np.ndarray:
    address = page.locator("#edit-picture img").get_attribute("src")
    assert address is not None
    with Image.open(io.BytesIO(page.request.get(address).body())) as image:
        return np.array(image.convert("RGB"))


def paint_a_line(page: Page) -> None:
    """Draw with the brush, whose colour is that of the second class, over the middle of the label map."""
    canvas = page.locator("#editor canvas").first
    expect(canvas).to_be_visible(timeout=HANG_MS)
    page.wait_for_timeout(3000)  # the editor fits the picture into the canvas
    box = canvas.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 30, y)
    page.mouse.down()
    for step in range(13):
        page.mouse.move(x - 30 + 5 * step, y)
    page.mouse.up()
    page.wait_for_timeout(1000)


def test_the_label_map_is_painted_and_the_image_repainted_there(
    bundles: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    write_toy_set(data / "prepare", counts={"train": 2, "val": 1, "test": 2})
    write_gan(data / "train_gan")
    before = read_image(data / "prepare/images/test_01.png")
    truth = read_label_map(data / "prepare/label_maps/test_01.png")
    model = ("--model", str(bundles / "1"), "--gan", str(data / "train_gan"), "--data", str(data))
    with served(tmp_path, *model) as server, opened(server) as tab:
        page, note = tab.page, tab.page.locator("#edit-note")
        page.get_by_role("tab", name="Edit").click()
        expect(page.locator("#undo")).to_be_disabled(timeout=HANG_MS)
        page.locator("#edit-test input").click()
        page.get_by_role("option", name="test_01").click()
        expect(note).to_contain_text("test_01, with its own label map", timeout=HANG_MS)
        assert np.array_equal(picture(page), before)

        page.locator("#repaint").click()
        expect(note).to_contain_text("nothing was edited", timeout=HANG_MS)
        paint_a_line(page)
        page.locator("#repaint").click()
        expect(note).to_contain_text("Repainted:", timeout=HANG_MS)
        after = picture(page)
        with page.expect_download() as download:
            page.locator("#edit-labels").click()
        edited = read_label_map(Path(download.value.path()))
        painted = edited != truth
        assert 0.001 < painted.mean() < 0.5
        assert set(np.unique(edited[painted])) == {1}
        differs = (after != before).any(axis=2)
        assert differs[painted].mean() > 0.9
        assert not differs[~near(painted)].any()
        with page.expect_download() as download:
            page.locator("#edit-download").click()
        assert np.array_equal(read_image(Path(download.value.path())), after)

        # Another seed repeats the last edit, and undo goes back to the image as it was.
        page.locator("#seed input").fill("7")
        address = page.locator("#edit-picture img").get_attribute("src")
        assert address is not None
        page.locator("#repaint").click()
        expect(page.locator("#edit-picture img")).not_to_have_attribute("src", address, timeout=HANG_MS)  # fmt: skip
        other = picture(page)
        assert not np.array_equal(other, after)
        assert not (other != before).any(axis=2)[~near(painted)].any()
        page.locator("#undo").click()
        expect(note).to_contain_text("Paint over the label map", timeout=HANG_MS)
        assert np.array_equal(picture(page), before)
        assert tab.hosts == {f"127.0.0.1:{server.port}"}
        assert tab.faults == []


def near(region: np.ndarray) -> np.ndarray:
    """Return the pixels less than five pixels away from a region along rows and columns."""
    padded = np.pad(region, 5)
    height, width = region.shape
    moved = [padded[y : y + height, x : x + width] for y in range(11) for x in range(11)]
    return np.asarray(np.any(moved, axis=0))
