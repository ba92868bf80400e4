"""Control pairs of real images: sampling weights and an ignored rim, without a GAN."""

from pathlib import Path

import numpy as np
import pytest

from ocrnet.data.decode import read_image, read_label_map
from ocrnet.data.instance_maps import read_instances
from ocrnet.data.manifest import file_sha256, read_manifest
from ocrnet.gan.selection.kept_pairs import sampling_weights
from ocrnet.gan.selection.pixel_filter import Threshold, as_json, from_json
from ocrnet.gan.selection.real_controls import (
    RIM,
    TWICE,
    WIDEST,
    border_distances,
    rim_shares,
    without_rim,
    write_real_controls,
)
from ocrnet.training.data import TrainingData
from tests.ocrnet.evaluation.things import add_things
from tests.ocrnet.gan.street import CLASSES, GROUND, SKY, write_street

IGNORE = CLASSES.ignore_index
THRESHOLDS = [
    Threshold(1.0, "held-out", 500, mean) for mean in np.linspace(0.1, 0.9, CLASSES.num_classes)
]


def rows(*values: list[int]) -> np.ndarray:
    return np.array(values, np.uint8)


def test_distances_are_counted_from_the_border_by_hand() -> None:
    found = border_distances(rows([0, 0, 0, 1, 1], [0, 0, 0, 1, 1]), ignore_index=IGNORE)
    assert found.tolist() == [[3, 2, 1, 1, 2]] * 2
    corner = border_distances(rows([1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]), ignore_index=IGNORE)
    assert corner.tolist() == [[1, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 4]]


def test_ignored_pixels_are_no_class_and_have_no_border() -> None:
    label_map = rows([0, 0, IGNORE, 1, 1])
    assert (border_distances(label_map, ignore_index=IGNORE) == WIDEST + 1).all()
    assert np.array_equal(without_rim(label_map, 2, ignore_index=IGNORE), label_map)


def test_shares_of_rims_are_counted_by_hand() -> None:
    shares = rim_shares(
        [rows([0, 0, 0, 1, 1, 1]), rows([1, 1, IGNORE, IGNORE])], ignore_index=IGNORE
    )
    assert shares[:5].tolist() == [0, 2 / 8, 4 / 8, 6 / 8, 6 / 8]


@pytest.mark.parametrize("wanted", [0.0, 0.1, 0.3])
def test_the_rim_ignores_the_share_that_the_filter_took_from_pairs(
    wanted: float, tmp_path: Path
) -> None:
    prepared = write_street(tmp_path / "prepare")
    metrics = write_real_controls(prepared, tmp_path / "select", THRESHOLDS, rejected_share=wanted)
    width = int(metrics["select/real_rim_width"])
    assert (width == 0) == (wanted == 0)
    whole, rim = (read_manifest(tmp_path / "select" / name) for name in (TWICE, RIM))
    real = read_manifest(prepared, split="train")
    assert whole["id"].tolist() == rim["id"].tolist() == real["id"].tolist()
    lost = valid = 0
    for (_, one), (_, other) in zip(whole.iterrows(), rim.iterrows(), strict=True):
        before = read_label_map(tmp_path / "select" / TWICE / one["label_map"])
        after = read_label_map(tmp_path / "select" / RIM / other["label_map"])
        assert np.array_equal(before, read_label_map(prepared / "label_maps" / f"{one['id']}.png"))
        assert np.array_equal(
            read_image(tmp_path / "select" / RIM / other["image"]),
            read_image(prepared / "images" / f"{one['id']}.png"),
        )
        gone = after != before
        assert (after[gone] == IGNORE).all()
        assert int(other["px_ignore"]) == (after == IGNORE).sum()
        lost, valid = lost + gone.sum(), valid + (before != IGNORE).sum()
    assert metrics["select/real_rim_share"] == lost / valid
    narrower, wider = (
        rim_shares(
            (read_label_map(prepared / path) for path in real["label_map"]),
            ignore_index=IGNORE,
        )[max(0, width + step)]
        for step in (-1, 1)
    )
    assert abs(lost / valid - wanted) <= min(abs(narrower - wanted), abs(wider - wanted))


def test_real_images_are_drawn_as_often_as_pairs_of_their_hardness(tmp_path: Path) -> None:
    """FreeMask's weights, arXiv:2310.15160: by the rank of the expected loss of the label map."""
    prepared = write_street(tmp_path / "prepare")
    write_real_controls(prepared, tmp_path / "select", THRESHOLDS, rejected_share=0.1)
    hardnesses = []
    for path in read_manifest(prepared, split="train")["label_map"]:
        label_map = read_label_map(prepared / path)
        valid = label_map[label_map != IGNORE]
        hardnesses.append(round(float(np.mean([THRESHOLDS[one].mean for one in valid])), 6))
    expected = sampling_weights(np.array(hardnesses)).tolist()
    for name in (TWICE, RIM):
        assert read_manifest(tmp_path / "select" / name)["weight"].tolist() == expected
        data = TrainingData.read(prepared, extra=tmp_path / "select" / name)
        assert data.extra is not None
        assert len(data.extra) == len(data.real)


def test_pixels_of_the_rim_belong_to_no_object(tmp_path: Path) -> None:
    """As with the kept GAN pairs: an object keeps what the label map shows of it, and its class."""
    prepared = write_street(tmp_path / "prepare")
    add_things(prepared, ("sky", "ground"), (SKY, GROUND))
    write_real_controls(prepared, tmp_path / "select", THRESHOLDS, rejected_share=0.2)
    folder = tmp_path / "select" / RIM
    seen = 0
    for _, row in read_manifest(folder).iterrows():
        numbers, left = (
            read_instances(folder / row["instances"]),
            read_label_map(folder / row["label_map"]),
        )
        before = read_instances(prepared / "instances" / f"{row['id']}.png")
        assert np.array_equal(numbers > 0, np.isin(left, (SKY, GROUND)))
        assert np.unique(before[numbers > 0]).size == numbers.max()
        assert row["instances_sha256"] == file_sha256(folder / row["instances"])
        assert (before > 0).sum() > (numbers > 0).sum()
        seen += int(numbers.max())
    assert seen > 0


def test_thresholds_are_read_as_they_were_written() -> None:
    assert from_json(as_json(THRESHOLDS, CLASSES.class_names)) == THRESHOLDS
