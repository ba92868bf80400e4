"""`ocrnet predict` writes what the segmenter predicts, and tells what it cannot read."""

import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from ocrnet.inference.predict import load_segmenter
from ocrnet.inference.scoring_protocol import ScoringProtocol
from ocrnet.inference.view_merging import MERGERS
from ocrnet.predict_files import outputs
from ocrnet.predict_files.sources import find_sources
from pipelines.cli.app import main
from pipelines.cli.predict import MERGES
from tests.ocrnet.conftest import CLASSES
from tests.ocrnet.raw.raw_sets import noise

from .command import FILES, SIZE, WINDOW, areas, label_maps, predict


@pytest.mark.parametrize(
    ("options", "protocol"),
    [
        ((), ScoringProtocol()),
        ((*WINDOW, "--flip"), ScoringProtocol((64, 64), flip=True)),
        (
            ("--scales", "1,1.2", "--merge", "logit_mean", "--window", "64", "70"),
            ScoringProtocol((64, 70), scales=(1.0, 1.2), merge="logit_mean"),
        ),
    ],
)
def test_label_maps_are_those_of_the_segmenter_and_all_good_files_are_done(
    photos: Path, capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...], protocol: ScoringProtocol,
) -> None:  # fmt: skip
    assert predict(photos, "photos", *options) == 3
    told = capsys.readouterr()
    (line,) = told.err.splitlines()
    assert line.startswith("ocrnet: E121 photos/bad.png cannot be read")
    assert "3 predicted, 1 unreadable" in told.out
    assert "images/s" in told.out
    segmenter = load_segmenter(photos, protocol=protocol)
    found = label_maps()
    assert list(found) == ["a/x.png", "b/x.png", "b/y.png"]
    for name, (_, label_map) in zip(FILES, found.items(), strict=True):
        expected = segmenter.label_map_of_file(Path("photos", name))
        assert np.array_equal(label_map, expected)
        assert len(np.unique(expected)) > 1
    with Image.open("out/label_maps/a/x.png") as image:
        palette = np.array(image.getpalette()).reshape(-1, 3)
    assert palette[: CLASSES.num_classes].tolist() == [list(one) for one in CLASSES.palette]
    assert palette[CLASSES.ignore_index].tolist() == [255, 255, 255]


