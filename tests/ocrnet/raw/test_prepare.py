"""Canonical files, manifest and statistics."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ocrnet.config import Params
from ocrnet.data.decode import read_image, read_label_map
from ocrnet.data.manifest import ClassTable, file_sha256, read_manifest
from ocrnet.errors import DataError
from ocrnet.raw.prepare import ChannelStatistics, prepare
from ocrnet.raw.preview import overlay, write_preview
from ocrnet.raw.scan import scan
from ocrnet.raw.sources import Roots
from tests.ocrnet.raw.raw_sets import (
    find_set,
    make_params,
    noise,
    save,
    stripes,
    write_lists,
    write_pairs,
)


def prepare_folder(root: Path, out: Path, **data: Any) -> tuple[pd.DataFrame, Params]:
    params = make_params(path=str(root), **data)
    table = scan(find_set(params), params.data, roots=Roots(root, root))
    return prepare(table, params, roots=Roots(root, root), out=out), params


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Six pairs of several sizes, depths and codings, with a published split."""
    root = tmp_path / "raw"
    stems = write_pairs(root)
    save(root / "images" / "a1.png", noise(1, (20, 30)))  # gray
    save(root / "masks" / "a1.png", np.full((20, 30), 7, dtype=np.uint8))
    save(root / "images" / "a2.png", noise(2, (12, 16)).astype(np.uint16) * 16)
    colours = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0]], dtype=np.uint8)
    save(root / "masks" / "a2.png", colours[stripes()])
    write_lists(root, stems)
    return root


