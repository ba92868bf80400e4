"""The part of the page about the origin of the numbers: data, params and hashes."""

from pathlib import Path
from typing import Any

from ocrnet.data.manifest import (
    MANIFEST_FILE,
    SPLITS,
    ClassTable,
    file_sha256,
    pixel_columns,
    read_manifest,
)
from ocrnet.data.pseudo_shares import PAIRS
from ocrnet.evaluation.scoring import Cell
from ocrnet.evaluation.verdict_text import percent
from ocrnet.record import RECORD_FILE
from ocrnet.report.arms import seeds_of
from ocrnet.report.files import read_json, required
from ocrnet.report.pseudo_labels import labelled_folders

STATISTICS_FILE = "statistics.json"
Json = dict[str, Any]


def data_tables(data: Path, classes: ClassTable) -> Json:
    """Return the number of images of each split, and the share of each class in its pixels."""
    table = read_manifest(data / "prepare")
    columns = pixel_columns(classes.class_names)
    splits, shares = [], {}
    for split in SPLITS:
        part = table[table["split"] == split]
        pixels = part[columns].sum()
        total = max(float(pixels.sum()), 1.0)
        ignored = float(part["px_ignore"].sum())
        splits.append({
            "name": split,
            "images": len(part),
            "groups": part["group"].nunique(),
            "sizes": ", ".join(_sizes(part)),
            "ignored": percent(ignored / (total + ignored)),
        })  # fmt: skip
        shares[split] = [percent(float(pixels[column]) / total) for column in columns]
    rows = zip(classes.class_names, *(shares[split] for split in SPLITS), strict=True)
    path = data / "prepare" / STATISTICS_FILE
    left_out = read_json(path).get("train_left_out", 0) if path.exists() else 0
    return {"splits": splits, "shares": list(rows), "left_out": left_out}


def param_rows(data: Path, scores: Json) -> list[tuple[str, str]]:
    """Return the params in the records of the stages, by name."""
    folders = [
        *(Cell(model["arm"], model["seed"]).folder(data) for model in scores["models"]),
        data / "train_gan",
        data / "synthesize",
        data / "select",
        *(folder for _, folder in labelled_folders(data, seeds_of(scores))),
        data / "evaluate",
    ]
    params: Json = {}
    for folder in folders:
        if (folder / RECORD_FILE).exists():
            params |= read_json(folder / RECORD_FILE)["params"]
    return [(name, str(params[name])) for name in sorted(params)]


def hash_rows(data: Path, scores: Json) -> list[tuple[str, str]]:
    """Return the SHA-256 of the manifests, which have the hash of every file, and of the weights."""
    folders = ("prepare", "synthesize/gan", "select")
    manifests = [data / folder / MANIFEST_FILE for folder in folders]
    labelled = labelled_folders(data, seeds_of(scores))
    manifests += [folder / PAIRS / MANIFEST_FILE for _, folder in labelled]
    generator = required(data / "train_gan" / "generator.safetensors")
    return [
        *((path.relative_to(data).as_posix(), file_sha256(path)) for path in manifests),
        (generator.relative_to(data).as_posix(), file_sha256(generator)),
        *((f"weights of {model['stage']}", model["weights_sha256"]) for model in scores["models"]),
    ]


def _sizes(table: Any) -> list[str]:
    counts = table.groupby(["height", "width"]).size().sort_values(ascending=False, kind="stable")
    sizes = [f"{height} x {width}" for height, width in counts.index[:3]]
    return [*sizes, *(["..."] if len(counts) > 3 else [])]
