"""The text of the decision in `verdict.txt`."""

import math

from ocrnet.config import EvaluateParams
from ocrnet.config.arms import (
    BASELINE,
    CONTROLS,
    data_words_of,
    files_of,
    rivals_of,
    uses_unlabelled,
    words_of,
)
from ocrnet.config.evaluation import MIOU
from ocrnet.evaluation.arm_comparison import StudyResult
from ocrnet.evaluation.bootstrap import Comparison, Interval
from ocrnet.evaluation.intervals import shortage_words
from ocrnet.evaluation.scored_split import TestSplit

FEW_SEEDS = 5  # with fewer, the interval is wide because the estimate of their spread is poor


def write_verdict(result: StudyResult, split: TestSplit, params: EvaluateParams) -> str:
    """Return the decision: one line with the answer and a second line with its basis."""
    comparison = result.against_baseline[result.shown]
    score = f"the mIoU over {comparison.classes} of {len(split.classes.class_names)} classes"
    if result.metric != MIOU:
        score = f"the {result.word} of the objects of {', '.join(split.things)}"
    before, after = result.metric_scores[BASELINE], result.metric_scores[result.shown]
    seeds = len(result.val_scores[BASELINE])
    mean = f", mean of {seeds} seeds" if seeds > 1 else ""
    models = (words_of(BASELINE), words_of(result.shown))
    sentences = [
        f"On {len(split)} test images {score} "
        f"is {percent(before)} for the model {models[0]} and {percent(after)} for "
        f"the model {models[1]}{mean}: {difference(comparison.deciding)} points "
        f"({_interval_words(comparison, params)}).",
        *_miou_sentence(result),
        _rare_sentence(result, split, params),
        *_best_non_gan_sentence(result),
        *_choice_sentence(result),
        *_caveats(result, comparison, split),
    ]
    return f"{answer(result)}\n{' '.join(sentences)}"


def answer(result: StudyResult) -> str:
    """Return one line: whether the GAN pairs help, the difference, the reference arm, and the challenger."""
    chosen = f"the challenger is {result.challenger.stage}."
    if not result.gan_arms:
        return f"No arm uses a GAN; {chosen}"
    comparison = result.against_best_non_gan[result.shown]
    points = f"{difference(comparison.deciding, comparison.unit)} points of {result.word}"
    gain = f"{points} against {data_words_of(result.rival)}"
    if _rivals(result) == [BASELINE]:
        gain += f", the only arm without a GAN{_of_files(result)}"
    if comparison.too_few:
        why = f"there are too few test images ({_shortage(comparison)})"
        return f"It is unknown whether the GAN pairs help, because {why}: {gain}; {chosen}"
    words = "are not shown to help"
    if comparison.helps:
        words = "help"
    elif comparison.hurts:
        words = "harm"
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

    Examples:
        >>> percent(0.1234)
        '12.3 %'
    """
    return "n/a" if math.isnan(share) else f"{100 * share:.1f} %"


def difference(interval: Interval, unit: str = "images") -> str:
    """Return a difference with its interval, in points.

    Args:
        interval: A difference of shares.
        unit: Unit in the text for a missing interval, `images` or `groups`.

    Examples:
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
    """Return the text for the seeds and units that an interval covers."""
    units = f"{comparison.units} {comparison.unit}"
    return f"{comparison.seeds} seeds and {units}" if comparison.seeds > 1 else units


def _miou_sentence(result: StudyResult) -> list[str]:
    """Return the mIoU of both models where another score decides."""
    if result.metric == MIOU:
        return []
    before, after = (percent(result.arm_scores[arm][-1]) for arm in (BASELINE, result.shown))
    comparison = result.against_baseline[result.shown]
    gain = difference(comparison.miou, comparison.unit)
    return [f"The mIoU is {before} and {after}: {gain} points."]


def _rare_sentence(result: StudyResult, split: TestSplit, params: EvaluateParams) -> str:
    limit = f"less than {100 * params.rare_share:g} % of the training pixels"
    rare = rare_classes(split, params)
    if not rare:
        return f"No class is rare ({limit})."
    before, after = result.arm_scores[BASELINE], result.arm_scores[result.shown]
    comparison = result.against_baseline[result.shown]
    parts = [
        f"{split.classes.class_names[i]} {percent(before[i])} to {percent(after[i])}, "
        f"{difference(comparison.per_class[i], comparison.unit)}"
        for i in rare
    ]
    return f"Rare classes ({limit}), IoU: {'; '.join(parts)}."


def _best_non_gan_sentence(result: StudyResult) -> list[str]:
    if not result.gan_arms:
        return []
    if _rivals(result) == [BASELINE]:
        others = " and ".join(CONTROLS)
        return [
            f"Only the baseline is without a GAN{_of_files(result)}, so it is unknown whether pasted real pixels, or "
            f"the mixing of batches alone, have the same effect: add {others} to retrain.arms."
        ]
    best = f"The best arm without a GAN{_of_files(result)} on the test images is {result.rival}"
    if result.rival == BASELINE:
        return [f"{best}: real images only."]
    score = percent(result.metric_scores[result.rival])
    against = result.against_best_non_gan[result.shown]
    gain = difference(against.deciding, against.unit)
    return [f"{best} ({score}); the difference to it is {gain} points."]


def _rivals(result: StudyResult) -> list[str]:
    """Return the arms without a GAN that the shown arm may be held against."""
    return rivals_of(result.shown, result.val_scores, gan_sees=result.gan_sees)


def _of_files(result: StudyResult) -> str:
    """Return the files that the rivals of the shown arm may use, where some arm uses unlabelled images."""
    if not result.gan_sees and not any(map(uses_unlabelled, result.val_scores)):
        return ""
    return f" that uses {files_of(result.shown, gan_sees=result.gan_sees)}"


def _choice_sentence(result: StudyResult) -> list[str]:
    if not result.gan_arms:
        return [f"The challenger is the best of all models by validation {result.word}."]
    against = result.against_best_non_gan[result.shown]
    if against.helps:
        why = "The pairs help, because the whole interval is above zero"
        if result.helps:
            return [f"{why}."]
        better = f"the challenger is better by validation {result.word}, and uses unlabelled images"
        return [f"{why}; {better}."]
    why = "The whole interval is below zero" if against.hurts else "The interval contains zero"
    if against.too_few:
        why = "There is no interval"
    best = f"the best of the models without a GAN by validation {result.word}"
    return [f"{why}, so the challenger is {best}."]


def _caveats(result: StudyResult, comparison: Comparison, split: TestSplit) -> list[str]:
    seeds = len(result.val_scores[BASELINE])
    lines = []
    if comparison.too_few and comparison.unit == "groups":
        lines.append(
            f"The {len(split)} test images are from {comparison.units} groups, and images of a group are similar: more "
            "images of these groups would not help."
        )
    if seeds == 1:
        lines.append(
            "With one seed the interval covers other test images, but not other trainings: another training of the "
            "same arms may give another result."
        )
    elif seeds < FEW_SEEDS:
        lines.append(
            f"{seeds} seeds are few to estimate the variation between trainings, so the interval is wide: more seeds "
            "would narrow it."
        )
    if result.gan_arms and seeds > 1:
        lines.append(
            "One GAN generated the pairs of all seeds: the interval does not cover the variation between GANs."
        )
    if len(result.gan_arms) > 1:
        lines.append(
            f"{len(result.gan_arms)} arms with a GAN are compared with the same arm: the probability that one of them "
            "passes by chance is up to that many times as high."
        )
    return lines
