"""The model file: a folder with `weights.safetensors` and `model.json`; no pickle is read or written."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ocrnet.data.decode import Alpha, Exif, ExtraBands
from ocrnet.data.manifest import ClassTable, file_sha256
from ocrnet.errors import BundleError
from ocrnet.models import build_segmenter
from ocrnet.models.output import SegmentationModel

SCHEMA_VERSION = 1
WEIGHTS_FILE = "weights.safetensors"
MODEL_FILE = "model.json"
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Decoding:
    """What `prepare` did to the raw images, so that the model can be given one.

    Args:
        value_range: [low, high] of images deeper than 8 bits.
        exif: what a rotation flag means: error, apply or ignore.
        resize: (height, width) that every image was brought to; None where sizes were kept.
        alpha: what transparent pixels mean: error, ignore, black or white.
        extra_bands: what bands beyond colours and alpha mean: error or drop.
    """

    value_range: tuple[float, float] | None = None
    exif: Exif = "error"
    resize: tuple[int, int] | None = None
    alpha: Alpha = "error"
    extra_bands: ExtraBands = "error"


@dataclass(frozen=True)
class ModelCard:
    """Everything about a model that is not a weight.

    Args:
        arch: a name in `ocrnet.models.ARCHS`.
        options: what `build_segmenter` takes besides.
        classes: names, palette and ignored id.
        mean: of RGB in [0, 1], subtracted before the model.
        std: of RGB in [0, 1], divided by after that.
        decoding: what was done to raw images.
        training: how the weights came to be: steps, seed, scores.
        weights_sha256: of the weights file; empty until saved.
        schema_version: of this file's form.
    """

    arch: str
    options: dict[str, Any]
    classes: ClassTable
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    decoding: Decoding = Decoding()
    training: dict[str, Any] | None = None
    weights_sha256: str = ""
    schema_version: int = SCHEMA_VERSION


def build_model(card: ModelCard) -> SegmentationModel:
    """Build the untrained model that a card describes."""
    return build_segmenter(card.arch, num_classes=card.classes.num_classes, **card.options)


def save_bundle(folder: Path, card: ModelCard, weights: dict[str, Tensor]) -> None:
    """Write weights and card into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    save_file(weights, folder / WEIGHTS_FILE)
    values = {**asdict(card), "weights_sha256": file_sha256(folder / WEIGHTS_FILE)}
    (folder / MODEL_FILE).write_text(json.dumps(values, indent=1) + "\n")


def read_card(folder: Path) -> ModelCard:
    """Read the card of a bundle.

    Raises:
        BundleError: there is none, or it is of another schema.
    """
    path = folder / MODEL_FILE
    if not path.exists():
        raise BundleError(f"{path}: no such file. A bundle holds {MODEL_FILE} and {WEIGHTS_FILE}.")
    try:
        raw = json.loads(path.read_text())
        version = raw["schema_version"]
    except (ValueError, KeyError, TypeError):
        raise BundleError(f"{path}: not a model card. Train the model again.") from None
    if version != SCHEMA_VERSION:
        raise BundleError(
            f"{path}: schema_version {version}, this version reads {SCHEMA_VERSION}. "
            "Use the version that wrote it, or train again."
        )
    table, decoding = raw.pop("classes"), raw.pop("decoding")
    palette = tuple(tuple(colour) for colour in table["palette"])
    return ModelCard(**{
        **raw,
        "classes": ClassTable(tuple(table["class_names"]), palette, table["ignore_index"]),
        "decoding": Decoding(
            _tuple(decoding["value_range"]),
            decoding["exif"],
            _tuple(decoding["resize"]),
            # Cards without these are of models that were trained on whatever was there.
            alpha=decoding.get("alpha", "ignore"),
            extra_bands=decoding.get("extra_bands", "drop"),
        ),
        "mean": tuple(raw["mean"]),
        "std": tuple(raw["std"]),
    })  # fmt: skip


def _tuple(values: list[Any] | None) -> Any:
    return None if values is None else tuple(values)


def load_bundle(folder: Path) -> tuple[SegmentationModel, ModelCard]:
    """Rebuild the model of a bundle, in eval mode on the CPU.

    Raises:
        BundleError: a file is missing or damaged, or the weights do not fit the model.
    """
    card = read_card(folder)
    path = folder / WEIGHTS_FILE
    if not path.exists() or file_sha256(path) != card.weights_sha256:
        raise BundleError(
            f"{path}: missing, or not the weights that {MODEL_FILE} names. Restore it with `dvc checkout`."
        )
    model = build_model(card)
    try:
        model.load_state_dict(load_file(path))
    except (RuntimeError, SafetensorError) as error:
        raise BundleError(
            f"{path}: does not fit {card.arch}: {' '.join(str(error).split())[:300]}"
        ) from None
    return model.eval(), card
