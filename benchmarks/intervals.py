"""How often do intervals say that one of two equal arms is better? `python -m benchmarks.intervals`.

Both arms are equal by construction: recalls per image and class come from one distribution, correlated between the
arms, with rare classes that most images do not show. A good interval is above zero in no more than 2.5 % of the cases
and holds zero in about 95 %. `chosen` is what `ocrnet.evaluation.bootstrap` does; the others are candidates.

With `--seeds`, several trainings of each arm are drawn, whose luck is shared by all images.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit

from benchmarks.markdown import markdown_table
from ocrnet.evaluation.bootstrap import compare, estimate

SHARES = np.array([0.7, 0.2, 0.08, 0.015, 0.005])  # of the pixels, by class
SHOWN = np.array([1.0, 0.9, 0.6, 0.2, 0.1])  # share of the images that show the class
SKILL = np.array([3.5, 2.5, 1.5, 0.5, 0.0])  # log odds of a right pixel
PIXELS = 10_000  # of an image
TAIL = 0.025
Counts = NDArray[np.int64]
Ends = tuple[float, float]


def draw_arms(
    rng: np.random.Generator,
    images: int,
    *,
    seeds: int = 1,
    correlation: float = 0.5,
    luck: float = 0.0,
    everywhere: bool = False,
) -> tuple[Counts, Counts]:
    """Return the confusion matrices of two equal arms, by seed and image.

    Args:
        rng: the random numbers.
        images: how many test images there are.
        seeds: trainings of each arm.
        correlation: of the log odds of both arms on one image.
        luck: standard deviation of the log odds of a whole training.
        everywhere: whether every image shows every class.
    """
    classes = len(SHARES)
    shown = np.ones(classes) if everywhere else SHOWN
    there = rng.random((images, classes)) < shown
    sizes = PIXELS * SHARES / shown * rng.lognormal(-0.5, 1.0, (images, classes))
    pixels = np.where(there, np.maximum(sizes, 1), 0).astype(np.int64)
    shared = rng.normal(0, 1, (images, classes)) + rng.normal(0, 0.5, (images, 1))
    arms = []
    for _ in range(2):
        own = rng.normal(0, 1, (seeds, images, classes))
        odds = SKILL + np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own
        odds = odds + luck * rng.normal(0, 1, (seeds, 1, 1))
        hits = np.round(pixels / (1 + np.exp(-odds))).astype(np.int64)
        wrong = ((pixels - hits)[..., None] * (SHARES / SHARES.sum())).astype(np.int64)
        counts = np.where(np.eye(classes, dtype=bool), 0, wrong)
        counts[..., np.arange(classes), np.arange(classes)] = pixels - counts.sum(axis=-1)
        arms.append(counts)
    return arms[0], arms[1]


def draw_groups(
    rng: np.random.Generator, groups: int, **options: Any
) -> tuple[Counts, Counts, list[str]]:
    """Return arms as `draw_arms`, whose images come in groups of unequal sizes with a luck of their own."""
    sizes = np.maximum(1, rng.lognormal(0.7, 1.0, groups).round()).astype(int)
    index = np.repeat(np.arange(groups), sizes)
    arms = draw_arms(rng, groups, **options)
    noise = rng.uniform(0.8, 1.2, (len(index), 1, 1))
    first, second = ((arm[:, index] * noise).astype(np.int64) for arm in arms)
    truth = first.sum(axis=-1, keepdims=True)  # rounding must not give the arms other truths
    second[..., np.arange(len(SHARES)), np.arange(len(SHARES))] += (
        truth - second.sum(axis=-1, keepdims=True)
    )[..., 0]
    return first, np.maximum(second, 0), [f"{group:03}" for group in index]


def ends_of(
    first: Counts, second: Counts, groups: Sequence[str], *, seed: int, **options: Any
) -> dict[str, Ends]:
    """Return the interval of each kind for the difference of two arms in mIoU, one seed each."""
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    units = len(names)
    arms = [_unit_parts(arm[0], index, units) for arm in (first, second)]

    def difference(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return _mious(weights, arms[0]) - _mious(weights, arms[1])

    rng = np.random.default_rng(seed)
    weights = rng.multinomial(units, np.full(units, 1 / units), size=1000).astype(float)
    drawn, value = difference(weights), float(difference(np.ones((1, units)))[0])
    left_out = difference(1 - np.eye(units)) if units > 1 else np.zeros(1)
    student = stdtrit(max(units - 1, 1), 1 - TAIL)
    expanded = float(ndtr(-np.sqrt(units / max(units - 1, 1)) * student))
    error = np.sqrt((units - 1) / units * ((left_out - left_out.mean()) ** 2).sum())
    skew = left_out.mean() - left_out
    bent = (skew**3).sum() / max(6 * (skew**2).sum() ** 1.5, 1e-300)
    shift = ndtri(np.clip((drawn < value).mean() + (drawn == value).mean() / 2, 1e-3, 1 - 1e-3))
    z = shift + ndtri([TAIL, 1 - TAIL])
    found = compare(
        first, second, groups=groups, resamples=1000, confidence=0.95, seed=seed, **options
    )
    return {
        "percentile": _quantiles(drawn, [TAIL, 1 - TAIL]),
        "BCa": _quantiles(drawn, ndtr(shift + z / (1 - bent * z))),
        "jackknife, t": (value - student * error, value + student * error),
        "expanded": _quantiles(drawn, [expanded, 1 - expanded]),
        "chosen": (found.miou.low, found.miou.high),
    }  # fmt: skip


def _quantiles(values: NDArray[np.float64], shares: Any) -> Ends:
    low, high = np.quantile(values, shares)
    return float(low), float(high)


def _unit_parts(confusions: Counts, index: NDArray[np.int64], units: int) -> NDArray[np.float64]:
    hits = np.diagonal(confusions, axis1=-2, axis2=-1)
    parts = np.stack([hits, confusions.sum(-1), confusions.sum(-2)], axis=1)
    sums = np.zeros((units, *parts.shape[1:]))
    np.add.at(sums, index, parts)
    return sums


def _mious(weights: NDArray[np.float64], parts: NDArray[np.float64]) -> NDArray[np.float64]:
    sums = np.tensordot(weights, parts, axes=1)
    hits, true, predicted = np.moveaxis(sums, 1, 0)
    present = true > 0
    iou = np.where(present, hits / np.maximum(true + predicted - hits, 1), 0.0)
    return np.asarray(iou.sum(-1) / np.maximum(present.sum(-1), 1))


def rates(
    draw: Callable[[np.random.Generator], tuple[Counts, Counts, list[str]]], trials: int
) -> dict[str, tuple[float, float]]:
    """Return, per kind of interval, how often it lies above zero and how often it holds zero."""
    rng = np.random.default_rng(0)
    seen: dict[str, list[Ends]] = {}
    for trial in range(trials):
        first, second, groups = draw(rng)
        for name, ends in ends_of(first, second, groups, seed=trial).items():
            seen.setdefault(name, []).append(ends)
    return {
        name: (
            float(np.mean([low > 0 for low, _ in ends])),
            float(np.mean([not (low > 0 or high < 0) for low, high in ends])),
        )
        for name, ends in seen.items()
    }


def seed_rates(seeds: int, *, luck: float, trials: int) -> tuple[float, float]:
    """Return how often the interval over seeds lies above zero, and how often that of the models alone does."""
    rng = np.random.default_rng(seeds)
    groups = [str(i) for i in range(48)]
    helped = []
    for trial in range(trials):
        arms = draw_arms(rng, len(groups), seeds=seeds, luck=luck)
        run = partial(compare, *arms, groups=groups, resamples=400, confidence=0.95, seed=trial)
        helped.append((run(over_seeds=seeds > 1).helps, run().helps))
    over, alone = np.mean(helped, axis=0)
    return float(over), float(alone)


def coverage_of_scores(images: int, *, trials: int) -> float:
    """Return how often the interval of a model's mIoU holds the mIoU on a hundred thousand images."""
    rng = np.random.default_rng(1)
    truth = estimate(
        draw_arms(rng, 100_000)[0], groups=["all"] * 100_000, resamples=100, confidence=0.95, seed=0
    ).miou.value
    held = []
    for trial in range(trials):
        first, _ = draw_arms(rng, images)
        found = estimate(
            first,
            groups=[str(i) for i in range(images)],
            resamples=1000,
            confidence=0.95,
            seed=trial,
        ).miou
        held.append(found.low <= truth <= found.high)
    return float(np.mean(held))


