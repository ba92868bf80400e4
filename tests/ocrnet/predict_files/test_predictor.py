"""`ocrnet.load` and the folder of the outputs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import ocrnet
from ocrnet.bundles.card import Decoding, ModelCard
from ocrnet.data.decode import read_label_map
from ocrnet.errors import BundleError, DataError, ParamsError
from ocrnet.inference.predict import Segmenter, load_segmenter
from ocrnet.inference.scoring_protocol import ScoringProtocol
from ocrnet.inference.view_merging import MERGERS
from ocrnet.models.output import SegmenterOutput
from ocrnet.predict_files.jobs import Kinds, Outcome
from ocrnet.predict_files.journal import DONE_FILE
from ocrnet.predict_files.outputs import Outputs
from ocrnet.predict_files.predict_sources import predict_sources, settings_of
from ocrnet.predict_files.predictor import Predictor
from ocrnet.predict_files.sources import find_sources
from tests.ocrnet.toy_models import COLOURS, ColourNet

from .bundles import write_varied_bundle
from .tiff_files import write_tiled

IMAGE = np.random.default_rng(0).integers(0, 256, (130, 170, 3), dtype=np.uint8)
PLAIN = Kinds()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_varied_bundle(tmp_path_factory.mktemp("bundle"), seed=1)


def small_predictor(*, max_pixels: int, **protocol: Any) -> Predictor:
    """Return a predictor by the colours of the pixels that decodes so many pixels at once."""
    card = ModelCard(
        "ocrnet", {}, COLOURS, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0),
        decoding=Decoding(max_pixels=max_pixels),
    )  # fmt: skip
    segmenter = Segmenter(ColourNet(), card, protocol=ScoringProtocol(**protocol))
    return Predictor(segmenter, name="toy")


def run(
    predictor: Predictor, folder: Path, given: list[str], kinds: Kinds = PLAIN, batch: int = 1
) -> list[Outcome]:
    sources = find_sources(given, out=folder)
    outputs = Outputs(folder, predictor.classes, settings_of(predictor))
    return list(predict_sources(predictor, sources, outputs, kinds=kinds, batch=batch))


def test_a_file_and_its_pixels_give_what_the_segmenter_gives(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    Image.fromarray(IMAGE).save(path)
    loaded, segmenter = ocrnet.load(bundle, device="cpu"), load_segmenter(bundle)
    expected = segmenter.label_map_of_file(path)
    assert len(np.unique(expected)) == 3
    for image in (path, str(path), IMAGE):
        assert np.array_equal(loaded.predict(image), expected)
        assert np.array_equal(loaded.probabilities(image), segmenter.probabilities(IMAGE))


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (IMAGE[..., 0], r"found uint8 of shape \[130, 170\]"),
        (IMAGE / 255.0, "found float64"),
        (IMAGE[:0], r"shape \[0, 170, 3\]"),
        ("gone.png", r"gone\.png: no such file"),
    ],
)
def test_what_is_no_image_is_told(bundle: Path, image: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        ocrnet.load(bundle, device="cpu").predict(image)


def test_a_folder_or_device_that_is_not_there_is_told(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such file"):
        ocrnet.load(tmp_path / "nothing")
    with pytest.raises(ParamsError, match=r"found 'tpu'\. Give one of: cpu"):
        ocrnet.load(bundle, device="tpu")


def test_a_tiff_above_the_limit_is_predicted_by_windows(tmp_path: Path) -> None:
    path = tmp_path / "large.tif"
    write_tiled(path, IMAGE, tile=(16, 32))
    limited = small_predictor(max_pixels=20_000, window=(64, 64))
    assert np.array_equal(limited.predict(path), IMAGE.argmax(axis=2))
    kinds = Kinds(overlays=True)
    (outcome,) = run(limited, tmp_path / "out", [str(path)], kinds)
    assert outcome.state == "predicted"
    label_map = read_label_map(tmp_path / "out/label_maps/large.png")
    assert np.array_equal(label_map, IMAGE.argmax(axis=2))
    with Image.open(tmp_path / "out/overlays/large.png") as overlay:
        colours = np.array(COLOURS.palette)[label_map]
        assert np.array_equal(np.array(overlay), (IMAGE.astype(int) + colours) // 2)


def test_a_tiff_above_the_limit_names_what_is_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "large.tif"
    write_tiled(path, IMAGE, tile=(16, 32))
    with pytest.raises(DataError, match=r"170 x 130 pixels, allowed are 20000 at.*Give --window"):
        small_predictor(max_pixels=20_000).predict(path)
    limited = small_predictor(max_pixels=20_000, window=(64, 64))
    (outcome,) = run(limited, tmp_path / "out", [str(path)], Kinds(probabilities=True))
    assert "too many for --probabilities" in outcome.words
    Image.fromarray(IMAGE).save(tmp_path / "large.png")
    with pytest.raises(DataError, match=r"large\.png: 170 x 130 pixels, allowed are 20000"):
        limited.predict(tmp_path / "large.png")


class CountingNet(ColourNet):
    """Remembers how many images it got at once."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: list[int] = []

    def forward(self, images: Tensor) -> SegmenterOutput:
        self.counts.append(len(images))
        return SegmenterOutput(self.factor * images, None)


