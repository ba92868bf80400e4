"""The card of a model: everything about it except the weights, with the limits of untrusted data."""

import json
import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, JsonValue, TypeAdapter, ValidationError

from ocrnet.config.base import MAX_PIXELS, PixelLimit
from ocrnet.config.untrusted_json import STRICT, words_of
from ocrnet.data.decode import Alpha, Exif, ExtraBands
from ocrnet.data.manifest import CheckedClasses
from ocrnet.models import ARCHS, OPTIONS
from ocrnet.models.head_variants import HEAD_VARIANTS
from ocrnet.models.known import is_known_backbone
from ocrnet.models.norm_policies import NORMS
from ocrnet.models.strides import STRIDES

SCHEMA_VERSION: Literal[1] = 1
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

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
    """The card of a model.

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
