"""All numbers of a toy set: painters that are good, that forget nothing, and that know one style."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from ocrnet.config import SynthesizeParams
from ocrnet.data.decode import read_image, write_image
from ocrnet.data.manifest import read_manifest, write_manifest
from ocrnet.errors import DataError
from ocrnet.gan.layouts.synthesize import synthesize_pairs
from ocrnet.gan.quality import parse_extractor
from ocrnet.gan.quality.extractors import build_extractor
from ocrnet.gan.quality.features import FeatureBank
from ocrnet.gan.quality.measure import GanTest, measure_quality
from ocrnet.gan.quality.measured import compare_quality, read_quality
from ocrnet.gan.selection.sheet import write_neighbours
from ocrnet.record import Recorder
from tests.base_params import section_with
from tests.ocrnet.gan.street import COLOURS, SHAPE, ColourPainter, write_street
from tests.ocrnet.gan.tinted import TintedPainter, write_tinted_street

EXTRACTOR = "[random-conv]"
JUDGED = GanTest(painted=0.4, real=0.5, segmenter_sha256="9" * 64)


class Copier(ColourPainter):
    """Paints a training image, whatever it is asked for."""

    def __init__(self, prepared: Path) -> None:
        super().__init__()
        rows = read_manifest(prepared, split="train")["image"]
        self._images = [read_image(prepared / name) for name in rows]

    def paint(
        self,
        label_map: npt.NDArray[np.uint8],
        *,
        seed: int,
        before: npt.NDArray[np.uint8] | None = None,
    ) -> npt.NDArray[np.uint8]:
        return self._images[seed % len(self._images)]


class MirroredCopier(Copier):
    """Paints the mirror image of a training image."""

    def paint(
        self,
        label_map: npt.NDArray[np.uint8],
        *,
        seed: int,
        before: npt.NDArray[np.uint8] | None = None,
    ) -> npt.NDArray[np.uint8]:
        return super().paint(label_map, seed=seed)[:, ::-1]


class Sides:
    """Sees how bright the left and the right half of an image are."""

    name, sha256, dim, resize = "sides", "5" * 64, 2, "none"

    def features(self, images: Tensor) -> Tensor:
        middle = images.shape[-1] // 2
        halves = images[..., :middle], images[..., middle:]
        return torch.stack([half.float().mean(dim=(1, 2, 3)) for half in halves], dim=1)


class OneStyle(ColourPainter):
    """Paints a label map in one way."""

    def paint(
        self,
        label_map: npt.NDArray[np.uint8],
        *,
        seed: int,
        before: npt.NDArray[np.uint8] | None = None,
    ) -> npt.NDArray[np.uint8]:
        return np.asarray(COLOURS[label_map], dtype=np.uint8)


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    return write_tinted_street(tmp_path / "prepare", train=12, val=8)


def bank(prepared: Path) -> FeatureBank:
    return FeatureBank(build_extractor(parse_extractor("random-conv"), baseline=prepared))


def measure(prepared: Path, out: Path, painter: ColourPainter) -> dict[str, float]:
    params = section_with(SynthesizeParams, count=10, operations={"train": 1.0})
    synthesize_pairs(prepared, params, painter=painter, out=out, recorder=Recorder(out))
    return measure_quality(
        prepared,
        out / "gan",
        painter=painter,
        features=bank(prepared),
        gan_test=JUDGED,
        seed=0,
        out=out,
    )


def test_every_number_is_stored_with_what_it_stands_on(prepared: Path, tmp_path: Path) -> None:
    metrics = measure(prepared, tmp_path, ColourPainter())
    measures = read_quality(tmp_path)
    assert metrics == {measure.metric: measure.value for measure in measures}
    names = ("KID", "FID", "precision", "recall", "density", "coverage")
    for name in names:
        for place in ("", "held_out/", "real/"):
            assert f"quality/{place}{name}{EXTRACTOR}" in metrics
    by_metric = {measure.metric: measure for measure in measures}
    kid = by_metric[f"quality/KID{EXTRACTOR}"]
    # Eight validation images, ten pairs and twelve training images: all at eight.
    assert (kid.n, kid.reference_n, kid.split, kid.resolution) == (8, 8, "val", "48x56")
    assert kid.sd is not None
    assert {measure.extractor for measure in measures} == {"random-conv", "segmenter", ""}
    judged = by_metric["quality/held_out/GAN_test_mIoU[segmenter]"]
    assert (judged.value, judged.n, judged.extractor_sha256) == (0.4, 8, "9" * 64)
    assert metrics["quality/real/GAN_test_mIoU[segmenter]"] == 0.5
    with pytest.raises(DataError, match="cannot be compared: extractor_sha256"):
        compare_quality(judged, replace(judged, extractor_sha256="8" * 64))
    assert all(measure.extractor == "" for measure in measures if measure.name in ("SSIM", "PSNR"))
    compare_quality(kid, by_metric[f"quality/real/KID{EXTRACTOR}"])
    json.loads((tmp_path / "quality.json").read_text())


def test_the_pairs_that_were_kept_have_numbers_of_their_own(
    prepared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Three pairs of ten are in wrong colours: without them FID falls, and where all are kept nothing changes."""
    painter, pairs = ColourPainter(), tmp_path / "gan"
    measure(prepared, tmp_path, painter)
    table = read_manifest(pairs)
    for name in table["image"][:3]:
        write_image(pairs / name, 255 - read_image(pairs / name))
    found = {}
    for name, kept in (("all", table), ("kept", table[3:]), ("few", table[:5])):
        (tmp_path / name).mkdir()
        write_manifest(tmp_path / name, kept)
        found[name] = measure_quality(
            prepared,
            pairs,
            painter=painter,
            features=bank(prepared),
            gan_test=JUDGED,
            seed=0,
            out=tmp_path / name,
        )
    for key in (f"KID{EXTRACTOR}", f"FID{EXTRACTOR}", f"coverage{EXTRACTOR}"):
        assert found["all"][f"quality/selected/{key}"] == found["all"][f"quality/{key}"]
        assert found["kept"][f"quality/{key}"] == found["all"][f"quality/{key}"]
        assert f"quality/selected/{key}" not in found["few"]
    assert "5 selected pairs are too few for their KID" in caplog.text
    fid = f"quality/selected/FID{EXTRACTOR}"
    assert found["kept"][fid] < found["all"][fid]
    # Eight validation images and seven pairs.
    by_metric = {measure.metric: measure for measure in read_quality(tmp_path / "kept")}
    assert (by_metric[fid].n, by_metric[fid].reference_n) == (7, 7)
    assert by_metric[f"quality/FID{EXTRACTOR}"].n == 8


