"""The arms: kinds of training that are compared with each other.

An arm is a set of data streams beside the real images. Each stream has one line: the folder of its pairs' manifest,
whether a GAN generated them, whether it needs unlabelled images, and descriptions. `a+b` joins streams: at most one
stream of pairs and, after it, those of unlabelled images: `self_training`, then `mean_teacher`. `real_twice` adds the
real data once more, with the sampling weights that pairs get: with equal steps it shows the effect of mixing alone.
`real_rim` adds it without a rim around objects, as wide as the rim that the selection removes from GAN pairs.
`hybrid` adds real images in which the GAN painted only what the layout changes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

BASELINE = "train"  # the arm that trains on the real images once, and its stage
HYBRID = "hybrid"  # the arm whose images are real but for what the GAN painted
JOIN = "+"


@dataclass(frozen=True)
class Arm:
    """An arm of `retrain`.

    Args:
        folder: Folder of the manifest of its pairs; None if it has none besides pseudo-labels.
        uses_gan: Whether a GAN generated the pairs.
        words: Description of its models, used after "the model".
        data_words: Description of its extra data, used after "against".
        pseudo_labels: Whether it trains on unlabelled images with pseudo-labels that are fixed before.
        mean_teacher: Whether it trains on unlabelled images that a mean teacher labels meanwhile.
    """

    folder: str | None
    uses_gan: bool
    words: str
    data_words: str
    pseudo_labels: bool = False
    mean_teacher: bool = False

    @property
    def uses_unlabelled(self) -> bool:
        """Whether it needs unlabelled images."""
        return self.pseudo_labels or self.mean_teacher


ARMS = {
    "gan": Arm("select", True, "retrained with selected GAN pairs", "selected GAN pairs"),
    "gan_unselected": Arm(
        "synthesize/gan", True, "retrained with all GAN pairs", "all GAN pairs"
    ),
    HYBRID: Arm("select/hybrid", True, "retrained with selected hybrid pairs", "selected hybrid pairs"),
    "copy_paste": Arm(
        "select/copy_paste", False, "retrained with selected copy-paste pairs", "selected copy-paste"
    ),
    "copy_paste_unselected": Arm(
        "synthesize/copy_paste", False, "retrained with all copy-paste pairs", "all copy-paste"
    ),
    "real_twice": Arm(
        "select/real_twice", False, "retrained on the real images twice over", "real images twice over"
    ),
    "real_rim": Arm(
        "select/real_rim", False, "retrained on the real images twice over, once without rims",
        "real images and themselves without rims",
    ),
    "self_training": Arm(
        None, False, "retrained with pseudo-labels of unlabelled images", "pseudo-labels", pseudo_labels=True,
    ),
    "mean_teacher": Arm(
        None, False, "retrained with unlabelled images by a mean teacher", "unlabelled images", mean_teacher=True,
    ),
}  # fmt: skip
# The arms that show what pasted real pixels, and the mixing of batches alone, are worth.
CONTROLS = ("copy_paste", "real_twice")


def arm_of(name: str) -> Arm:
    """Return an arm of `retrain`, which may join streams; its name is known."""
    first, *rest = (ARMS[part] for part in name.split(JOIN))
    for other in rest:
        first = Arm(
            first.folder or other.folder,
            first.uses_gan or other.uses_gan,
            f"{first.words} and {other.words.removeprefix('retrained ')}",
            f"{first.data_words} and {other.data_words}",
            first.pseudo_labels or other.pseudo_labels,
            first.mean_teacher or other.mean_teacher,
        )
    return first


def join_fault(name: str) -> str:
    """Return why known streams cannot be joined in this way, with the cure; "" if they can."""
    parts = name.split(JOIN)
    if sum(ARMS[part].folder is not None for part in parts) > 1 or len(set(parts)) < len(parts):
        return "it joins two streams of pairs, or one stream twice. Name one of them, or two arms."
    ordered = sorted(parts, key=list(ARMS).index)
    return "" if parts == ordered else f"the pairs come first. Write {JOIN.join(ordered)}."


def extra_folder(arm: str, data: Path) -> Path | None:
    """Return the manifest folder of an arm's pairs; None if it has none."""
    folder = arm_of(arm).folder
    return None if folder is None else data / folder


