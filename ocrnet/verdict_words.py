"""The verdict in words."""

import math

from ocrnet.compare import Comparison, Interval
from ocrnet.config import EvaluateParams
from ocrnet.data.arms import ARMS, BASELINE, data_words_of, uses_gan, without_gan, words_of
from ocrnet.scoring import TestSplit
from ocrnet.verdict import Outcome

FEW_SEEDS = 5  # with fewer, resampling them gives an interval that is too narrow still


def write_verdict(outcome: Outcome, split: TestSplit, params: EvaluateParams) -> str:
    """Return the verdict: the answer in one line, and in a second one what it rests on."""
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
    """Return whether the GAN pairs help, by how much and against what, and the challenger, in one line."""
    chosen = f"the challenger is {outcome.challenger.stage}."
    if not outcome.gan_arms:
        return f"No arm uses a GAN; {chosen}"
    comparison = outcome.against_rival[outcome.shown]
    words = "are not shown to help"
    if outcome.helps:
        words = "help"
    elif comparison.hurts:
        words = "do harm"
    gain = f"{difference(comparison.miou)} points of mIoU against {data_words_of(outcome.rival)}"
    if without_gan(outcome.val_mious) == [BASELINE]:
        gain += ", the only rival"
    return f"The GAN pairs {words}: {gain}; {chosen}"


def rare_classes(split: TestSplit, params: EvaluateParams) -> list[int]:
    """Return the ids of the classes with less than `rare_share` of the training pixels."""
    return [i for i, share in enumerate(split.train_shares) if share < params.rare_share]


def percent(share: float) -> str:
    """Return a share as percent with one decimal.

    >>> percent(0.1234)
    '12.3 %'
    """
    return "n/a" if math.isnan(share) else f"{100 * share:.1f} %"


def difference(interval: Interval) -> str:
    """Return a difference with its interval, in points.

    >>> difference(Interval(0.05, -0.011, 0.1))
    '+5.0 [-1.1, +10.0]'
    """
    if math.isnan(interval.value):
        return "n/a"
    value, low, high = (
        f"{100 * part + 0.0:+.1f}" for part in (interval.value, interval.low, interval.high)
    )
    return f"{value} [{low}, {high}]"


def _interval_words(comparison: Comparison, params: EvaluateParams) -> str:
    return (
        f"{100 * comparison.confidence:g} % interval, paired bootstrap over {resampled(comparison)}, "
        f"{params.bootstrap} resamples"
    )


def resampled(comparison: Comparison) -> str:
    """Return what a bootstrap drew from, in words."""
    units = f"{comparison.units} {comparison.unit}"
    return f"{comparison.seeds} seeds and {units}" if comparison.seeds > 1 else units


def _rare_sentence(outcome: Outcome, split: TestSplit, params: EvaluateParams) -> str:
    limit = f"less than {100 * params.rare_share:g} % of the training pixels"
    rare = rare_classes(split, params)
    if not rare:
        return f"No class is rare ({limit})."
    before, after = outcome.arm_scores[BASELINE], outcome.arm_scores[outcome.shown]
    intervals = outcome.against_baseline[outcome.shown].per_class
    parts = [
        f"{split.classes.class_names[i]} {percent(before[i])} to {percent(after[i])}, "
        f"{difference(intervals[i])}"
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
    gain = difference(outcome.against_rival[outcome.shown].miou)
    return [
        f"The best arm without a GAN on the test images is {outcome.rival} ({score}); against it the difference is "
        f"{gain} points."
    ]


def _choice_sentence(outcome: Outcome) -> list[str]:
    if not outcome.gan_arms:
        return ["The challenger is the best of all by validation mIoU."]
    if outcome.helps:
        return ["The pairs help, for the whole interval is above zero."]
    hurts = outcome.against_rival[outcome.shown].hurts
    why = "The whole interval is below zero" if hurts else "The interval holds zero"
    return [f"{why}, so the challenger is the best of the models without a GAN by validation mIoU."]


def _caveats(outcome: Outcome, comparison: Comparison, split: TestSplit) -> list[str]:
    groups, seeds = len(set(split.groups)), len(outcome.val_mious[BASELINE])
    told = []
    if comparison.unit == "images" and groups < len(split):
        told.append(
            f"The images come from {groups} groups only and images of a group are alike, so the interval is too narrow."
        )
    if seeds == 1:
        told.append(
            "With one seed the interval covers the choice of test images, not the luck of training."
        )
    elif seeds < FEW_SEEDS:
        told.append(f"{seeds} seeds say little of the luck of training: more could move the interval.")  # fmt: skip
    if outcome.gan_arms and seeds > 1:
        told.append("One GAN painted the pairs of all seeds: its own luck is not in the interval.")
    if len(outcome.gan_arms) > 1:
        told.append(
            f"{len(outcome.gan_arms)} arms use a GAN, each held against the same rival: the chance that one of them "
            "passes by luck is that many times as high."
        )
    return told
