"""The arms: kinds of training that are compared with each other.

Each arm of `retrain` has one line: the folder of its extra data's manifest, whether a GAN generated that data, and
descriptions. `real_twice` adds the real data once more: with equal steps it shows the effect of mixing alone.
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
        uses_gan: Whether a GAN generated the extra data.
        words: Description of its models, used after "the model".
        data_words: Description of its extra data, used after "against".
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
        "select/copy_paste", False, "retrained with selected copy-paste pairs", "selected copy-paste"
    ),
    "copy_paste_unselected": Arm(
        "synthesize/copy_paste", False, "retrained with all copy-paste pairs", "all copy-paste"
    ),
    "real_twice": Arm(
        "prepare", False, "retrained on the real images twice over", "real images twice over"
    ),
}  # fmt: skip
# The arms that show what pasted real pixels, and the mixing of batches alone, are worth.
CONTROLS = ("copy_paste", "real_twice")


def extra_folder(arm: str, data: Path) -> Path:
    """Return the manifest folder of an arm's extra data."""
    return data / ARMS[arm].folder


def uses_gan(arm: str) -> bool:
    """Return whether an arm, which may be the baseline, trains on generated images."""
    return arm != BASELINE and ARMS[arm].uses_gan


def words_of(arm: str) -> str:
    """Return the description of a model of an arm, which may be the baseline."""
    return "trained on real images only" if arm == BASELINE else ARMS[arm].words


def data_words_of(arm: str) -> str:
    """Return the description of the extra data of an arm, which may be the baseline."""
    return "real images only" if arm == BASELINE else ARMS[arm].data_words


def without_gan(arms: Iterable[str]) -> list[str]:
    """Return the arms without a GAN, in order."""
    return [arm for arm in arms if not uses_gan(arm)]
