"""Synthesized pairs: lineage, independence of validation and test, the rival without a GAN."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ocrnet.config import SynthesizeParams
from ocrnet.data.decode import read_image, read_label_map
from ocrnet.data.manifest import LINEAGE_COLUMNS, ClassTable, read_manifest
from ocrnet.errors import DataError
from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.compose import apply_steps
from ocrnet.gan.layouts.synthesize import synthesize_pairs
from ocrnet.record import Recorder
from tests.base_params import section_with
from tests.ocrnet.gan import plates
from tests.ocrnet.gan.street import CLASSES, ColourPainter, write_street

PARAMS = section_with(
    SynthesizeParams, count=20, operations={"train": 1.0, "flip": 1.0, "copy_paste": 2.0}
)


def synthesize(prepared: Path, out: Path, *, with_copy_paste: bool = False) -> dict[str, float]:
    recorder = Recorder(out)
    painter = ColourPainter()
    synthesize_pairs(
        prepared,
        PARAMS,
        painter=painter,
        out=out,
        recorder=recorder,
        with_copy_paste=with_copy_paste,
    )
    metrics: dict[str, float] = json.loads((out / "metrics.json").read_text())
    return metrics


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_street(tmp_path_factory.mktemp("street") / "prepare")


def test_every_pair_carries_its_lineage_and_can_be_rebuilt_from_it(
    prepared: Path, tmp_path: Path
) -> None:
    synthesize(prepared, tmp_path)
    table = read_manifest(tmp_path / "gan")
    assert len(table) == PARAMS.count
    assert set(LINEAGE_COLUMNS) <= set(table.columns)
    assert set(table["origin"]) == {"gan"}
    assert set(table["split"]) == {"train"}
    assert set(table["generator"]) == {ColourPainter().sha256[:16]}
    assert table["seed"].is_unique

    train = set(read_manifest(prepared, split="train")["id"])
    catalog, painter = Catalog(prepared), ColourPainter()
    for _, row in table.iterrows():
        assert set(json.loads(row["parents"])) <= train
        label_map = read_label_map(tmp_path / "gan" / row["label_map"])
        assert np.array_equal(apply_steps(catalog, json.loads(row["operations"])), label_map)
        image = read_image(tmp_path / "gan" / row["image"])
        assert np.array_equal(image, painter.paint(label_map, seed=int(row["seed"])))


def test_twice_gives_the_same_bytes_and_leaves_nothing_of_the_first_run(
    prepared: Path, tmp_path: Path
) -> None:
    synthesize(prepared, tmp_path / "a", with_copy_paste=True)
    synthesize(prepared, tmp_path / "b", with_copy_paste=True)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    synthesize(prepared, tmp_path / "b")
    assert not (tmp_path / "b" / "copy_paste").exists()


def test_nothing_of_validation_and_test_is_read(prepared: Path, tmp_path: Path) -> None:
    synthesize(prepared, tmp_path / "all", with_copy_paste=True)
    shutil.copytree(prepared, tmp_path / "prepare")
    for path in (tmp_path / "prepare").rglob("*.png"):
        if not path.name.startswith("train"):
            path.unlink()
    synthesize(tmp_path / "prepare", tmp_path / "without", with_copy_paste=True)
    assert files(tmp_path / "all") == files(tmp_path / "without")


def test_the_rival_has_the_same_layouts_with_real_pixels(prepared: Path, tmp_path: Path) -> None:
    synthesize(prepared, tmp_path, with_copy_paste=True)
    gan, rival = (read_manifest(tmp_path / name) for name in ("gan", "copy_paste"))
    assert gan["operations"].tolist() == rival["operations"].tolist()
    assert gan["label_map_sha256"].tolist() == rival["label_map_sha256"].tolist()
    assert set(rival["origin"]) == {"copy_paste"}
    assert set(rival["generator"]) == {""}
    for _, row in rival.iterrows():
        base, *pastes = json.loads(row["operations"])
        if not pastes:
            real = read_image(prepared / "images" / f"{base['id']}.png")
            image = read_image(tmp_path / "copy_paste" / row["image"])
            assert np.array_equal(image, real[:, ::-1] if base["flip"] else real)


def test_the_rival_has_as_many_pairs_where_no_real_pixels_show_a_layout(
    prepared: Path, tmp_path: Path
) -> None:
    """It keeps every layout that can be composed, and draws another one from the same seed in each other's place."""
    params = PARAMS.model_copy(
        update={
            "operations": {
                "flip": 1.0,
                "scale": 1.0,
                "copy_paste": 1.0,
                "warp": 1.0,
                "recombine": 1.0,
            }
        }
    )
    synthesize_pairs(
        prepared, params, painter=ColourPainter(), out=tmp_path, recorder=Recorder(tmp_path), with_copy_paste=True
    )  # fmt: skip
    gan, rival = (read_manifest(tmp_path / name) for name in ("gan", "copy_paste"))
    assert len(gan) == len(rival) == params.count
    assert gan["seed"].tolist() == rival["seed"].tolist()
    kinds = [{step["op"] for step in json.loads(steps)} for steps in gan["operations"]]
    composed = [not kind & {"warp", "erase"} for kind in kinds]
    assert 0 < sum(composed) < len(composed)
    same = gan["operations"] == rival["operations"]
    assert same.tolist() == composed
    for steps in rival["operations"]:
        assert {step["op"] for step in json.loads(steps)} <= {"base", "paste", "scale"}
    drawn = json.loads((tmp_path / "layouts.json").read_text())
    for name in ("gan", "copy_paste"):
        assert sum(drawn[name]["operations"].values()) == params.count


