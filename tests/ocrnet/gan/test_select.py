"""What selection keeps, drops and reports."""

import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ocrnet.config import SelectParams, SynthesizeParams
from ocrnet.data.decode import read_image, read_label_map, write_image
from ocrnet.data.manifest import read_manifest
from ocrnet.errors import DataError
from ocrnet.gan.judge import gan_test
from ocrnet.gan.select import sampling_weights, select_pairs
from ocrnet.gan.sheet import write_sheet
from ocrnet.gan.synthesize import synthesize_pairs
from ocrnet.tracking import Recorder
from tests.ocrnet.gan.street import (
    CAR,
    CLASSES,
    GROUND,
    SHAPE,
    ColourPainter,
    ColourReader,
    write_street,
)


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A set whose photographs have noise: without, no real pixel would lose anything."""
    folder = write_street(tmp_path / "prepare", val=8)
    for index, path in enumerate(sorted((folder / "images").glob("*.png"))):
        noise = np.random.default_rng(index).integers(-12, 13, (*SHAPE, 3))
        write_image(path, np.clip(read_image(path) + noise, 0, 255).astype(np.uint8))
    return folder


def synthesize(prepared: Path, out: Path, painter: ColourPainter, *, count: int = 8) -> Path:
    params = SynthesizeParams(count=count, operations={"train": 1.0, "copy_paste": 1.0})
    synthesize_pairs(prepared, params, painter=painter, out=out, recorder=Recorder(out))
    return out / "gan"


def select(prepared: Path, pairs: Path, out: Path, **params: float) -> dict[str, float]:
    recorder = Recorder(out)
    chosen = SelectParams.model_validate(params)
    return select_pairs(
        prepared, pairs, chosen, segmenter=ColourReader(), out=out, recorder=recorder
    )


def test_a_good_generator_loses_little(prepared: Path, tmp_path: Path) -> None:
    pairs = synthesize(prepared, tmp_path / "synthesize", ColourPainter())
    metrics = select(prepared, pairs, tmp_path / "select")
    assert (metrics["select/kept"], metrics["select/dropped"]) == (8, 0)
    # Painted with less noise than a photograph has, so it loses less than real pixels do.
    assert metrics["select/rejected_share"] < 0.05


def test_a_class_painted_wrong_is_ignored_and_its_rate_told(
    prepared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Cars painted as ground: all their pixels go, all others stay, and the counts agree with the files."""
    pairs = synthesize(prepared, tmp_path / "synthesize", ColourPainter(wrong={CAR: GROUND}))
    with caplog.at_level(logging.WARNING):
        metrics = select(prepared, pairs, tmp_path / "select")
    assert metrics["select/rejected/car"] == 1.0
    assert metrics["select/rejected/ground"] < 0.05
    assert "class car: 100 % of its synthesized pixels were rejected" in caplog.text
    assert "class ground" not in caplog.text
    for _, row in read_manifest(tmp_path / "select").iterrows():
        before = read_label_map(pairs / "label_maps" / f"{row['id']}.png")
        after = read_label_map(tmp_path / "select" / row["label_map"])
        assert (after[before == CAR] == CLASSES.ignore_index).all()
        kept = after != CLASSES.ignore_index
        assert np.array_equal(after[kept], before[kept])
        assert row["px_car"] == 0
        assert row["px_ignore"] == (~kept).sum()
        assert row["rejected_share"] == pytest.approx((~kept).mean(), abs=1e-6)


def test_a_pair_that_loses_too_much_is_dropped_by_name(prepared: Path, tmp_path: Path) -> None:
    pairs = synthesize(prepared, tmp_path / "synthesize", ColourPainter())
    spoilt = pairs / "images" / "gan_00003.png"
    write_image(spoilt, 255 - read_image(spoilt))
    metrics = select(prepared, pairs, tmp_path / "select")
    assert (metrics["select/kept"], metrics["select/dropped"]) == (7, 1)
    dropped = pd.read_csv(tmp_path / "select" / "rejected.csv")
    assert dropped["id"].tolist() == ["gan_00003"]
    assert dropped["rejected_share"][0] > 0.5
    assert "gan_00003" not in set(read_manifest(tmp_path / "select")["id"])
    assert not (tmp_path / "select" / "label_maps" / "gan_00003.png").exists()


