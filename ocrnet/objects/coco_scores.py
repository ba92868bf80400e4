"""AP and AR of the objects of a split, by faster-coco-eval.

COCO's limit of 100 objects an image is not applied: an image of cells shows more.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from ocrnet.objects.matching import ObjectCounts

LEAST = 0.5  # IoU of AP50; the thresholds are 0.5, 0.55, ..., 0.95


class CocoScores(NamedTuple):
    """Scores per thing class; nan for a class that the truth does not show.

    Args:
        ap: Mean over the IoU thresholds 0.5, 0.55, ..., 0.95.
        ap50: At an IoU of 0.5.
        ap75: At an IoU of 0.75.
        ar: Largest recall, mean over the thresholds.
    """

    ap: Float[np.ndarray, " T"]
    ap50: Float[np.ndarray, " T"]
    ap75: Float[np.ndarray, " T"]
    ar: Float[np.ndarray, " T"]


def coco_scores(images: Sequence[ObjectCounts]) -> CocoScores:
    """Return AP and AR of the thing classes over some images."""
    truth, found = to_coco(images)
    things = images[0].things
    shown = np.array(
        [any(class_id in image.true_classes for image in images) for class_id in things]
    )
    if not found or not shown.any():
        return CocoScores(*(np.where(shown, 0.0, np.nan) for _ in range(4)))
    from faster_coco_eval import COCO, COCOeval_faster  # most of a second

    reference = COCO(truth, print_function=_silent)
    scorer = COCOeval_faster(
        reference, reference.loadRes(found), iouType="segm", print_function=_silent
    )
    scorer.params.maxDets = [max(len(image.scores) for image in images)]
    scorer.params.areaRng, scorer.params.areaRngLbl = [[0, 1e10]], ["all"]
    scorer.evaluate()
    scorer.accumulate()
    precision = np.asarray(scorer.eval["precision"])[..., 0, -1]  # (thresholds, recalls, classes)
    recall = np.asarray(scorer.eval["recall"])[..., 0, -1]  # (thresholds, classes)
    means = precision.mean(axis=1)
    parts = (means.mean(axis=0), means[0], means[5], recall.mean(axis=0))
    return CocoScores(*(np.where(shown, part, np.nan) for part in parts))


def to_coco(images: Sequence[ObjectCounts]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return truth and predictions in the form of COCO; ids of images and annotations begin with 1."""
    annotations: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for number, image in enumerate(images, start=1):
        true = zip(image.true_classes, image.true_areas, image.true_runs, strict=True)
        for class_id, area, runs in true:
            annotations.append(_annotation(annotations, number, int(class_id), runs, int(area)))
        if image.ignored_runs is not None:
            for class_id in image.things:
                crowd = _annotation(annotations, number, class_id, image.ignored_runs, 0)
                annotations.append(crowd | {"iscrowd": 1})
        found += [
            {"image_id": number, "category_id": int(class_id), "segmentation": runs, "score": float(score)}
            for class_id, score, runs in zip(image.classes, image.scores, image.runs, strict=True)
        ]  # fmt: skip
    entries = [
        {"id": number, "height": image.size[0], "width": image.size[1]}
        for number, image in enumerate(images, start=1)
    ]
    categories = [{"id": class_id, "name": str(class_id)} for class_id in images[0].things]
    return {"images": entries, "annotations": annotations, "categories": categories}, found


def _annotation(
    others: Sequence[dict[str, Any]], image: int, class_id: int, runs: dict[str, Any], area: int
) -> dict[str, Any]:
    return {
        "id": len(others) + 1, "image_id": image, "category_id": class_id, "segmentation": runs,
        "area": area, "bbox": [0, 0, 1, 1], "iscrowd": 0,
    }  # fmt: skip


def _silent(*_: object) -> None:
    """Print nothing."""
