"""Scores per image and lineage of a model of the server: from the registry, or from the outputs of the stages."""

import json
from pathlib import Path

import pytest

from ocrnet.evaluation.scored_split import read_test_split
from ocrnet.metrics import miou
from pipelines._serve.evaluations import Known, known_about
from pipelines._serve.models import load_models
from tests.pipelines.registered import BETTER, MODEL, WRONG, Registry, count_wrong

from .scored_set import MIOU, WORST, write_scored_set


def known(reference: str | Path, data: Path) -> Known:
    return known_about(load_models([str(reference)], device="cpu", queue=1)[0], data)


@pytest.mark.tools
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_registered_version_has_its_own_scores_and_its_tags(registry: Registry) -> None:
    split = read_test_split(registry.folder / "data/prepare")
    found = known(f"models:/{MODEL}/{BETTER}", registry.folder / "nowhere")
    assert found.evaluation is not None
    expected = [miou(one) for one in count_wrong(split, WRONG[BETTER])]
    assert found.evaluation.images == pytest.approx(dict(zip(split.ids, expected, strict=True)))
    assert [*found.evaluation.images.values()] == sorted(found.evaluation.images.values())
    assert found.evaluation.test_sha256 == split.sha256
    assert found.evaluation.place.endswith("in MLflow")
    assert found.lineage["git.sha"] == registry.tags(BETTER)["git.sha"]


def test_a_bundle_has_the_scores_of_its_weights_worst_first(bundles: Path, tmp_path: Path) -> None:
    data = write_scored_set(tmp_path / "data", bundles / "1")
    found = known(bundles / "1", data)
    assert found.evaluation is not None
    assert [*found.evaluation.images.items()] == [(name, MIOU[name]) for name in WORST]
    assert found.evaluation.model["model"] == "train-0"
    assert "other models" in known(bundles / "2", data).fault


def test_missing_and_damaged_scores_are_told_and_end_nothing(bundles: Path, tmp_path: Path) -> None:
    assert "has no scores" in known(bundles / "1", tmp_path).fault
    data = write_scored_set(tmp_path / "data", bundles / "1")
    for text in ("{", json.dumps({"models": 3}), json.dumps([])):
        (data / "evaluate/scores.json").write_text(text)
        assert "damaged" in known(bundles / "1", data).fault
