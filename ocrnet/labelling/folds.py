"""Out-of-fold models: each is trained on all training images but those of one fold, which it then judges.

Images of one group are in one fold. The fold's model is trained by the params of the project, as the stage `train`
trains one, and validated on the split val. A trained fold is kept, by a hash of all that it depends on but the code.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from ocrnet.checkpoint import CheckpointStore
from ocrnet.config import Params
from ocrnet.config.evaluation import MIOU
from ocrnet.data.files import write_whole
from ocrnet.data.manifest import MANIFEST_FILE, file_sha256, read_manifest
from ocrnet.inference.predict import load_segmenter
from ocrnet.labelling.label_ranking import Judge
from ocrnet.labelling.panel import Panel
from ocrnet.record import Recorder
from ocrnet.training.data import TrainingData
from ocrnet.training.folds import split_folds, without_fold
from ocrnet.training.train import train_segmenter

FORM = "1"  # of the kept folds; another number after a change of what a fold is
DONE_FILE = "done"
Tell = Callable[[str], None]


def train_folds(
    params: Params, prepared: Path, count: int, *, kept: Path, device: str, tell: Tell
) -> list[Judge]:
    """Train a model per fold, and return who judges which images: the folds, and all models together val and test.

    Args:
        params: Params of all stages; the first seed is used.
        prepared: Folder of the prepared set.
        count: Number of folds, two or more.
        kept: Folder of kept folds.
        device: Device of the prediction; training chooses its own.
        tell: Function that gets a line before a fold is trained.

    Raises:
        DataError: The set is missing or damaged, or has fewer groups than folds.
        ParamsError: The params do not fit the set.
        TrainError: A loss is not finite.
    """
    data = TrainingData.read(prepared)
    # A single process trains a fold: the command is one, and the result is the same up to rounding.
    params = params.model_copy(update={"train": params.train.model_copy(update={"processes": 1})})
    folds = split_folds([str(name) for name in data.real.table["group"]], count, key="--folds")
    place = kept / fold_key(params, prepared, count)
    models, judges = [], []
    for number, held_out in enumerate(folds, start=1):
        folder = place / str(number)
        if not (folder / DONE_FILE).exists():
            without = f"{int(held_out.sum())} of {len(held_out)} images"
            tell(f"fold {number} of {count}: train without {without}")
            _train(params, data, ~held_out, folder)
        models.append(load_segmenter(folder, device=device))
        rows = data.real.table[held_out].reset_index(drop=True)
        judges.append(Judge(Panel(models[-1:]), rows))
    manifest = read_manifest(prepared)
    others = manifest[manifest["split"] != "train"].reset_index(drop=True)
    return [*judges, Judge(Panel(models), others)]


def _train(params: Params, data: TrainingData, kept: Bool[np.ndarray, " N"], folder: Path) -> None:
    if folder.exists():  # a training that was ended
        shutil.rmtree(folder)
    rest, _ = without_fold(data, ~kept)
    train_segmenter(
        params,
        rest,
        seed=params.seeds[0],
        out=folder,
        recorder=Recorder(folder),
        checkpoints=CheckpointStore(folder / "checkpoint"),
    )
    write_whole(folder / DONE_FILE, "")


def fold_key(params: Params, prepared: Path, count: int) -> str:
    """Return a hash of all that the folds depend on but the code."""
    values = params.model_dump(mode="json", by_alias=True)
    used = {name: values[name] for name in ("seeds", "data", "model", "train")}
    if params.evaluate.metric != MIOU:  # it chooses the weights of a training
        used["evaluate"] = {"metric": params.evaluate.metric}
    manifest = file_sha256(prepared / MANIFEST_FILE)
    parts = [FORM, str(count), manifest, json.dumps(used, sort_keys=True)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
