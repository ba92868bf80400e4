"""The registered model of a set with thing classes answers with its objects."""

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import grimp
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from ocrnet.objects.object_map import components
from pipelines._mlflow.registry import REQUIREMENTS, requirements, signature

from .store import Store
from .toy_challenger import IMAGES, MODEL, TABLE, published, request, run_mlflow
from .workspace import Workspace

pytestmark = [pytest.mark.tools, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def with_things(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A repository whose challenger tells objects of two classes apart, and is published."""
    yield from published(tmp_path_factory, things=("scratch", "crack"))


def test_a_model_with_thing_classes_answers_with_its_objects(with_things: Workspace) -> None:
    """The objects are checked against the label map of the same answer: its components of twelve pixels or more."""
    asked = {**request(IMAGES), "params": {"min_object_area": 12}}
    (with_things.folder / "request.json").write_text(json.dumps(asked))
    run_mlflow(
        with_things, "models", "predict", "--model-uri", MODEL, "--env-manager", "local",
        "--content-type", "json", "--input-path", "request.json", "--output-path", "answer.json",
    )  # fmt: skip
    answer = json.loads((with_things.folder / "answer.json").read_text())
    for row, image in zip(answer["predictions"], IMAGES, strict=True):
        label_map = np.array(Image.open(io.BytesIO(base64.b64decode(row["label_map"]))))
        assert label_map.shape == image.shape[:2]
        parts = components(label_map, (1, 2))
        assert len(row["objects"]) == int((parts.areas >= 12).sum()) > 0
        scores = [one["score"] for one in row["objects"]]
        assert scores == sorted(scores, reverse=True)
        for one in row["objects"]:
            runs: Any = {**one["segmentation"], "counts": one["segmentation"]["counts"].encode()}
            mask = coco_mask.decode(runs).astype(np.bool_)
            assert one["area"] == mask.sum() >= 12
            assert set(label_map[mask]) == {TABLE.class_names.index(one["class"])}
            assert len(np.unique(parts.numbers[mask])) == 1
            rows, columns = np.nonzero(mask)
            left, top, width, height = one["box"]
            assert (columns.min(), rows.min()) == (left, top)
            assert (columns.max() + 1, rows.max() + 1) == (left + width, top + height)


def test_what_a_model_with_thing_classes_needs_and_says(with_things: Workspace) -> None:
    """Packages and columns of a model without thing classes stay as they were."""
    from mlflow.models import Model

    (folder,) = (with_things.folder / "mlartifacts" / "models").iterdir()
    needed = (folder / "artifacts" / "requirements.txt").read_text()
    graph = grimp.build_graph("ocrnet", include_external_packages=True, cache_dir=None)
    modules = graph.find_upstream_modules("ocrnet.predict_files.objects")
    for module in ("scipy", "pycocotools"):
        assert module in modules
        assert f"{module}==" in needed
    found = Model.load(str(folder / "artifacts")).signature
    assert [column.name for column in found.outputs] == ["label_map", "objects"]
    assert [(one.name, one.default) for one in found.params] == [("min_object_area", 1)]
    assert [column.name for column in signature().outputs] == ["label_map"]
    assert signature().params is None
    assert {line.partition("==")[0] for line in requirements()} == set(REQUIREMENTS)
    ((card,),) = Store(with_things.folder / "mlflow.db").query("SELECT description FROM model_versions")  # fmt: skip
    assert "**Objects** of scratch, crack" in card
