"""Planted label errors are the first of the ranking."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ocrnet.data.decode import write_image, write_label_map
from ocrnet.labelling.label_ranking import Judge, RankedLabels, rank_labels
from ocrnet.labelling.panel import Panel
from tests.ocrnet.toy_models import COLOURS, ColourNet, segmenter_of

COUNT, PLANTED, SIZE = 30, 8, (32, 40)


def write_image_pair(folder: Path, name: str, rng: np.random.Generator, *, planted: bool) -> None:
    """Write an image of three stripes in noisy colours, and its label map: borders are off by a pixel.

    A planted error gives a box of 8 x 8 pixels inside a stripe another class.
    """
    truth = np.repeat(np.arange(40) // 14, 32).reshape(40, 32).T.astype(np.uint8)
    colours = np.full((*SIZE, 3), 60) + 110 * (truth[..., None] == np.arange(3))
    image = np.clip(colours + rng.normal(0, 60, colours.shape), 0, 255).astype(np.uint8)
    labels = np.roll(truth, 1, axis=1)
    labels[:, 0] = 0
    if planted:
        top = int(rng.integers(0, 24))
        labels[top : top + 8, 17:25] = rng.choice([0, 2])
    write_image(folder / f"{name}.png", image)
    write_label_map(folder / f"{name}_ids.png", labels, palette=COLOURS.palette, ignore_index=255)


@pytest.fixture(scope="module")
def ranked(tmp_path_factory: pytest.TempPathFactory) -> RankedLabels:
    """A ranking of thirty label maps, eight of which have an error, by a model that takes the colour for the class."""
    folder, rng = tmp_path_factory.mktemp("labels"), np.random.default_rng(0)
    for index in range(COUNT):
        write_image_pair(folder, f"{index:02d}", rng, planted=index < PLANTED)
    names = [f"{index:02d}" for index in range(COUNT)]
    rows = pd.DataFrame({"id": names, "image": [f"{name}.png" for name in names]})
    rows["label_map"] = [f"{name}_ids.png" for name in names]
    panel = Panel([segmenter_of(ColourNet())])
    return rank_labels(folder, [Judge(panel, rows[:7]), Judge(panel, rows[7:])], spool=folder)


def test_planted_errors_are_found_at_a_precision_of_at_least_seven_eighths(
    ranked: RankedLabels,
) -> None:
    first = [int(one.row["id"]) for one in ranked.suspects[:PLANTED]]
    assert sum(index < PLANTED for index in first) / PLANTED >= 7 / 8
    assert len(ranked.suspects) == COUNT
    assert [one.share for one in ranked.suspects] == sorted(
        (one.share for one in ranked.suspects), reverse=True
    )


def test_the_kind_of_a_planted_error_is_named(ranked: RankedLabels) -> None:
    """The box lies in the second stripe, so its pixels are likely of the second class."""
    worst = ranked.suspects[0].worst
    assert worst is not None
    assert worst[1] == 1


def test_an_image_is_judged_again_as_it_was_ranked(ranked: RankedLabels) -> None:
    for one in ranked.suspects[:3]:
        judged, _ = ranked.judge_again(one)
        assert int(judged.wrong.sum()) == one.pixels


def test_probabilities_are_deleted(ranked: RankedLabels) -> None:
    assert {path.suffix for path in ranked.folder.iterdir()} == {".png"}
