"""The parts of the gallery and the card of a model, without a browser."""

from pathlib import Path

import gradio as gr
import numpy as np
import pytest

from ocrnet.data.manifest import ClassTable
from pipelines._serve import gallery_tab
from pipelines._serve.cards import card_html
from pipelines._serve.evaluations import known_about
from pipelines._serve.gallery_tab import GalleryTab
from pipelines._serve.models import load_models
from pipelines._serve.scored_images import gallery_of, wrong_pixels

from .scored_set import MIOU, WORST, write_scored_set

CLASSES = ClassTable(("a", "b"), ((0, 0, 0), (9, 9, 9)), 255)


def test_a_second_part_of_the_gallery_goes_on_where_the_first_ends(
    bundles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_scored_set(tmp_path / "data", bundles / "1")
    models = load_models([str(bundles / "1")], device="cpu", queue=1)
    facts = [known_about(models[0], data)]
    tab = GalleryTab(gallery_of(models, facts, data, tmp_path / "pictures"))
    monkeypatch.setattr(gallery_tab, "AT_ONCE", 3)
    name = models[0].name
    assert tab.pages(name).choices == [("1 to 3", 0), ("4 to 4", 3)]
    pictures, _ = tab.fill(name, 3)
    assert [words for _, words in pictures] == [f"4. {MIOU[WORST[3]]:.1%} {WORST[3]}"]
    *_, table = tab.choose(name, 3, gr.SelectData(None, {"index": 0, "value": None}))
    assert f"{WORST[3]}: mIoU {MIOU[WORST[3]]:.1%}" in table
    # A click on a picture of a part that was just left shows nothing.
    assert tab.choose(name, 3, gr.SelectData(None, {"index": 1, "value": None}))[0] is None

    card = card_html(models[0], facts[0], data / "prepare")
    for split, count in (("train", 2), ("val", 1), ("test", 4)):
        assert f"<th>{split} images in {data / 'prepare'}</th><td>{count} of " in card
    for words, value in (("mIoU", "43.8%"), ("accuracy", "62.5%"), ("protocol", "whole image")):
        assert f"<th>{words}</th><td>{value}</td>" in card
    assert "<td>75.0%</td>" in card
    assert "mean accuracy" not in card  # it was not measured


def test_wrong_pixels_are_red_and_ignored_ones_are_not() -> None:
    image = np.full((64, 64, 3), 255, np.uint8)
    truth, predicted = np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.uint8)
    predicted[0, :3] = 1
    truth[0, 1] = 255
    shown = wrong_pixels(image, truth, predicted, CLASSES)
    red = (shown == (230, 30, 30)).all(axis=2)
    assert np.argwhere(red).tolist() == [[0, 0], [0, 2]]
    assert (shown[1:] == 255).all()
