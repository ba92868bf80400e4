"""What the user is told about a new set: the data, the machine and the time, in sentences."""

from ocrnet.auto_config.facts import DataFacts
from ocrnet.auto_config.rules import Plan
from ocrnet.auto_config.step_times import StepTimes
from ocrnet.config import Params


def head_words(name: str, path: str, plan: Plan, expected: str | None) -> list[str]:
    """Return the paragraphs at the top of a set.

    Args:
        name: Name of the set.
        path: Folder as the user named it.
        plan: What the choices depend on.
        expected: Sentences about the time of a run; None if it was not measured.
    """
    return [
        f"Set {name}, written by `ocrnet init {path}`. Edit what you know better: the comment above each value gives "
        "the reason for it.",
        data_words(plan.facts),
        f"Machine: {plan.machine.words}.",
        expected or "Expected time: not measured (--no-timing).",
        "Other sets do not name all of these keys: `git checkout params.yaml` before you activate another set.",
    ]


def data_words(facts: DataFacts) -> str:
    """Return counts, sizes, shares and objects of a set."""
    splits = ", ".join(f"{count} {split}" for split, count in facts.images.items() if split)
    sizes = sorted(set(facts.sizes))
    shown = f"{sizes[0][0]} x {sizes[0][1]} pixels"
    if len(sizes) > 1:
        largest, median = (
            f"{height} x {width}" for height, width in (sizes[-1], facts.median_size)
        )
        shown = f"{shown} to {largest}, median {median}"
    shares = ", ".join(f"{name} {share:.2%}" for name, share in facts.shares.items())
    sides = ", ".join(f"{name} {side:.0f}" for name, side in facts.sides.items())
    return (
        f"Data: {facts.total} images ({splits or 'no published split'}), {shown}; {facts.copies} duplicates. Shares of "
        f"the pixels: {shares}. Sides of objects in pixels: {sides or 'no objects'}."
    )


def time_words(
    params: Params, times: StepTimes, *, val_images: int, test_images: int, spent_s: float
) -> str:
    """Return how long a run takes.

    Args:
        params: Params of the run.
        times: Measured seconds of the parts of a run.
        val_images: Number of validation images.
        test_images: Number of test images.
        spent_s: Seconds that the checks took, which the first stages repeat.
    """
    total = spent_s + times.run_s(params, val_images=val_images, test_images=test_images)
    trainings = len(params.seeds) * (1 + len(params.retrain.arms))
    one, gan = times.training_s(params, val_images), params.train_gan.steps * times.gan_s
    return (
        f"Expected time: about {duration(total)} on this machine if nothing else runs on it: {trainings} trainings of "
        f"{duration(one)} each ({times.train_s:.2f} s a step), the GAN {duration(gan)} ({times.gan_s:.2f} s a step)."
    )


def duration(seconds: float) -> str:
    """Return a duration in its natural unit.

    Examples:
        >>> duration(80.0), duration(600.0), duration(9000.0)
        ('80 s', '10 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
