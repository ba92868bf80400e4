"""The images of the page: test images with both predictions, and the GAN's pairs."""

from pathlib import Path
from typing import Any

import pandas as pd

from ocrnet.data.csv_tables import read_csv_table
from ocrnet.data.decode import read_image, read_label_map
from ocrnet.data.manifest import ClassTable, pixel_columns, read_manifest
from ocrnet.evaluation.verdict_text import percent
from ocrnet.report.charts import Axes, Series, line_chart
from ocrnet.report.files import curve, read_json, read_lines, required
from ocrnet.report.pictures import error_picture, label_picture, photo, rejected_picture

PAIRS_SHOWN = 6  # largest number of kept pairs, and of dropped pairs
Json = dict[str, Any]


def shown_images(data: Path, shown: Json, classes: ClassTable) -> list[Json]:
    """Return the images that `evaluate` chose, with truth, both predictions and their errors."""
    path = required(data / "evaluate" / "gallery.csv")
    table = read_csv_table(path, text=("id", "why"))
    manifest = read_manifest(data / "prepare", split="test").set_index("id")
    rows = []
    for item in _records(table):
        name = item["id"]
        image = read_image(data / "prepare" / str(manifest.loc[name, "image"]))
        truth = read_label_map(data / "prepare" / str(manifest.loc[name, "label_map"]))
        before, after = (
            read_label_map(required(data / "evaluate" / "gallery" / shown[key] / f"{name}.png"))
            for key in ("baseline", "retrained")
        )
        rows.append({
            "id": name,
            "why": item["why"],
            "before": percent(item["baseline"]),
            "after": percent(item["retrained"]),
            "pictures": [
                ("image", photo(image)),
                ("truth", label_picture(truth, classes)),
                ("baseline", label_picture(before, classes)),
                ("retrained", label_picture(after, classes)),
                ("errors", error_picture(truth, before, after, ignore_index=classes.ignore_index)),
            ],
        })  # fmt: skip
    return rows


def gan_pairs(data: Path, classes: ClassTable) -> Json:
    """Return images and numbers of the GAN's pairs before and after selection."""
    painted = data / "synthesize" / "gan"
    kept, reasons = read_manifest(data / "select"), _reasons(data)
    made = read_manifest(painted)
    # Of several paintings of a layout one was a pair, kept or dropped.
    made = made[made["id"].isin([*kept["id"], *reasons])]
    dropped = made[~made["id"].isin(kept["id"])]
    pixels = _class_pixels(made, classes).sum()
    both = made.merge(kept, on="id", suffixes=("", "_kept"))
    lost = (both["px_ignore_kept"] - both["px_ignore"]) / (both["height"] * both["width"])
    both = both.assign(lost=lost).sort_values(["lost", "id"], ascending=[False, True])
    return {
        "made": len(made),
        "kept": len(kept),
        "dropped": len(dropped),
        "unused": percent(1 - _class_pixels(kept, classes).sum() / max(pixels, 1)),
        "pairs": [_kept_pair(row, data, classes) for row in _spread(both)],
        "dropped_pairs": [
            _dropped_pair(row, painted, classes, reasons.get(row["id"], ""))
            for row in _records(dropped.head(PAIRS_SHOWN))
        ],
        "classes": _class_losses(data, made, kept, classes),
        "test": _gan_test(data),
        "numbers": _numbers(data),
        "chart": _loss_chart(data),
    }


def _spread(table: pd.DataFrame) -> list[Json]:
    """Return evenly spaced rows from the first to the last."""
    count = min(PAIRS_SHOWN, len(table))
    index = [round(i * (len(table) - 1) / max(count - 1, 1)) for i in range(count)]
    return _records(table.iloc[index])


def _records(table: pd.DataFrame) -> list[Json]:
    return [{str(key): row[key] for key in row} for row in table.to_dict("records")]


