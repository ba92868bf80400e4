"""The work of `ocrnet export`: load, trace, write, compare, tell, register."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import torch

from ocrnet.bundles.bundle import load_bundle
from ocrnet.bundles.card import ModelCard
from ocrnet.data.decode import resize_image
from ocrnet.errors import GateError, ParamsError
from ocrnet.export.card import ExportCard
from ocrnet.export.comparison import LabelMapper, compare, time_models
from ocrnet.export.exported import Exported, write_record
from ocrnet.export.int8 import write_int8
from ocrnet.export.onnx_segmenter import load_onnx
from ocrnet.export.packages import TO_WRITE, require_packages
from ocrnet.export.program_file import ProgramFile
from ocrnet.export.samples import Samples, read_samples
from ocrnet.export.trace import trace
from ocrnet.export.write_file import write_onnx, write_program
from ocrnet.inference.predict import Segmenter
from ocrnet.models import NO_HEADS
from ocrnet.models.output import SegmentationModel
from ocrnet.predict_files.predictor import Predictor
from ocrnet.predict_files.references import SCHEME, is_registered
from pipelines.cli.export import FORMATS, LEAST_SIDE

SUFFIXES = dict(zip(FORMATS, (".onnx", ".pt2"), strict=True))
CALIBRATION_IMAGES = 32  # the ranges of activations change little with more
CROPPED_IMAGES = 3
TIMED_IMAGES = 4


@dataclass(frozen=True)
class ExportRequest:
    """What the user wants; the fields have the names of the options.

    Args:
        model: Folder of a bundle, or a name of the registry.
        out: File or folder.
        kind: Name in `FORMATS`.
        raw: Whether pre- and post-processing are left out.
        layout: Order of the axes of the pixels.
        probabilities: Whether the file also gives probabilities.
        objects: Whether the file also gives the maps of instance heads.
        size: The one size of images, in pixels; None: any.
        int8: Whether the 8-bit form is also written.
        opset: Version of ONNX's operators.
        images: Prepared set or folder of images to compare on.
        register: Whether the files are stored with the model's version in MLflow.
    """

    model: str
    out: Path
    kind: str
    raw: bool
    layout: str
    probabilities: bool
    objects: bool
    size: tuple[int, int] | None
    int8: bool
    opset: int
    images: Path
    register: bool


@dataclass(frozen=True)
class Source:
    """The model to export.

    Args:
        model: Network with its weights, in eval mode.
        card: Card of its bundle.
        name: Name for people.
    """

    model: SegmentationModel
    card: ModelCard
    name: str


def export_model(request: ExportRequest) -> None:
    """Export a model as a request says, and tell the user how far it agrees.

    Raises:
        ParamsError: An option is wrong, a package is missing, or the network cannot be exported.
        DataError: The images cannot be read, or the registry lacks the version.
        BundleError: The model is damaged.
        GateError: A file does not agree with the model.
        StoreError: MLflow does not answer.
    """
    target = target_of(request)
    require_packages(TO_WRITE, purpose="ocrnet export")
    torch.set_num_threads(1)  # latencies are compared on one thread
    with _opened(request.model) as (folder, name):
        model, card = load_bundle(folder)
    source = Source(model, card, name)
    predictor = Predictor(Segmenter(model, card, name=name), name=name)
    samples = read_samples(
        request.images, card.classes, lambda path: _decode(predictor, path), size=request.size
    )
    made = _write(request, source, target, samples)
    files = _compare(request, predictor.segmenter, made, samples)
    for exported in files:
        write_record(exported)
    click.echo(table_text(name, files))
    if bad := [exported.fault for exported in files if not exported.is_good]:
        raise GateError("\n".join(bad))
    click.echo(f"{', '.join(str(exported.path) for exported in files)}: agrees with {name}")
    if request.register and name.startswith(SCHEME):
        _register(name, files)


def target_of(request: ExportRequest) -> Path:
    """Return the path of the file that a request asks for.

    Raises:
        ParamsError: The ending contradicts the format, or an option does not go with another.
    """
    suffix = SUFFIXES[request.kind]
    out = request.out
    if out.suffix in SUFFIXES.values() and out.suffix != suffix:
        raise ParamsError(
            f"--out: found {out}, but --format {request.kind} is {suffix}. Give the other --format or ending."
        )
    if request.int8 and request.kind != "onnx":
        raise ParamsError(f"--int8: found with --format {request.kind}. 8 bits need --format onnx.")
    if request.int8 and request.objects:
        raise ParamsError(
            "--int8: found with --objects, whose maps need float32. Leave one of them out."
        )
    if request.raw and (request.probabilities or request.layout != "nhwc"):
        option = "--probabilities" if request.probabilities else "--layout"
        raise ParamsError(
            f"{option}: found with --raw, which takes N 3 H W and gives logits. Leave one of them out."
        )
    target = out if out.suffix == suffix else out / f"model{suffix}"
    if target.is_dir():
        raise ParamsError(f"{target}: is a folder. Give the name of a file, or another folder.")
    return target


@contextmanager
def _opened(model: str) -> Iterator[tuple[Path, str]]:
    """Yield the folder of a bundle, and its name for people."""
    if not is_registered(model):
        yield Path(model), Path(model).as_posix()
        return
    from pipelines._mlflow.registered_model import registered_bundle

    with registered_bundle(model) as found:
        yield found


def _decode(predictor: Predictor, path: Path) -> npt.NDArray[np.uint8]:
    """Read an image as `prepare` did for the model."""
    image = predictor.read(path)
    resize = predictor.segmenter.decoding.resize
    return image if resize is None else resize_image(image, resize)


def _write(
    request: ExportRequest, source: Source, target: Path, samples: Samples
) -> dict[Path, ExportCard]:
    """Write the files, and return them with their cards."""
    instances: Any = NO_HEADS
    if request.objects:
        instances = source.card.options.get("instances", NO_HEADS)
        if instances == NO_HEADS:
            raise ParamsError(
                f"--objects: {source.name} has no instance heads. Train a model with model.instances, or leave it out."
            )
    card = ExportCard(
        arch=source.card.arch, classes=source.card.classes, mean=source.card.mean, std=source.card.std,
        decoding=source.card.decoding, source=source.name, weights_sha256=source.card.weights_sha256,
        is_raw=request.raw, probabilities=request.probabilities,
        layout="nchw" if request.raw or request.layout == "nchw" else "nhwc", size=request.size,
        things=source.card.things, least_score=source.card.least_score,
        instances=instances, multiple=source.model.multiple,
    )  # fmt: skip
    if request.kind != "onnx":
        # Its runtime checks that the padding of small images, which is fixed to the traced case, is not needed.
        write_program(target, trace(source.model, card, least=LEAST_SIDE), card)
        return {target: card}
    program = trace(source.model, card)
    write_onnx(target, program, card, opset=request.opset)
    if not request.int8:
        return {target: card}
    small = target.with_name(f"{target.stem}.int8{target.suffix}")
    images = [sample.image for sample in samples.spread(CALIBRATION_IMAGES)]
    write_int8(target, small, card, images)
    return {target: card, small: replace(card, precision="int8")}


def _compare(
    request: ExportRequest, segmenter: Segmenter, made: Mapping[Path, ExportCard], samples: Samples
) -> list[Exported]:
    """Hold the written files against the model."""
    is_onnx = request.kind == "onnx"
    models: dict[str, LabelMapper] = {
        path.name: load_onnx(path) if is_onnx else ProgramFile(path, card)
        for path, card in made.items()
    }
    odd = samples.spread(CROPPED_IMAGES) if request.size is None else []
    times = time_models({"": segmenter, **models}, samples.spread(TIMED_IMAGES))
    return [
        Exported(
            path, request.kind, card, request.opset if is_onnx else None,
            compare(segmenter, models[path.name], samples, card.classes, odd=odd),
            (times[path.name], times[""]),
        )
        for path, card in made.items()
    ]  # fmt: skip


def table_text(name: str, files: list[Exported]) -> str:
    """Return size, latency on one thread and agreement of the model and its files, side by side."""
    model_s = files[0].latency_s[1]
    rows = [("", "MB", "ms/image", "ratio", "equal pixels", "mIoU")]
    of_model = files[0].agreement.miou
    rows.append((name, "", f"{1e3 * model_s:.1f}", "1", "", _percent(of_model and of_model[0])))
    for one in files:
        found = one.agreement
        rows.append((
            one.path.name, f"{one.megabytes:.1f}", f"{1e3 * one.latency_s[0]:.1f}", f"{one.ratio:.2f}",
            f"{100 * found.share:.3f} %", _percent(found.miou and found.miou[1]),
        ))  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f} %"


def _register(name: str, files: list[Exported]) -> None:
    """Store the files with the version that they were made from."""
    from pipelines._mlflow.registered_export import store_exports

    for line in store_exports(name, files):
        click.echo(line)
