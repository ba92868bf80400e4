"""Prediction by bands: the label map is that of the sliding window over the whole image, to the bit."""

from pathlib import Path

import numpy as np
import pytest

from ocrnet.bundles.card import Decoding, ModelCard
from ocrnet.inference.predict import Segmenter, load_segmenter
from ocrnet.inference.scoring_protocol import ScoringProtocol
from ocrnet.inference.sliding_window import WINDOW_WEIGHTS
from ocrnet.inference.view_merging import MERGERS
from ocrnet.predict_files.bands import ArrayRows, band_fault, slide_bands
from tests.ocrnet.conftest import CLASSES
from tests.ocrnet.toy_models import ColourNet, ColumnNet, segmenter_of

from .bundles import write_varied_bundle

IMAGE = np.random.default_rng(0).integers(0, 256, (211, 173, 3), dtype=np.uint8)


class CountedRows(ArrayRows):
    """Rows that remember the largest number that was asked for at once."""

    most = 0

    def read(self, top: int, bottom: int) -> np.ndarray:
        self.most = max(self.most, bottom - top)
        return super().read(top, bottom)


@pytest.mark.parametrize("merge", MERGERS)
@pytest.mark.parametrize(
    ("window", "overlap", "flip"),
    [
        ((64, 64), 0.33, False),
        ((64, 80), 0.0, True),
        ((70, 64), 0.8, False),  # a pixel is in rows of five windows
        ((300, 64), 0.5, False),  # taller than the image
        ((64, 300), 0.5, False),
    ],
)
def test_bands_are_the_sliding_window_of_the_whole_image(
    window: tuple[int, int], overlap: float, flip: bool, merge: str
) -> None:
    protocol = ScoringProtocol(window, overlap, flip=flip, merge=merge)
    for model in (ColourNet(stride=4), ColumnNet()):
        segmenter = segmenter_of(model, protocol=protocol)
        rows = CountedRows(IMAGE)
        bands = list(slide_bands(segmenter, rows))
        assert np.array_equal(np.concatenate([band.image for band in bands]), IMAGE)
        found = np.concatenate([band.label_map for band in bands])
        expected = segmenter.label_map(IMAGE)
        assert flip or len(np.unique(expected)) > 1  # mirrored, every column is equally far right
        assert np.array_equal(found, expected)
        assert rows.most <= window[0]


@pytest.mark.parametrize("merge", MERGERS)
@pytest.mark.parametrize("weights", WINDOW_WEIGHTS)
def test_bands_of_a_network_are_equal_to_the_bit(tmp_path: Path, merge: str, weights: str) -> None:
    """Its classes are so close to each other that a rounding at another place changes labels."""
    write_varied_bundle(tmp_path, seed=1)
    protocol = ScoringProtocol((64, 64), 0.5, flip=True, merge=merge, window_weights=weights)
    segmenter = load_segmenter(tmp_path, protocol=protocol)
    found = [band.label_map for band in slide_bands(segmenter, ArrayRows(IMAGE))]
    assert np.array_equal(np.concatenate(found), segmenter.label_map(IMAGE))


def test_what_needs_the_whole_image_is_not_done_by_bands() -> None:
    windows = ScoringProtocol((64, 64))
    assert band_fault(segmenter_of(ColourNet(), protocol=windows)) is None
    assert "--window" in str(band_fault(segmenter_of(ColourNet())))
    scaled = ScoringProtocol((64, 64), scales=(1.0, 1.5))
    assert "--scales" in str(band_fault(segmenter_of(ColourNet(), protocol=scaled)))
    card = ModelCard("ocrnet", {}, CLASSES, decoding=Decoding(resize=(64, 96)))
    assert "64 x 96" in str(band_fault(Segmenter(ColourNet(), card, protocol=windows)))
