"""`ocrnet export`: the file gives what the model gives, and says what it is."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch
from PIL import Image

from ocrnet.bundles.bundle import read_card
from ocrnet.bundles.card import Decoding
from ocrnet.data.decode import read_label_map
from ocrnet.data.manifest import file_sha256
from ocrnet.export import comparison
from ocrnet.inference.predict import load_segmenter
from pipelines.cli.app import main
from tests.ocrnet.conftest import CLASSES, write_toy_set
from tests.ocrnet.export.files import write_unet
from tests.ocrnet.raw.raw_sets import noise

pytestmark = pytest.mark.slow
SIZES = ((70, 90), (65, 97), (40, 50))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle, a prepared set, and files of three kinds."""
    folder = tmp_path_factory.mktemp("export")
    write_unet(folder / "bundle", things=("square", "dot"))
    write_toy_set(folder / "data/prepare", counts={"train": 1, "val": 2, "test": 1}, size=(75, 90))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["export", "bundle", "-o", "whole", "--probabilities", "--int8"]) == 0
        assert main(["export", "bundle", "-o", "raw.onnx", "--raw"]) == 0
        assert main(["export", "bundle", "-o", "labels.onnx", "--layout", "nchw"]) == 0
    for seed, size in enumerate(SIZES):
        path = folder / f"photos/{seed}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(noise(seed, (*size, 3))).save(path)
    return folder


@pytest.fixture(autouse=True)
def here(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)  # of all later tests


def predict(model: str, out: Path, *options: str) -> int:
    return main(
        ["predict", "photos", "--model", model, "--device", "cpu", "-o", str(out), *options]
    )


def record(path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(path).read_text())
    return found


def test_a_program_of_five_lines_gets_the_labels_of_the_model(made: Path) -> None:
    """As docs/export.md shows it, without this project."""
    session = onnxruntime.InferenceSession("whole/model.onnx")
    facts = json.loads(session.get_modelmeta().custom_metadata_map["ocrnet"])
    assert facts["classes"]["class_names"] == list(CLASSES.class_names)
    segmenter = load_segmenter(made / "bundle")
    for path in sorted(Path("photos").iterdir()):
        image = np.array(Image.open(path))
        label_maps, shares = session.run(None, {"images": image[None]})
        assert label_maps.dtype == np.uint8
        assert np.array_equal(label_maps[0], segmenter.label_map(image))
        np.testing.assert_allclose(shares[0], segmenter.probabilities(image), atol=1e-5)
    batch = np.stack([noise(seed, (64, 96, 3)) for seed in range(3)])
    label_maps, _ = session.run(None, {"images": batch})
    for image, label_map in zip(batch, label_maps, strict=True):
        assert np.array_equal(label_map, segmenter.label_map(image))
        assert len(np.unique(label_map)) > 1
    assert [axis for axis in session.get_inputs()[0].shape] == ["batch", "height", "width", 3]


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("whole/model.onnx", ("--probabilities", "--overlays", "--coco")),
        ("labels.onnx", ("--overlays", "--coco")),
        ("labels.onnx", ("--batch", "2")),
        ("raw.onnx", ("--probabilities",)),
        ("raw.onnx", ("--window", "64", "64", "--flip", "--scales", "1,1.2")),
    ],
)
def test_predict_writes_by_the_file_what_it_writes_by_the_bundle(
    tmp_path: Path, model: str, options: tuple[str, ...]
) -> None:
    assert predict("bundle", tmp_path / "own", *options) == 0
    assert predict(model, tmp_path / "file", *options) == 0
    names = [path.relative_to(tmp_path / "own") for path in sorted((tmp_path / "own").rglob("*.*"))]
    assert len(names) >= len(SIZES)
    for name in names:
        own, file = tmp_path / "own" / name, tmp_path / "file" / name
        if name.parts[0] == "label_maps":
            assert np.array_equal(read_label_map(own), read_label_map(file)), name
        elif name.suffix == ".npz":
            with np.load(own) as wanted, np.load(file) as found:
                np.testing.assert_allclose(
                    found["probabilities"], wanted["probabilities"], atol=1e-5
                )
        elif name.suffix in (".png", ".csv") or name.name == "coco.json":
            assert own.read_bytes() == file.read_bytes(), name
    # Other weights are another model.
    assert predict("bundle", tmp_path / "file", *options) == 2


def test_a_file_knows_objects_as_the_model_does(tmp_path: Path) -> None:
    for model in ("bundle", "whole/model.onnx"):
        assert (
            predict(model, tmp_path / Path(model).name, "--objects", "--min-object-area", "1") == 0
        )
    own, file = (pd.read_csv(tmp_path / name / "objects.csv") for name in ("bundle", "model.onnx"))
    assert len(own) > 5
    columns = [name for name in own.columns if name not in ("score", "object")]
    own, file = (table.sort_values(columns, ignore_index=True) for table in (own, file))
    pd.testing.assert_frame_equal(own[columns], file[columns])
    np.testing.assert_allclose(own["score"], file["score"], atol=1e-4)


