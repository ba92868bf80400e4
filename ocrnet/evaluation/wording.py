"""The verdict in words."""

import math

from ocrnet.config import EvaluateParams
from ocrnet.config.arms import ARMS, BASELINE, data_words_of, uses_gan, without_gan, words_of
from ocrnet.evaluation.bootstrap import Comparison, Interval
from ocrnet.evaluation.intervals import shortage_words
from ocrnet.evaluation.scoring import TestSplit
from ocrnet.evaluation.study import Outcome

FEW_SEEDS = 5  # with fewer, the interval is wide because their spread is poorly known


def write_verdict(outcome: Outcome, split: TestSplit, params: EvaluateParams) -> str:
    """Return the verdict: one line with the answer and a second one with its basis."""
    comparison = outcome.against_baseline[outcome.shown]
    names = split.classes.class_names
    before, after = outcome.arm_scores[BASELINE], outcome.arm_scores[outcome.shown]
    seeds = len(outcome.val_mious[BASELINE])
    mean = f", mean of {seeds} seeds" if seeds > 1 else ""
    models = (words_of(BASELINE), words_of(outcome.shown))
    sentences = [
        f"On {len(split)} test images the mIoU over {comparison.classes} of {len(names)} classes "
        f"is {percent(before[-1])} for the model {models[0]} and {percent(after[-1])} for "
        f"the one {models[1]}{mean}: {difference(comparison.miou)} points "
        f"({_interval_words(comparison, params)}).",
        _rare_sentence(outcome, split, params),
        *_rival_sentence(outcome),
        *_choice_sentence(outcome),
        *_caveats(outcome, comparison, split),
    ]
    return f"{answer(outcome)}\n{' '.join(sentences)}"


def answer(outcome: Outcome) -> str:
    """Return one line: whether the GAN pairs help, by how much, compared with what, and the challenger."""
    chosen = f"the challenger is {outcome.challenger.stage}."
    if not outcome.gan_arms:
        return f"No arm uses a GAN; {chosen}"
    comparison = outcome.against_rival[outcome.shown]
    gain = f"{difference(comparison.miou, comparison.unit)} points of mIoU against {data_words_of(outcome.rival)}"
    if without_gan(outcome.val_mious) == [BASELINE]:
        gain += ", the only rival"
    if comparison.too_few:
        why = f"from so few test images ({_shortage(comparison)})"
        return f"Whether the GAN pairs help cannot be told {why}: {gain}; {chosen}"
    words = "are not shown to help"
    if outcome.helps:
        words = "help"
    elif comparison.hurts:
        words = "do harm"
    if comparison.seeds == 1 and words != "are not shown to help":
        words += " in one training of each arm"
    return f"The GAN pairs {words}: {gain}; {chosen}"


def _shortage(comparison: Comparison) -> str:
    return shortage_words(comparison.units, comparison.unit, comparison.least)


def rare_classes(split: TestSplit, params: EvaluateParams) -> list[int]:
    """Return the ids of the classes with less than `rare_share` of the training pixels."""
    return [i for i, share in enumerate(split.train_shares) if share < params.rare_share]


def percent(share: float) -> str:
    """Return a share as percent with one decimal.

    >>> percent(0.1234)
    '12.3 %'
    """
    return "n/a" if math.isnan(share) else f"{100 * share:.1f} %"


def difference(interval: Interval, unit: str = "images") -> str:
    """Return a difference with its interval, in points.

    Args:
        interval: A difference of shares.
        unit: Unit named where there are too few for an interval, `images` or `groups`.

    >>> difference(Interval(0.05, -0.011, 0.1)), difference(Interval(0.05, math.nan, math.nan))
    ('+5.0 [-1.1, +10.0]', '+5.0 [too few images]')
    """
    if math.isnan(interval.value):
        return "n/a"
    value, low, high = (
        f"{100 * part + 0.0:+.1f}" for part in (interval.value, interval.low, interval.high)
    )
    if math.isnan(interval.low):
        return f"{value} [too few {unit}]"
    return f"{value} [{low}, {high}]"


