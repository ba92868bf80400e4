"""The learning curve on the page: shown beside the test images that it was measured on, and beside no others."""

import json
import logging
from pathlib import Path

import pytest

from ocrnet.report import render_report
from ocrnet.report.curve import curve_chart, hash_ids
from tests.ocrnet.report.test_report import Page, make

POINT = {"images": 3, "miou": 0.4567, "low": 0.41, "high": 0.49, "seeds": {"0": 0.45, "1": 0.4634}}
CURVE = {
    "fractions": [0.1, 0.25],
    "arms": {
        "train": [{"fraction": 0.1, **POINT}, {"fraction": 0.25, **POINT, "miou": 0.5}],
        "gan": [{"fraction": 0.1, **POINT, "miou": 0.46}],
    },
    "answers": {"0.1": "The GAN pairs are not shown to help: by a margin."},
    "settings": {"train.steps": 1000},
}


def write_curve(root: Path, ids: list[str]) -> None:
    (root / "curve").mkdir()
    text = json.dumps({**CURVE, "test_sha256": hash_ids(ids)})
    (root / "curve" / "curve.json").write_text(text)


def test_the_curve_stands_on_the_page_with_its_shares_and_settings(tmp_path: Path) -> None:
    make(tmp_path)
    assert "Learning curve" not in Page(render_report(tmp_path)).text
    ids = [path.stem for path in sorted((tmp_path / "prepare/images").glob("test*"))]
    write_curve(tmp_path, ids[::-1])
    page = Page(render_report(tmp_path))
    assert (
        "10 % of the training images. The GAN pairs are not shown to help: by a margin."
        in page.text
    )
    assert "train.steps 1000" in page.text
    rows = " ".join(page.text.split())
    assert "train10 %345.67[41.0, 49.0]45.00, 46.34 train25 %350.00" in rows
    assert ("a", {"href": "#curve"}) in page.tags


def test_a_curve_of_other_test_images_is_left_out_with_the_cure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path)
    write_curve(tmp_path, ["somewhere_else"])
    with caplog.at_level(logging.WARNING):
        assert "Learning curve" not in Page(render_report(tmp_path)).text
    assert (
        "curve.json: the curve was measured on other test images than data/prepare has"
        in caplog.text
    )


def test_each_arm_is_a_line_with_a_mark_per_share() -> None:
    chart = str(curve_chart(CURVE))
    assert chart.count("<circle") == 3
    assert chart.count('<path class="line" stroke="#6b7480"') == 2  # in the frame and in the legend
