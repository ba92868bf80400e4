"""What the scan writes into its table."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from ocrnet.raw.scan import read_table, scan, write_table
from ocrnet.raw.sources import Roots
from ocrnet.raw.summary import summarize
from tests.ocrnet.raw.raw_sets import (
    find_set,
    make_params,
    noise,
    save,
    stripes,
    write_lists,
    write_pairs,
)


def scan_folder(root: Path, **data: Any) -> pd.DataFrame:
    params = make_params(path=str(root), **data)
    return scan(find_set(params), params.data, roots=Roots(root, root))


def test_a_good_row_holds_hand_counted_values(tmp_path: Path) -> None:
    write_lists(tmp_path, write_pairs(tmp_path))
    label_map = np.zeros((12, 16), dtype=np.uint8)
    label_map[2, 5:9] = 2
    label_map[0, :3] = 255
    save(tmp_path / "masks" / "a0.png", label_map)
    row = scan_folder(tmp_path).iloc[0]
    assert row["image"] == "images/a0.png"
    assert row["label_map"] == "masks/a0.png"
    assert (row["split"], row["group"]) == ("train", "a0")
    assert (row["height"], row["width"], row["kind"]) == (12, 16, "8-bit colour")
    assert json.loads(row["values"]) == {"0": 185, "2": 4, "255": 3}
    assert (row["px_plate"], row["px_scratch"], row["px_pit"], row["px_ignore"]) == (185, 0, 4, 3)
    assert row["other_pixels"] == 4
    assert row["ignored_share"] == 3 / 192
    assert (row["image_min"], row["image_max"]) == (noise(0).min(), noise(0).max())


def test_an_unknown_id_has_its_count_and_first_place(tmp_path: Path) -> None:
    write_pairs(tmp_path, 2)
    label_map = stripes().astype(np.uint16)
    label_map[3, 14:] = label_map[7, 2] = 340
    label_map[0, 0] = 9
    save(tmp_path / "masks" / "a1.png", label_map)
    good, bad = scan_folder(tmp_path).to_dict("records")
    assert good["unknown_ids"] == 0
    assert (bad["unknown_ids"], bad["unknown_value"], bad["unknown_px"]) == (2, "340", 3)
    assert (bad["unknown_x"], bad["unknown_y"]) == (14, 3)


def test_bad_files_do_not_stop_the_scan(tmp_path: Path) -> None:
    write_pairs(tmp_path, 4)
    (tmp_path / "images" / "a0.png").write_bytes(b"no picture")
    (tmp_path / "masks" / "a1.png").write_bytes((tmp_path / "masks" / "a2.png").read_bytes()[:45])
    (tmp_path / "masks" / "a3.png").unlink()
    table = scan_folder(tmp_path)
    assert table["image_error"].notna().tolist() == [True, False, False, False]
    assert table["label_error"].notna().tolist() == [False, True, False, False]
    assert table["label_map"].isna().tolist() == [False, False, False, True]
    # Paths are those a user sees below the folder, wherever it lies.
    assert table["image_error"].iloc[0].startswith("E121 images/a0.png cannot be read")


def test_a_picture_and_a_group_in_two_splits_are_marked(tmp_path: Path) -> None:
    stems = write_pairs(tmp_path)
    save(tmp_path / "images" / "a5.png", noise(1))
    write_lists(tmp_path, stems)
    table = scan_folder(tmp_path, group_by="^(a)").set_index("id")
    assert table["copies_elsewhere"].to_dict() == dict.fromkeys(stems, 0) | {"a1": 1, "a5": 1}
    assert table["copy_of"].to_dict() == dict.fromkeys(stems, "") | {"a1": "a1", "a5": "a1"}
    assert (table["group_elsewhere"] == 1).all()
    assert (scan_folder(tmp_path)["group_elsewhere"] == 0).all()


def test_rotation_is_seen_and_applied_to_the_size(tmp_path: Path) -> None:
    write_pairs(tmp_path, 1)
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "images" / "a0.png").unlink()
    save(tmp_path / "images" / "a0.jpg", noise(0), exif=exif)
    stored, upright = (scan_folder(tmp_path, exif=exif).iloc[0] for exif in ("error", "apply"))
    assert (stored["orientation"], stored["height"], stored["width"]) == (6, 12, 16)
    assert (upright["orientation"], upright["height"], upright["width"]) == (6, 16, 12)


def test_the_table_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    (tmp_path / "masks" / "a3.png").unlink()
    (tmp_path / "images" / "a4.png").write_bytes(b"")
    save(tmp_path / "images" / "a5.png", noise(1))
    table = scan_folder(tmp_path)
    write_table(tmp_path / "table.csv", table)
    again = read_table(tmp_path / "table.csv", make_params().data)
    pd.testing.assert_frame_equal(table, again)


def test_the_summary_names_what_a_raw_value_becomes(tmp_path: Path) -> None:
    write_pairs(tmp_path, 2)
    table = scan_folder(tmp_path)
    text = summarize(table, [], make_params(label_map={2: "ignore"}))
    assert "2 images, passed" in text
    assert "none published; prepare divides 2 groups" in text
    lines = [line.split() for line in text.splitlines() if "->" in line]
    # 16 columns of stripes: six of 0, five of 1, five of 2; 12 rows, two files.
    assert lines[1:] == [["0", "->", "plate", "144"], ["1", "->", "scratch", "120"],
                         ["2", "->", "ignore", "120"]]  # fmt: skip
