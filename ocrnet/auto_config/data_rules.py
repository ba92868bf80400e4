"""The rules for the section `data`, and for the shares of a split that has to be drawn."""

import math

from ocrnet.auto_config.choice import Choice
from ocrnet.auto_config.classes import ClassChoice
from ocrnet.auto_config.facts import DataFacts
from ocrnet.config.base import MAX_PIXELS
from ocrnet.raw.label_maps import DRAWN_SOURCES

TEST_SHARE, VAL_SHARE = 0.25, 0.15
TEST_IMAGES, VAL_IMAGES = 8, 4  # wanted images; an interval of the scores needs six in test
MOST_TEST, MOST_VAL = 0.4, 0.2


def data_choices(
    path: str, facts: DataFacts, classes: ClassChoice
) -> tuple[list[Choice], list[Choice]]:
    """Return the choices of `data`, without the crop, and those of the split, first the shares of val and test.

    Args:
        path: Value of `data.path`.
        facts: Facts about the data.
        classes: Classes of the data.
    """
    data = [
        Choice("data.source", facts.source, "The layout of the folder."),
        Choice("data.path", path, "The folder. For workers, copy it to data/raw and run dvc add."),
        *_unlabelled(facts),
        Choice("data.classes", list(classes.classes), classes.reason),
        Choice(
            "data.label_map",
            classes.label_map,
            "What raw values or categories mean; empty: they are the class ids or names.",
        ),
        *_background(facts, classes),
        Choice("data.things", [], "Classes whose objects are counted and scored; none."),
        Choice(
            "data.palette",
            "auto" if classes.palette == "auto" else [list(colour) for colour in classes.palette],
            "Colours in the report; auto: those of VOC."
            if classes.palette == "auto" else "The colours of the label maps, or those of the known set.",
        ),
        _groups(facts),
        *_reading(facts),
    ]  # fmt: skip
    return data, _shares(facts)


def _unlabelled(facts: DataFacts) -> list[Choice]:
    """Return what becomes of images without label maps."""
    arms = "the arms mean_teacher and self_training train on them"
    if facts.unlabelled is None:
        folder = Choice("data.unlabelled", None, "No folder is called after unlabelled images.")
    else:
        name, count = facts.unlabelled
        folder = Choice("data.unlabelled", name, f"{count} images by the folder's name; {arms}.")
    if not facts.lacking:
        rule = Choice(
            "data.without_label_map", "error", "Every image of the source has a label map."
        )
    elif facts.held_out:
        words = f"{facts.lacking} images have no label map, and some show what val or test shows: left out."
        rule = Choice("data.without_label_map", "drop", words)
    else:
        words = f"{facts.lacking} images have no label map; {arms}. error refuses them."
        rule = Choice("data.without_label_map", "unlabelled", words)
    return [folder, rule]


def _background(facts: DataFacts, classes: ClassChoice) -> list[Choice]:
    """Return the class of what no annotation covers, for a source that draws label maps."""
    if facts.source not in DRAWN_SOURCES:
        return []
    return [Choice("data.background", classes.classes[0], "What no annotation covers; or ignore.")]


def _groups(facts: DataFacts) -> Choice:
    if facts.groups is not None:
        one, other = facts.groups.examples
        words = f"The names of {one} and {other} suggest one object or scene, whose images stay in one split."
        return Choice("data.group_by", facts.groups.pattern, words)
    if facts.is_published:
        return Choice("data.group_by", None, "A split is published.")
    return Choice("data.group_by", None, "The names do not group images.")


def _reading(facts: DataFacts) -> list[Choice]:
    """Return the choices of how files are read, by what was found in them."""
    largest = max(height * width for height, width in facts.sizes)
    deep = facts.value_range
    return [
        Choice(
            "data.value_range", None if deep is None else [_plain(value) for value in deep],
            "No image is deeper than 8 bits." if deep is None
            else "The lowest and the highest value of the images deeper than 8 bits.",
        ),
        Choice("data.exif", "apply" if facts.rotated else "error", f"{facts.rotated} files have a rotation flag."),
        Choice(
            "data.alpha", "black" if facts.transparent else "error",
            f"{facts.transparent} images have transparent pixels.",
        ),
        Choice(
            "data.extra_bands", "drop" if facts.further_bands else "error",
            f"{facts.further_bands} images have bands beyond red, green, blue and alpha.",
        ),
        Choice(
            "data.max_pixels", max(MAX_PIXELS, largest),
            f"The largest image has {largest} pixels; {MAX_PIXELS} or more, so that later images are read too.",
        ),
    ]  # fmt: skip


def _shares(facts: DataFacts) -> list[Choice]:
    if missing := facts.missing_splits:
        words = f"The set publishes no {' and no '.join(missing)}."
        return [
            Choice("prepare.val_share", VAL_SHARE, words),
            Choice("prepare.test_share", TEST_SHARE, f"{words} This share of the training images."),
            Choice("prepare.missing_splits", "from_train", f"{words} It is drawn from train."),
        ]
    return [
        *_drawn_shares(facts),
        Choice("prepare.missing_splits", "error", "No split is missing."),
    ]


def _drawn_shares(facts: DataFacts) -> list[Choice]:
    if facts.is_published:
        words = "The published split is used, so this has no effect."
        return [
            Choice("prepare.val_share", VAL_SHARE, words),
            Choice("prepare.test_share", TEST_SHARE, words),
        ]
    val = min(MOST_VAL, max(VAL_SHARE, _round_up(VAL_IMAGES / facts.total)))
    test = min(MOST_TEST, max(TEST_SHARE, _round_up(TEST_IMAGES / facts.total)))
    return [
        Choice(
            "prepare.val_share", val,
            f"No split is published. {VAL_SHARE:.0%}, and about {VAL_IMAGES} of {facts.total} images or more.",
        ),
        Choice(
            "prepare.test_share", test,
            f"No split is published. {TEST_SHARE:.0%}, and about {TEST_IMAGES} of {facts.total} images or more: an "
            "interval needs six.",
        ),
    ]  # fmt: skip


def _round_up(share: float) -> float:
    return math.ceil(share * 100) / 100


def _plain(value: float) -> int | float:
    return int(value) if value == int(value) else value