def test_a_painter_of_wrong_colours_is_farther_than_a_true_one_and_real_images_are_nearest(
    prepared: Path, tmp_path: Path
) -> None:
    true = measure(prepared, tmp_path / "a", ColourPainter())
    wrong = measure(prepared, tmp_path / "b", ColourPainter(wrong={0: 1, 1: 0}))
    for name in ("KID", "FID"):
        key, real = f"quality/{{}}{name}{EXTRACTOR}", f"quality/real/{name}{EXTRACTOR}"
        assert true[real] == wrong[real]
        for place in ("", "held_out/"):
            assert wrong[key.format(place)] > true[key.format(place)]
    assert wrong["quality/held_out/SSIM"] < true["quality/held_out/SSIM"]
    assert wrong["quality/held_out/PSNR"] < true["quality/held_out/PSNR"]


def test_a_copier_is_told_and_a_painter_is_not(
    prepared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = f"quality/held_out/memorisation_auc{EXTRACTOR}"
    with caplog.at_level(logging.WARNING):
        assert measure(prepared, tmp_path / "a", Copier(prepared))[key] == 1.0
    assert "the generator repeats its training images" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert measure(prepared, tmp_path / "b", TintedPainter())[key] <= 0.6
    assert "repeats" not in caplog.text


def test_a_copier_of_mirrored_images_is_told(tmp_path: Path) -> None:
    """All images are darker to the right, so a mirrored one is unlike each of them, more than any held-out one is."""
    prepared = write_tinted_street(tmp_path / "prepare", train=12, val=8)
    for path in (prepared / "images").glob("*.png"):
        shade = np.linspace(0, 60, SHAPE[1])[:, None]
        write_image(path, np.clip(read_image(path) - shade, 0, 255).astype(np.uint8))
    out, sides = tmp_path / "out", FeatureBank(Sides())
    measure(prepared, out, Copier(prepared))
    metrics = measure_quality(
        prepared,
        out / "gan",
        painter=MirroredCopier(prepared),
        features=sides,
        gan_test=JUDGED,
        seed=0,
        out=out,
    )
    assert metrics["quality/held_out/memorisation_auc[sides]"] == 1.0


def test_numbers_know_the_training_set_and_differ_where_it_does(tmp_path: Path) -> None:
    found = []
    for train in (12, 11):
        prepared, out = tmp_path / f"prepare{train}", tmp_path / str(train)
        measure(write_tinted_street(prepared, train=train), out, ColourPainter())
        found.append(read_quality(out)[0])
    assert [one.train_n for one in found] == [12, 11]
    assert found[0].train_sha256 != found[1].train_sha256
    first, other = found[0], replace(found[1], train_n=12)
    assert first.reference_sha256 == other.reference_sha256
    with pytest.raises(DataError, match="cannot be compared: train_sha256"):
        compare_quality(first, other)


def test_a_painter_of_one_style_has_no_diversity(prepared: Path, tmp_path: Path) -> None:
    key = f"quality/held_out/diversity{EXTRACTOR}"
    assert measure(prepared, tmp_path / "a", OneStyle())[key] == 0.0
    many = measure(prepared, tmp_path / "b", ColourPainter())
    assert 0 < many[key] < many[f"quality/real/diversity{EXTRACTOR}"]


def test_too_few_images_leave_out_what_needs_more_and_say_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prepared = write_street(tmp_path / "prepare", val=3)
    with caplog.at_level(logging.WARNING):
        metrics = measure(prepared, tmp_path / "out", ColourPainter())
    assert "3 images in the smallest set are too few" in caplog.text
    assert f"quality/KID{EXTRACTOR}" not in metrics
    assert "quality/held_out/SSIM" in metrics


def test_measuring_twice_gives_the_same_bytes(prepared: Path, tmp_path: Path) -> None:
    texts = []
    for name in ("a", "b"):
        measure(prepared, tmp_path / name, ColourPainter())
        write_neighbours(tmp_path / name, prepared, tmp_path / name / "gan", bank(prepared))
        files = [tmp_path / name / file for file in ("quality.json", "neighbours.jpg")]
        texts.append([file.read_bytes() for file in files])
    assert texts[0] == texts[1]
