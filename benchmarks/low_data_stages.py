"""What each cell of `benchmarks.low_data` does: what the stage of its name does, on the folders of the study.

The one thing left out is the expectations of `validate`, whose tool a bare machine may not have.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ocrnet.config.arms import extra_folder
from ocrnet.record import Recorder

if TYPE_CHECKING:
    from benchmarks.low_data_cells import Cell
    from ocrnet.checkpoint import CheckpointStore


def _prepare(cell: "Cell", _: "CheckpointStore") -> None:
    from ocrnet.raw.inventory import Inventory
    from ocrnet.raw.prepare import prepare
    from ocrnet.raw.scan import scan
    from ocrnet.raw.sources import find_items, raw_root

    work = cell.folder / "raw"
    inventory = Inventory(Path(cell.params.data.path))
    items = find_items(cell.params, work, inventory)
    inventory.raise_findings()
    root = raw_root(cell.params, work)
    prepare(scan(items, cell.params.data, root=root), cell.params, root=root, out=cell.folder)


def _train(cell: "Cell", checkpoints: "CheckpointStore") -> None:
    from ocrnet.training.train import train_segmenter
    from ocrnet.training.trainer import TrainingData

    extra = None
    if cell.stage == "retrain":
        extra = cell.read(extra_folder(cell.arm, Path()).as_posix())
    train_segmenter(
        cell.params,
        TrainingData.read(cell.read("prepare"), extra=extra),
        seed=cell.seed,
        out=cell.folder,
        recorder=Recorder(cell.folder),
        checkpoints=checkpoints,
    )


def _train_gan(cell: "Cell", checkpoints: "CheckpointStore") -> None:
    from ocrnet.gan.training.train import train_gan

    train_gan(
        cell.read("prepare"),
        cell.params.train_gan,
        crop_size=cell.params.data.crop_size,
        out=cell.folder,
        recorder=Recorder(cell.folder),
        store=checkpoints,
    )


def _synthesize(cell: "Cell", _: "CheckpointStore") -> None:
    from ocrnet.gan.generator.painter import load_painter
    from ocrnet.gan.layouts.synthesize import synthesize_pairs
    from ocrnet.runtime import pick_device

    synthesize_pairs(
        cell.read("prepare"),
        cell.params.synthesize,
        painter=load_painter(cell.read("train_gan"), device=str(pick_device())),
        out=cell.folder,
        recorder=Recorder(cell.folder),
        baseline=cell.read("train"),
        with_copy_paste=True,
    )


def _select(cell: "Cell", _: "CheckpointStore") -> None:
    from ocrnet.gan.generator.painter import load_painter
    from ocrnet.gan.quality import parse_extractor
    from ocrnet.gan.quality.extractors import build_extractor
    from ocrnet.gan.quality.features import FeatureBank
    from ocrnet.gan.quality.gan_test import gan_test
    from ocrnet.gan.quality.measure import GanTest, measure_quality
    from ocrnet.gan.selection.select import select_pairs
    from ocrnet.gan.selection.sheet import write_neighbours, write_sheet
    from ocrnet.inference.predict import load_segmenter
    from ocrnet.runtime import pick_device

    device, params, out = str(pick_device()), cell.params.select, cell.folder
    prepared, judge, pairs = cell.read("prepare"), cell.read("train"), cell.read("synthesize/gan")
    extractor = build_extractor(parse_extractor(params.extractor), baseline=judge, device=device)
    features, recorder = FeatureBank(extractor), Recorder(out)
    segmenter = load_segmenter(judge, device=device)
    metrics = select_pairs(
        prepared, pairs, params, segmenter=segmenter, features=features, out=out, recorder=recorder
    )
    write_sheet(out, pairs, out)
    write_neighbours(out, prepared, pairs, features)
    painter = load_painter(cell.read("train_gan"), device=device)
    judged = gan_test(prepared, painter, segmenter, seed=cell.seed)
    gan_scores = GanTest(
        judged["gan_test/mIoU"], judged["gan_test/real_mIoU"], segmenter.weights_sha256
    )
    quality = measure_quality(
        prepared, pairs, painter=painter, features=features, gan_test=gan_scores, seed=cell.seed, out=out
    )  # fmt: skip
    recorder.finish({**metrics, **judged, **quality})


BODIES: dict[str, Callable[["Cell", "CheckpointStore"], None]] = {
    "prepare": _prepare,
    "train": _train,
    "train_gan": _train_gan,
    "synthesize": _synthesize,
    "select": _select,
    "retrain": _train,
}