def pseudo_label_folder(arm: str, data: Path, seed: int) -> Path | None:
    """Return the manifest folder of the pairs with pseudo-labels that an arm trains on; None if it uses none."""
    return data / "pseudo_label" / str(seed) / "pairs" if uses_pseudo_labels(arm) else None


def uses_gan(arm: str) -> bool:
    """Return whether an arm, which may be the baseline, trains on generated images."""
    return arm != BASELINE and arm_of(arm).uses_gan


def uses_holes(arm: str) -> bool:
    """Return whether an arm, which may be the baseline, trains on images of which the GAN painted a hole."""
    return HYBRID in arm.split(JOIN)


def uses_unlabelled(arm: str, *, gan_sees: bool = False) -> bool:
    """Return whether an arm, which may be the baseline, depends on unlabelled images.

    Args:
        arm: Name of the arm.
        gan_sees: Whether the GAN learns from unlabelled images, and so all arms with a GAN depend on them.
    """
    return arm != BASELINE and (arm_of(arm).uses_unlabelled or (gan_sees and uses_gan(arm)))


def uses_pseudo_labels(arm: str) -> bool:
    """Return whether an arm, which may be the baseline, trains on pseudo-labels that are fixed before."""
    return arm != BASELINE and arm_of(arm).pseudo_labels


def uses_mean_teacher(arm: str) -> bool:
    """Return whether an arm, which may be the baseline, trains with a mean teacher."""
    return arm != BASELINE and arm_of(arm).mean_teacher


def words_of(arm: str) -> str:
    """Return the description of a model of an arm, which may be the baseline."""
    return "trained on real images only" if arm == BASELINE else arm_of(arm).words


def data_words_of(arm: str) -> str:
    """Return the description of the extra data of an arm, which may be the baseline."""
    return "real images only" if arm == BASELINE else arm_of(arm).data_words


def without_gan(arms: Iterable[str]) -> list[str]:
    """Return the arms without a GAN, in order."""
    return [arm for arm in arms if not uses_gan(arm)]


def files_of(arm: str, *, gan_sees: bool = False) -> str:
    """Return the files that an arm, which may be the baseline, depends on; `gan_sees` as in `uses_unlabelled`."""
    uses = uses_unlabelled(arm, gan_sees=gan_sees)
    return "labelled and unlabelled images" if uses else "labelled images alone"


def rivals_of(arm: str, arms: Iterable[str], *, gan_sees: bool = False) -> list[str]:
    """Return the arms without a GAN that need no files besides those of an arm, in order.

    Args:
        arm: Name of the arm.
        arms: Names of all arms.
        gan_sees: As in `uses_unlabelled`.
    """
    uses = uses_unlabelled(arm, gan_sees=gan_sees)
    return [other for other in without_gan(arms) if uses or not uses_unlabelled(other)]


def step_cost(arm: str, unlabelled_ratio: float) -> float:
    """Return the computation of a training step in units of that of the baseline.

    A pass forwards counts 1 and a pass backwards 2. An unlabelled image is seen by a mean teacher forwards and by the
    student both ways; pairs, those with pseudo-labels included, take the place of real images.

    Args:
        arm: Name of the arm, which may be the baseline.
        unlabelled_ratio: Unlabelled images per labelled one, `mean_teacher.ratio`.

    Examples:
        >>> round(step_cost("gan+mean_teacher", 1.0), 2)
        2.33
    """
    return 1 + unlabelled_ratio * 4 / 3 if uses_mean_teacher(arm) else 1.0
