"""Training of the joint generator, after that of the painter and with its params.

All randomness is keyed by (seed, step), and the training has its own checkpoint. One process trains it, also where
several processes train the painter: it is small.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as PilImage

from ocrnet.checkpoint import CheckpointStore
from ocrnet.config import TrainGanParams
from ocrnet.data.contact_sheet import beside, under
from ocrnet.gan.generator.joint import JointDrawer, save_joint
from ocrnet.gan.training.batches import Pairs
from ocrnet.gan.training.joint.batches import WholePairs
from ocrnet.gan.training.joint.step import JointTrainer
from ocrnet.record import Recorder
from ocrnet.run_loop import RunLoop

MEASURED = 64  # images that are drawn to measure
ROWS, COLUMNS = 4, 6  # of the sheet
GAP = 4  # pixels
LEAST = 0.0005  # a class that covers a smaller share of an image is not shown, as in the layouts


class JointRun(RunLoop):
    """One training of the joint generator."""

    def __init__(
        self, trainer: JointTrainer, pairs: WholePairs, *, recorder: Recorder, store: CheckpointStore
    ) -> None:  # fmt: skip
        super().__init__(trainer.params, recorder=recorder, store=store)
        self._trainer, self._pairs = trainer, pairs

    def steps_left(self) -> Iterable[int]:
        """Return the steps that are left."""
        return range(self.done, self._trainer.params.steps)

    def take_step(self, step: int) -> None:
        """Train both networks on one batch, and log at the interval of the params."""
        losses = self._trainer.step(step, self._pairs.batch(step))
        self.done = step + 1
        params = self._trainer.params
        if self.done % params.log_interval == 0 or self.done == params.steps:
            values = {
                "gan/joint_loss_g": losses.generator,
                "gan/joint_loss_d": losses.discriminator,
            }
            self._recorder.log(self.done, values)
            numbers = "  ".join(f"{name} {value:.3f}" for name, value in values.items())
            self.log_line(f"{numbers}  {self.pace.words(self.done)}")

    def state(self) -> dict[str, Any]:
        """Return the state that the rest of the training depends on."""
        return self._trainer.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        self._trainer.restore(state)


def train_joint(
    train: Pairs, pseudo: Pairs | None, params: TrainGanParams, *, out: Path, recorder: Recorder,
    store: CheckpointStore, device: torch.device,
) -> dict[str, float]:  # fmt: skip
    """Train the joint generator, write it with a sheet of samples to `out`, and return its scores.

    Args:
        train: Labelled pairs.
        pseudo: Unlabelled images with pseudo-labels, which it learns from in the first steps; None without them.
        params: Params of the training, with `joint_steps` above 0.
        out: Folder for `joint.safetensors`, `joint.json` and `joint.jpg`.
        recorder: Recorder of the metrics.
        store: Store of the checkpoint from which a killed training continues.
        device: Device of the training.

    Raises:
        TrainError: A loss is not finite.
    """
    own = params.model_copy(update={"steps": params.joint_steps})
    trainer = JointTrainer(train.class_table.num_classes, own, device=device)
    run = JointRun(trainer, WholePairs(train, pseudo, own), recorder=recorder, store=store)
    run.run()
    run.save()
    drawer = JointDrawer(trainer.average.model, train.class_table)
    save_joint(out, drawer)
    _write_sheet(out / "joint.jpg", drawer, train)
    scores = measure(drawer, train)
    recorder.log(run.done, scores)
    return scores


def measure(drawer: JointDrawer, train: Pairs) -> dict[str, float]:
    """Compare drawn label maps with training label maps.

    Returns:
        `gan/joint_condition`, the mean share of classes that are both wanted and shown among those that are one of
        both; `gan/joint_drift`, half the sum of the absolute differences between the class shares of drawn label maps
        and those of the training label maps whose classes they were drawn for.
    """
    K = train.class_table.num_classes
    agreed, drawn, real = [], np.zeros(K), np.zeros(K)
    for seed in range(MEASURED):
        wanted = _counts(train.read(seed % len(train))[1], K)
        found = _counts(drawer.draw(_shown(wanted), seed=seed)[1], K)
        both, either = set(_shown(wanted)) & set(_shown(found)), {*_shown(wanted), *_shown(found)}
        agreed.append(len(both) / max(len(either), 1))
        drawn += found / max(found.sum(), 1)
        real += wanted / max(wanted.sum(), 1)
    drift = np.abs(drawn - real).sum() / 2 / MEASURED
    return {"gan/joint_condition": float(np.mean(agreed)), "gan/joint_drift": float(drift)}


def _counts(label_map: np.ndarray, num_classes: int) -> np.ndarray:
    return np.bincount(label_map.ravel(), minlength=256)[:num_classes].astype(np.float64)


def _shown(counts: np.ndarray) -> list[int]:
    found: list[int] = np.flatnonzero(counts >= max(LEAST * counts.sum(), 1)).tolist()
    return found


def _write_sheet(path: Path, drawer: JointDrawer, train: Pairs) -> None:
    """Write a JPEG with drawn images, below each its label map."""
    K = train.class_table.num_classes
    colors = np.array(train.class_table.palette, np.uint8)
    rows = []
    for row in range(ROWS):
        pictures = []
        for column in range(COLUMNS):
            seed = row * COLUMNS + column
            wanted = _shown(_counts(train.read(seed % len(train))[1], K))
            image, label_map = drawer.draw(wanted, seed=seed)
            pictures.append(under([image, colors[label_map]]))
        rows.append(beside(pictures, gap=GAP))
    PilImage.fromarray(under(rows, gap=GAP)).save(path, quality=92, subsampling=0)
