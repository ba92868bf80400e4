"""The challenger in the model registry: a pyfunc from code with safetensors, under the alias `challenger`."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pipelines._dvc_files.lock import Lock

from .challenger import WEIGHTS_FILE, Challenger
from .client import Session
from .runs import KEY_TAG, lineage
from .sent_record import ALIAS, Registered
from .stage_points import read_record

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models import ModelSignature

EXAMPLES = Path("data/prepare/images")
CODE = Path(__file__).with_name("pyfunc.py")
LIBRARY = Path(__file__).parents[2] / "ocrnet"
CARD = "model.json"
WEIGHTS_TAG = "weights_sha256"
EVALUATION_TAG = "evaluate.stage_key"
# What `ocrnet.inference.predict` and `pyfunc.py` import; a test compares it with what they do import.
REQUIREMENTS = (
    "jaxtyping", "mlflow", "numpy", "opencv-python-headless", "pandas", "pillow", "pydantic", "ruamel.yaml",
    "safetensors", "timm", "torch", "torchvision",
)  # fmt: skip
OF_OBJECTS = ("pycocotools", "scipy")  # which a model with thing classes needs, too


def register(
    session: Session,
    challenger: Challenger,
    lock: Lock,
    *,
    run_id: str,
    model: str,
    git: Mapping[str, str],
) -> Registered:
    """Make the challenger's weights a version of `model`, once, and point the alias at it."""
    client = session.client
    tags = version_tags(challenger, lock, git)
    found = _find_version(session, model, challenger)
    if found is None:
        found = _create_version(session, challenger, model=model, run_id=run_id, tags=tags)
    elif found.tags.get(EVALUATION_TAG) != challenger.evaluation.key:
        for name, value in tags.items():
            client.set_model_version_tag(model, found.version, name, value)
        client.update_model_version(model, found.version, model_card(challenger, tags))
    if _alias_version(session, model) != str(found.version):
        client.set_registered_model_alias(model, ALIAS, found.version)
    return challenger.registered(model, str(found.version))


def version_tags(challenger: Challenger, lock: Lock, git: Mapping[str, str]) -> dict[str, str]:
    """Return the tags by which a version can be traced, compared and rebuilt."""
    facts = challenger.facts
    return {
        **lineage(challenger.entry, lock, read_record(challenger.folder), git),
        EVALUATION_TAG: challenger.evaluation.key,
        "stage": challenger.entry.name,
        WEIGHTS_TAG: challenger.weights_sha256,
        "arm": str(facts.get("arm", "")),
        "seed": str(facts.get("seed", "")),
        "helps": str(facts.get("helps", "")).lower(),
        "verdict": str(facts.get("verdict", ""))[:5000],
        "metrics": json.dumps(facts.get("metrics", {})),
    }


def model_card(challenger: Challenger, tags: Mapping[str, str]) -> str:
    """Return the version's description: classes, scores, origin, input and output."""
    card = json.loads((challenger.folder / CARD).read_text())
    classes, things = card.get("classes", {}), card.get("things", [])
    names = ", ".join(classes.get("class_names", [])) or "see model.json"
    metrics = challenger.facts.get("metrics", {})
    rows = "\n".join(
        f"| {name} | {value:.4f} |" for name, value in sorted(metrics.items()) if value is not None
    )
    objects = _objects_in_words(things) if things else ""
    return f"""# {challenger.entry.name}

{challenger.facts.get("verdict", "")}

**Classes** (pixel value 0 and up): {names}

| on the test split | |
|---|---|
{rows}

**In**: column `image`, the bytes of an image file. **Out**: column `label_map`, the bytes of a palette PNG of the same
size whose pixels are class ids. Over HTTP both are base64: `{{"dataframe_records": [{{"image": "<base64>"}}]}}` to
`/invocations`.
{objects}
**From**: commit `{tags["git.sha"]}` (uncommitted changes: {tags["git.dirty"]}), data `{tags["dvc.data_md5"]}`,
dvc.lock `{tags["dvc.lock_md5"]}`, stage key `{tags[KEY_TAG]}`, weights sha256 `{challenger.weights_sha256}`. The run of
this version holds `dvc.lock` and `params.yaml` under `provenance`.

**Not for**: images of another kind than the training set; no score outside that test split is known.
"""


