"""The part of the page about the folds: scores of training images by models that did not see them."""

from typing import Any

from ocrnet.data.manifest import ClassTable
from ocrnet.report.values import percent_of

Json = dict[str, Any]


def fold_section(scores: Json, classes: ClassTable) -> Json | None:
    """Return the rows of the folds, their mean, and the scores over all images; None without folds.

    Args:
        scores: Content of `scores.json`.
        classes: Class table of the data.
    """
    found = scores.get("folds")
    if found is None:
        return None
    rows = [
        {
            "name": f"fold {row['fold']}",
            "images": str(row["images"]),
            "groups": str(row["groups"]),
            "values": _values(row),
        }
        for row in found["folds"]
    ]
    mean = percent_of(found["mean"])
    spread = "" if found["deviation"] is None else f" ± {percent_of(found['deviation'])}"
    together = {
        "images": str(sum(row["images"] for row in found["folds"])),
        "groups": str(sum(row["groups"] for row in found["folds"])),
        "values": _values(found),
    }
    return {
        "class_names": classes.class_names,
        "rows": rows,
        "mean": mean + spread,
        "all": together,
    }


def _values(row: Json) -> list[str]:
    return [percent_of(value) for value in (row["miou"], *row["iou"])]
