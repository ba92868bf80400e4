"""Latency per image of two models, compared on the current machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import numpy as np
from jaxtyping import UInt8

from ocrnet.protocols import SegmenterLike

ROUNDS = 5


@dataclass(frozen=True)
class Latency:
    """Medians over images and rounds, in seconds, and the median of the ratios of neighbouring calls."""

    challenger_s: float
    champion_s: float
    ratio: float


def compare_latency(
    challenger: SegmenterLike,
    champion: SegmenterLike,
    images: Sequence[UInt8[np.ndarray, "H W 3"]],
    *,
    rounds: int = ROUNDS,
) -> Latency:
    """Time two models on the same images in turn, so that other load on the machine affects both.

    The first model alternates from round to round; both process every image once before the timing starts.
    """
    models = (challenger, champion)
    for image in images:
        for model in models:
            model.label_map(image)
    times: list[tuple[float, float]] = []
    for number in range(rounds):
        for image in images:
            order = models if number % 2 == 0 else models[::-1]
            first, second = (_seconds(model, image) for model in order)
            times.append((first, second) if number % 2 == 0 else (second, first))
    return Latency(
        challenger_s=median(one for one, _ in times),
        champion_s=median(other for _, other in times),
        ratio=median(one / other for one, other in times),
    )


def _seconds(model: SegmenterLike, image: UInt8[np.ndarray, "H W 3"]) -> float:
    start = perf_counter()
    model.label_map(image)
    return perf_counter() - start