def test_all_kinds_of_outputs_agree_with_each_other(photos: Path) -> None:
    assert predict(photos, "photos/a", "photos/b", "--overlays", "--probabilities", "--coco") == 0
    found = label_maps()
    rows = areas()
    coco = json.loads(Path("out/coco.json").read_text())
    assert [row["image"] for row in rows] == [image["file_name"] for image in coco["images"]]
    for row, image in zip(rows, coco["images"], strict=True):
        label_map = found[row["label_map"].removeprefix("label_maps/")]
        pixels = [int(row[f"px_{name}"]) for name in CLASSES.class_names]
        assert pixels == np.bincount(label_map.ravel(), minlength=3).tolist()
        assert sum(pixels) == int(row["height"]) * int(row["width"]) == SIZE[0] * SIZE[1]
        own = [item for item in coco["annotations"] if item["image_id"] == image["id"]]
        assert {item["category_id"]: item["area"] for item in own} == {
            index + 1: area for index, area in enumerate(pixels) if area
        }
    with np.load("out/probabilities/b/y.npz", allow_pickle=False) as arrays:
        values = arrays["probabilities"]
        assert arrays["class_names"].tolist() == list(CLASSES.class_names)
    np.testing.assert_allclose(values.sum(axis=0), 1, atol=1e-5)
    assert np.array_equal(values.argmax(axis=0), found["b/y.png"])
    with Image.open("out/overlays/a/x.png") as overlay:
        colours = np.array(CLASSES.palette)[found["a/x.png"]]
        assert np.array_equal(np.array(overlay), (noise(0, (*SIZE, 3)) + colours) // 2)


def test_a_batch_writes_what_single_images_give(photos: Path) -> None:
    arguments = ("photos/a", "photos/b", "--probabilities")
    assert predict(photos, *arguments, "--batch", "2") == 0
    with np.load("out/probabilities/b/x.npz") as arrays:
        found = arrays["probabilities"]
    expected = load_segmenter(photos).probabilities(noise(1, (*SIZE, 3)))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert list(label_maps()) == ["a/x.png", "b/x.png", "b/y.png"]


def test_coco_is_of_the_label_maps_that_are_there_and_not_too_large(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(photos, "photos/a", "photos/b") == 0
    Path("out/label_maps/b/y.png").unlink()
    Image.fromarray(noise(9, (80, 90, 3))).save("photos/a/tall.png")
    monkeypatch.setattr(outputs, "PILLOW_PIXELS", 70 * 90)
    assert predict(photos, "photos/a", "--coco") == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "photos/a/tall.png: 90 x 80 pixels are too many for coco.json" in line
    images = json.loads(Path("out/coco.json").read_text())["images"]
    assert [image["file_name"] for image in images] == ["photos/a/x.png", "photos/b/x.png"]
    assert len(areas()) == 3


@pytest.mark.parametrize("out", ["photos/a/x.png", "photos/a/x.png/out"])
def test_a_file_is_no_folder_for_outputs(
    photos: Path, capsys: pytest.CaptureFixture[str], out: str
) -> None:
    assert main(["predict", "photos/b", "-o", out, "--model", str(photos)]) == 2
    assert "photos/a/x.png: is a file. Choose a folder" in capsys.readouterr().err


def test_every_text_on_standard_input_is_told_in_one_line(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = b"photos/a/x.png\n\xff.png\nnull\0.png\n" + b"x" * 5000 + b"\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines), encoding="utf-8"))
    assert predict(photos, "-") == 3
    told = capsys.readouterr()
    assert "1 predicted, 3 unreadable" in told.out
    assert len(told.err.splitlines()) == 3


def test_a_list_comes_by_standard_input(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("photos/a/x.png\nphotos/b/y.tif\n"))
    assert predict(photos, "-") == 0
    assert list(label_maps()) == ["a/x.png", "b/y.png"]


def test_frames_of_a_video_are_images(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = cv2.VideoWriter.fourcc(*"MJPG")
    video = cv2.VideoWriter("clip.avi", code, 5, (96, 64))
    for value in range(5):
        video.write(np.full((64, 96, 3), 40 * value, np.uint8))
    video.release()
    Path("torn.mp4").write_bytes(b"no video")
    assert predict(photos, "clip.avi", "torn.mp4", "--every", "2") == 3
    told = capsys.readouterr()
    assert "3 predicted, 1 unreadable" in told.out
    assert "E121 torn.mp4 cannot be read" in told.err
    names = ["clip.avi/000000.png", "clip.avi/000002.png", "clip.avi/000004.png"]
    assert list(label_maps()) == names
    assert predict(photos, "clip.avi") == 0  # the frames between them are new
    assert "2 predicted, 3 done before" in capsys.readouterr().out
    assert [row["image"] for row in areas()] == [f"clip.avi#{frame}" for frame in range(5)]


def test_a_number_of_frames_ends_a_video_and_a_missing_camera_is_one_line(
    photos: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = cv2.VideoWriter.fourcc(*"MJPG")
    video = cv2.VideoWriter("clip.avi", code, 5, (96, 64))
    for value in range(6):
        video.write(np.full((64, 96, 3), 40 * value, np.uint8))
    video.release()
    assert predict(photos, "clip.avi", "97", "--every", "2", "--frames", "2") == 3
    told = capfd.readouterr()
    assert list(label_maps()) == ["clip.avi/000000.png", "clip.avi/000002.png"]
    assert "2 predicted, 1 unreadable" in told.out
    lines = [line for line in told.err.splitlines() if "camera" in line or "WARN" in line]
    assert len(lines) == 1
    assert lines[0].endswith(
        "E121 camera 97 cannot be read (no such camera). Connect it, or close the program that uses it."
    )


def test_a_file_whose_name_is_a_number_goes_before_a_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert [
        (one.camera, one.name, one.is_video) for one in find_sources(["0"], out=Path("out"))
    ] == [(0, "camera-0", True)]
    Path("0").write_bytes(b"")
    assert [one.camera for one in find_sources(["0"], out=Path("out"))] == [None]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Missing argument 'SOURCE...'"),
        (("photos", "--scales", "1,x"), "Give numbers with commas between them"),
        (("photos", "--scales", "0"), "scales: found [0.0]. Set one or more scales above 0"),
        (("photos", "--overlap", "1"), "overlap: found 1.0. Set a share from 0 to below 1"),
        (("photos", "--window", "0", "5"), "window: found [0, 5]"),
        (("photos", "--batch", "4", *WINDOW), "--batch: found 4 with --window"),
        (("photos", "--every", "0"), "0 is not in the range x>=1"),
    ],
)
def test_a_wrong_option_is_one_line_and_leaves_nothing(
    photos: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    assert predict(photos, *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert not Path("out").exists()


def test_the_ways_of_merging_are_those_of_the_library() -> None:
    assert set(MERGES) == set(MERGERS)
