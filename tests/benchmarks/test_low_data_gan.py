"""The table of the GANs sets two numbers against each other only where they stand on the same ground."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.low_data_gan import gan_section
from benchmarks.low_data_groups import Group
from ocrnet.evaluation.scoring import Cell
from ocrnet.gan.quality.measured import Measure, write_quality
from pipelines._work_folders.values import with_values
from tests.ocrnet.conftest import toy_params

KID = Measure(
    name="KID", of="held_out", value=0.4, extractor="segmenter", extractor_sha256="a" * 64, resize="none", n=36,
    reference_n=36, reference_sha256="b" * 16, train_n=36, train_sha256="d" * 16, resolution="120x160",
    split="val", seed=0, sd=0.1,
)  # fmt: skip
OTHER_BASELINE = replace(KID, extractor_sha256="c" * 64, n=92, reference_n=92)


def group(folder: Path, name: str, measures: list[Measure], **values: object) -> Group:
    """Return a group whose selection is done, with these measures; the baseline's hash is one of its recipe."""
    made = unselected(folder, name, **values)
    select, train = made.data / "select", made.data / "train" / "0"
    for place in (select, train):
        place.mkdir(parents=True)
    metrics = {"gan_test/mIoU": 0.2949, "select/kept": 240.0}
    (select / "metrics.json").write_text(json.dumps(metrics))
    generator = hashlib.sha256(str(made.params).encode()).hexdigest()
    write_quality(select, measures, generator=generator)
    recipe = f"{made.params.prepare.train_fraction} {made.params.train}"
    sha256 = hashlib.sha256(recipe.encode()).hexdigest()
    (train / "model.json").write_text(json.dumps({"weights_sha256": sha256}))
    return made


def unselected(folder: Path, name: str, **values: object) -> Group:
    """Return a group with nothing done."""
    return Group(name, with_values(toy_params(), values, place="test"), (Cell("gan", 0),), folder)


@pytest.fixture
def tenth(tmp_path: Path) -> Group:
    return group(tmp_path, "10 %", [KID], **{"prepare.train_fraction": 0.1})


def rows_of(section: str) -> dict[str, list[str]]:
    """Return the rows of the quality table by the group that they are of, and its head."""
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return {row[3]: row for row in lines if row[0] in ("number", "KID")}


def test_only_rows_of_one_ground_are_subtracted_and_stand_together(
    tmp_path: Path, tenth: Group
) -> None:
    """Another baseline and fewer images are other ground; the larger GAN of the same fraction is not."""
    tenths = {"prepare.train_fraction": 0.1}
    fewer, larger = replace(KID, n=24, value=0.2), replace(KID, value=0.35)
    groups = [
        tenth,
        group(tmp_path, "25 %", [replace(OTHER_BASELINE, value=0.1)]),
        group(tmp_path, "pairs_few", [fewer], **tenths, **{"synthesize.count": 24}),
        group(tmp_path, "gan_small", [larger], **tenths, **{"train_gan.preset": "small"}),
    ]
    section = gan_section(groups)
    rows = rows_of(section)
    assert list(rows) == ["GAN of", "10 %", "gan_small", "25 %", "pairs_few"]
    first, second = "segmenter aaaaaaaa", "segmenter cccccccc"
    assert rows["10 %"][2:] == ["1", "10 %", first, "36", "36", "0.4", "-"]
    assert rows["gan_small"][2:] == ["1", "gan_small", first, "36", "36", "0.35", "-0.05 (10 %)"]
    assert rows["25 %"][2:] == ["2", "25 %", second, "92", "92", "0.1", "-"]
    assert rows["pairs_few"][2:] == ["3", "pairs_few", first, "24", "36", "0.2", "-"]
    assert "Rows of different ground are not" in section


def test_a_network_that_is_no_baseline_is_one_ground_for_all_fractions(tmp_path: Path) -> None:
    seen = replace(KID, extractor="random-conv")
    groups = [
        group(tmp_path, "10 %", [seen], **{"prepare.train_fraction": 0.1}),
        group(tmp_path, "25 %", [replace(seen, value=0.15)], **{"prepare.train_fraction": 0.25}),
    ]
    assert rows_of(gan_section(groups))["25 %"][-1] == "-0.25 (10 %)"


def test_a_judge_is_named_and_shared_by_the_variants_that_do_not_train_it_anew(
    tmp_path: Path, tenth: Group
) -> None:
    values = {"prepare.train_fraction": 0.1}
    groups = [
        tenth,
        group(tmp_path, "gan_small", [KID], **values, **{"train_gan.preset": "small"}),
        group(tmp_path, "class_weights", [KID], **values, **{"train.class_weights": "inverse"}),
        group(tmp_path, "25 %", [OTHER_BASELINE], **{"prepare.train_fraction": 0.25}),
    ]
    table = gan_section(groups).split("\n\n")[0]
    judges = [line.strip("| ").split(" | ")[1] for line in table.splitlines()[2:]]
    assert judges[0] == judges[1]
    assert judges[0].startswith("train-0 ")
    assert len(set(judges)) == 3


def test_a_selection_that_two_groups_share_has_one_row_and_one_that_is_not_done_has_none(
    tmp_path: Path, tenth: Group
) -> None:
    twin = group(tmp_path, "weight_0.5", [KID], **{"prepare.train_fraction": 0.1})
    later = unselected(tenth.root, "50 %")
    section = gan_section([tenth, twin, later])
    assert "weight_0.5" not in section
    assert "50 %" not in section
    assert gan_section([later]) == "Not trained."


def test_a_selection_of_older_code_is_named_and_keeps_no_table_from_being_made(
    tmp_path: Path, tenth: Group
) -> None:
    older = group(tmp_path, "25 %", [KID], **{"prepare.train_fraction": 0.25})
    (older.data / "select" / "quality.json").write_text('{"schema_version": 0}')
    section = gan_section([tenth, older])
    assert list(rows_of(section)) == ["GAN of", "10 %"]
    assert section.endswith("Of older code, whose quality numbers are not shown: 25 %.")
