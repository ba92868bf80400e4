"""The part of the page about objects: scores, counts by size, and the images with the most errors."""

from pathlib import Path
from typing import Any

from ocrnet.data.csv_tables import read_csv_table
from ocrnet.data.decode import read_image
from ocrnet.data.instance_maps import read_instances
from ocrnet.data.manifest import ClassTable, read_manifest
from ocrnet.evaluation.object_text import CLASS_SCORES, HEADS, share
from ocrnet.evaluation.verdict_text import difference
from ocrnet.objects.overlay import overlay_objects
from ocrnet.objects.summary import MEANS
from ocrnet.report.files import required
from ocrnet.report.pictures import photo
from ocrnet.report.values import css_colour, interval_of

Json = dict[str, Any]
NEAR_HALF = {
    "precision_at_recall_50": "precision at 50 % recall",
    "recall_at_precision_50": "recall at 50 % precision",
    "iou_at_recall_50": "mean IoU at 50 % recall",
}


def object_section(data: Path, scores: Json, classes: ClassTable) -> Json | None:
    """Return the tables and the images of the objects; None without thing classes."""
    if "things" not in scores:
        return None
    models = [model for model in [*scores["models"], *scores["ensembles"]]]
    by_name = {model["model"]: model for model in models}
    shown = [by_name[scores["shown"][word]] for word in ("baseline", "retrained")]
    return {
        "models": [
            {"name": model["model"], "values": [share(model["objects"][key]) for key in MEANS],
             "count_error": f"{model['objects']['count_error']:.2f}"}
            for model in models
        ],
        "gains": _gains(scores),
        "heads": [*HEADS, *NEAR_HALF.values()],
        "classes": [_class_row(i, name, shown, classes) for i, name in enumerate(scores["things"])],
        "sizes": [
            (size, [model["objects"]["sizes"][size] for model in shown])
            for size in shown[0]["objects"]["sizes"]
        ],
        "images": _images(data, scores["shown"]),
    }  # fmt: skip


def _gains(scores: Json) -> list[Json]:
    """Return the differences of each arm from the baseline, with their intervals."""
    unit = next(iter(scores["against_baseline"].values()))["unit"]
    return [
        {
            "arm": arm,
            "values": [difference(interval_of(found[key]), unit) for key in ("ap50", "pq")],
        }
        for arm, found in scores["objects"]["against_baseline"].items()
    ]


def _class_row(index: int, name: str, shown: list[Json], classes: ClassTable) -> Json:
    rows = [model["objects"]["classes"][index] for model in shown]
    return {
        "name": name,
        "colour": css_colour(classes.palette[classes.class_names.index(name)]),
        "true": rows[0]["true"],
        "predicted": [row["predicted"] for row in rows],
        "values": [[share(row[key]) for row in rows] for key in (*CLASS_SCORES, *NEAR_HALF)],
    }


def _images(data: Path, shown: Json) -> list[Json]:
    """Return the images that `evaluate` chose, with one colour for each object."""
    table = read_csv_table(required(data / "evaluate" / "objects.csv"), text=("id",))
    manifest = read_manifest(data / "prepare", split="test").set_index("id")
    found = []
    for row in table.to_dict("records"):
        name = str(row["id"])
        image = read_image(data / "prepare" / str(manifest.loc[name, "image"]))
        maps = [read_instances(data / "prepare" / str(manifest.loc[name, "instances"]))]
        for word in ("baseline", "retrained"):
            maps.append(
                read_instances(required(data / "evaluate/objects" / shown[word] / f"{name}.png"))
            )
        words = ("truth", "baseline", "retrained")
        found.append({
            "id": name,
            "words": f"{row['objects']:.0f} objects; baseline: {row['baseline_missed']:.0f} missed, "
            f"{row['baseline_false']:.0f} false; retrained: {row['retrained_missed']:.0f} missed, "
            f"{row['retrained_false']:.0f} false",
            "pictures": [("image", photo(image))]
            + [(word, photo(overlay_objects(image, one))) for word, one in zip(words, maps, strict=True)],
        })  # fmt: skip
    return found
