"""Layouts that a joint generator draws."""

import json
from pathlib import Path

import numpy as np
import pytest

from ocrnet.config import SynthesizeParams
from ocrnet.config.params_file import parse_params
from ocrnet.data.decode import read_image, read_label_map
from ocrnet.data.manifest import read_manifest
from ocrnet.errors import ParamsError
from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.compose import apply_steps, image_with_hole
from ocrnet.gan.layouts.draw import draw_layout
from ocrnet.gan.layouts.operations.interface import LayoutInputs
from ocrnet.gan.layouts.operations.joint import enlarge
from ocrnet.gan.layouts.plausible import is_plausible
from ocrnet.gan.layouts.sampling_weights import SamplingWeights
from ocrnet.gan.layouts.synthesize import synthesize_pairs
from ocrnet.record import Recorder
from tests.base_params import full_values, section_with
from tests.ocrnet.gan.rough_drawer import RoughDrawer
from tests.ocrnet.gan.street import COLOURS, SHAPE, ColourPainter, write_street


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_street(tmp_path_factory.mktemp("street") / "prepare")


@pytest.fixture(scope="module")
def catalog(prepared: Path) -> Catalog:
    return Catalog(prepared)


def inputs_of(catalog: Catalog) -> LayoutInputs:
    params = section_with(SynthesizeParams, operations={"joint": 1.0})
    return LayoutInputs(
        catalog, params, SamplingWeights(catalog, params, None), RoughDrawer(catalog)
    )


def synthesize(prepared: Path, out: Path, *, joint_images: bool) -> None:
    params = section_with(
        SynthesizeParams, count=8, operations={"joint": 1.0}, joint_images=joint_images
    )
    synthesize_pairs(
        prepared, params, painter=ColourPainter(), out=out, recorder=Recorder(out),
        joint=RoughDrawer(Catalog(prepared)), with_copy_paste=True, hole_painter=ColourPainter(),
    )  # fmt: skip


def test_a_label_map_is_enlarged_with_the_class_of_the_largest_share() -> None:
    """By hand: the border of two columns of two pixels lies in the middle of eight."""
    drawn = np.array([[0, 3], [0, 3]], np.uint8)
    assert enlarge(drawn, (4, 8)).tolist() == [[0, 0, 0, 0, 3, 3, 3, 3]] * 4
    assert np.array_equal(enlarge(drawn, (2, 2)), drawn)


def test_layouts_pass_the_checks_have_the_size_of_their_parent_and_ask_for_its_classes(
    catalog: Catalog,
) -> None:
    inputs = inputs_of(catalog)
    drawn = [draw_layout(inputs, seed=seed) for seed in range(20)]
    of_noise = [layout for layout in drawn if layout.steps[0]["op"] == "joint"]
    assert len(of_noise) >= 10
    assert len({layout.label_map.tobytes() for layout in of_noise}) >= 10
    for layout in of_noise:
        (step,) = layout.steps
        assert is_plausible(catalog, layout.label_map)
        assert layout.label_map.shape == SHAPE
        assert tuple(step["condition"]) == catalog.shown[step["id"]]
    assert isinstance(inputs.joint, RoughDrawer)
    # Nonsense was drawn, too, and none of it was taken.
    assert len(inputs.joint.asked) > len(drawn)


def test_without_a_plausible_drawing_a_training_label_map_is_taken_and_counted(
    catalog: Catalog,
) -> None:
    inputs = inputs_of(catalog)

    class Upside(RoughDrawer):
        def draw(self, shown: object, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
            columns = np.tile(np.arange(28, dtype=np.uint8) // 7, (24, 1))
            return COLOURS[columns], columns

    layout = draw_layout(
        LayoutInputs(catalog, inputs.params, inputs.weights, Upside(catalog)), seed=1
    )
    assert layout.unplaced == 1
    assert [step["op"] for step in layout.steps] == ["base"]


def test_a_layout_from_noise_is_one_hole(catalog: Catalog) -> None:
    layout = draw_layout(inputs_of(catalog), seed=3)
    assert layout.steps[0]["op"] == "joint"
    image, hole = image_with_hole(catalog, layout.steps)
    assert hole.all()
    assert image.shape == (*SHAPE, 3)


@pytest.mark.parametrize("keep", [False, True])
def test_pairs_have_their_lineage_and_the_image_of_the_painter_or_of_the_drawing(
    prepared: Path, tmp_path: Path, keep: bool
) -> None:
    synthesize(prepared, tmp_path, joint_images=keep)
    catalog, painter = Catalog(prepared), ColourPainter()
    drawer, seen = RoughDrawer(catalog), 0
    for _, row in read_manifest(tmp_path / "gan").iterrows():
        steps = json.loads(row["operations"])
        label_map = read_label_map(tmp_path / "gan" / row["label_map"])
        assert np.array_equal(apply_steps(catalog, steps), label_map)
        if steps[0]["op"] != "joint":
            continue
        seen += 1
        assert steps[0]["generator"] == RoughDrawer.sha256[:16]
        image = read_image(tmp_path / "gan" / row["image"])
        painted = painter.paint(label_map, seed=int(row["seed"]))
        assert np.array_equal(image, painted) != keep
        if keep:
            own, _ = drawer.draw(steps[0]["condition"], seed=steps[0]["noise"])
            # Bicubic weights at a scale of 2 leave the mean of a picture nearly as it is.
            assert np.abs(image.mean(axis=(0, 1)) - own.mean(axis=(0, 1))).max() < 2
    assert seen >= 4
    lineage = json.loads((tmp_path / "layouts.json").read_text())["lineage"]
    assert lineage["joint_sha256"] == RoughDrawer.sha256
    kinds = [json.loads(s)[0]["op"] for s in read_manifest(tmp_path / "copy_paste")["operations"]]
    assert set(kinds) == {"base"}  # no real pixels show a label map from noise


def test_the_operation_without_a_joint_generator_is_refused_in_one_line(
    prepared: Path, tmp_path: Path
) -> None:
    params = section_with(SynthesizeParams, operations={"joint": 1.0})
    with pytest.raises(ParamsError, match=r"joint needs a joint generator\. Set train_gan"):
        synthesize_pairs(
            prepared, params, painter=ColourPainter(), out=tmp_path, recorder=Recorder(tmp_path)
        )
    values = full_values({})
    values["synthesize"]["operations"] = {"joint": 1.0}
    with pytest.raises(ParamsError) as told:
        parse_params(values)
    assert str(told.value) == (
        "params.yaml: synthesize.operations: joint needs a joint generator, but train_gan.joint_steps is 0. Set it "
        "above 0, such as 1000, or set joint to 0."
    )
    values["train_gan"]["joint_steps"] = 5
    assert parse_params(values).train_gan.joint_steps == 5
