"""The range test raises the rate from step to step, ends when the loss diverges, and suggests by a stated rule."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocrnet.errors import TrainError
from ocrnet.report.lr_chart import BLUE, LEFT, RED, RIGHT, SIZE, draw_range_test
from ocrnet.training.data import TrainingData
from ocrnet.training.lr_range import (
    Point,
    moving_average,
    range_test,
    remark,
    smoothed,
    suggested_rate,
)
from ocrnet.training.step import SegmenterTrainer, StepValues
from pipelines.lr_range import main
from tests.base_params import write_params
from tests.ocrnet.conftest import toy_params, write_toy_set


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workspace")
    values = toy_params(optimizer="sgd", clip_norm=None).model_dump(mode="json", by_alias=True)
    values["model"] |= {"backbone": "resnet10t"}
    write_params(folder / "params.yaml", values)
    write_toy_set(folder / "data" / "prepare", counts={"train": 8, "val": 1})
    return folder


def points(*losses: float) -> list[Point]:
    return [Point(10.0 ** (k - 5), loss, loss) for k, loss in enumerate(losses)]


def test_the_command_writes_the_curve_and_prints_the_suggestion(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workspace)
    before = (workspace / "params.yaml").read_bytes()
    assert main(["--low", "1e-3", "--high", "1e7", "--steps", "40", "--out", "out"]) == 0
    printed = capsys.readouterr().out.splitlines()
    with (workspace / "out" / "lr_range.csv").open() as file:
        rows = list(csv.DictReader(file))
    rates, losses, smooth = (
        np.array([float(row[name]) for row in rows]) for name in ("rate", "loss", "smoothed_loss")
    )
    np.testing.assert_allclose(np.diff(np.log10(rates)), 10 / 39, rtol=1e-3)
    assert rates[0] == pytest.approx(1e-3)
    assert len(rows) < 40, "a rate of 1e7 diverges"
    assert smooth.min() < smooth[0]
    np.testing.assert_allclose(smoothed(losses.tolist()), smooth, rtol=1e-4)
    assert printed[0].startswith(f"{len(rows)} of 40 steps; the loss is lowest, {smooth.min():.4f}")
    value = suggested_rate([Point(*row) for row in zip(rates, losses, smooth, strict=True)])
    assert rates[0] < value < rates[smooth.argmin()]
    assert printed[1].startswith(f"suggested train.lr: {value:.2g}, ")
    with Image.open(workspace / "out" / "lr_range.png") as picture:
        assert picture.size == SIZE
    assert (workspace / "params.yaml").read_bytes() == before


def test_its_first_step_is_that_of_the_training(workspace: Path) -> None:
    params = toy_params()
    data = TrainingData.read(workspace / "data" / "prepare")
    first = SegmenterTrainer(params, data, seed=3).step(0, next(data.batches(params, seed=3)))
    tested = range_test(params, data, seed=3, low=1e-4, high=1e-2, steps=3)
    assert tested[0].loss == first.loss
    assert [point.rate for point in tested] == pytest.approx([1e-4, 1e-3, 1e-2])


@pytest.mark.parametrize(
    "losses", [(1.0, 90.0, 95.0, 96.0), (1.0, 0.5, 0.4, None), (1.0, 0.5, None)]
)
def test_a_loss_that_diverges_at_once_leaves_a_curve_or_is_one_line(
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    losses: tuple[float | None, ...],
) -> None:
    """A slope needs three points; None is a loss that is not finite."""

    def step(_: SegmenterTrainer, number: int, *__: object, **___: object) -> StepValues:
        loss = losses[number]
        if loss is None:
            raise TrainError(f"step {number}: the loss is nan")
        return StepValues(loss, 0.1)

    monkeypatch.chdir(workspace)
    monkeypatch.setattr(SegmenterTrainer, "step", step)
    code = main(["--steps", "10", "--out", "short"])
    found = capsys.readouterr()
    if len(losses) == 4:
        assert code == 0
        assert found.out.startswith("3 of 10 steps; ")
    else:
        assert code == 1
        assert found.err.splitlines()[-1] == "lr_range: step 2: the loss is nan"


def test_the_suggestion_is_where_the_loss_falls_most_steeply() -> None:
    assert suggested_rate(points(1.0, 0.9, 0.8, 0.3, 0.25, 0.9, 2.0)) == pytest.approx(1e-3)
    # The suggestion lies on the middle of a slope, though each step has noise of its own.
    rates = np.geomspace(1e-5, 1.0, 100)
    noise = np.random.default_rng(0).normal(0, 0.03, 100)
    losses = (1 / (1 + (rates / 1e-3) ** 1.5) + noise).tolist()
    curve = [Point(*row) for row in zip(rates.tolist(), losses, smoothed(losses), strict=True)]
    assert 4e-4 < suggested_rate(curve) < 2.5e-3


def test_smoothing_keeps_a_straight_line_and_does_not_lag() -> None:
    line = [float(k) for k in range(60)]
    assert smoothed(line) == pytest.approx(line)
    noise = np.random.default_rng(0).normal(size=200).tolist()
    assert np.std(smoothed(noise)) < 0.4


def test_early_means_are_not_drawn_to_zero() -> None:
    assert moving_average([2.0] * 5) == pytest.approx([2.0] * 5)
    assert moving_average([1.0, 2.0])[1] == pytest.approx((0.9 * 1 + 2) / 1.9)


def test_a_curve_without_a_minimum_is_not_trusted() -> None:
    assert remark(points(1.0, 0.8, 0.4, 0.6), high=1e-2) == ""
    assert "raise --high" in remark(points(1.0, 0.8, 0.4, 0.3), high=1e-2)
    assert "never fell" in remark(points(1.0, 0.98, 1.2, 1.4), high=1e-2)


def test_the_chart_marks_the_suggested_rate_on_a_logarithmic_axis() -> None:
    rates = [1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    picture = draw_range_test(rates, [1.0] * 5, [1.0, 0.8, 0.6, 0.7, 3.0], suggested=1e-2)
    pixels = np.asarray(picture)
    red, blue = ((pixels[60:-70] == colour).all(axis=2) for colour in (RED, BLUE))
    middle = LEFT + (SIZE[0] - LEFT - RIGHT) / 2
    assert np.flatnonzero(red.any(axis=0)).mean() == pytest.approx(middle, abs=1)
    assert blue.any(axis=0).sum() > 400


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--low", "0.1", "--high", "0.01"), "Give 0 < --low < --high"),
        (("--low", "0"), "--low, --high: found 0 and 1"),
        (("--high", "nan"), "--low, --high"),
        (("--steps", "3"), "--steps: found 3. Give 10 or more"),
    ],
)
def test_wrong_arguments_are_one_line(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("lr_range: ")
    assert words in line
