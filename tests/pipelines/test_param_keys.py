"""The first stages depend on exactly the params that they read: DVC skips a check whose keys did not change."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ocrnet.config import Params
from ocrnet.config.base import Section
from pipelines._stage.stage import Stage, run_stage
from tests.base_params import write_params
from tests.ocrnet.raw.raw_sets import CLASSES, noise, save, stripes

from .test_graph import QUIET, leaf_keys, named_keys

pytestmark = [pytest.mark.tools, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
SECTIONS = {
    field.annotation: field.alias or name
    for name, field in Params.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}


@pytest.fixture
def read_keys(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return a set that gets the dotted name of every key that is read of any params."""
    read: set[str] = set()
    known = set(leaf_keys())

    def note(self: Section, name: str) -> Any:
        section = SECTIONS.get(type(self))
        if section is not None and name in type(self).model_fields:
            read.add(f"{section}.{name}")
        elif section is not None and name == "model_dump":
            read.update(f"{section}.{key}" for key in type(self).model_fields)
        elif type(self) is Params and name in known:
            read.add(name)
        return object.__getattribute__(self, name)

    monkeypatch.setattr(Section, "__getattribute__", note)
    return read


def watched(body: Callable[[Stage], None], read: set[str]) -> Callable[[Stage], None]:
    """Return a stage's work that begins with nothing read: reading the file itself reads all keys."""

    def run(stage: Stage) -> None:
        read.clear()
        body(stage)

    return run


def set_params(**data: Any) -> None:
    values = {
        "data": {"path": "raw", "classes": list(CLASSES), "crop_size": [16, 16], **data},
        "demo": {"size": [32, 32], "train": 8, "val": 4, "test": 4},
        "model": {"arch": "unet", "mid_channels": 8},
        "select": {"extractor": "random-conv"},
        "synthesize": {"operations": {"flip": 1.0, "copy_paste": 0.0}},
    }
    write_params(Path("params.yaml"), values)


def write_coco(path: Path, images: list[str]) -> None:
    """Write a file of COCO with one object per image."""
    content = {
        "images": [{"id": i, "file_name": name} for i, name in enumerate(images)],
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": [
            {"image_id": i, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]]}
            for i in range(len(images))
        ],
    }
    path.write_text(json.dumps(content))


def test_validate_and_prepare_depend_on_what_they_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_keys: set[str]
) -> None:
    from pipelines.prepare import prepare
    from pipelines.validate import validate

    known = set(leaf_keys())
    monkeypatch.chdir(tmp_path)
    for i in range(12):
        save(tmp_path / "raw" / "images" / f"a{i}.png", noise(i, (32, 48, 3)))
        save(tmp_path / "raw" / "masks" / f"a{i}.png", stripes((32, 48)))
    write_coco(tmp_path / "raw" / "annotations.json", [f"images/a{i}.png" for i in range(12)])
    found: dict[str, set[str]] = {"validate": set(), "prepare": set()}
    demo = {"source": "demo", "classes": ["plate", "scratch", "pit", "stain", "crack"]}
    coco = {"source": "coco", "classes": ["background", "cell"]}
    for data in ({"source": "folder"}, demo, coco):
        set_params(**data)
        for name, body in (("validate", validate), ("prepare", prepare)):
            assert run_stage(watched(body, read_keys), name, argv=[]) == 0
            found[name] |= read_keys
    for name, read in found.items():
        # The folder that data.path names is a dependency itself.
        assert (read & known) - QUIET - {"data.path"} <= named_keys(name), name
        # Validate does not read these, but DVC puts them into commands: a change has all params parsed before.
        assert named_keys(name) - ({"seeds", "folds"} if name == "validate" else set()) <= read, (
            name
        )
