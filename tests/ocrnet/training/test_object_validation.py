"""The choice of the best weights by objects, if `evaluate.metric` is a score of objects."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist

from ocrnet.bundles.bundle import load_bundle, read_card, save_bundle
from ocrnet.config import EvaluateParams, Params
from ocrnet.data.manifest import ClassTable
from ocrnet.evaluation.object_metric import score_val_objects
from ocrnet.evaluation.scored_split import read_test_split
from ocrnet.evaluation.scoring import count_split
from ocrnet.inference.predict import load_segmenter
from ocrnet.objects.least_score import best_least_score
from ocrnet.predict_files.predictor import Predictor
from ocrnet.training.best import BestWeights
from ocrnet.training.data import TrainingData
from ocrnet.training.dataset import ImageFolder
from ocrnet.training.object_validation import match_objects, score_objects
from tests.base_params import params_with, section_with
from tests.ocrnet.conftest import CLASSES
from tests.ocrnet.toy_models import ColourNet
from tests.ocrnet.training.test_instances import params_of, prepared
from tests.ocrnet.training.test_train import run

__all__ = ["prepared"]
WEIGHTS = [{"w": torch.tensor([float(step)])} for step in range(4)]


def confusion_of(share: float) -> np.ndarray:
    found = round(1000 * share)
    return np.array([[found, 1000 - found], [0, 0]])


def changed(params: Params, section: str, **keys: object) -> Params:
    values = params.model_dump(mode="json", by_alias=True)
    values[section] |= keys
    return params_with(values)


@pytest.mark.parametrize(("metric", "best"), [("miou", 1), ("pq", 2), ("ap50", 3)])
def test_the_score_that_the_metric_names_decides_and_of_equals_the_first(
    metric: str, best: int
) -> None:
    scores = [(0.5, 0.1, 0.2), (0.7, 0.2, 0.1), (0.6, 0.4, 0.3), (0.6, 0.4, 0.6)]  # mIoU, PQ, AP50
    kept = BestWeights(metric)  # type: ignore[arg-type]
    for step, (share, pq, ap50) in enumerate(scores):
        kept.offer(step, confusion_of(share), WEIGHTS[step], {"pq": pq, "ap50": ap50})
        other = BestWeights(metric)  # type: ignore[arg-type]
        other.restore(kept.state())
        kept = other
    assert kept.step == best
    assert kept.state()["weights"] == WEIGHTS[best]
    found = kept.metrics(("a", "b"))
    assert (found["val/mIoU"], found["val/PQ"], found["val/AP50"]) == scores[best]
    assert kept.score == scores[best][("miou", "pq", "ap50").index(metric)]


@pytest.mark.parametrize("kind", ["offsets", "attention", "none"])
def test_a_training_keeps_the_weights_of_its_best_pq_which_is_that_of_evaluate(
    kind: str, prepared: Path, tmp_path: Path
) -> None:
    params = changed(params_of(instances=kind, steps=6, val_interval=2), "evaluate", metric="pq")
    out = run(params, prepared, tmp_path / "out")
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    scored = {row["step"]: row for row in rows if "val/PQ" in row}
    assert sorted(scored) == [2, 4, 6]
    card = json.loads((out / "model.json").read_text())["training"]
    best = max(sorted(scored), key=lambda step: scored[step]["val/PQ"])
    assert card["best_step"] == best
    assert card["val_pq"] == pytest.approx(scored[best]["val/PQ"], abs=1e-6)
    assert json.loads((out / "metrics.json").read_text())["val/PQ"] == scored[best]["val/PQ"]
    split = read_test_split(prepared, split="val")
    evaluate = section_with(EvaluateParams, metric="pq", min_object_area=1)
    again = score_val_objects(load_segmenter(out), split, evaluate, place="out")
    assert again["pq"] == pytest.approx(scored[best]["val/PQ"], abs=1e-9)
    assert again["ap50"] == pytest.approx(scored[best]["val/AP50"], abs=1e-9)
    assert ClassTable.read(prepared).class_names[1:] == split.things


def test_the_least_score_of_a_model_is_in_its_card_and_holds_at_predict_and_evaluate(
    prepared: Path, tmp_path: Path
) -> None:
    params = params_of(instances="attention", steps=6, val_interval=3)
    params = changed(params, "train", tune_score=True)
    out = run(params, prepared, tmp_path / "out")
    least = read_card(out).least_score
    data = TrainingData.read(prepared)
    model, card = load_bundle(out)
    mean, std = (torch.tensor(part).view(1, 3, 1, 1) for part in (card.mean, card.std))
    matched = match_objects(model, data.val, things=(1, 2), ignore_index=255, mean=mean, std=std)
    assert least == best_least_score(matched)
    middle = float(np.median(np.concatenate([one.scores for one in matched])))
    save_bundle(tmp_path / "cut", replace(card, least_score=middle), model.state_dict())
    path = prepared / str(data.val.table["image"].iloc[0])
    every, kept = (
        Predictor(load_segmenter(folder), name="x").objects(path)
        for folder in (out, tmp_path / "cut")
    )
    if least == 0:
        assert [one for one in every if one.score >= middle] == kept
    assert all(one.score >= round(middle, 6) for one in kept)
    split = read_test_split(prepared, split="val")
    counted = count_split(load_segmenter(tmp_path / "cut"), split, place="cut", boundary_ratio=0.02)
    for one in counted:
        assert one.objects is not None
        assert not one.objects.counted[one.objects.scores < middle].any()
    assert sum(int(one.objects.counted.sum()) for one in counted if one.objects) > 0


def test_a_card_without_a_least_score_has_no_such_key(prepared: Path, tmp_path: Path) -> None:
    card = read_card(run(params_of(steps=6, val_interval=6), prepared, tmp_path / "out"))
    assert card.least_score == 0
    assert "least_score" not in (tmp_path / "out" / "model.json").read_text()
    assert card.things == CLASSES.class_names[1:]


def scores_of(folder: Path, *, factor: float) -> dict[str, float]:
    """Return the scores of a network that takes the brightest channel, or the darkest with a factor below 0."""
    val = ImageFolder.read(folder, split="val")
    zero, one = torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1)
    return score_objects(
        ColourNet(factor), val, things=(1, 2), ignore_index=255, mean=zero, std=one
    )


def _rank(rank: int, *, root: Path, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{root / 'group'}", rank=rank, world_size=2)
    found = scores_of(folder, factor=-1.0 if rank else 1.0)
    (root / f"{rank}.json").write_text(json.dumps(found))
    dist.destroy_process_group()


@pytest.mark.slow
def test_each_rank_has_the_scores_of_the_first(prepared: Path, tmp_path: Path) -> None:
    """A device may round in another way; with other scores the ranks would end at different steps."""
    run_rank = partial(_rank, root=tmp_path, folder=prepared)
    torch.multiprocessing.spawn(run_rank, nprocs=2)  # type: ignore[attr-defined, no-untyped-call]
    first = scores_of(prepared, factor=1.0)
    assert first != scores_of(prepared, factor=-1.0)
    for rank in (0, 1):
        assert json.loads((tmp_path / f"{rank}.json").read_text()) == first


def test_by_miou_no_object_is_scored(prepared: Path, tmp_path: Path) -> None:
    out = run(params_of(instances="none", steps=6, val_interval=6), prepared, tmp_path / "out")
    assert "val/PQ" not in (out / "metrics.jsonl").read_text()
    assert "val_pq" not in json.loads((out / "model.json").read_text())["training"]
