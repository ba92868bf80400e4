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
from ocrnet.gan.layouts.synthesize import synthesize_pairs
from ocrnet.gan.quality.gan_test import gan_test
from ocrnet.gan.selection.kept_pairs import sampling_weights
from ocrnet.gan.selection.select import select_pairs
from ocrnet.gan.selection.sheet import write_sheet
from ocrnet.record import Recorder
from tests.base_params import section_with
from tests.ocrnet.gan.selection.selected import select, synthesize
from tests.ocrnet.gan.street import (
    CAR,
    CLASSES,
    COLOURS,
    GROUND,
    SHAPE,
    ColourPainter,
    ColourReader,
)


def test_a_good_generator_loses_little(prepared: Path, tmp_path: Path) -> None:
    pairs = synthesize(prepared, tmp_path / "synthesize", ColourPainter())
    metrics = select(prepared, pairs, tmp_path / "select")
    assert (metrics["select/kept"], metrics["select/dropped"]) == (8, 0)
    # Painted with less noise than a photograph has, so it loses less than real pixels do.
    assert metrics["select/rejected_share"] < 0.05


def test_copy_paste_pairs_get_the_selection_of_gan_pairs_but_none_is_refused_as_a_copy(
    prepared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A control arm without the selection would give the GAN what the selection is worth."""
    params = section_with(SynthesizeParams, count=8, operations={"train": 1.0, "copy_paste": 1.0})
    synthesize_pairs(
        prepared, params, painter=ColourPainter(), out=tmp_path / "s", recorder=Recorder(tmp_path / "s"),
        with_copy_paste=True,
    )  # fmt: skip
    out = tmp_path / "select" / "copy_paste"
    out.mkdir(parents=True)
    chosen = section_with(SelectParams, near_duplicate=0.25, real_rejection=0.5, max_rejected=1.0)
    metrics = select_pairs(
        prepared, tmp_path / "s" / "copy_paste", chosen, segmenter=ColourReader(), features=None, out=out
    )  # fmt: skip
    assert (metrics["select/kept"], metrics["select/near_copies"]) == (8, 0)
    assert metrics["select/rejected_share"] > 0.1, "half of the real pixels lose more"
    assert len(read_manifest(out)) == 8
    assert not any("train_gan.steps" in record.message for record in caplog.records)


def test_a_class_painted_wrong_is_ignored_and_its_rate_told(
    prepared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Cars painted as ground: all their pixels go, all others stay, and the counts agree with the files."""
    pairs = synthesize(prepared, tmp_path / "synthesize", ColourPainter(wrong={CAR: GROUND}))
    with caplog.at_level(logging.WARNING):
        metrics = select(prepared, pairs, tmp_path / "select", warn_rejected=1.0)
    assert metrics["select/rejected/car"] == metrics["select/rejected_uncapped/car"] == 1.0
    assert metrics["select/rejected/ground"] < 0.05
    for _, row in read_manifest(tmp_path / "select").iterrows():
        before = read_label_map(pairs / "label_maps" / f"{row['id']}.png")
        after = read_label_map(tmp_path / "select" / row["label_map"])
        assert (after[before == CAR] == CLASSES.ignore_index).all()
        kept = after != CLASSES.ignore_index
        assert np.array_equal(after[kept], before[kept])
        assert row["px_car"] == 0
        assert row["px_ignore"] == (~kept).sum()
        assert row["rejected_share"] == pytest.approx((~kept).mean(), abs=1e-6)


def test_a_class_painted_wrong_keeps_its_least_wrong_pixels_up_to_the_cap(
    prepared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pairs = synthesize(prepared, tmp_path / "synthesize", ColourPainter(wrong={CAR: GROUND}))
    with caplog.at_level(logging.WARNING):
        metrics = select(prepared, pairs, tmp_path / "select", warn_rejected=0.4)
    assert metrics["select/rejected_uncapped/car"] == 1.0
    assert 0.35 < metrics["select/rejected/car"] <= 0.4
    assert "class car: 100 % of its synthesized pixels have larger losses" in caplog.text
    assert "limits that to 40 %" in caplog.text
    assert "class ground" not in caplog.text
    assert metrics["select/rejected/ground"] == metrics["select/rejected_uncapped/ground"]
    thresholds = json.loads((tmp_path / "select" / "thresholds.json").read_text())
    assert thresholds["car"]["value"] > thresholds["car"]["calibrated"]
    assert thresholds["ground"]["calibrated"] is None
    painted = read_manifest(pairs)["px_car"].sum()
    left = read_manifest(tmp_path / "select")["px_car"].sum()
    assert left == pytest.approx((1 - metrics["select/rejected/car"]) * painted)


def test_without_real_rejection_no_pixel_is_touched(prepared: Path, tmp_path: Path) -> None:
    """Not even those that are worse than every real one."""
    wrong = ColourPainter(wrong={0: 3, 1: 3, 2: 3})
    pairs = synthesize(prepared, tmp_path / "synthesize", wrong)
    metrics = select(prepared, pairs, tmp_path / "select", real_rejection=0.0)
    assert (metrics["select/kept"], metrics["select/dropped"]) == (8, 0)
    assert metrics["select/rejected_share"] == metrics["select/rejected_share_uncapped"] == 0.0
    for name in read_manifest(pairs)["label_map"]:
        before, after = (read_label_map(folder / name) for folder in (pairs, tmp_path / "select"))
        assert np.array_equal(before, after)


def test_a_pair_that_loses_too_much_is_dropped_by_name(prepared: Path, tmp_path: Path) -> None:
    pairs = synthesize(prepared, tmp_path / "synthesize", ColourPainter())
    spoilt = pairs / "images" / "gan_00003.png"
    write_image(spoilt, 255 - read_image(spoilt))
    metrics = select(prepared, pairs, tmp_path / "select", warn_rejected=1.0)
    assert (metrics["select/kept"], metrics["select/dropped"]) == (7, 1)
    dropped = pd.read_csv(tmp_path / "select" / "rejected.csv")
    assert dropped["id"].tolist() == ["gan_00003"]
    assert dropped["rejected_share"][0] > 0.5
    assert "gan_00003" not in set(read_manifest(tmp_path / "select")["id"])
    assert not (tmp_path / "select" / "label_maps" / "gan_00003.png").exists()


def test_a_class_that_stands_in_spoilt_pairs_is_not_lost_with_them(
    prepared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """All pairs with a bird painted wrong whole: the least wrong come back, but what is wrong in them stays ignored."""
    pairs = synthesize(prepared, tmp_path / "synthesize", ColourPainter(), count=16)
    table = read_manifest(pairs)
    spoilt = table.loc[table["px_bird"] > 0, "id"]
    assert 0 < len(spoilt) < len(table)
    for name in spoilt:
        path = pairs / "images" / f"{name}.png"
        write_image(path, 255 - read_image(path))
    with caplog.at_level(logging.WARNING):
        metrics = select(prepared, pairs, tmp_path / "select", warn_rejected=0.4)
    assert metrics["select/readmitted"] > 0
    assert metrics["select/kept"] == len(table) - len(spoilt) + metrics["select/readmitted"]
    kept = read_manifest(tmp_path / "select")
    for name in CLASSES.class_names:
        left, made = kept[f"px_{name}"].sum(), table[f"px_{name}"].sum()
        assert metrics[f"select/lost/{name}"] == pytest.approx(1 - left / made)
        assert metrics[f"select/lost/{name}"] <= 0.4
    assert "are kept because they show" in caplog.text
    assert "class bird: 100 % of its synthesized pixels have larger losses" in caplog.text


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
    with pytest.raises(DataError, match=r"no pair is kept.* Train the GAN longer"):
        select(prepared, pairs, tmp_path / "select")
    assert len(pd.read_csv(tmp_path / "select" / "rejected.csv")) == 8


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


def test_thresholds_come_from_the_split_that_is_named(prepared: Path, tmp_path: Path) -> None:
    """The validation images have wider noise here, so a threshold from them lets more of the paintings through."""
    for index, path in enumerate(sorted((prepared / "images").glob("train*.png"))):
        noise = np.random.default_rng(index).integers(-2, 3, (*SHAPE, 3))
        clean = np.asarray(COLOURS[read_label_map(prepared / "label_maps" / path.name)])
        write_image(path, np.clip(clean + noise, 0, 255).astype(np.uint8))
    pairs = synthesize(prepared, tmp_path / "synthesize", ColourPainter())
    found = {}
    for split in ("val", "train"):
        metrics = select(
            prepared,
            pairs,
            tmp_path / split,
            calibrate_on=split,
            warn_rejected=1.0,
            max_rejected=1.0,
        )
        thresholds = json.loads((tmp_path / split / "thresholds.json").read_text())
        found[split] = (thresholds["sky"], metrics["select/rejected_share"])
    assert [found[split][0]["source"] for split in ("val", "train")] == ["held-out", "training"]
    assert found["train"][0]["value"] < found["val"][0]["value"]
    assert found["train"][1] > found["val"][1]