def _kept_pair(row: Json, data: Path, classes: ClassTable) -> Json:
    painted = data / "synthesize" / "gan"
    layout = read_label_map(painted / row["label_map"])
    kept = read_label_map(data / "select" / row["label_map_kept"])
    return {
        "id": row["id"],
        "words": f"{percent(row['lost'])} of the pixels rejected",
        "pictures": [
            ("generated image", photo(read_image(painted / row["image"]))),
            ("label map", label_picture(layout, classes)),
            ("after selection", rejected_picture(layout, kept, classes)),
        ],
    }


def _dropped_pair(row: Json, painted: Path, classes: ClassTable, why: str) -> Json:
    return {
        "id": row["id"],
        "words": why,
        "pictures": [
            ("generated image", photo(read_image(painted / row["image"]))),
            ("label map", label_picture(read_label_map(painted / row["label_map"]), classes)),
        ],
    }


def _reasons(data: Path) -> dict[str, str]:
    """Return the reason of each dropped pair, by its id."""
    path = required(data / "select" / "rejected.csv")
    table = read_csv_table(path, text=("id", "why", "original"))
    return dict(zip(table["id"], table["why"], strict=True))


def _class_pixels(table: pd.DataFrame, classes: ClassTable) -> "pd.Series[float]":
    return table[pixel_columns(classes.class_names)].sum().astype(float)


def _class_losses(
    data: Path, made: pd.DataFrame, kept: pd.DataFrame, classes: ClassTable
) -> list[Json]:
    """Return, per class, the number of generated pixels, the rejected share, and the IoUs of GAN-test."""
    before, after = _class_pixels(made, classes), _class_pixels(kept, classes)
    thresholds = read_json(data / "select" / "thresholds.json")
    metrics = read_json(data / "select" / "metrics.json")
    rows = []
    for name, column in zip(classes.class_names, pixel_columns(classes.class_names), strict=True):
        rejected = metrics.get(f"select/rejected/{name}")
        painted = before[column]
        rows.append({
            "name": name,
            "painted": f"{int(painted):,}",
            "rejected": _rejected(rejected, metrics.get(f"select/rejected_uncapped/{name}")),
            "width": f"{100 * (rejected or 0.0):.1f}",
            "unused": _percent(1 - after[column] / painted if painted else None),
            "threshold": f"{thresholds[name]['value']:.2f}",
            "iou_painted": _percent(metrics.get(f"gan_test/IoU/{name}")),
            "iou_real": _percent(metrics.get(f"gan_test/real_IoU/{name}")),
        })  # fmt: skip
    return rows


def _rejected(share: float | None, uncapped: float | None) -> str:
    """Return the rejected share of a class and, if it differs, the share without the cap."""
    if share is None or uncapped is None or uncapped <= share:
        return _percent(share)
    return f"{_percent(share)}, without the cap {_percent(uncapped)}"


def _gan_test(data: Path) -> Json:
    metrics = read_json(data / "select" / "metrics.json")
    ratio = metrics.get("gan_test/ratio")
    return {
        "painted": _percent(metrics.get("gan_test/mIoU")),
        "real": _percent(metrics.get("gan_test/real_mIoU")),
        "ratio": "n/a" if ratio is None else f"{ratio:.2f}",
    }


def _percent(share: float | None) -> str:
    return percent(float("nan") if share is None else share)


def _numbers(data: Path) -> list[tuple[str, str]]:
    """Return the final numbers of the GAN's training, without numbers per class."""
    numbers: Json = read_json(data / "train_gan" / "metrics.json")
    return [(name, f"{value:.4g}") for name, value in numbers.items() if name.count("/") < 2]


def _loss_chart(data: Path) -> str:
    lines = read_lines(data / "train_gan" / "metrics.jsonl")
    series = [
        Series(name, colour, points)
        for name, words, colour in (
            ("generator", "gan/loss_g", "var(--after)"),
            ("discriminator", "gan/loss_d", "var(--before)"),
        )
        if (points := curve(lines, words))
    ]
    axes = Axes("Losses of the GAN by step", "optimizer step", "loss")
    return line_chart(series, axes)
