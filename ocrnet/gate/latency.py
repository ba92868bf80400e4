"""How long a model takes per image beside another one, on the machine at hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

ROUNDS = 5


@runtime_checkable
class Labeller(Protocol):
    """An object such as a segmenter, which takes an image and returns when its label map is on the CPU."""

    def label_map(self, image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W"]:
        """Return the most probable class of each pixel."""
        ...


@dataclass(frozen=True)
class Latency:
    """Medians over images and rounds, in seconds, and the median of the ratios of neighbouring calls."""

    challenger_s: float
    champion_s: float
    ratio: float


def compare_latency(
    challenger: Labeller,
    champion: Labeller,
    images: Sequence[UInt8[np.ndarray, "H W 3"]],
    *,
    rounds: int = ROUNDS,
) -> Latency:
    """Time two models on the same images in turn, so that other load on the machine affects both.

    Each round changes which model goes first; both see every image once before anything is timed.
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


def _seconds(model: Labeller, image: UInt8[np.ndarray, "H W 3"]) -> float:
    start = perf_counter()
    model.label_map(image)
    return perf_counter() - start
