"""The arms: ways of training that are compared with each other.

Each arm of `retrain` has one line: the folder of its extra data's manifest, whether a GAN made that data, and its
description. `real_twice` adds the real data once more: at equal steps it shows the effect of mixing alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

BASELINE = "train"  # the arm that trains on the real images once, and its stage


@dataclass(frozen=True)
class Arm:
    """An arm of `retrain`.

    Args:
        folder: Folder of the manifest of its extra data.
        uses_gan: Whether the extra data is painted.
        words: Description of its models, to follow "the model".
        data_words: Description of its extra data, to follow "against".
    """

    folder: str
    uses_gan: bool
    words: str
    data_words: str


ARMS = {
    "gan": Arm("select", True, "retrained with selected GAN pairs", "selected GAN pairs"),
    "gan_unselected": Arm(
        "synthesize/gan", True, "retrained with all GAN pairs", "all GAN pairs"
    ),
    "copy_paste": Arm(
        "synthesize/copy_paste", False, "retrained with copy-paste pairs", "copy-paste"
    ),
    "real_twice": Arm(
        "prepare", False, "retrained on the real images twice over", "real images twice over"
    ),
}  # fmt: skip


def extra_folder(arm: str, data: Path) -> Path:
    """Return the manifest folder of an arm's extra data."""
    return data / ARMS[arm].folder


def uses_gan(arm: str) -> bool:
    """Return whether an arm, the baseline among them, trains on painted images."""
    return arm != BASELINE and ARMS[arm].uses_gan


def words_of(arm: str) -> str:
    """Return what a model of an arm, the baseline among them, is."""
    return "trained on real images only" if arm == BASELINE else ARMS[arm].words


def data_words_of(arm: str) -> str:
    """Return what an arm, the baseline among them, trains on."""
    return "real images only" if arm == BASELINE else ARMS[arm].data_words


def without_gan(arms: Iterable[str]) -> list[str]:
    """Return those of some arms that use no GAN, in order."""
    return [arm for arm in arms if not uses_gan(arm)]
