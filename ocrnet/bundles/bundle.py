"""The bundle: a folder with `weights.safetensors` and `model.json`; no pickle is read or written.

Both files are untrusted data. The card is checked strictly. The model that it describes is first built without memory
and compared with the header of the weights; then the weights are read and the model is built in memory.
"""

import json
import math
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import AfterValidator, Field, JsonValue, TypeAdapter, ValidationError
from safetensors.torch import save_file
from torch import Tensor

from ocrnet.bundles.tensors import kind_differs, read_finite, read_header
from ocrnet.config.base import MAX_PIXELS, PixelLimit
from ocrnet.config.untrusted_json import STRICT, check_card, read_json, words_of
from ocrnet.data.decode import Alpha, Exif, ExtraBands
from ocrnet.data.files import whole_file, write_whole
from ocrnet.data.manifest import CheckedClasses, file_sha256
from ocrnet.errors import BundleError, OcrnetError
from ocrnet.models import ARCHS, OPTIONS, build_segmenter
from ocrnet.models.head_variants import HEAD_VARIANTS
from ocrnet.models.known import is_known_backbone
from ocrnet.models.norm_policies import NORMS
from ocrnet.models.output import SegmentationModel
from ocrnet.models.strides import STRIDES

SCHEMA_VERSION: Literal[1] = 1
WEIGHTS_FILE = "weights.safetensors"
MODEL_FILE = "model.json"
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
EARLIER_OPTIONS = {"form": "head_variant"}  # names of options in cards of earlier versions
OPTIONAL = ("things", "least_score")  # keys that a card has only with a value
CURE = "Restore the bundle with `dvc checkout`, or train the model again."

Width = Annotated[int, Field(ge=1, le=1 << 16)]
Mean = Annotated[float, Field(ge=0, le=1)]
Std = Annotated[float, Field(ge=1e-4, le=1)]
Value = Annotated[float, Field(ge=-1e12, le=1e12)]  # stored value of a pixel


@dataclass(frozen=True)
class Options:
    """The further arguments of `build_segmenter`, with the limits of a card."""

    __pydantic_config__ = STRICT

    backbone: str | None = None
    norm: str | None = None
    mid_channels: Width | None = None
    key_channels: Width | None = None
    prototypes: Width | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    align_corners: bool | None = None
    head_variant: str | None = None
    stride: str | None = None
    context: str | None = None
    region_grid: Annotated[int, Field(ge=0, le=256)] | None = None
    instances: Literal["none", "offsets", "attention"] | None = None
    decoder_stride: Literal[1, 2] | None = None


