"""The validation score of objects, which chooses models if `evaluate.metric` is a score of objects.

A training scores whole images and objects of any area, so `evaluate` scores the objects of the validation images
itself, by the views and the least area of its own params.
"""

from pathlib import Path

from ocrnet.config import EvaluateParams
from ocrnet.config.evaluation import MIOU
from ocrnet.data.instance_maps import INSTANCES, show_objects
from ocrnet.errors import DataError
from ocrnet.evaluation.object_bootstrap import object_scores
from ocrnet.evaluation.prediction_counts import add_up
from ocrnet.evaluation.scored_split import TestSplit, read_test_split
from ocrnet.evaluation.scoring import count_split
from ocrnet.objects.curves import unit_counts
from ocrnet.protocols import SegmenterLike


def read_val_split(prepared: Path, test: TestSplit, params: EvaluateParams) -> TestSplit | None:
    """Return the validation images whose objects are scored; None if `evaluate.metric` is the mIoU.

    Raises:
        DataError: The validation or the test images show no object, so the metric has no value.
    """
    if params.metric == MIOU:
        return None
    val = read_test_split(prepared, split="val")
    require_objects(val, "val", params)
    require_objects(test, "test", params)
    return val


def require_objects(split: TestSplit, name: str, params: EvaluateParams) -> None:
    """Check that a split shows an object if `evaluate.metric` is a score of objects.

    Raises:
        DataError: It shows none, so the metric has no value.
    """
    if params.metric == MIOU:
        return
    if split.things and show_objects(split.folder, list(split.table[INSTANCES])):
        return
    raise DataError(
        f"E134 {split.folder}: the {name} split shows no object of {', '.join(split.things) or 'data.things'}, so "
        f"evaluate.metric {params.metric} has no value. Set evaluate.metric to miou, or add images with objects to the "
        "split."
    )


def score_val_objects(
    segmenter: SegmenterLike, val: TestSplit, params: EvaluateParams, *, place: str
) -> dict[str, float]:
    """Return PQ and AP50 of a model on the validation images."""
    images = count_split(
        segmenter, val, place=place, boundary_ratio=params.boundary_ratio,
        min_object_area=params.min_object_area,
    )  # fmt: skip
    tally = add_up(images).objects
    assert tally is not None
    return object_scores([unit_counts(tally.images)])
