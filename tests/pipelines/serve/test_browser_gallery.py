"""Test images with the worst first, the card, and a folder of images, in a real browser."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

import ocrnet
from ocrnet.bundles.bundle import build_model, read_card
from ocrnet.data.decode import read_image, read_label_map

from .browser import HANG_MS, opened
from .scored_set import MIOU, WORST, write_scored_set
from .served import blobs, served

pytestmark = [pytest.mark.servers, pytest.mark.slow]
SIZE = (70, 90)


def picture(page: Page, place: str) -> np.ndarray:
    shown = page.locator(f"{place} img")
    expect(shown).to_be_visible(timeout=HANG_MS)
    address = shown.get_attribute("src")
    assert address is not None
    with Image.open(io.BytesIO(page.request.get(address).body())) as image:
        return np.array(image.convert("RGB"))


def test_the_worst_test_images_come_first_with_truth_prediction_and_wrong_pixels(
    bundles: Path, tmp_path: Path
) -> None:
    data = write_scored_set(tmp_path / "data", bundles / "1")
    arguments = ("--model", str(bundles / "1"), "--model", str(bundles / "2"), "--data", str(data))
    model = ocrnet.load(bundles / "1", device="cpu")
    with served(tmp_path, *arguments) as server, opened(server) as tab:
        page = tab.page
        page.get_by_role("tab", name="Test images").click()
        captions = page.locator("#gallery .caption-label")
        expect(captions).to_have_count(4, timeout=HANG_MS)
        told = [f"{place + 1}. {MIOU[name]:.1%} {name}" for place, name in enumerate(WORST)]
        assert [text.strip() for text in captions.all_inner_texts()] == told

        page.locator("#gallery button").nth(1).click()
        expect(page.locator("#gallery-scores")).to_contain_text(
            "test_00: mIoU 25.0%", timeout=HANG_MS
        )
        image = read_image(data / "prepare/images/test_00.png").astype(int)
        truth = read_label_map(data / "prepare/label_maps/test_00.png")
        predicted = model.segmenter.label_map(image.astype(np.uint8))
        colours = np.array(model.classes.palette)
        valid = truth != model.classes.ignore_index
        shown = picture(page, "#gallery-truth")[valid]
        assert np.array_equal(shown, (image[valid] + colours[truth[valid]]) // 2)
        assert np.array_equal(
            picture(page, "#gallery-predicted"), (image + colours[predicted]) // 2
        )
        red = (picture(page, "#gallery-wrong") == (230, 30, 30)).all(axis=2)
        assert np.array_equal(red, (predicted != truth) & valid)
        assert 0 < red.mean() < 1

        # The second model was not scored.
        page.locator("#gallery-model").get_by_text("bundles/2").click()
        expect(page.locator("#gallery-note .fault")).to_contain_text(
            "those of other models", timeout=HANG_MS
        )
        expect(captions).to_have_count(0)

        page.get_by_role("tab", name="Card").click()
        card = page.locator("#card-0")
        network = build_model(read_card(bundles / "1"))
        count = sum(value.numel() for value in network.parameters())
        for words in (
            f"{count:,}", read_card(bundles / "1").weights_sha256, "mobilenetv3_small_050", "43.8%", "37.5%",
            "2 of", "whole image",
        ):  # fmt: skip
            expect(card).to_contain_text(words, timeout=HANG_MS)
        expect(page.locator("#card-1")).to_contain_text("no scores of this model")
        assert tab.hosts == {f"127.0.0.1:{server.port}"}
        assert tab.faults == []


def test_a_folder_is_uploaded_at_once_and_the_quota_deletes_the_oldest(
    bundles: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for seed, name in enumerate(("b.png", "more/a.png")):
        Image.fromarray(blobs(seed, SIZE)).save(folder / name)
    (folder / "notes.txt").write_text("no image")
    arguments = ("--model", str(bundles / "1"), "--max-mib", "1", "--keep-mib", "1")
    with served(tmp_path, *arguments) as server, opened(server) as tab:
        page = tab.page
        page.locator("input[data-testid*=upload-button]").set_input_files(folder)
        expect(page.locator("#picture-0 img")).to_be_visible(timeout=HANG_MS)
        counts = np.bincount(
            ocrnet.load(bundles / "1", device="cpu").predict(folder / "more/a.png").ravel(),
            minlength=3,
        )
        first = page.locator("#areas-0 tbody tr:first-child td:nth-child(3)")
        expect(first).to_have_text(f"{counts[0]:,}", timeout=HANG_MS)
        page.locator("#image input").click()
        names = page.get_by_role("option").all_inner_texts()
        assert [re.sub(r"^\W*", "", name).strip() for name in names] == ["1: a.png", "2: b.png"]
        assert tab.faults == []
