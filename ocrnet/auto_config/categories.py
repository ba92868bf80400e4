"""The classes of a set whose annotations name categories."""

from collections.abc import Sequence
from pathlib import Path

from ocrnet.auto_config.classes import ClassChoice
from ocrnet.config.class_names import check_class_names
from ocrnet.errors import DataError
from ocrnet.raw.annotations.categories import BACKGROUND
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.label_maps import OTHER
from ocrnet.raw.sources import cocostuff
from ocrnet.raw.sources.cityscapes import LABELS, TRAINING_IDS


def choose_categories(names: Sequence[str], root: Path) -> ClassChoice:
    """Return a class per category, after the background.

    Args:
        names: Names of the categories.
        root: Raw folder, for messages.

    Raises:
        DataError: A name cannot be that of a class, or no object is annotated.
    """
    if not names:
        raise DataError(f"E102 {root}: no object is annotated. Label the objects.")
    classes = (BACKGROUND, *(name for name in names if name != BACKGROUND))
    try:
        check_class_names(classes)
    except ValueError as error:
        raise DataError(
            f"E115 {root}: the categories are no classes: {error} Rename them in the annotations, or write the params "
            "by hand: docs/formats.md."
        ) from None
    reason = "The categories of the annotations; pixels that no annotation covers are background."
    return ClassChoice(classes, {}, "auto", reason)


def cityscapes_classes(root: Path) -> ClassChoice:
    """Return the 19 classes of Cityscapes, with the table of ids unless label maps of training ids are there."""
    entries = Inventory(root).open_entries()
    is_trained = any(entry.path.stem.endswith(TRAINING_IDS) for entry in entries)
    ids: dict[int | str, str] = {str(value): name for name, value in LABELS.items()}
    reason = "The labels of Cityscapes that have a training id."
    return ClassChoice(
        tuple(LABELS), {} if is_trained else {**ids, OTHER: "ignore"}, "auto", reason
    )


def cocostuff_classes() -> ClassChoice:
    """Return the 171 labels of COCO-Stuff that its label maps hold, with their ids."""
    labels = {
        name: value
        for name, value in cocostuff.LABELS.items()
        if name not in cocostuff.NEVER_LABELLED
    }
    ids: dict[int | str, str] = {str(value): name for name, value in labels.items()}
    reason = "The labels of COCO-Stuff, without those of COCO that no image has."
    return ClassChoice(tuple(labels), {**ids, OTHER: "ignore"}, "auto", reason)
