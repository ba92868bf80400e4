"""The figures of the released HRNet-OCR code: values of the loss, and gradients by logits of a quarter of the size."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ocrnet.config import TrainParams
from ocrnet.losses import build_loss
from ocrnet.models.output import SegmenterOutput, resize_logits
from ocrnet.training.criterion import Criterion
from tests.base_params import section_with

GOLDEN = Path(__file__).parents[2] / "golden" / "ocr_parity"
EXPECTED = json.loads((GOLDEN / "losses.json").read_text())
RTOL = (
    1e-5  # float32 here and there; the strictness of one comparison already moves the value by more
)


@pytest.fixture(scope="module")
def golden() -> dict[str, torch.Tensor]:
    with np.load(GOLDEN / "losses.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def criterion_of(case: dict[str, Any], golden: dict[str, torch.Tensor]) -> Criterion:
    """Return the criterion with the class weights of the figures, which no scheme gives."""
    params = section_with(TrainParams, loss=case["loss"], aux_weight=EXPECTED["aux_weight"])
    criterion = Criterion(params, np.ones(19, np.int64), num_classes=19, ignore_index=255)
    criterion.loss = build_loss(
        case["loss"],
        num_classes=19,
        ignore_index=EXPECTED["ignore_index"],
        class_weights=golden["weight"] if case["weighted"] else None,
        **{key: case[key] for key in ("threshold", "min_kept") if key in case},
    )
    return criterion


@pytest.mark.parametrize("name", EXPECTED["cases"])
def test_totals_and_gradients(golden: dict[str, torch.Tensor], name: str) -> None:
    case = EXPECTED["cases"][name]
    main, aux = (golden[key].clone().requires_grad_() for key in ("main", "aux"))
    total = criterion_of(case, golden)(
        SegmenterOutput(main, aux), golden["target"].long(), align_corners=True
    )
    total.backward()
    assert main.grad is not None
    assert aux.grad is not None
    assert float(total.detach()) == pytest.approx(case["total"], rel=RTOL)
    assert float(main.grad.abs().sum()) == pytest.approx(case["grad_main_abs_sum"], rel=RTOL)
    assert float(aux.grad.abs().sum()) == pytest.approx(case["grad_aux_abs_sum"], rel=RTOL)


@pytest.mark.parametrize("name", [n for n, c in EXPECTED["cases"].items() if "main" in c])
def test_parts_of_hard_example_mining(golden: dict[str, torch.Tensor], name: str) -> None:
    case = EXPECTED["cases"][name]
    loss = criterion_of(case, golden).loss
    labels = golden["target"].long()
    main, aux = (
        resize_logits(golden[key], (45, 77), align_corners=True) for key in ("main", "aux")
    )
    assert float(loss(main, labels)) == pytest.approx(case["main"], rel=RTOL)
    assert float(loss.aux(aux, labels)) == pytest.approx(case["aux"], rel=RTOL)