def test_images_of_one_size_that_follow_each_other_are_a_batch(tmp_path: Path) -> None:
    sizes = [(40, 50)] * 5 + [(50, 40), (40, 50), (40, 50)]
    noise = np.random.default_rng(0)
    images = [noise.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    for index, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    (tmp_path / "1b.png").write_bytes(b"no picture")
    model = CountingNet()
    card = ModelCard("ocrnet", {}, COLOURS, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    predictor = Predictor(Segmenter(model, card), name="toy")
    kinds = Kinds(overlays=True, probabilities=True)
    found = run(predictor, tmp_path / "out", [str(tmp_path)], kinds, batch=3)
    assert model.counts == [3, 2, 1, 2]
    states = {outcome.source.path.name: outcome.state for outcome in found}
    assert states.pop("1b.png") == "unreadable"
    assert len(states) == 8
    assert set(states.values()) == {"predicted"}
    for index, image in enumerate(images):
        label_map = read_label_map(tmp_path / f"out/label_maps/{index}.png")
        assert np.array_equal(label_map, image.argmax(axis=2))
        with np.load(tmp_path / f"out/probabilities/{index}.npz") as arrays:
            assert np.array_equal(arrays["probabilities"].argmax(axis=0), label_map)


@pytest.mark.parametrize("merge", MERGERS)
def test_scores_of_a_batch_are_those_of_its_images_but_for_rounding(
    bundle: Path, merge: str
) -> None:
    """Two scales and mirroring resize and merge scores, too."""
    protocol = ScoringProtocol(scales=(1.0, 1.5), flip=True, merge=merge)
    segmenter = load_segmenter(bundle, protocol=protocol)
    images = [IMAGE, IMAGE[::-1].copy(), IMAGE // 4]
    found = segmenter.batch_scores(images)
    for own, image in zip(torch.split(found, 1), images, strict=True):
        np.testing.assert_allclose(
            protocol.merger.finish(own)[0].numpy(), segmenter.probabilities(image), atol=1e-5
        )


def test_a_line_that_a_kill_cut_off_costs_one_image(tmp_path: Path) -> None:
    for index in range(3):
        Image.fromarray(IMAGE).save(tmp_path / f"{index}.png")
    predictor, out = small_predictor(max_pixels=10**6), tmp_path / "out"
    run(predictor, out, [str(tmp_path)])
    record = out / DONE_FILE
    record.write_text(record.read_text()[:-20])
    states = [outcome.state for outcome in run(predictor, out, [str(tmp_path)])]
    assert states == ["done", "done", "predicted"]
    assert [outcome.state for outcome in run(predictor, out, [str(tmp_path)])] == ["done"] * 3


def test_a_name_that_is_too_long_for_its_outputs_is_told_and_the_others_are_done(
    tmp_path: Path,
) -> None:
    for name in ("a" * 250, "b"):
        Image.fromarray(IMAGE).save(tmp_path / f"{name}.png")
    found = run(small_predictor(max_pixels=10**6), tmp_path / "out", [str(tmp_path)])
    assert [outcome.state for outcome in found] == ["unreadable", "predicted"]
    assert "outputs cannot be written (File name too long)" in found[0].words
