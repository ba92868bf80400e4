"""Hybrid painting, and several paintings of a layout."""

import json
from pathlib import Path

import numpy as np
import pytest

from ocrnet.config import SynthesizeParams
from ocrnet.data.decode import read_image, read_label_map
from ocrnet.data.manifest import read_manifest
from ocrnet.gan.generator.holes import RIM
from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.compose import compose, image_with_hole
from ocrnet.gan.layouts.draw import draw_layout
from ocrnet.gan.layouts.operations.interface import LayoutInputs
from ocrnet.gan.layouts.sampling_weights import SamplingWeights
from ocrnet.gan.layouts.synthesize import synthesize_pairs
from ocrnet.record import Recorder
from tests.base_params import section_with
from tests.ocrnet.gan.street import ColourPainter, write_street

ALL = {"train": 1.0, "flip": 1.0, "scale": 1.0, "copy_paste": 2.0, "warp": 2.0, "recombine": 2.0}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_street(tmp_path_factory.mktemp("street") / "prepare")


def synthesize(prepared: Path, out: Path, *, paintings: int = 1, holes: bool = True) -> None:
    params = section_with(SynthesizeParams, count=16, operations=ALL, paintings=paintings)
    painter = ColourPainter()
    synthesize_pairs(
        prepared, params, painter=painter, hole_painter=painter if holes else None, out=out,
        recorder=Recorder(out), with_copy_paste=True,
    )  # fmt: skip


def base_of(catalog: Catalog, steps: list[dict[str, object]]) -> np.ndarray:
    """Return the label map of the real image that a layout starts from."""
    (base,) = (step for step in steps if step["op"] == "base")
    label_map = catalog.label_map(str(base["id"]))
    return label_map[:, ::-1] if base["flip"] else label_map


@pytest.mark.parametrize("operation", ["copy_paste", "warp", "recombine"])
def test_the_hole_is_what_a_layout_changes_with_a_rim(prepared: Path, operation: str) -> None:
    catalog = Catalog(prepared)
    params = section_with(SynthesizeParams, operations={operation: 1.0})
    inputs = LayoutInputs(catalog, params, SamplingWeights(catalog, params, None))
    seen = 0
    for seed in range(12):
        layout = draw_layout(inputs, seed=seed)
        if len(layout.steps) == 1:
            continue
        image, hole = image_with_hole(catalog, layout.steps)
        assert np.array_equal(image, compose(catalog, layout.steps[:1]))
        changed = layout.label_map != base_of(catalog, list(layout.steps))
        assert hole[changed].all()
        if operation == "copy_paste" and changed.any():
            # Cars and birds are pasted onto sky and ground alone, so nothing but what changes is painted.
            y, x = np.nonzero(changed)
            away = np.hypot(
                *(
                    np.mgrid[: hole.shape[0], : hole.shape[1]][..., None]
                    - np.array([y, x])[:, None, None]
                )
            ).min(axis=-1)
            assert np.array_equal(hole[away <= RIM - 0.5], np.ones((away <= RIM - 0.5).sum(), bool))
            assert not hole[away > RIM + 0.5].any()
        seen += 1
    assert seen > 3


def test_hybrid_pairs_have_the_layouts_of_the_gan_and_real_pixels_around_them(
    prepared: Path, tmp_path: Path
) -> None:
    synthesize(prepared, tmp_path)
    gan, hybrid = (read_manifest(tmp_path / name) for name in ("gan", "hybrid"))
    for column in ("operations", "label_map_sha256", "seed", "group", "generator"):
        assert gan[column].tolist() == hybrid[column].tolist()
    assert set(hybrid["origin"]) == {"hybrid"}
    catalog, painter, holes = Catalog(prepared), ColourPainter(), 0
    for _, row in hybrid.iterrows():
        image = read_image(tmp_path / "hybrid" / row["image"])
        real, hole = image_with_hole(catalog, json.loads(row["operations"]))
        label_map = read_label_map(tmp_path / "hybrid" / row["label_map"])
        assert np.array_equal(image[~hole], real[~hole])
        painted = painter.paint(label_map, seed=int(row["seed"]))
        assert np.array_equal(image[hole], painted[hole])
        holes += bool(hole.any())
    assert 0 < holes < len(hybrid), "a layout without a change is the real image"


def test_a_gan_without_holes_gives_the_files_of_before(prepared: Path, tmp_path: Path) -> None:
    synthesize(prepared, tmp_path / "b")
    assert (tmp_path / "b" / "hybrid").exists()
    synthesize(prepared, tmp_path / "b", holes=False)
    assert not (tmp_path / "b" / "hybrid").exists()
    assert "layout" not in read_manifest(tmp_path / "b" / "gan")


def test_the_first_of_several_paintings_is_the_one_of_before(
    prepared: Path, tmp_path: Path
) -> None:
    synthesize(prepared, tmp_path / "one")
    synthesize(prepared, tmp_path / "three", paintings=3)
    for name in ("gan", "hybrid"):
        one, three = (read_manifest(tmp_path / count / name) for count in ("one", "three"))
        assert len(three) == 3 * len(one)
        assert three["layout"].tolist() == [index for index in range(16) for _ in range(3)]
        assert three["image_sha256"][::3].tolist() == one["image_sha256"].tolist()
        for number in range(3):
            assert three["operations"][number::3].tolist() == one["operations"].tolist()
        assert three["seed"].is_unique
    gan = read_manifest(tmp_path / "three" / "gan")
    assert gan["image_sha256"].is_unique, "each painting has its own style"
    assert read_manifest(tmp_path / "three" / "copy_paste")["image_sha256"].tolist() == (
        read_manifest(tmp_path / "one" / "copy_paste")["image_sha256"].tolist()
    )