def main() -> None:
    """Measure and print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--trials", type=int, default=2000, help="comparisons per cell of the tables"
    )
    trials = parser.parse_args().trials

    def images(
        rng: np.random.Generator, count: int, **options: Any
    ) -> tuple[Counts, Counts, list[str]]:
        return *draw_arms(rng, count, **options), [f"{i:03}" for i in range(count)]

    kinds: dict[str, Callable[..., tuple[Counts, Counts, list[str]]]] = {
        "images": images,
        "images, arms alike (0.9)": partial(images, correlation=0.9),
        "images that show every class": partial(images, everywhere=True),
        "groups of unequal size": draw_groups,
    }
    rows: list[list[str]] = []
    for words, draw in kinds.items():
        for units in (5, 6, 8, 12, 24, 48, 100):
            found = rates(partial(_of_count, draw, units), trials)
            rows += [["units", "", *found]] if not rows else []
            told = [f"{100 * above:.1f} / {100 * held:.1f}" for above, held in found.values()]
            rows.append([words, str(units), *told])
    print("Above zero / holds zero, in percent:\n\n" + markdown_table(rows), flush=True)
    seeds = [["seeds", "over seeds", "these models alone"]]
    for count in (1, 2, 3, 5, 8):
        over, alone = seed_rates(count, luck=0.3, trials=trials)
        seeds.append([str(count), f"{100 * over:.1f}", f"{100 * alone:.1f}"])
    print("\nAbove zero, in percent, 48 images, trainings with luck:\n\n" + markdown_table(seeds))
    held = [["images", "holds the model's mIoU, %"]]
    held += [
        [str(n), f"{100 * coverage_of_scores(n, trials=trials):.1f}"] for n in (6, 8, 12, 24, 100)
    ]
    print("\n" + markdown_table(held))


def _of_count(
    draw: Callable[..., tuple[Counts, Counts, list[str]]], count: int, rng: np.random.Generator
) -> tuple[Counts, Counts, list[str]]:
    return draw(rng, count)


if __name__ == "__main__":
    main()