def _objects_in_words(things: Sequence[str]) -> str:
    return f"""
**Objects** of {", ".join(things)}: column `objects` of the answer, a list by falling score. Each has `class`, `score`,
`box` (left, top, width and height in pixels), `area` in pixels, and `segmentation`, COCO's compressed run lengths. With
`"params": {{"min_object_area": 10}}` beside `dataframe_records`, smaller ones are left out.
"""


def requirements(*, objects: bool = False) -> list[str]:
    """Return the packages that a server of the model installs, at the versions in use.

    Args:
        objects: Whether the model has thing classes.
    """
    names = sorted({*REQUIREMENTS, *(OF_OBJECTS if objects else ())})
    return [f"{name}=={version(name).partition('+')[0]}" for name in names]


def signature(*, objects: bool = False) -> "ModelSignature":
    """Return the columns that a model reads and answers with, and its params.

    Args:
        objects: Whether the model has thing classes.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import Array, Object, Property

    image, label_map = ColSpec("binary", "image"), ColSpec("binary", "label_map")
    if not objects:
        return ModelSignature(Schema([image]), Schema([label_map]))
    runs = Object([Property("size", Array("long")), Property("counts", "string")])
    one = Object([
        Property("class", "string"), Property("score", "double"), Property("box", Array("long")),
        Property("area", "long"), Property("segmentation", runs),
    ])  # fmt: skip
    answer = Schema([label_map, ColSpec(Array(one), "objects")])
    least = ParamSpec("min_object_area", "long", 1)
    return ModelSignature(Schema([image]), answer, params=ParamSchema([least]))


def _create_version(
    session: Session, challenger: Challenger, *, model: str, run_id: str, tags: Mapping[str, str]
) -> "ModelVersion":
    from mlflow.exceptions import MlflowException

    client = session.client
    with suppress(MlflowException):  # it exists already
        client.create_registered_model(
            model, description="Segmenters of this repository, one version per challenger."
        )
    model_id = _save_model(session, challenger, run_id, name=model)
    return client.create_model_version(
        model, f"models:/{model_id}", run_id, tags=dict(tags), model_id=model_id,
        description=model_card(challenger, tags),
    )  # fmt: skip


def _save_model(session: Session, challenger: Challenger, run_id: str, *, name: str) -> str:
    """Save the model under its run and return its id.

    `log_model` would also load the model to try the example, which needs torch; the tests serve the model for real.
    """
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus

    client = session.client
    model = client.create_logged_model(session.experiment_id, name, run_id, model_type="segmenter")
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    with TemporaryDirectory() as folder:
        _write_model(challenger, Path(folder), run_id=run_id, model_id=model.model_id)
        client.log_model_artifacts(model.model_id, str(Path(folder, "model")))
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    return str(model.model_id)


def _write_model(challenger: Challenger, folder: Path, *, run_id: str, model_id: str) -> None:
    import mlflow.pyfunc
    import pandas as pd
    from mlflow.models import Model

    objects = bool(json.loads((challenger.folder / CARD).read_text()).get("things"))
    mlflow.pyfunc.save_model(
        folder / "model",
        mlflow_model=Model(run_id=run_id, model_uuid=model_id, model_id=model_id),
        python_model=os.path.relpath(CODE),
        code_paths=[os.path.relpath(LIBRARY)],
        artifacts={
            "weights": str(challenger.folder / WEIGHTS_FILE),
            "card": str(challenger.folder / CARD),
        },
        signature=signature(objects=objects),
        input_example=pd.DataFrame({"image": [_example()]}),
        pip_requirements=requirements(objects=objects),
    )
    for cache in [*(folder / "model").rglob("__pycache__")]:
        shutil.rmtree(cache)


def _example() -> bytes:
    """Return the first prepared image, or a grey one where there is none."""
    first = min(EXAMPLES.glob("*.png"), default=None)
    if first is not None:
        return first.read_bytes()
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (128, 128, 128)).save(buffer, format="PNG")
    return buffer.getvalue()


def _find_version(session: Session, model: str, challenger: Challenger) -> "ModelVersion | None":
    found = session.client.search_model_versions(f"name = '{model}'")
    wanted = {WEIGHTS_TAG: challenger.weights_sha256, KEY_TAG: challenger.entry.key}
    return next((item for item in found if wanted.items() <= item.tags.items()), None)


def _alias_version(session: Session, model: str) -> str | None:
    aliases: dict[str, str] = session.client.get_registered_model(model).aliases
    held = aliases.get(ALIAS)
    return None if held is None else str(held)