def test_files_of_all_kinds_become_rgb_and_class_ids(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    manifest, _ = prepare_folder(raw, out, label_map={7: "ignore"}, value_range=[0, 4080])
    pd.testing.assert_frame_equal(
        manifest.reset_index(drop=True), read_manifest(out), check_dtype=False
    )
    rows = {row["id"]: row for row in manifest.to_dict("records")}
    np.testing.assert_array_equal(read_image(out / rows["a0"]["image"]), noise(0))
    gray = read_image(out / rows["a1"]["image"])
    np.testing.assert_array_equal(gray, np.repeat(noise(1, (20, 30))[..., None], 3, axis=2))
    # 16 * v of [0, 4080] is v of 255.
    np.testing.assert_array_equal(read_image(out / rows["a2"]["image"])[..., 0], noise(2, (12, 16)))
    for name in ("a0", "a2"):
        np.testing.assert_array_equal(read_label_map(out / rows[name]["label_map"]), stripes())
    assert [rows["a1"][name] for name in ("px_ignore", "px_plate", "height")] == [600, 0, 20]
    assert [rows["a0"][f"px_{name}"] for name in ("plate", "scratch", "pit")] == [72, 60, 60]
    assert rows["a3"]["image_sha256"] == file_sha256(out / "images" / "a3.png")
    assert (rows["a5"]["split"], rows["a5"]["raw_label_map"]) == ("test", "masks/a5.png")
    assert ClassTable.read(out).class_names == ("plate", "scratch", "pit")


def test_resizing_gives_every_pair_one_size_and_no_new_id(raw: Path, tmp_path: Path) -> None:
    manifest, _ = prepare_folder(
        raw, tmp_path, label_map={7: "ignore"}, value_range=[0, 4080], prepare={"resize": [9, 10]}
    )
    for row in manifest.to_dict("records"):
        label_map = read_label_map(tmp_path / row["label_map"])
        assert read_image(tmp_path / row["image"]).shape == (9, 10, 3)
        assert label_map.shape == (9, 10)
        assert set(np.unique(label_map)) <= {0, 1, 2, 255}


def test_image_and_label_map_shrink_onto_each_other(tmp_path: Path) -> None:
    """A bright square stays under its label after halving, to the pixel."""
    root = tmp_path / "raw"
    stems = write_pairs(root)
    square = np.zeros((24, 32), dtype=np.uint8)
    square[8:16, 12:24] = 1
    save(root / "images" / "a0.png", square * 255)
    save(root / "masks" / "a0.png", square)
    write_lists(root, stems)
    prepare_folder(root, tmp_path, prepare={"resize": [12, 16]})
    label_map = read_label_map(tmp_path / "label_maps" / "a0.png")
    assert label_map.tolist() == square[::2, ::2].tolist()
    image = read_image(tmp_path / "images" / "a0.png")[..., 0]
    np.testing.assert_array_equal(image > 127, label_map == 1)


def test_a_file_that_changed_since_the_scan_is_refused(raw: Path, tmp_path: Path) -> None:
    params = make_params(path=str(raw), label_map={7: "ignore"}, value_range=[0, 4080])
    table = scan(find_set(params), params.data, roots=Roots(raw, raw))
    save(raw / "images" / "a0.png", noise(9))
    with pytest.raises(DataError, match=r"images/a0\.png: .*changed since the scan"):
        prepare(table, params, roots=Roots(raw, raw), out=tmp_path / "out")


def test_statistics_count_the_training_split_alone(raw: Path, tmp_path: Path) -> None:
    prepare_folder(raw, tmp_path, label_map={7: "ignore"}, value_range=[0, 4080])
    content = json.loads((tmp_path / "statistics.json").read_text())
    assert {name: split["images"] for name, split in content["splits"].items()} == {
        "train": 4, "val": 1, "test": 1,
    }  # fmt: skip
    assert content["splits"]["train"]["pixels"] == {"plate": 216, "scratch": 180, "pit": 180}
    assert content["splits"]["train"]["shares"]["plate"] == 0.375
    assert content["splits"]["train"]["ignored_pixels"] == 600
    train = [read_image(tmp_path / "images" / f"a{i}.png").reshape(-1, 3) / 255 for i in range(4)]
    np.testing.assert_allclose(content["train_mean"], np.concatenate(train).mean(0), atol=1e-6)
    np.testing.assert_allclose(content["train_std"], np.concatenate(train).std(0), atol=1e-6)


def test_images_left_out_of_a_fraction_are_nowhere(raw: Path, tmp_path: Path) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    options: dict[str, Any] = {"label_map": {7: "ignore"}, "value_range": [0, 4080]}
    prepare_folder(raw, whole, **options)
    manifest, _ = prepare_folder(raw, part, prepare={"train_fraction": 0.5}, **options)
    assert manifest["split"].value_counts().to_dict() == {"train": 2, "val": 1, "test": 1}
    content = json.loads((part / "statistics.json").read_text())
    assert content["train_left_out"] == 2
    assert content["splits"]["train"]["images"] == 2
    kept = sorted(manifest["id"])
    assert sorted(path.stem for path in (part / "images").iterdir()) == kept
    assert sorted(path.stem for path in (part / "label_maps").iterdir()) == kept
    train = manifest["image"][manifest["split"] == "train"]
    pixels = np.concatenate([read_image(part / name).reshape(-1, 3) / 255 for name in train])
    np.testing.assert_allclose(content["train_mean"], pixels.mean(0), atol=1e-6)
    for name in kept:
        assert (part / f"images/{name}.png").read_bytes() == (whole / f"images/{name}.png").read_bytes()  # fmt: skip
    assert json.loads((whole / "statistics.json").read_text())["train_left_out"] == 0


def test_a_plain_image_has_no_deviation() -> None:
    statistics = ChannelStatistics()
    statistics.add(np.full((3, 3, 3), 51, dtype=np.uint8))
    assert statistics.mean_std() == ([0.2] * 3, [0.0] * 3)


def test_the_same_raw_files_give_the_same_bytes(raw: Path, tmp_path: Path) -> None:
    digests = []
    for out in (tmp_path / "one", tmp_path / "two"):
        manifest, _ = prepare_folder(raw, out, label_map={7: "ignore"}, value_range=[0, 4080])
        write_preview(out, manifest, ClassTable.read(out))
        files = sorted(path for path in out.rglob("*") if path.is_file())
        digests.append({path.relative_to(out): file_sha256(path) for path in files})
    assert digests[0] == digests[1]
    assert Path("preview.jpg") in digests[0]


def test_the_preview_shows_label_colours_over_the_image(tmp_path: Path) -> None:
    classes = ClassTable(("plate", "scratch"), ((0, 0, 0), (100, 0, 0)), 255)
    image = np.full((1, 3, 3), 50, dtype=np.uint8)
    label_map = np.array([[0, 1, 255]], dtype=np.uint8)
    # 0.4 of the image and 0.6 of the colour; ignored pixels towards white.
    assert overlay(image, label_map, classes).tolist() == [
        [[20, 20, 20], [80, 20, 20], [173, 173, 173]]
    ]


def test_a_split_of_one_image_and_a_tall_image_have_a_preview(raw: Path, tmp_path: Path) -> None:
    save(raw / "images" / "a3.png", noise(3, (40, 5, 3)))
    save(raw / "masks" / "a3.png", stripes((40, 5)))
    manifest, _ = prepare_folder(raw, tmp_path, label_map={7: "ignore"}, value_range=[0, 4080])
    write_preview(tmp_path, manifest, ClassTable.read(tmp_path))
    with Image.open(tmp_path / "preview.jpg") as sheet:
        assert sheet.width > sheet.height / 10
