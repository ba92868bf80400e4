"""Two models timed in turn: the ratio is that of their work, and what slows the machine meets both."""

import time

import numpy as np
from numpy.typing import NDArray

from ocrnet.data.manifest import ClassTable
from ocrnet.gate.latency import compare_latency

Image = NDArray[np.uint8]


class Sleeper:
    """Takes as long as it is told; notes whom it follows."""

    def __init__(self, name: str, seconds: float, calls: list[str]) -> None:
        self.name, self.seconds, self.calls = name, seconds, calls
        self.class_table = ClassTable(("a",), ((0, 0, 0),))
        self.weights_sha256 = name

    def probabilities(self, image: Image) -> NDArray[np.float32]:
        raise NotImplementedError

    def label_map(self, image: Image) -> Image:
        self.calls.append(self.name)
        time.sleep(self.seconds)
        return image[..., 0]


def test_the_ratio_is_that_of_the_work_and_both_take_turns() -> None:
    calls: list[str] = []
    slow, fast = Sleeper("c", 0.03, calls), Sleeper("r", 0.01, calls)
    images = [np.zeros((4, 4, 3), np.uint8)] * 2
    found = compare_latency(slow, fast, images, rounds=2)
    assert 1.5 < found.ratio < 4.5  # 3 on a machine that does nothing else
    assert found.challenger_s >= 0.03
    assert found.champion_s >= 0.01
    assert (
        "".join(calls) == "crcr" + "crcr" + "rcrc"
    )  # seen once untimed, then each goes first once
