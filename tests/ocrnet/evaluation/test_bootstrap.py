"""The paired bootstrap: cases worked out by hand, properties, and its coverage by simulation."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ocrnet.evaluation.arm_choice import best_arm, best_seed, choose_arm
from ocrnet.evaluation.bootstrap import Comparison, Interval, arm_scores, compare
from ocrnet.evaluation.unit_scores import resampling_units
from ocrnet.metrics import miou, per_class_iou

Counts = NDArray[np.int64]


def random_counts(seed: int, *, images: int = 12, classes: int = 3) -> Counts:
    counts = np.random.default_rng(seed).integers(0, 50, (images, classes, classes))
    return counts + 40 * np.eye(classes, dtype=np.int64)


def run(
    candidate: Counts, reference: Counts, *, groups: list[str] | None = None, seed: int = 0
) -> Comparison:
    return compare(
        candidate,
        reference,
        groups=groups or [str(i) for i in range(candidate.shape[1])],
        resamples=400,
        confidence=0.95,
        seed=seed,
    )


def improved(counts: Counts, share: float = 0.5) -> Counts:
    """Put a share of each image's wrong pixels right."""
    wrong = counts - counts * np.eye(counts.shape[-1], dtype=np.int64)
    moved = (wrong * share).astype(np.int64)
    better = counts - moved
    index = np.arange(counts.shape[-1])
    better[..., index, index] += moved.sum(-1)
    return better


def test_identical_models_differ_by_nothing() -> None:
    counts = random_counts(0)[None]
    result = run(counts, counts)
    assert result.miou == Interval(0.0, 0.0, 0.0)
    assert result.per_class == (Interval(0.0, 0.0, 0.0),) * 3
    assert not result.helps
    assert not result.hurts


@given(st.integers(0, 1000))
def test_a_model_that_is_better_on_every_image_helps_and_its_mirror_hurts(seed: int) -> None:
    counts = random_counts(seed)[None]
    better = improved(counts)
    forth, back = run(better, counts), run(counts, better)
    assert forth.helps
    assert back.hurts
    assert all(interval.low > 0 for interval in forth.per_class)
    assert (back.miou.low, back.miou.high) == pytest.approx((-forth.miou.high, -forth.miou.low))


@given(st.integers(0, 1000))
def test_more_pixels_put_right_never_lower_the_interval(seed: int) -> None:
    counts = random_counts(seed)[None]
    small, large = (run(improved(counts, share), counts).miou for share in (0.2, 0.8))
    assert large.low >= small.low
    assert large.high >= small.high
    assert large.value > small.value


def test_value_is_the_difference_of_data_set_level_scores() -> None:
    a, b = random_counts(1), random_counts(2)
    result = run(a[None], b[None])
    assert result.miou.value == pytest.approx(miou(a.sum(0)) - miou(b.sum(0)))
    expected = per_class_iou(a.sum(0)) - per_class_iou(b.sum(0))
    assert [interval.value for interval in result.per_class] == pytest.approx(expected)
    assert arm_scores(a[None])[:-1] == pytest.approx(per_class_iou(a.sum(0)))
    assert arm_scores(a[None])[-1] == pytest.approx(miou(a.sum(0)))
    assert result.miou.low < result.miou.value < result.miou.high


@pytest.mark.parametrize("images", [1, 2, 3, 4, 5])
def test_too_few_images_say_nothing_however_large_the_difference(images: int) -> None:
    counts = random_counts(0, images=images)[None]
    found = run(improved(counts, 1.0), counts)
    assert found.miou.value > 0.1
    assert np.isnan([found.miou.low, found.miou.high]).all()
    assert np.isnan([[one.low, one.high] for one in found.per_class]).all()
    assert (found.helps, found.hurts, found.too_few) == (False, False, True)
    assert (found.units, found.least) == (images, 6)


def test_more_images_than_there_are_groups_do_not_help() -> None:
    counts = random_counts(0, images=60)[None]
    few = run(improved(counts, 1.0), counts, groups=[str(i % 5) for i in range(60)])
    assert (few.unit, few.units, few.helps) == ("groups", 5, False)
    assert run(improved(counts, 1.0), counts, groups=[str(i % 6) for i in range(60)]).helps


