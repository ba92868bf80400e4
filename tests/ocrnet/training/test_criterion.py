"""The total loss: main plus weighted auxiliary logits at the size of the labels, and every option of the params."""

import logging
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ocrnet.config import TrainParams
from ocrnet.errors import DataError
from ocrnet.models.output import SegmenterOutput
from ocrnet.training.class_weights import class_weights
from ocrnet.training.criterion import Criterion
from tests.base_params import section_with

COUNTS = np.array([[100, 10, 5], [80, 0, 1]])
GENERATOR = torch.Generator().manual_seed(0)
MAIN = torch.randn(2, 3, 4, 5, generator=GENERATOR)
AUX = torch.randn(2, 3, 8, 10, generator=GENERATOR)
LABELS = torch.randint(0, 3, (2, 15, 19), generator=GENERATOR)
LABELS[:, :3] = 255


def criterion(**recipe: Any) -> Criterion:
    return Criterion(section_with(TrainParams, **recipe), COUNTS, num_classes=3, ignore_index=255)


def total(align_corners: bool = False, **recipe: Any) -> float:
    output = SegmenterOutput(MAIN, AUX)
    return float(criterion(**recipe)(output, LABELS, align_corners=align_corners))


@pytest.mark.parametrize("align_corners", [True, False])
def test_both_logits_are_resized_and_the_auxiliary_ones_weighted(align_corners: bool) -> None:
    main, aux = (
        F.cross_entropy(
            F.interpolate(logits, size=(15, 19), mode="bilinear", align_corners=align_corners),
            LABELS,
            ignore_index=255,
        )
        for logits in (MAIN, AUX)
    )
    found = total(align_corners, loss="ce", aux_weight=0.25)
    assert found == pytest.approx(float(main + 0.25 * aux), rel=1e-6)


@pytest.mark.parametrize("loss", ["ce", "ohem_official", "ce + 0.5*dice", "lovasz"])
def test_weights_of_images_reach_both_terms(loss: str) -> None:
    """An image of weight two is as two equal ones, in the main and in the auxiliary loss."""
    twice = [0, 1, 1]
    module = criterion(loss=loss, aux_weight=0.5)
    weighted = module(
        SegmenterOutput(MAIN, AUX), LABELS, align_corners=False, sample_weights=torch.tensor([1.0, 2.0])
    )  # fmt: skip
    repeated = module(SegmenterOutput(MAIN[twice], AUX[twice]), LABELS[twice], align_corners=False)
    torch.testing.assert_close(weighted, repeated)


def test_without_auxiliary_logits_or_weight_the_main_loss_is_all() -> None:
    alone = criterion(loss="ce")(SegmenterOutput(MAIN, None), LABELS, align_corners=False)
    assert total(loss="ce", aux_weight=0.0) == pytest.approx(float(alone), rel=1e-6)
    assert total(loss="ce", aux_weight=0.4) > float(alone)


@pytest.mark.parametrize(
    ("loss", "option", "values"),
    [
        ("ce", "class_weights", ("none", "inverse")),
        ("ohem", "class_weights", ("none", "median")),
        ("dice + focal", "class_weights", ("none", "effective")),
        ("ohem", "ohem_threshold", (0.1, 0.3)),
        ("ohem_official", "ohem_threshold", (0.1, 0.3)),
        ("ohem", "ohem_min_kept", (5, 50)),
        ("ce + focal", "focal_gamma", (0.0, 2.0)),
    ],
)
def test_every_option_reaches_its_loss(
    loss: str, option: str, values: tuple[object, object]
) -> None:
    recipe: dict[str, Any] = {"loss": loss, "ohem_threshold": 0.05, "ohem_min_kept": 1}
    low, high = (total(**{**recipe, option: value}) for value in values)
    assert abs(low - high) > 1e-3


def test_class_weights_come_from_the_counts() -> None:
    weights = class_weights("median", COUNTS)
    assert weights is not None
    module = criterion(loss="ce", class_weights="median").loss
    assert module.class_weights is not None
    np.testing.assert_array_equal(module.class_weights, weights)


def test_class_weights_that_no_term_takes_are_warned_about(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        criterion(loss="dice + ce", class_weights="inverse")
        assert not caplog.records
        criterion(loss="dice + lovasz", class_weights="inverse")
    assert "train.class_weights inverse has no effect on train.loss dice + lovasz" in caplog.text


def test_a_label_out_of_range_is_named() -> None:
    labels = LABELS.clone()
    labels[0, 9, 9] = 3
    with pytest.raises(DataError, match="label 3 is neither a class \\(0 to 2\\)"):
        criterion()(SegmenterOutput(MAIN, AUX), labels, align_corners=False)


@pytest.mark.parametrize("loss", ["ce", "ohem_official", "ce + 0.5*dice", "lovasz + focal"])
def test_a_batch_without_valid_pixels_moves_nothing(loss: str) -> None:
    main, aux = MAIN.clone().requires_grad_(), AUX.clone().requires_grad_()
    value = criterion(loss=loss)(
        SegmenterOutput(main, aux), torch.full_like(LABELS, 255), align_corners=False
    )
    value.backward()
    assert float(value.detach()) == 0
    assert main.grad is not None
    assert aux.grad is not None
    assert float(main.grad.abs().sum() + aux.grad.abs().sum()) == 0
