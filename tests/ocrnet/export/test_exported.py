"""What is told about a file that does not agree with its model."""

from dataclasses import replace
from pathlib import Path

import pytest

from ocrnet.bundles.card import ModelCard
from ocrnet.export.comparison import Agreement
from ocrnet.export.exported import Exported
from tests.ocrnet.conftest import CLASSES
from tests.ocrnet.export.files import card_of

GOOD = Agreement(images=1, pixels=10_000, equal=10_000)


@pytest.mark.parametrize(
    ("precision", "agreement", "told", "cure"),
    [
        ("float32", replace(GOOD, equal=9000), "90.000 % of 10000 pixels", "another --opset"),
        ("int8", replace(GOOD, equal=9000), "90.000 % of 10000 pixels", "the file in float32"),
        ("int8", replace(GOOD, miou=(0.8, 0.79)), "mIoU 79.00 %", "the file in float32"),
        ("float32", replace(GOOD, off=0.5), "instance heads differ", "leave out --objects"),
        ("float32", replace(GOOD, off=float("inf")), "by inf %", "leave out --objects"),
    ],
)
def test_a_fault_names_the_file_what_differs_and_the_cure(
    precision: str, agreement: Agreement, told: str, cure: str
) -> None:
    card = card_of(ModelCard("unet", {}, CLASSES), is_raw=True, layout="nchw", precision=precision)
    found = Exported(Path("out/model.onnx"), "onnx", card, 18, agreement, (1.0, 1.0))
    assert not found.is_good
    assert found.fault.startswith("out/model.onnx: ")
    assert told in found.fault
    assert cure in found.fault
    assert "\n" not in found.fault