def test_the_record_tells_where_the_file_is_from_and_how_far_it_agrees(made: Path) -> None:
    for name, precision in (("model.onnx", "float32"), ("model.int8.onnx", "int8")):
        found = record(f"whole/{name}.json")
        assert found["sha256"] == file_sha256(Path("whole", name))
        assert found["bytes"] == Path("whole", name).stat().st_size
        card = found["card"]
        assert card["precision"] == precision
        assert card["weights_sha256"] == read_card(made / "bundle").weights_sha256
        assert card["source"] == "bundle"
        assert found["agreement"]["label_maps"] == 2 + 2 * 3  # of two images, and each cut thrice
        assert found["latency_s"]["file"] > 0
    assert record("whole/model.onnx.json")["agreement"]["equal_pixels"] >= 0.999
    assert record("whole/model.onnx.json")["opset"] == 18
    small, full = (
        Path("whole/model.int8.onnx").stat().st_size,
        Path("whole/model.onnx").stat().st_size,
    )
    assert small < full


def test_a_file_that_does_not_agree_is_told_by_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(comparison, "LEAST_EQUAL", 1.1)
    assert main(["export", "bundle", "-o", str(tmp_path), "--size", "64", "96"]) == 4
    told = capsys.readouterr()
    assert "Do not use the file" in told.err
    assert "agrees with" not in told.out
    assert record(str(tmp_path / "model.onnx.json"))["agreement"]["is_good"] is False


def test_a_file_of_one_size_takes_windows_of_that_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The set has no image of this size, so resized ones are compared, without label maps."""
    options = ("--raw", "--size", "64", "64")
    assert main(["export", "bundle", "-o", str(tmp_path / "f.onnx"), *options]) == 0
    assert record(str(tmp_path / "f.onnx.json"))["agreement"]["miou_of_model"] is None
    window = ("--window", "64", "64")
    assert predict("bundle", tmp_path / "own", *window) == 0
    assert predict(str(tmp_path / "f.onnx"), tmp_path / "file", *window) == 0
    for path in sorted((tmp_path / "own/label_maps").iterdir()):
        found = tmp_path / "file/label_maps" / path.name
        assert np.array_equal(read_label_map(path), read_label_map(found))
    capsys.readouterr()
    assert predict(str(tmp_path / "f.onnx"), tmp_path / "other") == 3
    assert "takes images of 64 x 64 pixels" in capsys.readouterr().err


def test_an_archive_is_not_for_small_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--format", "torch_export", "--images", "photos")
    assert main(["export", "bundle", "-o", str(tmp_path / "model.pt2"), *given]) == 3
    assert "64 pixels a side or more, found 40 x 50" in capsys.readouterr().err


@pytest.mark.parametrize("options", [(), ("--raw",)])
def test_an_archive_of_torch_export_gives_the_labels_of_the_model(
    made: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    path = tmp_path / "model.pt2"
    assert main(["export", "bundle", "-o", str(path), "--format", "torch_export", *options]) == 0
    assert record(f"{path}.json")["agreement"]["equal_pixels"] >= 0.999
    assert record(f"{path}.json")["opset"] is None


def test_images_of_a_folder_are_decoded_as_the_model_asks(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without label maps there is no mIoU; a model of resized images is compared at their size."""
    write_unet(tmp_path / "resized", decoding=Decoding(resize=(72, 80)))
    given = ("--images", "photos")
    assert main(["export", str(tmp_path / "resized"), "-o", str(tmp_path), *given]) == 0
    found = record(str(tmp_path / "model.onnx.json"))
    assert found["agreement"]["miou_of_model"] is None
    assert found["agreement"]["pixels"] == sum(
        (72 - rows) * (80 - columns) for rows, columns in ((0, 0), *comparison.CROPS)
    ) * len(SIZES)
    # Its label maps have the size of the resized image; logits can be resized.
    capsys.readouterr()
    assert predict(str(tmp_path / "model.onnx"), tmp_path / "out") == 2
    assert "Export the model with --raw" in capsys.readouterr().err
    raw = str(tmp_path / "raw.onnx")
    assert main(["export", str(tmp_path / "resized"), "-o", raw, "--raw", *given]) == 0
    assert predict(raw, tmp_path / "file") == 0
    assert predict(str(tmp_path / "resized"), tmp_path / "own") == 0
    for path in sorted((tmp_path / "own/label_maps").iterdir()):
        assert np.array_equal(
            read_label_map(path), read_label_map(tmp_path / "file/label_maps" / path.name)
        )


@pytest.mark.parametrize(
    ("model", "options", "code", "words"),
    [
        ("labels.onnx", ("--probabilities",), 2, "gives no probabilities"),
        ("labels.onnx", ("--objects",), 2, "gives no probabilities"),
        ("labels.onnx", ("--window", "64", "64"), 2, "merge logits"),
        ("labels.onnx", ("--device", "cuda"), 2, "--device"),
        ("foreign.onnx", (), 3, "its metadata has no key ocrnet"),
        ("damaged.onnx", (), 3, "cannot be read"),
        ("missing.onnx", (), 3, "no such file"),
    ],
)
def test_predict_refuses_a_file_that_cannot_do_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
    model: str, options: tuple[str, ...], code: int, words: str,
) -> None:  # fmt: skip
    import onnx

    foreign = onnx.load("labels.onnx")
    del foreign.metadata_props[:]
    onnx.save(foreign, "foreign.onnx")
    Path("damaged.onnx").write_bytes(b"no graph")
    given = ["predict", "photos", "--model", model, "-o", str(tmp_path / "out"), *options]
    assert main(given) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert not (tmp_path / "out").exists()