def test_six_images_that_agree_help_and_one_against_five_does_not() -> None:
    """By luck, six of six agree in 1 of 64 cases and five or more in 7 of 64, which is more than 2.5 %."""
    counts = random_counts(0, images=6)
    better = improved(counts)
    assert run(better[None], counts[None]).helps
    swapped = counts.copy()
    better[0], swapped[0] = counts[0], better[0]
    found = run(better[None], swapped[None])
    assert found.miou.value > 0
    assert found.miou.low <= 0 < found.miou.high
    assert not found.helps


def test_six_images_are_resampled_in_462_ways_and_a_seventh_part_is_cut_off() -> None:
    """A candidate that is wrong on the only pixel of class 0 of one image of six."""
    right, wrong = np.array([[1, 0], [0, 9]]), np.array([[0, 1], [0, 9]])
    result = compare(
        np.stack([right] * 5 + [wrong])[None], np.stack([right] * 6)[None],
        groups=list("abcdef"), resamples=20_000, confidence=0.95, seed=0,
    )  # fmt: skip

    def difference(times: int) -> float:
        # With the image drawn so often: 6 - t of 6 pixels of class 0 are right, and 54 of 54 + t of class 1.
        return ((6 - times) / 6 - 1 + 54 / (54 + times) - 1) / 2

    # Student's t of five degrees at 2.5 %, times sqrt(6 / 5), is 2.816: a normal tail of 0.24 %. The image is drawn
    # four times or more in 0.87 % of resamples and five times or more in 0.07 %.
    assert result.miou.value == pytest.approx(difference(1))
    assert result.miou.low == pytest.approx(difference(4))
    assert result.miou.high == 0.0


def test_seeds_are_averaged_inside_a_resample() -> None:
    counts = random_counts(3)
    better, worse = improved(counts), counts
    # One seed gains what the other loses, on the same images: the mean gain is 0 in every resample.
    result = run(np.stack([better, worse]), np.stack([worse, better]))
    assert result.miou.value == pytest.approx(0, abs=1e-12)
    assert result.miou.low == pytest.approx(0, abs=1e-12)
    assert result.miou.high == pytest.approx(0, abs=1e-12)


def test_a_class_absent_from_the_truth_is_in_no_mean() -> None:
    a, b = random_counts(4), random_counts(5)
    a[:, 2], b[:, 2] = 0, 0  # class 2 is never true; both models predict it by mistake
    result = run(a[None], b[None])
    assert result.classes == 2
    assert np.isnan([result.per_class[2].value, result.per_class[2].low]).all()
    expected = [(interval.value, interval.low) for interval in result.per_class[:2]]
    assert result.miou.value == pytest.approx(sum(value for value, _ in expected) / 2)


def test_a_class_in_few_images_has_no_interval_and_leaves_that_of_the_mean() -> None:
    counts = random_counts(6)
    counts[5:, 2] = 0
    result = run(improved(counts)[None], counts[None])
    assert result.per_class[2].value > 0
    assert np.isnan([result.per_class[2].low, result.per_class[2].high]).all()
    assert result.per_class[1].low > 0
    assert np.isfinite([result.miou.low, result.miou.high]).all()
    counts = random_counts(6)
    counts[6:, 2] = 0
    assert run(improved(counts)[None], counts[None]).per_class[2].low > 0


