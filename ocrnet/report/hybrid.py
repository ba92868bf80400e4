"""The part of the page about hybrid painting: the same layouts by the GAN, by hybrid painting and by copy-paste."""

from pathlib import Path
from typing import Any

import pandas as pd

from ocrnet.data.decode import read_image, read_label_map
from ocrnet.data.manifest import MANIFEST_FILE, ClassTable, read_manifest
from ocrnet.evaluation.verdict_text import percent
from ocrnet.report.files import read_json
from ocrnet.report.pictures import label_picture, photo

SHOWN = 6  # layouts
CHANGES = '"op":"(?:paste|warp|erase)"'  # steps whose pixels hybrid painting paints
Json = dict[str, Any]


def hybrid_pairs(data: Path, classes: ClassTable) -> Json | None:
    """Return images and numbers of hybrid painting; None if there is none."""
    if not (data / "select" / "hybrid" / MANIFEST_FILE).exists():
        return None
    made = read_manifest(data / "synthesize" / "hybrid")
    kept = read_manifest(data / "select" / "hybrid")
    metrics = read_json(data / "select" / "metrics.json")
    changed = kept[kept["operations"].str.contains(CHANGES)]
    rows = (changed if len(changed) else kept).sort_values(["rejected_share", "id"])
    count = min(SHOWN, len(rows))
    index = [round(i * (len(rows) - 1) / max(count - 1, 1)) for i in range(count)]
    return {
        "made": int(metrics["select_hybrid/pairs"]),
        "kept": len(kept),
        "rejected": percent(metrics["select_hybrid/rejected_share"]),
        "pairs": [_pair(made.set_index("id").loc[name], data, classes) for name in rows["id"].iloc[index]],
    }  # fmt: skip


def _pair(row: "pd.Series[str]", data: Path, classes: ClassTable) -> Json:
    """Return the pictures of a layout, whose seed and label map tell its pairs of the other kinds."""
    folder = data / "synthesize"
    pictures = [
        ("label map", label_picture(read_label_map(folder / "hybrid" / row["label_map"]), classes))
    ]
    for name, kind in (("hybrid", "hybrid"), ("GAN", "gan"), ("copy-paste", "copy_paste")):
        table = read_manifest(folder / kind)
        same = table[
            (table["operations"] == row["operations"])
            & ((table["seed"] == row["seed"]) | (kind == "copy_paste"))
        ]
        if len(same):
            pictures.append((name, photo(read_image(folder / kind / same["image"].iloc[0]))))
    return {"id": str(row.name), "pictures": pictures}
