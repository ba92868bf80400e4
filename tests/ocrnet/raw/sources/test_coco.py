"""The source `coco`: label maps drawn from files of COCO itself and of the tools that export to it."""

from pathlib import Path

import numpy as np
import pytest

from ocrnet.raw.prepare import prepare
from ocrnet.raw.scan import scan
from ocrnet.raw.sources import raw_roots
from tests.ocrnet.raw.raw_sets import save

from .annotated import SIZE, box, find, label_maps, params_of, write_images, write_json
from .coco_sets import coco, write_set


def test_objects_become_class_ids_by_the_names_of_their_categories(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    runs = np.zeros(SIZE, dtype=bool)
    runs[:, 14:] = True
    write_set(
        root,
        [
            {"segmentation": [box(1, 1, 4, 3)]},
            {"segmentation": [box(6, 6, 9, 9)], "category_id": 90},
            {
                "segmentation": {"counts": [12 * 14, 24], "size": [12, 16]},
                "category_id": 90,
                "iscrowd": 1,
            },
        ],
    )
    items, inventory = find(root, "coco")
    expected = np.zeros(SIZE, dtype=np.uint8)
    expected[1:3, 1:4] = 1
    expected[6:9, 6:9] = 2
    expected[:, 14:] = 255
    assert np.array_equal(label_maps(items)["a"], expected)
    assert not inventory.findings
    assert sorted(inventory.used.values()) == ["annotation files", "images"]


def test_label_map_names_the_class_of_a_category(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_set(
        root,
        [
            {"segmentation": [box(0, 0, 2, 2)]},
            {"segmentation": [box(4, 4, 6, 6)], "category_id": 90},
        ],
    )
    items, _ = find(root, "coco", classes=["tissue", "lumen"], background="tissue",
                    label_map={"vessel": "lumen", "other": "ignore"})  # fmt: skip
    drawn = label_maps(items)["a"]
    assert (drawn[0, 0], drawn[5, 5], drawn[8, 8]) == (255, 1, 0)


def test_an_image_without_annotations_is_background(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_set(root, [])
    items, _ = find(root, "coco")
    assert not label_maps(items)["a"].any()


def test_an_image_whose_size_the_file_leaves_out_is_drawn_at_its_own(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_set(root, [{"segmentation": [box(1, 1, 4, 3)]}], height=None, width=None)
    assert label_maps(find(root, "coco")[0])["a"].shape == SIZE


def test_panoptic_segments_are_read_from_their_picture(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    write_images(root, "images/a.jpg")
    colours = np.zeros((*SIZE, 3), dtype=np.uint8)
    colours[:4] = (7, 1, 0)  # id 263
    colours[4:8] = (0, 0, 1)  # id 65536
    save(root / "panoptic_train2017" / "a.png", colours)
    segments = [{"id": 263, "category_id": 3}, {"id": 65536, "category_id": 90, "iscrowd": 0}]
    content = coco(["a.jpg"], [])
    content["annotations"] = [{"image_id": 0, "file_name": "a.png", "segments_info": segments}]
    write_json(root / "annotations" / "panoptic_train2017.json", content)
    items, inventory = find(root, "coco")
    drawn = label_maps(items)["a"]
    assert drawn[[0, 5, 9], 0].tolist() == [1, 2, 255]
    assert not inventory.findings


@pytest.mark.parametrize(
    ("files", "images"),
    [
        (  # COCO itself
            {"annotations/instances_{}2017.json": "{}.jpg"},
            {"train": "train2017/train.jpg", "val": "val2017/val.jpg", "test": "test2017/test.jpg"},
        ),
        (  # Roboflow
            {"{}/_annotations.coco.json": "{}_jpg.rf.1a2b.jpg"},
            {"train": "train/train_jpg.rf.1a2b.jpg", "valid": "valid/valid_jpg.rf.1a2b.jpg",
             "test": "test/test_jpg.rf.1a2b.jpg"},
        ),
    ],
)  # fmt: skip
def test_names_of_files_and_folders_publish_a_split(
    tmp_path: Path, files: dict[str, str], images: dict[str, str]
) -> None:
    root = tmp_path / "raw"
    write_images(root, *images.values())
    ((file, image),) = files.items()
    for split in images:
        write_json(root / file.format(split), coco([image.format(split)], []))
    items, _ = find(root, "coco")
    assert sorted(item.split or "" for item in items) == ["test", "train", "val"]
    assert all((item.split or "")[:3] == item.id[:3] for item in items)


EXPORTS = {
    "cvat": ("annotations/instances_default.json", "images/default/part 1/a.png", "part 1/a.png"),
    "label studio": ("result.json", "images/1f3a77c0-a.png", "..\\images\\1f3a77c0-a.png"),
    "label studio, local files": ("result.json", "photos/a.png", "/data/local-files/?d=photos/a.png"),
    "supervisely": ("ds0/annotations/instances.json", "ds0/images/a.png", "a.png"),
    "labelme2coco": ("annotations.json", "JPEGImages/a.png", "JPEGImages/a.png"),
}  # fmt: skip


@pytest.mark.parametrize("tool", EXPORTS)
def test_the_exports_of_labelling_tools_are_read(tmp_path: Path, tool: str) -> None:
    """Each tool has its own folders and spellings of names, and adds keys of its own."""
    root = tmp_path / "raw"
    file, image, name = EXPORTS[tool]
    write_images(root, image)
    annotation = {
        "segmentation": [box(1, 1, 4, 3)], "area": 6.0, "bbox": [1, 1, 3, 2], "attributes": {"occluded": False},
        "ignore": 0, "score": 1.0,
    }  # fmt: skip
    write_json(root / file, coco([name], [annotation], flickr_url="", license=0))
    items, inventory = find(root, "coco")
    assert not inventory.findings
    assert label_maps(items)[Path(image).stem].sum() == 6


def test_lists_of_points_and_one_flat_list_are_outlines_too(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    flat = box(1, 1, 4, 3)
    points = [list(point) for point in zip(flat[::2], flat[1::2], strict=True)]
    write_set(root, [{"segmentation": flat}])
    one = label_maps(find(root, "coco")[0])["a"]
    write_set(root, [{"segmentation": [points]}])
    assert np.array_equal(label_maps(find(root, "coco")[0])["a"], one)
    assert one.sum() == 6


def test_a_set_goes_through_scan_and_prepare(tmp_path: Path) -> None:
    """Prepared label maps are those that were drawn, and files of the set stay as they are."""
    root, names = tmp_path / "raw", [f"a{i}.png" for i in range(8)]
    write_images(root, *names)
    boxes = [
        {"image_id": i, "segmentation": [box(i, 1, i + 4, 5)], "category_id": category}
        for i in range(8)
        for category in (3, 90)
    ]
    write_json(root / "annotations.json", coco(names, boxes))
    params = params_of(root, "coco", overlap="order")
    items, _ = find(root, "coco", overlap="order")
    roots = raw_roots("coco", root, tmp_path / "work")
    table = scan(items, params.data, roots=roots)
    assert table["unknown_px"].fillna(0).sum() == 0
    manifest = prepare(table, params, roots=roots, out=tmp_path / "out")
    assert len(manifest) == 8
    assert manifest["px_vessel"].tolist() == [16] * 8
    assert manifest["px_cell"].sum() == 0