def _check_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options if their types, ranges and names are allowed."""
    try:
        known = OPTION_TYPES.validate_json(json.dumps(options))
    except ValidationError as error:
        raise ValueError(words_of(error)) from None
    if known.backbone is not None and not is_known_backbone(known.backbone):
        raise ValueError(f"backbone {known.backbone[:60]!r} is no model of timm")
    named: tuple[tuple[str, str | None, Collection[str]], ...] = (
        ("norm", known.norm, NORMS),
        ("head_variant", known.head_variant, HEAD_VARIANTS),
        ("stride", known.stride, STRIDES),
    )
    for name, value, table in named:
        if value is not None and value not in table:
            raise ValueError(f"{name} {value[:60]!r} is unknown. Known: {', '.join(table)}")
    nothing = [name for name, value in options.items() if value is None]
    if nothing:
        raise ValueError(f"{nothing[0]} is null")
    return options


def _check_arch(arch: str) -> str:
    if arch not in ARCHS:
        raise ValueError(f"unknown. Known: {', '.join(ARCHS)}")
    return arch


def _check_finite(value: Any) -> Any:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in inner:
        _check_finite(part)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is not finite")
    return value


OPTION_TYPES: TypeAdapter[Options] = TypeAdapter(Options)
assert {"backbone", "norm", *OPTIONS} == set(Options.__dataclass_fields__)


@dataclass(frozen=True)
class Decoding:
    """The decoding of raw images by `prepare`, so that the model can be used on raw images.

    Args:
        value_range: [low, high] of images deeper than 8 bits.
        exif: Treatment of a rotation flag: error, apply or ignore.
        resize: (height, width) in pixels that every image was resized to; None if sizes were kept.
        max_pixels: Largest number of pixels of an image; a larger one is refused before it is decoded.
        alpha: Treatment of transparent pixels: error, ignore, black or white.
        extra_bands: Treatment of bands beyond colours and alpha: error or drop.
    """

    __pydantic_config__ = STRICT

    value_range: tuple[Value, Value] | None = None
    exif: Exif = "error"
    resize: tuple[Width, Width] | None = None
    max_pixels: PixelLimit = MAX_PIXELS
    alpha: Alpha = "error"
    extra_bands: ExtraBands = "error"


def _check_decoding(decoding: Decoding) -> Decoding:
    values, size = decoding.value_range, decoding.resize
    if values is not None and values[0] >= values[1]:
        raise ValueError(f"value_range {list(values)} is not [low, high]")
    if size is not None and size[0] * size[1] > decoding.max_pixels:
        raise ValueError(f"resize {list(size)} is above max_pixels {decoding.max_pixels}")
    return decoding


@dataclass(frozen=True)
class ModelCard:
    """The card of a model: everything about it except the weights.

    Args:
        arch: Name in `ocrnet.models.ARCHS`.
        options: Further arguments of `build_segmenter`.
        classes: Names, palette and ignored id.
        mean: Mean of RGB in [0, 1] that images are normalised with.
        std: Standard deviation of RGB in [0, 1] that images are normalised with.
        decoding: Decoding of the raw images by `prepare`.
        training: Facts about the training: steps, seed, scores.
        things: Names of the classes whose objects are told apart; a card without any does not have the key.
        least_score: Least score of a predicted object, from validation images; a card without does not have the key.
        weights_sha256: SHA-256 of the weights file; empty until saved.
        schema_version: Version of the card's schema.
    """

    __pydantic_config__ = STRICT

    arch: Annotated[str, AfterValidator(_check_arch)]
    options: Annotated[dict[str, Any], AfterValidator(_check_options)]
    classes: CheckedClasses
    mean: tuple[Mean, Mean, Mean] = IMAGENET_MEAN
    std: tuple[Std, Std, Std] = IMAGENET_STD
    decoding: Annotated[Decoding, AfterValidator(_check_decoding)] = Decoding()
    training: Annotated[dict[str, JsonValue], AfterValidator(_check_finite)] | None = None
    things: Annotated[tuple[str, ...], Field(max_length=255)] = ()
    least_score: Annotated[float, Field(ge=0, le=1)] = 0.0
    weights_sha256: Annotated[str, Field(pattern=r"\A([0-9a-f]{64})?\z")] = ""
    schema_version: Literal[1] = SCHEMA_VERSION


CARD: TypeAdapter[ModelCard] = TypeAdapter(ModelCard)


def build_model(card: ModelCard) -> SegmentationModel:
    """Build the untrained model that a card describes."""
    return build_segmenter(card.arch, num_classes=card.classes.num_classes, **card.options)


def save_bundle(folder: Path, card: ModelCard, weights: dict[str, Tensor]) -> None:
    """Write weights and card into `folder`."""
    weights = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    with whole_file(folder / WEIGHTS_FILE) as partial:
        save_file(weights, partial)
    values = {name: one for name, one in asdict(card).items() if one or name not in OPTIONAL}
    values = {**values, "weights_sha256": file_sha256(folder / WEIGHTS_FILE)}
    write_whole(folder / MODEL_FILE, json.dumps(values, indent=1) + "\n")


def read_card(folder: Path) -> ModelCard:
    """Read the card of a bundle.

    Raises:
        BundleError: The card is missing, has another schema or has a wrong value.
    """
    path = folder / MODEL_FILE
    if not path.exists():
        raise BundleError(
            f"{path}: no such file. A bundle contains {MODEL_FILE} and {WEIGHTS_FILE}. Run the stage that "
            "writes it, or name another folder."
        )
    _, raw = read_json(path, cure=CURE)
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if type(version) is int and version != SCHEMA_VERSION:
        raise BundleError(
            f"{path}: schema_version is {version}, but this version reads {SCHEMA_VERSION}. "
            "Use the version that wrote it, or train again."
        )
    keys = set(raw) if isinstance(raw, dict) else set()
    missing = {"schema_version", "weights_sha256", "decoding"} - keys
    if missing:
        raise BundleError(
            f"{path}: the file is not a model card: {min(missing)} is missing. {CURE}"
        )
    card: ModelCard = check_card(CARD, json.dumps(_brought_up_to_date(raw)), path, cure=CURE)
    unknown = [name for name in card.things if name not in card.classes.class_names]
    if unknown:
        raise BundleError(f"{path}: things: {unknown[0][:60]!r} is no class of the model. {CURE}")
    return card


def _brought_up_to_date(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a card, perhaps of an earlier version, under the names of this version."""
    decoding, options = raw["decoding"], raw.get("options")
    if isinstance(decoding, dict):
        # A card without these keys is from a version that ignored alpha and dropped bands.
        decoding = {"alpha": "ignore", "extra_bands": "drop", **decoding}
    if isinstance(options, dict):
        renamed = {old: new for old, new in EARLIER_OPTIONS.items() if new not in options}
        options = {renamed.get(name, name): value for name, value in options.items()}
    return {**raw, "decoding": decoding} | ({} if options is None else {"options": options})


def load_bundle(folder: Path) -> tuple[SegmentationModel, ModelCard]:
    """Rebuild the model of a bundle, in eval mode on the CPU.

    Raises:
        BundleError: A file is missing or damaged, or the weights do not fit the model.
    """
    card = read_card(folder)
    path = folder / WEIGHTS_FILE
    if not path.is_file() or file_sha256(path) != card.weights_sha256:
        raise BundleError(
            f"{path}: the file is missing or has another hash than in {MODEL_FILE}. Restore it with `dvc checkout`."
        )
    try:
        found = read_header(path)
        with torch.device("meta"):
            differs = kind_differs(build_model(card).state_dict(), found)
        if differs:
            raise ValueError(differs)
        weights = read_finite(path)
        model = build_model(card)
        model.load_state_dict(weights)
    except (OcrnetError, ValueError, OSError, RuntimeError, TypeError, AssertionError,
            AttributeError, LookupError, ArithmeticError) as error:  # fmt: skip
        # A timm backbone without feature maps may raise any of these errors.
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise BundleError(
            f"{path}: the weights do not fit {card.arch}: {reason}. {CURE}"
        ) from error
    return model.eval(), card
