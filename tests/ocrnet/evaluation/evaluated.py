"""A small world of stage outputs to evaluate: coloured squares, and models that know colours."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ocrnet.config import Params
from ocrnet.data.decode import write_image, write_label_map
from ocrnet.data.manifest import (
    ClassTable,
    count_pixels,
    file_sha256,
    write_manifest,
)
from ocrnet.errors import BundleError
from ocrnet.evaluation.evaluate import evaluate
from ocrnet.record import Recorder
from tests.base_params import params_with

NAMES = ("ground", "dent", "rust")
PALETTE = ((40, 40, 40), (200, 60, 60), (60, 60, 200))
SIZE = (24, 32)


class ColourSegmenter:
    """Gives a pixel to the class with the nearest colour of those it knows; of several, the mean."""

    def __init__(self, *folders: Path) -> None:
        for folder in folders:
            if not (folder / "colours.json").exists():
                raise BundleError(f"{folder}: no model.")
        known = [json.loads((folder / "colours.json").read_text()) for folder in folders]
        self.class_table = ClassTable(tuple(known[0]["names"]), PALETTE, 255)
        self.weights_sha256 = "".join(file_sha256(folder / "colours.json") for folder in folders)
        self._colours = [np.array(one["colours"], np.float32) for one in known]

    def probabilities(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        parts = [self._of_one(image, colours) for colours in self._colours]
        mean: NDArray[np.float32] = np.mean(parts, axis=0, dtype=np.float32)
        return mean

    def label_map(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        labels: NDArray[np.uint8] = self.probabilities(image).argmax(axis=0).astype(np.uint8)
        return labels

    def _of_one(
        self, image: NDArray[np.uint8], colours: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        distance = np.linalg.norm(image[None] - colours[:, None, None], axis=-1)
        scores = np.exp(-distance / 20)
        probabilities: NDArray[np.float32] = (scores / scores.sum(0)).astype(np.float32)
        return probabilities


def params_of(**sections: object) -> Params:
    data = {"source": "demo", "path": "x", "classes": list(NAMES)}
    evaluate = {"bootstrap": 200, "worst": 2, "rare_share": 0.1}
    return params_with({"data": data, "evaluate": evaluate, **sections})


def write_world(
    data: Path, *, names: Sequence[str] = NAMES, test: int = 8, seeds: Sequence[int] = (0,)
) -> None:
    """Write the outputs of every stage before `evaluate`, with the arm gan."""
    classes = ClassTable(tuple(names), PALETTE, 255)
    splits = {"train": 4, "val": 3, "test": test}
    ids = [(split, f"{split}_{i}") for split, count in splits.items() for i in range(count)]
    _write_folder(data / "prepare", classes, ids, origin="real")
    for seed in seeds:
        # The baseline takes the second class for the third unless it is very red.
        baseline, retrained = data / "train" / str(seed), data / "retrain" / f"gan-{seed}"
        write_model(baseline, names, dent=(255, 20, 20), val_miou=0.6, seed=seed)
        write_model(retrained, names, dent=PALETTE[1], val_miou=0.7, seed=seed)
    write_gan(data, classes)


def write_model(
    folder: Path,
    names: Sequence[str],
    *,
    dent: tuple[int, int, int],
    val_miou: float,
    seed: int = 0,
) -> None:
    """Write a model; another seed gives other weights that know the same colours."""
    folder.mkdir(parents=True)
    colours = [PALETTE[0], dent, PALETTE[2]]
    _write_json(folder / "colours.json", {"names": list(names), "colours": colours, "seed": seed})
    _write_json(folder / "val_scores.json", {
        "class_names": list(names), "per_class_iou": [0.9, 0.5, None], "miou": val_miou,
        "confusion": np.eye(3).tolist(),
    })  # fmt: skip
    lines = [{"step": step, "train/loss": 1 / step, "val/mIoU": 0.1 * step} for step in (1, 2, 3)]
    lines.append({"step": 4, "train/loss": 0.2})
    _write_lines(folder, lines)
    _write_json(folder / "metrics.json", {"val/mIoU": val_miou})
    record = {"stage": folder.name, "fingerprint": "abc", "params": {"train.lr": 0.001}}
    _write_json(folder / "record.json", record)


def write_gan(data: Path, classes: ClassTable) -> None:
    gan = data / "train_gan"
    gan.mkdir()
    _write_lines(gan, [{"step": 10, "gan/loss_g": 2.0}, {"step": 20, "gan/loss_g": 1.5}])
    _write_json(gan / "metrics.json", {"gan/diversity": 0.1})
    (gan / "generator.safetensors").write_bytes(b"weights")
    pairs = [("train", f"gan_{i}") for i in range(4)]
    made = data / "synthesize" / "gan"
    table = _write_folder(made, classes, pairs, origin="gan")
    _write_json(data / "synthesize" / "metrics.json", {"synthesize/pairs": 4})
    kept = data / "select"
    (kept / "label_maps").mkdir(parents=True)
    table = table[table["id"] != "gan_3"].assign(weight=1.0)
    table["image"] = [f"../synthesize/gan/{path}" for path in table["image"]]
    for name in table["id"]:
        label_map = layout(name)
        label_map[:6, :9] = 255
        path = kept / "label_maps" / f"{name}.png"
        write_label_map(path, label_map, palette=classes.palette, ignore_index=255)
        counts = count_pixels(label_map, classes.class_names, ignore_index=255)
        for column, count in counts.items():
            table.loc[table["id"] == name, column] = count
    classes.write(kept)
    write_manifest(kept, table)
    (kept / "rejected.csv").write_text(
        "id,rejected_share,why\ngan_3,0.7,too many pixels rejected\n"
    )
    thresholds = {name: {"value": 0.2, "source": "pooled"} for name in classes.class_names}
    _write_json(kept / "thresholds.json", thresholds)
    rejected = {f"select/rejected/{name}": 0.1 for name in classes.class_names}
    judged = {"gan_test/mIoU": 0.6, "gan_test/real_mIoU": 0.8, "gan_test/ratio": 0.75}
    _write_json(kept / "metrics.json", {**rejected, **judged, "select/kept": 3.0})


def layout(name: str) -> NDArray[np.uint8]:
    """Draw a label map that depends on the id alone."""
    rng = np.random.default_rng(sum(name.encode()))
    label_map = np.zeros(SIZE, np.uint8)
    for k in (1, 2):
        y, x = rng.integers(0, SIZE[0] - 8), rng.integers(0, SIZE[1] - 8)
        label_map[y : y + 8, x : x + 8] = k
    return label_map


def paint(label_map: NDArray[np.uint8], *, seed: int) -> NDArray[np.uint8]:
    colours = np.array([*PALETTE, *[(0, 0, 0)] * 253])
    noise = np.random.default_rng(seed).normal(0, 30, (*label_map.shape, 3))
    image: NDArray[np.uint8] = np.clip(colours[label_map] + noise, 0, 255).astype(np.uint8)
    return image


def _write_folder(
    folder: Path, classes: ClassTable, ids: Sequence[tuple[str, str]], *, origin: str
) -> pd.DataFrame:
    for part in ("images", "label_maps"):
        (folder / part).mkdir(parents=True)
    rows = []
    for i, (split, name) in enumerate(ids):
        label_map = layout(name)
        image_path, label_path = (f"{part}/{name}.png" for part in ("images", "label_maps"))
        write_image(folder / image_path, paint(label_map, seed=i))
        write_label_map(folder / label_path, label_map, palette=classes.palette, ignore_index=255)
        rows.append({
            "id": name, "split": split, "group": name, "image": image_path,
            "label_map": label_path, "height": SIZE[0], "width": SIZE[1], "origin": origin,
            "image_sha256": file_sha256(folder / image_path),
            "label_map_sha256": file_sha256(folder / label_path),
            "raw_image": "", "raw_label_map": "",
            **count_pixels(label_map, classes.class_names, ignore_index=255),
        })  # fmt: skip
        if origin != "real":
            rows[-1] |= {
                "parents": '["train_0"]',
                "operations": "flip",
                "seed": i,
                "generator": "a1",
            }
    classes.write(folder)
    table = pd.DataFrame(rows)
    write_manifest(folder, table)
    return table


def _write_lines(folder: Path, lines: Sequence[dict[str, float]]) -> None:
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value) + "\n")


def run(root: Path, params: Params) -> dict[str, float]:
    out = root / "evaluate"
    recorder = Recorder(out)
    evaluate(root, out, params=params, load=ColourSegmenter, recorder=recorder)
    metrics: dict[str, float] = json.loads((out / "metrics.json").read_text())
    return metrics


def read(root: Path, name: str) -> dict[str, object]:
    content: dict[str, object] = json.loads((root / "evaluate" / name).read_text())
    return content


def list_of(content: dict[str, object], name: str) -> list[dict[str, object]]:
    values = content[name]
    assert isinstance(values, list)
    return values
