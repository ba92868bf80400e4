"""Views of an image and their merging, on networks whose logits follow from the pixels by hand."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.nn import functional as F

from ocrnet.config import EvaluateParams
from ocrnet.data.manifest import ClassTable
from ocrnet.errors import ParamsError
from ocrnet.inference.scoring_protocol import ScoringProtocol, scaled_size
from ocrnet.inference.sliding_window import window_starts
from ocrnet.inference.view_merging import MERGERS
from ocrnet.metrics import confusion_matrix
from ocrnet.models.output import LEAST_SIDE
from tests.base_params import section_with
from tests.ocrnet.toy_models import ColourNet, ColumnNet, PaddingNet, segmenter_of

TWO = ClassTable(("left", "right"), ((0, 0, 0), (255, 255, 255)))
MODES = sorted(MERGERS)


def noise(height: int, width: int, *, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def column_scores(width: int, protocol: ScoringProtocol) -> list[float]:
    """Return the merged scores of the class `right`, less those of `left`, along one row."""
    image = torch.zeros(1, 3, 2, width)
    scores = protocol.scores(ColumnNet(), image, protocol.merger)
    assert scores.shape == (1, 2, 2, width)
    assert torch.equal(scores[:, :, 0], scores[:, :, 1])
    return [float(value) for value in scores[0, 1, 0] - scores[0, 0, 0]]


def test_the_whole_image_is_the_softmax_of_the_logits_at_its_size() -> None:
    image = noise(75, 109)
    model = ColourNet(stride=4)
    logits = model.factor * (torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255)
    own = F.interpolate(logits[:, :, ::4, ::4], size=(75, 109), mode="bilinear")[0]
    segmenter = segmenter_of(model)
    assert np.array_equal(segmenter.probabilities(image), own.softmax(dim=0).numpy())
    assert np.array_equal(segmenter.label_map(image), own.argmax(dim=0).numpy())


@pytest.mark.parametrize("merge", MODES)
@pytest.mark.parametrize("size", [(70, 90), (71, 133), (20, 100)])
@pytest.mark.parametrize("overlap", [0.0, 0.33, 0.5, 0.8])
def test_windows_of_a_network_that_knows_no_place_give_the_whole_image(
    merge: str, size: tuple[int, int], overlap: float
) -> None:
    image = noise(*size)
    whole = segmenter_of(ColourNet())
    protocol = ScoringProtocol(window=(33, 40), overlap=overlap, merge=merge, flip=True)
    slid = segmenter_of(ColourNet(), protocol=protocol)
    if merge == "logit_mean":
        assert np.array_equal(slid.probabilities(image), whole.probabilities(image))
    else:  # exp itself rounds in another way at the end of a row
        expected = whole.probabilities(image)
        np.testing.assert_allclose(slid.probabilities(image), expected, rtol=1e-6)
    assert np.array_equal(slid.label_map(image), whole.label_map(image))


def test_pixels_under_two_windows_get_the_mean_of_both() -> None:
    # Windows start at 0 and 2, so columns 2 and 3 are 2 and 3 in the first, 0 and 1 in the second.
    slid = ScoringProtocol(window=(2, 4), overlap=0.5, merge="logit_mean")
    assert column_scores(6, slid) == [0, 1, 1, 2, 2, 3]
    # Without overlap the second of two windows ends at the border and starts at 1.
    clamped = ScoringProtocol(window=(2, 4), overlap=0.0, merge="logit_mean")
    assert column_scores(5, clamped) == [0, 0.5, 1.5, 2.5, 3]


def test_pixels_under_two_windows_by_the_other_modes() -> None:
    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    slid = ScoringProtocol(window=(2, 4), overlap=0.5)
    means = [sigmoid(0), sigmoid(1), (sigmoid(2) + sigmoid(0)) / 2, (sigmoid(3) + sigmoid(1)) / 2]
    assert column_scores(6, slid)[:4] == pytest.approx([2 * p - 1 for p in means], abs=1e-6)
    official = ScoringProtocol(window=(2, 4), overlap=0.5, merge="exp_logit_sum")
    logs = [0, 1, math.log((math.exp(2) + 1) / 2), math.log((math.exp(3) + math.exp(1)) / 2)]
    assert column_scores(6, official)[:4] == pytest.approx(logs, abs=1e-6)


def test_with_gaussian_weights_the_middle_of_a_window_counts_more() -> None:
    """A side of 4 pixels has the deviation 1/2, so its ends, 1.5 off the middle, count exp(-4) of its inner pixels."""
    end = math.exp(-4)
    window: dict[str, Any] = {"window": (2, 4), "overlap": 0.5, "window_weights": "gaussian"}
    slid = ScoringProtocol(**window, merge="logit_mean")
    both = [(2 + 0 * end) / (1 + end), (3 * end + 1) / (1 + end)]
    assert column_scores(6, slid) == pytest.approx([0, 1, *both, 2, 3], abs=1e-6)
    official = ScoringProtocol(**window, merge="exp_logit_sum")
    logs = [(math.exp(2) + end) / (1 + end), (math.exp(3) * end + math.exp(1)) / (1 + end)]
    assert column_scores(6, official)[2:4] == pytest.approx([math.log(x) for x in logs], abs=1e-6)
    assert "gaussian weights" in slid.words


@pytest.mark.parametrize("merge", MODES)
def test_gaussian_windows_of_a_network_that_knows_no_place_give_the_whole_image(merge: str) -> None:
    image = noise(71, 133)
    protocol = ScoringProtocol((33, 40), 0.33, merge=merge, window_weights="gaussian")
    slid = segmenter_of(ColourNet(), protocol=protocol).probabilities(image)
    np.testing.assert_allclose(slid, segmenter_of(ColourNet()).probabilities(image), rtol=1e-5)


@pytest.mark.parametrize("merge", ["logit_mean", "exp_logit_sum"])
def test_the_mirrored_view_is_turned_back_and_its_logits_averaged(merge: str) -> None:
    assert column_scores(4, ScoringProtocol(flip=True, merge=merge)) == [1.5] * 4


@pytest.mark.parametrize("merge", MODES)
def test_a_symmetric_image_has_symmetric_scores(merge: str) -> None:
    left = noise(65, 41)
    image = np.concatenate([left, left[:, ::-1]], axis=1)
    protocol = ScoringProtocol(window=(65, 50), scales=(0.9, 1.3), flip=True, merge=merge)
    scores = segmenter_of(ColourNet(), protocol=protocol).probabilities(image)
    np.testing.assert_allclose(scores, scores[:, :, ::-1], atol=1e-5)
    whole = segmenter_of(ColourNet()).probabilities(image)
    flipped = segmenter_of(ColourNet(), protocol=ScoringProtocol(flip=True, merge=merge))
    np.testing.assert_allclose(flipped.probabilities(image), whole, atol=1e-7)


@pytest.mark.parametrize("merge", MODES)
def test_the_scale_one_alone_is_the_whole_image(merge: str) -> None:
    image = noise(70, 81)
    protocol = ScoringProtocol(scales=(1.0,), merge=merge)
    assert protocol.is_whole
    one = segmenter_of(ColourNet(stride=4), protocol=protocol).probabilities(image)
    whole = segmenter_of(ColourNet(stride=4)).probabilities(image)
    assert np.array_equal(one, whole)


A = torch.tensor([[[[0.0, 1.0], [2.0, -1.0]], [[3.0, 0.5], [-2.0, 0.0]]]])
B = torch.tensor([[[[4.0, 0.0], [0.5, 1.0]], [[0.0, 2.5], [1.0, -3.0]]]])


def test_two_views_of_two_by_two_pixels_by_hand() -> None:
    names = ("softmax_mean", "logit_mean", "exp_logit_sum")
    softmax, logits, official = (MERGERS[name] for name in names)
    a, b = A.double().numpy()[0], B.double().numpy()[0]

    def normalised(scores: NDArray[np.float64]) -> NDArray[np.float64]:
        shares: NDArray[np.float64] = scores / scores.sum(axis=0)
        return shares

    expected = {
        softmax: (normalised(np.exp(a)) + normalised(np.exp(b))) / 2,
        logits: normalised(np.exp((a + b) / 2)),
        official: normalised(np.exp(a) + np.exp(b)),
    }
    for merger, by_hand in expected.items():
        merged = merger.finish(merger.mean(merger.enter(view) for view in (A, B)))
        np.testing.assert_allclose(merged[0].numpy(), by_hand, rtol=1e-6)
    # One number from the head, class 0 of the first pixel: (e^0 + e^4) / (e^0 + e^4 + e^3 + e^0).
    first = (1 + math.exp(4)) / (2 + math.exp(4) + math.exp(3))
    assert expected[official][0, 0, 0] == pytest.approx(first)


def test_the_official_mode_resizes_exponentials_and_does_not_overflow() -> None:
    merger = MERGERS["exp_logit_sum"]
    wide = merger.resize(A[..., :1, :], (1, 3), align_corners=True)
    middle = [math.log((1 + math.e) / 2), math.log((math.exp(3) + math.exp(0.5)) / 2)]
    assert wide[0, :, 0, 1].tolist() == pytest.approx(middle)
    large = merger.mean([A + 5000, B + 5000])
    small = merger.mean([A, B])
    np.testing.assert_allclose(merger.finish(large), merger.finish(small), atol=1e-3)
    assert torch.isfinite(merger.resize(A * 900, (5, 5), align_corners=False)).all()


def test_an_image_smaller_than_the_window_is_padded_to_it() -> None:
    image = noise(50, 200)
    model = ColourNet()
    protocol = ScoringProtocol(window=(96, 128), overlap=0.5)
    slid = segmenter_of(model, protocol=protocol).probabilities(image)
    assert slid.shape == (3, 50, 200)
    assert set(model.seen) == {(96, 128)}
    assert len(model.seen) == 3  # from 0, 64 and 72
    assert np.array_equal(slid, segmenter_of(ColourNet()).probabilities(image))


@pytest.mark.parametrize("merge", MODES)
@pytest.mark.parametrize(
    ("size", "window", "scales"),
    [
        ((20, 30), None, (1.0,)),
        ((20, 30), (96, 96), (1.0, 1.25)),
        ((70, 101), (96, 96), (0.75, 1.0, 1.7)),
    ],
)
def test_padding_is_never_scored(
    merge: str, size: tuple[int, int], window: tuple[int, int] | None, scales: tuple[float, ...]
) -> None:
    """A network that calls padding a class of its own gives that class no pixel, at no border."""
    image = np.full((*size, 3), 200, np.uint8)
    protocol = ScoringProtocol(window=window, scales=scales, flip=True, merge=merge)
    segmenter = segmenter_of(PaddingNet(), classes=TWO, protocol=protocol)
    truth = np.zeros(size, np.uint8)
    confusion = confusion_matrix(segmenter.label_map(image), truth, num_classes=2, ignore_index=255)
    assert confusion.tolist() == [[size[0] * size[1], 0], [0, 0]]
    probabilities = segmenter.probabilities(image)
    np.testing.assert_allclose(probabilities, probabilities[:, :1, :1] + 0 * probabilities, atol=1e-6)  # fmt: skip


def test_scales_below_one_stop_at_the_least_side_of_the_network() -> None:
    assert scaled_size((80, 100), 0.75) == (64, 80)
    assert scaled_size((80, 100), 0.1) == (64, 80)
    assert scaled_size((400, 301), 0.5) == (200, 150)
    assert scaled_size((40, 50), 0.5) == (40, 50)
    assert scaled_size((40, 50), 2.0) == (80, 100)
    model = ColourNet()
    protocol = ScoringProtocol(scales=(0.25, 1.0, 1.5))
    segmenter_of(model, protocol=protocol).probabilities(noise(80, 100))
    assert model.seen == [(64, 80), (80, 100), (120, 150)]
    assert min(min(size) for size in model.seen) >= LEAST_SIDE


def test_scales_bring_their_scores_to_the_size_of_the_image() -> None:
    """Of an image of one colour every scale has one score; a ramp stays a ramp."""
    ramp = np.broadcast_to(np.linspace(0, 255, 99).astype(np.uint8)[:, None], (64, 99, 1))
    image = np.concatenate([ramp, 255 - ramp, 0 * ramp], axis=2)
    protocol = ScoringProtocol(scales=(0.7, 1.0, 1.6), flip=True, merge="logit_mean")
    many = segmenter_of(ColourNet(), protocol=protocol).probabilities(image)
    whole = segmenter_of(ColourNet()).probabilities(image)
    np.testing.assert_allclose(many[:, 2:-2, 2:-2], whole[:, 2:-2, 2:-2], atol=0.01)


def test_the_score_of_an_image_depends_on_nothing_but_the_image() -> None:
    protocol = ScoringProtocol(window=(48, 64), scales=(0.8, 1.0), flip=True)
    segmenter = segmenter_of(ColourNet(), protocol=protocol)
    alone = segmenter.probabilities(noise(70, 90, seed=1))
    for seed in (2, 3):
        segmenter.probabilities(noise(60 + seed, 80, seed=seed))
    assert np.array_equal(segmenter.probabilities(noise(70, 90, seed=1)), alone)


@given(size=st.integers(1, 300), window=st.integers(1, 120), overlap=st.floats(0, 0.95))
def test_windows_cover_every_pixel_and_stay_inside(size: int, window: int, overlap: float) -> None:
    starts = window_starts(size, window, overlap)
    assert starts[0] == 0
    assert starts[-1] == max(0, size - window)
    steps = [after - before for before, after in pairwise(starts)]
    assert all(1 <= step <= window for step in steps)
    assert all(step == steps[0] for step in steps[:-1])


def test_a_third_of_overlap_is_the_official_stride() -> None:
    # Two thirds of the crop, as the official test code of LIP, ADE20K and PASCAL-Context has it: 480 -> 320.
    assert window_starts(1120, 480, 1 / 3) == [0, 320, 640]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"window": (0, 64)}, r"window: found \[0, 64\]"),
        ({"window_weights": "hann"}, r"window_weights: found 'hann'\. Known: uniform, gaussian"),
        ({"overlap": 1.0}, r"overlap: found 1\.0\. Set a share from 0 to below 1"),
        ({"scales": ()}, r"scales: found \[\]"),
        ({"scales": (1.0, -0.5)}, r"scales: found \[1\.0, -0\.5\]"),
        ({"merge": "max"}, "merge: found 'max'. Known: softmax_mean, logit_mean, exp_logit_sum"),
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        ScoringProtocol(**values)  # type: ignore[arg-type]


def test_params_name_the_same_modes_and_defaults() -> None:
    assert ScoringProtocol.of(section_with(EvaluateParams)) == ScoringProtocol()
    annotation = EvaluateParams.model_fields["merge"].annotation
    assert list(annotation.__args__) == list(MERGERS)  # type: ignore[union-attr]
    params = section_with(
        EvaluateParams, window=(96, 128), scales=(0.75, 1.0), flip=True, merge="logit_mean"
    )
    assert ScoringProtocol.of(params).words == (
        "sliding window of 96 x 128, overlap 0.33; scales 0.75, 1; flip; merged by logit_mean"
    )
    assert ScoringProtocol().words == "whole image"
