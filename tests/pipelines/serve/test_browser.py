"""The page of `ocrnet serve` in a real browser."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

import ocrnet

from .browser import HANG_MS, opened
from .served import PASSWORD, Server, blobs, served

pytestmark = [pytest.mark.servers, pytest.mark.slow]
SIZE = (70, 90)


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / name for name in ("a.png", "b.png")]
    for seed, path in enumerate(paths):
        Image.fromarray(blobs(seed, SIZE)).save(path)
    (tmp_path / "bad.png").write_bytes(b"no picture")
    return [*paths, tmp_path / "bad.png"]


def upload(page: Page, *paths: Path) -> None:
    page.locator("#images input[type=file]").set_input_files(list(paths))


def shown(page: Page, place: int) -> np.ndarray:
    """Return the pixels of a picture on the page."""
    address = page.locator(f"#picture-{place} img").get_attribute("src")
    assert address is not None
    with Image.open(io.BytesIO(page.request.get(address).body())) as image:
        return np.array(image.convert("RGB"))


def pixels_told(page: Page, place: int) -> list[int]:
    cells = page.locator(f"#areas-{place} tbody td:nth-child(3)").all_inner_texts()
    return [int(text.replace(",", "")) for text in cells]


def test_an_image_is_dropped_models_are_compared_and_the_label_map_is_fetched(
    server: Server, bundles: Path, images: list[Path]
) -> None:
    models = [ocrnet.load(bundles / name, device="cpu") for name in ("1", "2")]
    expected = [[model.predict(path) for path in images[:2]] for model in models]
    colours = np.array(models[0].classes.palette)
    with opened(server) as tab:
        page = tab.page
        upload(page, *images)
        for place in range(2):
            expect(page.locator(f"#picture-{place} img")).to_be_visible(timeout=HANG_MS)
            counts = np.bincount(expected[place][0].ravel(), minlength=3).tolist()
            assert pixels_told(page, place) == counts
            overlay = (blobs(0, SIZE).astype(int) + colours[expected[place][0]]) // 2
            assert np.array_equal(shown(page, place), overlay)
        with page.expect_download() as download:
            page.locator("#download-1").click()
        assert download.value.suggested_filename == "a_label_map.png"
        with Image.open(download.value.path()) as label_map:
            assert np.array_equal(np.array(label_map), expected[1][0])

        # The other model on the left, the label map alone, the second image.
        page.locator("#model").get_by_text("bundles/2").click()
        counts = np.bincount(expected[1][0].ravel(), minlength=3)
        first = page.locator("#areas-0 tbody tr:first-child td:nth-child(3)")
        expect(first).to_have_text(f"{counts[0]:,}", timeout=HANG_MS)
        address = page.locator("#picture-0 img").get_attribute("src")
        assert address is not None
        page.locator("#view").get_by_text("label map").click()
        changed = page.locator("#picture-0 img")
        expect(changed).not_to_have_attribute("src", address, timeout=HANG_MS)
        assert np.array_equal(shown(page, 0), colours[expected[1][0]])
        page.locator("#image input").click()
        page.get_by_role("option", name="2: b.png").click()
        counts = np.bincount(expected[1][1].ravel(), minlength=3)
        expect(first).to_have_text(f"{counts[0]:,}", timeout=HANG_MS)

        # One that is no image, and one panel only.
        page.locator("#image input").click()
        page.get_by_role("option", name="3: bad.png").click()
        fault = page.locator("#areas-0 .fault")
        expect(fault).to_have_text(re.compile(r"E121 bad\.png cannot be read"), timeout=HANG_MS)
        page.locator("#beside").get_by_text("(none)").click()
        expect(page.locator("#picture-1")).to_be_hidden(timeout=HANG_MS)
        assert tab.hosts == {f"127.0.0.1:{server.port}"}
        assert tab.faults == []


def test_the_page_works_with_the_password(
    bundles: Path, tmp_path: Path, images: list[Path]
) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD)
    with (
        served(tmp_path, "--model", str(bundles / "1"), "--password-file", str(file)) as server,
        opened(server, password=PASSWORD) as tab,
    ):
        upload(tab.page, images[1])
        expect(tab.page.locator("#picture-0 img")).to_be_visible(timeout=HANG_MS)
        expected = ocrnet.load(bundles / "1", device="cpu").predict(images[1])
        assert pixels_told(tab.page, 0) == np.bincount(expected.ravel(), minlength=3).tolist()
        expect(tab.page.locator("#beside")).to_be_hidden()
        assert not [one for one in tab.faults if "401" not in one]