def test_a_stricter_filter_keeps_a_subset_of_pixels_and_pairs(
    prepared: Path, tmp_path: Path
) -> None:
    pairs = synthesize(prepared, tmp_path / "synthesize", ColourPainter())
    folders = [tmp_path / name for name in ("lenient", "strict")]
    for folder, share in zip(folders, (0.02, 0.4), strict=True):
        select(prepared, pairs, folder, real_rejection=share)
    lenient, strict = (set(read_manifest(folder)["id"]) for folder in folders)
    assert strict <= lenient
    for item in strict:
        loose, tight = (read_label_map(f / "label_maps" / f"{item}.png") != 255 for f in folders)
        assert not (tight & ~loose).any()


def test_the_selected_folder_stands_on_the_synthesized_images(
    prepared: Path, tmp_path: Path
) -> None:
    pairs = synthesize(prepared, tmp_path / "synthesize", ColourPainter())
    select(prepared, pairs, tmp_path / "select")
    table = read_manifest(tmp_path / "select")
    assert table["image"][0] == "../synthesize/gan/images/gan_00000.png"
    for name in table["image"]:
        assert (tmp_path / "select" / name).exists()
    assert table["parents"].tolist() == read_manifest(pairs)["parents"].tolist()
    assert (table["weight"] > 0).all()
    assert set(json.loads((tmp_path / "select" / "thresholds.json").read_text())) == set(
        CLASSES.class_names
    )


def test_select_twice_gives_the_same_bytes(prepared: Path, tmp_path: Path) -> None:
    pairs = synthesize(prepared, tmp_path / "synthesize", ColourPainter())
    outcomes = []
    for name in ("a", "b"):
        select(prepared, pairs, tmp_path / name)
        write_sheet(tmp_path / name, pairs, tmp_path / name)
        outcomes.append(
            {p.name: p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}
        )
    assert outcomes[0] == outcomes[1]
    with Image.open(tmp_path / "a" / "sheet.jpg") as sheet:
        assert sheet.width == 2 * 3 * (256 + 4)


def test_when_no_pair_is_left_the_cure_is_named(prepared: Path, tmp_path: Path) -> None:
    wrong = ColourPainter(wrong={0: 3, 1: 3, 2: 3})
    pairs = synthesize(prepared, tmp_path / "synthesize", wrong)
    with pytest.raises(DataError, match=r"none is left\. Train the GAN longer"):
        select(prepared, pairs, tmp_path / "select")


def test_weights_follow_the_rank_of_hardness() -> None:
    """Ranks 1, 2.5, 2.5 and 4 of 4: 1 + 20 r / 4, at most 20."""
    weights = sampling_weights(np.array([0.1, 0.3, 0.3, 7.0]))
    assert weights.tolist() == [6.0, 13.5, 13.5, 20.0]


def test_the_gan_test_is_one_for_a_true_painter_and_falls_with_each_class_lost(
    prepared: Path,
) -> None:
    true = gan_test(prepared, ColourPainter(), ColourReader(), seed=0)
    assert true["gan_test/real_mIoU"] == 1.0
    assert true["gan_test/ratio"] == 1.0
    lost = gan_test(prepared, ColourPainter(wrong={CAR: GROUND}), ColourReader(), seed=0)
    assert lost["gan_test/IoU/car"] == 0.0
    assert lost["gan_test/IoU/sky"] == 1.0
    table = read_manifest(prepared, split="val")
    ground, car = int(table["px_ground"].sum()), int(table["px_car"].sum())
    expected = (1.0 + ground / (ground + car) + 0.0 + 1.0) / 4
    assert lost["gan_test/ratio"] == pytest.approx(expected)