def test_groups_are_resampled_whole_wherever_images_share_one() -> None:
    assert resampling_units(["a", "b", "c"])[0] == "images"
    assert resampling_units(["a"] * 4 + ["b"] * 4)[0] == "groups"
    unit, index = resampling_units(list("aabbccddeeff"))
    assert unit == "groups"
    assert index.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_copies_of_an_image_in_its_group_do_not_narrow_the_interval() -> None:
    a, b = random_counts(7), random_counts(8)
    plain = run(a[None], b[None]).miou
    copies = [np.repeat(counts, 9, axis=0)[None] for counts in (a, b)]
    names = [str(i // 9) for i in range(9 * 12)]
    grouped = run(copies[0], copies[1], groups=[f"{int(name):02}" for name in names]).miou
    assert (grouped.low, grouped.high) == pytest.approx((plain.low, plain.high))
    fooled = run(copies[0], copies[1]).miou
    assert fooled.high - fooled.low < 0.5 * (plain.high - plain.low)


def test_the_same_seed_gives_the_same_interval() -> None:
    a, b = random_counts(9)[None], random_counts(10)[None]
    assert run(a, b) == run(a, b)
    assert run(a, b) != run(a, b, seed=1)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    images, trials, held = 60, 200, 0
    for _ in range(trials):
        # Both models come from one distribution, so the true difference is 0.
        difficulty = rng.beta(2, 2, images)
        errors = rng.binomial(200, difficulty[:, None, None] * [[0.5, 0.3], [0.5, 0.3]])
        models = []
        for row in np.moveaxis(errors, 1, 0):
            models.append(np.stack([[200 - e[0], e[0], e[1], 200 - e[1]] for e in row]))
        a, b = (model.reshape(1, images, 2, 2) for model in models)
        interval = run(a, b).miou
        held += interval.low <= 0 <= interval.high
    # 95 % of 200 is 190, with a standard deviation of 3.
    assert 180 <= held <= 199


def test_the_challenger_is_chosen_on_validation_and_a_gan_must_prove_itself() -> None:
    val = {
        "train": {0: 0.60, 1: 0.62},
        "copy_paste": {0: 0.66, 1: 0.60},
        "gan": {0: 0.70, 1: 0.71},
        "gan_unselected": {0: 0.72, 1: 0.73},
    }
    assert best_arm(val, ["train", "copy_paste"]) == "copy_paste"
    assert best_seed(val["copy_paste"]) == 0
    assert choose_arm(val, []) == "copy_paste"
    assert choose_arm(val, ["gan"]) == "gan"
    assert choose_arm(val, ["gan", "gan_unselected"]) == "gan_unselected"


def test_zero_is_not_excluded_by_an_interval_that_ends_there() -> None:
    zero = Comparison(Interval(0.1, 0.0, 0.2), (), "images", 9, 3, 0.95)
    assert not zero.helps
    assert not zero.hurts


def test_a_lucky_seed_widens_the_interval_over_seeds_only() -> None:
    """Two seeds equal the reference and one is better on every image: another training may not be."""
    counts = random_counts(0)
    reference = np.stack([counts] * 3)
    candidate = np.stack([improved(counts), counts, counts])
    options: dict[str, Any] = {"groups": [str(i) for i in range(12)], "confidence": 0.95, "seed": 0}
    fixed = compare(candidate, reference, resamples=400, **options)
    anew = compare(candidate, reference, resamples=400, over_seeds=True, **options)
    assert anew.miou.value == fixed.miou.value
    assert fixed.helps
    assert not anew.helps
    assert (anew.seeds, fixed.seeds) == (3, 1)
    # The gains by seed are 3v, 0, 0: mean v, deviation sqrt(3) v. Student's t of two degrees is 4.303, so the seeds
    # alone reach from v - 4.303 v to v + 4.303 v, and the images add a little.
    v = anew.miou.value
    assert anew.miou.low < v * (1 - 4.302)
    assert anew.miou.low == pytest.approx(v - np.hypot(4.3027 * v, v - fixed.miou.low), rel=1e-4)
    assert anew.miou.high == pytest.approx(v + np.hypot(4.3027 * v, fixed.miou.high - v), rel=1e-4)


def test_seeds_that_agree_add_nothing_to_the_interval() -> None:
    counts = random_counts(0)
    pair = np.stack([improved(counts)] * 3), np.stack([counts] * 3)
    options: dict[str, Any] = {"groups": [str(i) for i in range(12)], "confidence": 0.95, "seed": 0}
    fixed = compare(*pair, resamples=400, **options)
    anew = compare(*pair, resamples=400, over_seeds=True, **options)
    np.testing.assert_allclose(anew.miou.low, fixed.miou.low, rtol=1e-9)
    np.testing.assert_allclose(anew.miou.high, fixed.miou.high, rtol=1e-9)
