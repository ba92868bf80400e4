"""Rare and badly segmented classes are drawn more often, by the figures of the baseline."""

import json
from pathlib import Path

import numpy as np
import pytest

from ocrnet.config import SynthesizeParams
from ocrnet.errors import DataError
from ocrnet.gan.layouts.catalog import Catalog
from ocrnet.gan.layouts.draw import draw_layout
from ocrnet.gan.layouts.operations.interface import LayoutInputs
from ocrnet.gan.layouts.sampling_weights import LEAST_HARDNESS, SamplingWeights, ValScores
from ocrnet.runtime import layout_seed
from tests.base_params import section_with
from tests.ocrnet.gan.street import BIRD, CAR, CLASSES, GROUND, SKY, write_street

EVEN = np.zeros((4, 4))


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return Catalog(write_street(tmp_path_factory.mktemp("street") / "prepare"))


def params(**values: object) -> SynthesizeParams:
    return section_with(SynthesizeParams, operations={"copy_paste": 1.0}, pastes=(1, 1)).model_copy(
        update=values
    )


def scores(*ious: float, confusion: np.ndarray = EVEN) -> ValScores:
    return ValScores(np.array(ious, dtype=np.float64), confusion)


def test_a_class_is_pasted_by_its_share_and_by_what_its_iou_lacks(catalog: Catalog) -> None:
    """(1 / share)^rare_power * (1 - IoU)^hard_power; by hand for powers 0.5 and 2."""
    weights = SamplingWeights(
        catalog, params(rare_power=0.5, hard_power=2.0), scores(0.9, 0.9, 0.8, 0.4)
    )
    shares = catalog.pixel_shares
    car, bird = 0.2**2 / shares[CAR] ** 0.5, 0.6**2 / shares[BIRD] ** 0.5
    assert weights.of_object == pytest.approx({CAR: car / (car + bird), BIRD: bird / (car + bird)})


def test_pastes_follow_the_odds(catalog: Catalog) -> None:
    own = params(rare_power=0.0, hard_power=1.0)
    inputs = LayoutInputs(
        catalog, own, SamplingWeights(catalog, own, scores(0.9, 0.9, 0.2, 0.8))
    )  # 0.8 to 0.2
    drawn = [draw_layout(inputs, seed=layout_seed(1, index)) for index in range(150)]
    pasted = [paste["class_id"] for layout in drawn for paste in layout.pastes]
    deviation = np.sqrt(0.8 * 0.2 / len(pasted))
    assert pasted.count(CAR) / len(pasted) == pytest.approx(0.8, abs=4 * deviation)


def test_a_class_without_an_iou_counts_as_all_wrong_and_a_perfect_one_is_not_shut_out(
    catalog: Catalog,
) -> None:
    weights = SamplingWeights(catalog, params(), scores(0.9, 0.5, np.nan, 1.0))
    assert weights.hardness.tolist() == pytest.approx([0.1, 0.5, 1.0, LEAST_HARDNESS])
    assert weights.of_object[BIRD] > 0


def test_without_power_nobody_is_preferred(catalog: Catalog) -> None:
    """Power 0 leaves all to the other power, and all images alike."""
    confusion = np.array([[0, 9, 9, 9]] * 4, dtype=np.float64)
    weights = SamplingWeights(
        catalog,
        params(rare_power=0.0, hard_power=0.0),
        scores(0.1, 0.9, 0.3, 0.7, confusion=confusion),
    )
    assert weights.of_object == pytest.approx({CAR: 0.5, BIRD: 0.5})
    assert weights.of_image == pytest.approx(np.full(9, 1 / 9))
    assert weights.of_contact(CAR, np.array([SKY, GROUND], dtype=np.uint8)) == 1.0


def test_images_that_show_a_hard_class_are_bases_more_often(catalog: Catalog) -> None:
    """Each third scene has a bird: by hand with power 1, sky .1, ground .1, car .1, bird .9."""
    weights = SamplingWeights(catalog, params(hard_power=1.0), scores(0.9, 0.9, 0.9, 0.1))
    with_bird, without = (0.1 + 0.1 + 0.1 + 0.9) / 4, 0.1
    total = 3 * with_bird + 6 * without
    expected = [(with_bird if i % 3 == 0 else without) / total for i in range(9)]
    assert weights.of_image == pytest.approx(np.array(expected))


def test_places_beside_a_confused_class_are_preferred(catalog: Catalog) -> None:
    """Of 40 errors around cars 30 lie between car and sky, either way: by hand (0.05 + 30 / 40)^1."""
    confusion = np.zeros((4, 4))
    confusion[CAR, CAR] = 1000
    confusion[CAR, SKY], confusion[SKY, CAR], confusion[CAR, GROUND] = 20, 10, 10
    weights = SamplingWeights(
        catalog, params(hard_power=1.0), scores(0.5, 0.5, 0.5, 0.5, confusion=confusion)
    )
    ring = np.full(8, SKY, dtype=np.uint8)
    assert weights.of_contact(CAR, ring) == pytest.approx(LEAST_HARDNESS + 0.75)
    half = np.array([SKY, SKY, GROUND, GROUND, 255], dtype=np.uint8)
    assert weights.of_contact(CAR, half) == pytest.approx(LEAST_HARDNESS + (0.75 + 0.25) / 2)
    assert weights.of_contact(BIRD, ring) == LEAST_HARDNESS


def write_scores(folder: Path, **changed: object) -> None:
    raw = {
        "class_names": list(CLASSES.class_names), "per_class_iou": [0.5, None, 0.25, 1.0],
        "miou": 0.5, "confusion": np.eye(4).tolist(),
    }  # fmt: skip
    (folder / "val_scores.json").write_text(json.dumps(raw | changed))


def test_the_scores_are_those_that_train_wrote(tmp_path: Path) -> None:
    write_scores(tmp_path)
    read = ValScores.read(tmp_path, CLASSES.class_names)
    assert np.array_equal(read.per_class_iou, [0.5, np.nan, 0.25, 1.0], equal_nan=True)
    assert np.array_equal(read.confusion, np.eye(4))


def test_missing_and_foreign_scores_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"val_scores.json: the file is missing. Run the stage train first"
    ):
        ValScores.read(tmp_path, CLASSES.class_names)
    write_scores(tmp_path, class_names=["a", "b", "c", "d"])
    with pytest.raises(DataError, match=r"scores are for \['a', 'b', 'c', 'd'\], but the data has"):
        ValScores.read(tmp_path, CLASSES.class_names)
    write_scores(tmp_path, per_class_iou=None)
    with pytest.raises(DataError, match=r"val_scores.json: .*TypeError.*Run the stage train again"):
        ValScores.read(tmp_path, CLASSES.class_names)
