"""The gate: what promotes, what refuses and why, on confusions made by hand."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ocrnet.config import EvaluateParams, PromoteParams
from ocrnet.errors import DataError
from ocrnet.evaluation.bootstrap import compare
from ocrnet.gate.decision import Check, Decision
from ocrnet.gate.gate import Candidate, decide
from ocrnet.objects.matching import ObjectCounts
from tests.base_params import section_with
from tests.ocrnet.objects.test_scores import compared, row

Counts = NDArray[np.int64]
NAMES = ("floor", "crack", "rust")
STATISTICS = section_with(EvaluateParams, bootstrap=300)


def image(*errors: int, pixels: int = 100) -> Counts:
    """Return the confusion of an image with 100 pixels a class, so many of each taken for the next class."""
    counts = np.zeros((3, 3), np.int64)
    for k, wrong in enumerate(errors):
        counts[k, k], counts[k, (k + 1) % 3] = pixels - wrong, wrong
    return counts


def candidate(
    *images: Counts, name: str = "version 2", calibration_error: float = 0.1
) -> Candidate:
    ids = tuple(f"i{i}" for i in range(len(images)))
    return Candidate(name, ids, ids, np.stack(images), calibration_error)


def champion(*images: Counts) -> Candidate:
    return candidate(*images, name="version 1")


def run(
    challenger: Candidate,
    reference: Candidate | None,
    *,
    latency: dict[str, float] | None = None,
    first: bool = False,
    **limits: float,
) -> Decision:
    return decide(
        challenger, reference,
        class_names=NAMES, latency=latency or {}, limits=section_with(PromoteParams, **limits),
        statistics=STATISTICS, first=first,
    )  # fmt: skip


def failed(decision: Decision) -> list[str]:
    return [check.name for check in decision.checks if not check.passed]


MIOU = "mIoU difference, low end of 95 %"
PLAIN = [image(20, 20, 20)] * 8
BETTER = [image(10, 10, 10)] * 8


def half_found(count: int, found: int) -> tuple[ObjectCounts, ...]:
    """Return images of one object each, of which the first `found` are found exactly."""
    true, none = row(1, 1, 0, classes=[1]), row(0, 0, 0, classes=[])
    return tuple(compared(true if i < found else none, true) for i in range(count))


@pytest.mark.parametrize(("own", "theirs", "promoted"), [(8, 2, True), (4, 4, False)])
def test_objects_decide_where_they_are_asked(own: int, theirs: int, promoted: bool) -> None:
    asked = section_with(EvaluateParams, bootstrap=300, metric="pq")
    challenger = replace(candidate(*PLAIN), objects=half_found(8, own))
    reference = replace(champion(*PLAIN), objects=half_found(8, theirs))
    decision = decide(
        challenger, reference, class_names=NAMES, latency={},
        limits=section_with(PromoteParams), statistics=asked,
    )  # fmt: skip
    assert decision.promote is promoted
    assert failed(decision) == ([] if promoted else ["PQ difference, low end of 95 %"])
    # PQ of f of 8: f / (f + (8 - f) / 2); the mIoU of both is equal.
    found = decision.figures["pq_difference"]
    pq, other = (n / (n + (8 - n) / 2) for n in (own, theirs))
    assert found["value"] == pytest.approx(pq - other)
    assert decision.figures["miou_difference"]["value"] == 0
    assert list(decision.in_words()) == ["pq_difference"]
    assert f"version 2: PQ {100 * pq:.1f} %; version 1, the champion: " in decision.to_text()


def test_better_on_every_image_is_promoted() -> None:
    decision = run(candidate(*BETTER), champion(*PLAIN), latency={"cpu": 1.0})
    assert decision.promote
    assert decision.reasons == ()
    # Each class: 90 right, 10 missed, 10 taken from another: 90 / 110; before 80 / 120.
    assert decision.figures["miou_difference"]["value"] == pytest.approx(90 / 110 - 80 / 120)
    assert decision.figures["challenger"]["miou"] == pytest.approx(90 / 110)
    assert decision.figures["bootstrap"] == {
        "resamples": 300, "seed": 0, "confidence": 0.95, "unit": "images", "units": 8,
        "least_units": 6,
    }  # fmt: skip


def test_the_interval_is_that_of_the_comparison() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 40, (2, 12, 3))
    challenger, reference = ([image(*row) for row in half] for half in drawn)
    decision = run(candidate(*challenger), champion(*reference))
    expected = compare(
        np.stack(challenger)[None], np.stack(reference)[None], groups=[str(i) for i in range(12)],
        resamples=300, confidence=0.95, seed=0,
    )  # fmt: skip
    assert decision.figures["miou_difference"] == vars(expected.miou)
    assert decision.checks[0] == Check(MIOU, expected.miou.low, ">", 0.0, "points")


def test_better_in_the_mean_and_a_class_down_is_refused() -> None:
    """Floor and rust win more than crack loses, whose false positives are what it lost on."""
    challenger = [image(20, 60, 0)] * 8
    decision = run(candidate(*challenger), champion(*[image(40, 20, 40)] * 8), max_class_drop=0.1)
    assert decision.figures["miou_difference"]["low"] > 0.0
    # Crack: 40 right of 100, 20 from floor: 40 / 120; before 80 of 100, 40 from floor: 80 / 140.
    assert failed(decision) == ["IoU crack"]
    assert decision.reasons == ("IoU crack: -23.81 points, allowed >= -10.00 points",)
    assert run(
        candidate(*challenger), champion(*[image(40, 20, 40)] * 8), max_class_drop=0.24
    ).promote


def test_an_interval_across_zero_is_refused() -> None:
    """Better on five images, worse on three: better on the whole, and nobody knows on other images."""
    mixed = [image(10, 10, 10)] * 5 + [image(30, 30, 30)] * 3
    decision = run(candidate(*mixed), champion(*PLAIN))
    assert decision.figures["miou_difference"]["value"] > 0
    assert failed(decision) == [MIOU]


def test_equal_models_are_refused_without_a_margin_and_promoted_with_one_below_zero() -> None:
    assert failed(run(candidate(*PLAIN), champion(*PLAIN))) == [MIOU]
    assert run(candidate(*PLAIN), champion(*PLAIN), margin=-0.01).promote


def test_a_margin_asks_for_more_than_better() -> None:
    gain = 90 / 110 - 80 / 120
    assert run(candidate(*BETTER), champion(*PLAIN), margin=gain - 0.001).promote
    assert failed(run(candidate(*BETTER), champion(*PLAIN), margin=gain + 0.001)) == [MIOU]


def test_calibration_and_each_latency_have_a_limit_that_is_still_allowed() -> None:
    def changed(calibration_error: float, cpu: float, cuda: float) -> list[str]:
        return failed(
            run(
                candidate(*BETTER, calibration_error=calibration_error), champion(*PLAIN),
                latency={"cpu": cpu, "cuda": cuda}, max_calibration_increase=0.05, max_latency_ratio=1.2,
            )
        )  # fmt: skip

    assert changed(0.15, 1.2, 1.2) == []  # 0.15 - 0.1 is a little more than 0.05
    assert changed(0.151, 1.0, 1.0) == ["calibration error"]
    assert changed(0.01, 1.21, 1.0) == ["latency on cpu"]
    assert changed(0.2, 1.21, 3.0) == ["calibration error", "latency on cpu", "latency on cuda"]


def test_a_calibration_error_that_is_not_known_promotes_nothing() -> None:
    assert failed(
        run(candidate(*BETTER, calibration_error=float("nan")), champion(*PLAIN))
    ) == ["calibration error"]  # fmt: skip


def test_a_class_that_no_image_has_decides_nothing() -> None:
    def without_rust(wrong: int) -> Counts:
        counts = image(wrong, wrong, 0)
        counts[2] = 0
        return counts

    decision = run(candidate(*[without_rust(5)] * 8), champion(*[without_rust(20)] * 8))
    assert decision.promote
    assert "IoU rust" not in [check.name for check in decision.checks]
    assert decision.figures["iou_differences"]["rust"] is None
    assert decision.figures["classes"] == 2


def test_groups_are_resampled_whole() -> None:
    both = [
        replace(one, groups=tuple(f"g{i // 2}" for i in range(12)))
        for one in (candidate(*BETTER[:6] * 2), champion(*PLAIN[:6] * 2))
    ]
    drawn = run(*both).figures["bootstrap"]
    assert (drawn["unit"], drawn["units"]) == ("groups", 6)


@pytest.mark.parametrize(("images", "groups"), [(1, 1), (5, 5), (40, 5)])
def test_too_few_images_or_groups_promote_nothing_and_say_how_many_are_needed(
    images: int, groups: int
) -> None:
    names = tuple(f"g{i % groups}" for i in range(images))
    both = [
        replace(one, groups=names)
        for one in (candidate(*BETTER[:1] * images), champion(*PLAIN[:1] * images))
    ]
    decision = run(*both, margin=-1.0)
    unit = "images" if groups == images else "groups"
    (reason,) = decision.reasons
    assert not decision.promote
    assert reason.startswith(f"test {unit}")
    assert f": {groups}, allowed >= 6" in reason
    assert decision.figures["miou_difference"]["low"] is None
    assert decision.in_words() == {"miou_difference": f"+15.2 [too few {unit}]"}
    text = decision.to_text()
    assert "6 are needed" in text
    assert "nan" not in text + json.dumps(decision.to_json(), allow_nan=False)


def test_a_first_model_needs_no_interval_and_says_that_there_is_none() -> None:
    decision = run(candidate(*BETTER[:3]), None, first=True)
    assert decision.promote
    assert decision.in_words() == {"miou": "81.8 [too few images]"}
    assert "3 images are too few for an interval: 6 are needed" in decision.to_text()
    json.dumps(decision.to_json(), allow_nan=False)


@given(st.lists(st.tuples(*[st.integers(0, 40)] * 3), min_size=4, max_size=8), st.data())
def test_a_better_challenger_never_turns_promote_into_refuse(
    errors: list[tuple[int, ...]], data: st.DataObject
) -> None:
    fewer = [tuple(data.draw(st.integers(0, wrong)) for wrong in row) for row in errors]
    reference = champion(*[image(30, 30, 30)] * len(errors))
    if run(candidate(*[image(*row) for row in errors]), reference).promote:
        assert run(candidate(*[image(*row) for row in fewer]), reference).promote


def test_a_first_model_is_asked_for_and_has_least_scores() -> None:
    good = candidate(*BETTER)
    assert failed(run(good, None)) == ["no champion: first model requested (--first)"]
    decision = run(good, None, first=True)
    assert decision.promote
    assert decision.figures["miou"]["value"] == pytest.approx(90 / 110)
    assert run(good, None, first=True, first_min_miou=90 / 110).promote
    assert failed(run(good, None, first=True, first_min_miou=0.82)) == ["mIoU"]
    uneven = candidate(*[image(0, 95, 0)] * 8)  # crack: 5 right of 100, none taken from floor
    assert failed(run(uneven, None, first=True)) == ["IoU crack"]
    assert run(uneven, None, first=True, first_min_class_iou=0.05).promote


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ids": tuple("abcdefgh")}, r"different images: only one has \['a', 'b', 'c'\]"),
        ({"ids": tuple(f"i{i}" for i in (1, 0, *range(2, 8)))}, "the order differs"),
        ({"groups": ("g",) * 8}, "in different groups"),
        ({"confusions": np.stack(PLAIN)[:, :2, :2]}, r"shapes \[8, 3, 3\] and \[8, 2, 2\]"),
        ({"confusions": 2 * np.stack(PLAIN)}, "the same ids have different label maps"),
    ],
)
def test_what_cannot_be_paired_is_an_error(change: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=rf"version 2 and version 1: .*{words}"):
        run(candidate(*BETTER), replace(champion(*PLAIN), **change))


def test_the_table_names_every_check_and_marks_what_fails() -> None:
    decision = run(candidate(*BETTER), champion(*PLAIN), latency={"cpu": 2.0})
    lines = decision.to_text().splitlines()
    assert [line.split("  ")[0] for line in lines[:7]] == [
        "check", MIOU, "IoU floor", "IoU crack", "IoU rust", "calibration error", "latency on cpu",
    ]  # fmt: skip
    assert [line.endswith("  no") for line in lines[1:7]] == [False] * 5 + [True]
    assert "2.00 x" in lines[6]
    assert lines[-2] == (
        "version 2: mIoU 81.8 %; version 1, the champion: 66.7 %; difference +15.2 [+15.2, +15.2] points"
    )
    assert lines[-1] == "8 test images: 300 resamples over 8 images, seed 0"


def test_the_decision_as_json_repeats_the_checks() -> None:
    content = run(candidate(*PLAIN), champion(*PLAIN)).to_json()
    assert content["promote"] is False
    assert content["checks"][0] == {
        "name": MIOU, "found": 0.0, "rule": ">", "allowed": 0.0, "passed": False,
    }  # fmt: skip