def test_ids_with_spaces_stay_apart_among_the_parents(tmp_path: Path) -> None:
    prepared = plates.write_plates(tmp_path / "prepare")
    painter = ColourPainter(classes=plates.CLASSES)
    synthesize_pairs(prepared, PARAMS, painter=painter, out=tmp_path, recorder=Recorder(tmp_path))
    ids = set(read_manifest(prepared)["id"])
    parents = [json.loads(text) for text in read_manifest(tmp_path / "gan")["parents"]]
    assert all(set(names) <= ids for names in parents)
    assert max(len(names) for names in parents) > 1


def test_the_baseline_s_scores_say_what_is_drawn_and_stand_beside_the_pairs(
    prepared: Path, tmp_path: Path
) -> None:
    baseline = tmp_path / "train"
    baseline.mkdir()
    ious = [0.9, 0.9, 0.95, None]  # birds are what it never finds
    scores = {
        "class_names": CLASSES.class_names,
        "per_class_iou": ious,
        "confusion": np.eye(4).tolist(),
    }
    (baseline / "val_scores.json").write_text(json.dumps(scores))
    pasted = {}
    for name, folder in (("even", None), ("hard", baseline)):
        params = PARAMS.model_copy(update={"operations": {"copy_paste": 1.0}, "hard_power": 1.0})
        out = tmp_path / name
        synthesize_pairs(
            prepared, params, painter=ColourPainter(), out=out, recorder=Recorder(out), baseline=folder
        )  # fmt: skip
        classes = {
            row["name"]: row
            for row in json.loads((out / "layouts.json").read_text())["gan"]["classes"]
        }
        pasted[name] = classes["bird"]["pasted"] / (
            classes["bird"]["pasted"] + classes["car"]["pasted"]
        )
    assert classes["bird"]["val_iou"] is None
    assert classes["car"]["val_iou"] == 0.95
    assert classes["sky"]["weight"] == 0.0
    assert classes["bird"]["weight"] + classes["car"]["weight"] == pytest.approx(1.0, abs=1e-5)
    table = read_manifest(tmp_path / "hard/gan")
    assert classes["bird"]["layouts"] == (table["px_bird"] > 0).sum()
    assert pasted["hard"] > pasted["even"] + 0.1


def test_the_generator_and_the_scores_behind_the_odds_are_named_in_full(
    prepared: Path, tmp_path: Path
) -> None:
    """The manifest cuts the generator's hash; a reader finds the same start, and the file that set the weights."""
    scores = {
        "class_names": CLASSES.class_names,
        "per_class_iou": [0.5] * 4,
        "confusion": np.eye(4).tolist(),
    }
    (tmp_path / "val_scores.json").write_text(json.dumps(scores))
    found = {}
    for name, baseline in (("scored", tmp_path), ("even", None)):
        out = tmp_path / name
        synthesize_pairs(
            prepared, PARAMS, painter=ColourPainter(), out=out, recorder=Recorder(out), baseline=baseline
        )  # fmt: skip
        found[name] = json.loads((out / "layouts.json").read_text())["lineage"]
    assert found["scored"]["generator_sha256"] == ColourPainter().sha256
    (cut,) = set(read_manifest(tmp_path / "scored/gan")["generator"])
    assert ColourPainter().sha256.startswith(cut)
    expected = hashlib.sha256((tmp_path / "val_scores.json").read_bytes()).hexdigest()
    assert (found["scored"]["scores_sha256"], found["even"]["scores_sha256"]) == (expected, None)


def test_metrics_are_the_shares_of_the_files(prepared: Path, tmp_path: Path) -> None:
    metrics = synthesize(prepared, tmp_path)
    table, train = read_manifest(tmp_path / "gan"), read_manifest(prepared, split="train")
    names = [f"px_{name}" for name in CLASSES.class_names]
    shares, before = (t[names].sum() / t[names].sum().sum() for t in (table, train))
    for name in CLASSES.class_names:
        assert metrics[f"synthesize/share/{name}"] == pytest.approx(shares[f"px_{name}"], abs=1e-6)
        assert metrics[f"synthesize/train_share/{name}"] == pytest.approx(
            before[f"px_{name}"], abs=1e-6
        )
    assert metrics["synthesize/drift"] == pytest.approx((shares - before).abs().sum() / 2, abs=1e-6)
    assert metrics["synthesize/count"] == PARAMS.count
    # The point of it: rare classes are less rare than they were.
    assert metrics["synthesize/share/bird"] > 1.2 * metrics["synthesize/train_share/bird"]


def test_a_painter_of_other_classes_is_refused(prepared: Path, tmp_path: Path) -> None:
    painter = ColourPainter()
    painter.class_table = ClassTable(("sky", "ground"), CLASSES.palette[:2])
    with pytest.raises(DataError, match=r"painter has the classes \['sky', 'ground'\].*train_gan"):
        synthesize_pairs(
            prepared, PARAMS, painter=painter, out=tmp_path, recorder=Recorder(tmp_path)
        )