def _interval_words(comparison: Comparison, params: EvaluateParams) -> str:
    if comparison.too_few:
        return _shortage(comparison)
    return (
        f"{100 * comparison.confidence:g} % interval, paired bootstrap over {resampled(comparison)}, "
        f"{params.bootstrap} resamples"
    )


def resampled(comparison: Comparison) -> str:
    """Return in words what an interval covers."""
    units = f"{comparison.units} {comparison.unit}"
    return f"{comparison.seeds} seeds and {units}" if comparison.seeds > 1 else units


def _rare_sentence(outcome: Outcome, split: TestSplit, params: EvaluateParams) -> str:
    limit = f"less than {100 * params.rare_share:g} % of the training pixels"
    rare = rare_classes(split, params)
    if not rare:
        return f"No class is rare ({limit})."
    before, after = outcome.arm_scores[BASELINE], outcome.arm_scores[outcome.shown]
    comparison = outcome.against_baseline[outcome.shown]
    parts = [
        f"{split.classes.class_names[i]} {percent(before[i])} to {percent(after[i])}, "
        f"{difference(comparison.per_class[i], comparison.unit)}"
        for i in rare
    ]
    return f"Rare classes ({limit}), IoU: {'; '.join(parts)}."


def _rival_sentence(outcome: Outcome) -> list[str]:
    if not outcome.gan_arms:
        return []
    if without_gan(outcome.val_mious) == [BASELINE]:
        others = " and ".join(arm for arm in ARMS if not uses_gan(arm))
        return [
            "No arm but the baseline is without a GAN, so it is not known whether pasted real pixels, or the mixing of "
            f"the batches alone, do as much: add {others} to retrain.arms."
        ]
    score = percent(outcome.arm_scores[outcome.rival][-1])
    if outcome.rival == BASELINE:
        return [f"The best arm without a GAN on the test images is {BASELINE}: real images only."]
    against = outcome.against_rival[outcome.shown]
    gain = difference(against.miou, against.unit)
    return [
        f"The best arm without a GAN on the test images is {outcome.rival} ({score}); against it the difference is "
        f"{gain} points."
    ]


def _choice_sentence(outcome: Outcome) -> list[str]:
    if not outcome.gan_arms:
        return ["The challenger is the best of all by validation mIoU."]
    if outcome.helps:
        return ["The pairs help, for the whole interval is above zero."]
    against = outcome.against_rival[outcome.shown]
    why = "The whole interval is below zero" if against.hurts else "The interval holds zero"
    if against.too_few:
        why = "Without an interval nothing is shown"
    return [f"{why}, so the challenger is the best of the models without a GAN by validation mIoU."]


def _caveats(outcome: Outcome, comparison: Comparison, split: TestSplit) -> list[str]:
    seeds = len(outcome.val_mious[BASELINE])
    told = []
    if comparison.too_few and comparison.unit == "groups":
        told.append(
            f"The {len(split)} test images come from {comparison.units} groups, and images of a group are alike: more "
            "images of these groups would not do."
        )
    if seeds == 1:
        told.append(
            "With one seed the comparison is of these models on other test images: whether another training of the "
            "same arms would come out so is not known."
        )
    elif seeds < FEW_SEEDS:
        told.append(
            f"{seeds} seeds say little of the luck of training, so the interval is wide: more seeds would narrow it."
        )
    if outcome.gan_arms and seeds > 1:
        told.append("One GAN painted the pairs of all seeds: its own luck is not in the interval.")
    if len(outcome.gan_arms) > 1:
        told.append(
            f"{len(outcome.gan_arms)} arms use a GAN, each held against the same rival: the chance that one of them "
            "passes by luck is that many times as high."
        )
    return told
