"""The choice of the challenger: its arm and its seed."""

from collections.abc import Mapping, Sequence

from ocrnet.config.arms import rivals_of, without_gan


def best_seed(val_mious: Mapping[int, float]) -> int:
    """Return the seed with the best validation mIoU; ties go to the first seed."""
    return max(val_mious, key=lambda seed: val_mious[seed])


def best_arm(val_mious: Mapping[str, Mapping[int, float]], among: Sequence[str]) -> str:
    """Return the arm with the best mean validation mIoU over its seeds; ties go to the first arm."""
    return max(among, key=lambda arm: sum(val_mious[arm].values()) / len(val_mious[arm]))


def choose_arm(val_mious: Mapping[str, Mapping[int, float]], helpful: Sequence[str]) -> str:
    """Return the arm of the challenger.

    The candidates are the arms with a GAN that are shown to help, and the arms without a GAN that none of these was
    held against: all of them if no GAN helps. Among them the validation split decides, never the test split.

    Args:
        val_mious: Validation mIoU per arm and seed.
        helpful: Arms with a GAN that are shown to help.
    """
    beaten = {rival for arm in helpful for rival in rivals_of(arm, val_mious)}
    others = [arm for arm in without_gan(val_mious) if arm not in beaten]
    return best_arm(val_mious, [*helpful, *others])
