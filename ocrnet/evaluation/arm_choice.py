"""The choice of the challenger: its arm and its seed."""

from collections.abc import Mapping, Sequence

from ocrnet.config.arms import rivals_of, without_gan


def best_seed(val_scores: Mapping[int, float]) -> int:
    """Return the seed with the best validation score; ties go to the first seed."""
    return max(val_scores, key=lambda seed: val_scores[seed])


def best_arm(val_scores: Mapping[str, Mapping[int, float]], among: Sequence[str]) -> str:
    """Return the arm with the best mean validation score over its seeds; ties go to the first arm."""
    return max(among, key=lambda arm: sum(val_scores[arm].values()) / len(val_scores[arm]))


def choose_arm(
    val_scores: Mapping[str, Mapping[int, float]], helpful: Sequence[str], *, gan_sees: bool = False
) -> str:
    """Return the arm of the challenger.

    The candidates are the arms with a GAN that are shown to help, and the arms without a GAN that none of these was
    held against: all of them if no GAN helps. Among them the validation split decides, never the test split.

    Args:
        val_scores: Validation score per arm and seed.
        helpful: Arms with a GAN that are shown to help.
        gan_sees: Whether the GAN learns from unlabelled images.
    """
    beaten = {rival for arm in helpful for rival in rivals_of(arm, val_scores, gan_sees=gan_sees)}
    others = [arm for arm in without_gan(val_scores) if arm not in beaten]
    return best_arm(val_scores, [*helpful, *others])
