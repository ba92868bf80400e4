"""`ocrnet predict`: what it writes is what the segmenter predicts; what is done is not done again."""

import csv
import errno
import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from ocrnet.data.decode import read_label_map
from ocrnet.inference.predict import load_segmenter
from ocrnet.inference.scoring_protocol import ScoringProtocol
from ocrnet.inference.view_merging import MERGERS
from ocrnet.predict_files import outputs
from ocrnet.predict_files.journal import names_in
from pipelines._command.lock import locked
from pipelines.cli import _predict_files
from pipelines.cli.app import main
from pipelines.cli.predict import MERGES
from tests.ocrnet.conftest import CLASSES
from tests.ocrnet.predict_files.bundles import write_varied_bundle
from tests.ocrnet.raw.raw_sets import noise

SIZE = (70, 90)
WINDOW = ("--window", "64", "64")
FILES = ("a/x.png", "b/x.png", "b/y.tif")


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    for seed in (1, 2):
        write_varied_bundle(folder / str(seed), seed=seed)
    return folder


@pytest.fixture
def photos(bundles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three images and a damaged one; the folder above them is the working folder."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(FILES):
        path = Path("photos", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(seed, (*SIZE, 3))).save(path)
    Path("photos/bad.png").write_bytes(b"no picture")
    return bundles / "1"


def predict(model: Path, *arguments: str) -> int:
    return main(["predict", *arguments, "--model", str(model), "--device", "cpu", "-o", "out"])


def label_maps() -> dict[str, np.ndarray]:
    root = Path("out/label_maps")
    return {
        path.relative_to(root).as_posix(): read_label_map(path)
        for path in sorted(root.rglob("*.png"))
    }


def areas() -> list[dict[str, str]]:
    with Path("out/areas.csv").open() as file:
        return list(csv.DictReader(file))


def changed() -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in Path("out").rglob("*/*.*")}


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


def test_a_second_run_predicts_only_what_is_new_changed_or_lost(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(photos, "photos/*/*") == 0
    before = changed()
    assert predict(photos, "photos/*/*") == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("out: 3 done before by ")
    assert changed() == before
    Image.fromarray(noise(9, (*SIZE, 3))).save("photos/a/x.png")
    Path("out/label_maps/b/x.png").unlink()
    assert predict(photos, "photos/*/*") == 0
    assert "2 predicted, 1 done before" in capsys.readouterr().out
    after = changed()
    again = [path for path in sorted(before) if after[path] != before[path]]
    assert again == [Path("out/label_maps/a/x.png"), Path("out/label_maps/b/x.png")]
    assert len(Path("out/areas.csv").read_text().splitlines()) == 1 + 3
    assert predict(photos, "photos/*/*", "--overlays") == 0
    assert "3 predicted" in capsys.readouterr().out


def test_a_batch_writes_what_single_images_give(photos: Path) -> None:
    arguments = ("photos/a", "photos/b", "--probabilities")
    assert predict(photos, *arguments, "--batch", "2") == 0
    with np.load("out/probabilities/b/x.npz") as arrays:
        found = arrays["probabilities"]
    expected = load_segmenter(photos).probabilities(noise(1, (*SIZE, 3)))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert list(label_maps()) == ["a/x.png", "b/x.png", "b/y.png"]


def test_probabilities_of_an_image_that_changed_do_not_stay(photos: Path) -> None:
    assert predict(photos, "photos/a", "photos/b", "--probabilities") == 0
    Image.fromarray(noise(9, (*SIZE, 3))).save("photos/a/x.png")
    assert predict(photos, "photos/a", "photos/b") == 0
    left = sorted(path.as_posix() for path in Path("out/probabilities").rglob("*.npz"))
    assert left == ["out/probabilities/b/x.npz", "out/probabilities/b/y.npz"]


def test_probabilities_of_an_image_that_did_not_change_stay(photos: Path) -> None:
    assert predict(photos, "photos/a", "--probabilities") == 0
    assert predict(photos, "photos/a", "--overlays") == 0
    assert Path("out/overlays/x.png").is_file()
    assert Path("out/probabilities/x.npz").is_file()


@pytest.mark.parametrize("batch", ["1", "2"])
def test_a_full_disk_ends_the_run(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], batch: str
) -> None:
    """The same would become of every other image, and a later run goes on."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(outputs, "png_rows", fail)
    assert predict(photos, "photos/a", "photos/b", "--batch", batch) == 75
    (line,) = capsys.readouterr().err.splitlines()
    assert "No space left on device" in line


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


def test_outputs_of_another_model_or_other_options_are_not_mixed(
    photos: Path, bundles: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(photos, "photos/a") == 0
    before = changed()
    for model, options, words in (
        (bundles / "2", (), "made with weights_sha256"),
        (photos, ("--flip",), "made with protocol"),
    ):
        assert predict(model, "photos/b", *options) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line
        assert line.endswith("Choose another folder, or begin again with --force.")
    assert changed() == before
    assert predict(bundles / "2", "photos/b", "--force") == 0
    assert list(label_maps()) == ["x.png", "y.png"]
    assert not Path("out/label_maps/a").exists()


def test_two_runs_do_not_write_to_one_folder(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both would call their image x, and the label map of one would be lost."""
    assert predict(photos, "photos/a") == 0
    before = changed()
    for force in ((), ("--force",)):
        with locked(Path("out/.lock")):
            assert predict(photos, "photos/b", *force) == 2
        assert "out: another run writes there" in capsys.readouterr().err
    assert changed() == before
    assert predict(photos, "photos/b") == 0


def test_names_that_another_run_gave_in_the_meantime_are_not_given_again(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(photos, "photos/a") == 0
    old = iter([dict[str, str]()])  # from before the other run
    monkeypatch.setattr(_predict_files, "names_in", lambda out: next(old, names_in(out)))
    before = changed()
    assert predict(photos, "photos/b/x.png") == 2
    assert "another run has just written there" in capsys.readouterr().err
    assert changed() == before


def test_files_of_someone_else_are_left_alone(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("out/label_maps").mkdir(parents=True)
    Path("out/label_maps/x.png").write_text("mine")
    for force in ((), ("--force",)):
        assert predict(photos, "photos/a", *force) == 2
        assert "out/label_maps: exists, but not from this command" in capsys.readouterr().err
    assert Path("out/label_maps/x.png").read_text() == "mine"


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
