"""Which of several paintings of a layout is kept."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ocrnet.config import SelectParams, SynthesizeParams
from ocrnet.data.manifest import read_manifest
from ocrnet.gan.layouts.synthesize import synthesize_pairs
from ocrnet.gan.quality.near_duplicates import Original
from ocrnet.gan.selection.best_paintings import best_paintings
from ocrnet.gan.selection.pair_scores import ScoredPair
from ocrnet.gan.selection.select import select_pairs
from ocrnet.record import Recorder
from ocrnet.report.hybrid import hybrid_pairs
from tests.base_params import section_with
from tests.ocrnet.gan.street import CAR, CLASSES, GROUND, ColourPainter, ColourReader, write_street

COPY = Original("real_1", False, 0.1)


def painting(
    name: str, layout: int, rejected: tuple[int, int], *, loss: float = 1.0, copy: bool = False
) -> ScoredPair:
    """Return a painting of 90 pixels of ground and 10 of a car."""
    counts = np.array([90, 10], dtype=np.int64), np.array(rejected, dtype=np.int64)
    row = {"id": name, "layout": layout}
    return ScoredPair(row, *counts, 1.0, COPY if copy else None, loss)


def test_the_best_painting_is_wrong_in_the_smallest_share_of_each_class() -> None:
    pairs = [
        # 9 of 90 and 6 of 10 pixels: 35 % of a class on average. 18 of 90 and 2 of 10: 20 %, with more wrong pixels.
        painting("a0", 0, (9, 6)), painting("a1", 0, (18, 2)), painting("a2", 0, (18, 2)),
        # As wrong; the loss decides.
        painting("b0", 1, (9, 1), loss=0.5), painting("b1", 1, (9, 1), loss=0.4),
        # A copy is taken only if there is nothing else.
        painting("c0", 2, (0, 0), copy=True), painting("c1", 2, (90, 10)),
        painting("d0", 3, (9, 1), copy=True), painting("d1", 3, (0, 0), copy=True),
    ]  # fmt: skip
    assert [pair.id for pair in best_paintings(pairs)] == ["a1", "b1", "c1", "d1"]


def test_single_paintings_are_all_kept() -> None:
    pairs = [replace(painting(name, 0, (0, 0)), row={"id": name}) for name in "ab"]
    assert [pair.id for pair in best_paintings(pairs)] == ["a", "b"]


class MoodyPainter(ColourPainter):
    """Paints cars as ground unless its seed is divisible by three."""

    def paint(
        self,
        label_map: npt.NDArray[np.uint8],
        *,
        seed: int,
        before: npt.NDArray[np.uint8] | None = None,
    ) -> npt.NDArray[np.uint8]:
        """Return the image of a label map."""
        if seed % 3:
            label_map = np.where(label_map == CAR, np.uint8(GROUND), label_map)
        return super().paint(label_map, seed=seed)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write real images, four paintings of eight layouts, and their selection as the stages do."""
    prepared, made = write_street(tmp_path / "prepare", val=8), tmp_path / "synthesize"
    params = section_with(
        SynthesizeParams, count=8, paintings=4, operations={"copy_paste": 1.0, "recombine": 0.5}
    )
    painter = MoodyPainter()
    metrics: dict[str, float] = {}
    synthesize_pairs(
        prepared, params, painter=painter, hole_painter=painter, out=made, recorder=Recorder(made),
        with_copy_paste=True,
    )  # fmt: skip
    chosen = section_with(SelectParams, near_duplicate=0.0, max_rejected=1.0, warn_rejected=1.0)
    for name, out in (("gan", tmp_path / "select"), ("hybrid", tmp_path / "select" / "hybrid")):
        out.mkdir()
        found = select_pairs(
            prepared, made / name, chosen, segmenter=ColourReader(), features=None, out=out
        )
        prefix = "select/" if name == "gan" else "select_hybrid/"
        metrics |= {key.replace("select/", prefix, 1): value for key, value in found.items()}
    Recorder(tmp_path / "select").finish(metrics)
    return tmp_path


def test_of_each_layout_the_painting_that_shows_its_cars_is_kept(data: Path) -> None:
    for made, kept in (("gan", "select"), ("hybrid", "select/hybrid")):
        paintings = read_manifest(data / "synthesize" / made)
        pairs = read_manifest(data / kept)
        assert len(paintings) == 32
        assert pairs["layout"].tolist() == list(range(8))
        right = set(paintings["layout"][paintings["seed"] % 3 == 0])
        # Of a hybrid pair only a pasted car tells; of a GAN's all do.
        if made == "gan":
            assert set(pairs["layout"][pairs["seed"] % 3 == 0]) == right
            assert len(right) > 1


def test_the_metrics_tell_what_the_choice_is_worth(data: Path) -> None:
    metrics = json.loads((data / "select" / "metrics.json").read_text())
    assert (metrics["select/pairs"], metrics["select/paintings"]) == (8, 32)
    assert metrics["select/rejected_share_uncapped"] < metrics["select/rejected_share_first"]


def test_the_page_shows_one_layout_by_all_three(data: Path) -> None:
    section = hybrid_pairs(data, CLASSES)
    assert section is not None
    assert (section["made"], section["kept"]) == (8, 8)
    names = [[name for name, _ in pair["pictures"]] for pair in section["pairs"]]
    assert all(own[:3] == ["label map", "hybrid", "GAN"] for own in names)
    # Real pixels cannot show what is behind an erased object, so these layouts have no picture of copy-paste.
    shown = read_manifest(data / "select" / "hybrid").set_index("id")["operations"]
    for pair, own in zip(section["pairs"], names, strict=True):
        assert (own[3:] == ["copy-paste"]) == ('"op":"erase"' not in shown[pair["id"]])
    assert hybrid_pairs(data / "prepare", CLASSES) is None
