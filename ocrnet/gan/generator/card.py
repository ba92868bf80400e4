"""The cards of trained generators, `gan.json` and `joint.json`, whose content is checked before it is used.

A card without `arch` is from an older version: `oasis` with a style per image. A card without `fills_holes` belongs to
a generator that paints whole images only.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field, TypeAdapter

from ocrnet.config.untrusted_json import STRICT, check_card, read_json
from ocrnet.data.manifest import Channel, ClassTable, check_classes
from ocrnet.errors import BundleError
from ocrnet.gan import GANS
from ocrnet.gan.generator.presets import Preset
from ocrnet.gan.generator.styles import IMAGE

SCHEMA_VERSION = 1
CURE = "Run the stage train_gan again."


Channels = Annotated[
    tuple[Annotated[int, Field(ge=1, le=1 << 13)], ...], Field(min_length=1, max_length=10)
]


@dataclass(frozen=True)
class CardSizes(Preset):
    """The sizes of both networks, with the limits of a card."""

    __pydantic_config__ = STRICT

    generator: Channels
    discriminator: Channels
    embedding: Annotated[int, Field(ge=1, le=1 << 13)]
    kernel: Annotated[int, Field(ge=1, le=31)]
    z_dim: Annotated[int, Field(ge=1, le=1 << 13)]
    grain_dim: Annotated[int, Field(ge=0, le=1 << 13)]


def _check_sizes(sizes: CardSizes) -> CardSizes:
    if sizes.kernel % 2 == 0:
        raise ValueError(f"kernel {sizes.kernel} is not odd")
    if sizes.grain_dim > sizes.z_dim:
        raise ValueError(f"grain_dim {sizes.grain_dim} is above z_dim {sizes.z_dim}")
    return sizes


def _check_arch(arch: str) -> str:
    if arch not in GANS:
        raise ValueError(f"unknown. Known: {', '.join(GANS)}")
    return arch


Card = TypeVar("Card", "GanCard", "JointCard")


def _check_table(card: Card) -> Card:
    check_classes(ClassTable(card.class_names, card.palette, card.ignore_index))
    return card


@dataclass(frozen=True)
class GanCard:
    """The content of `gan.json`."""

    __pydantic_config__ = STRICT

    schema_version: Literal[1]
    sizes: Annotated[CardSizes, AfterValidator(_check_sizes)]
    class_names: Annotated[tuple[str, ...], Field(min_length=1, max_length=255)]
    palette: tuple[tuple[Channel, Channel, Channel], ...]
    ignore_index: Channel
    arch: Annotated[str, AfterValidator(_check_arch)] = "oasis"
    style: Literal["image", "component"] = IMAGE
    preset: str = ""
    fills_holes: bool = False


@dataclass(frozen=True)
class JointCard:
    """The content of `joint.json`."""

    __pydantic_config__ = STRICT

    schema_version: Literal[1]
    sizes: Annotated[CardSizes, AfterValidator(_check_sizes)]
    size: tuple[Annotated[int, Field(ge=1, le=1 << 13)], Annotated[int, Field(ge=1, le=1 << 13)]]
    class_names: Annotated[tuple[str, ...], Field(min_length=1, max_length=255)]
    palette: tuple[tuple[Channel, Channel, Channel], ...]
    ignore_index: Channel


JOINT_CARD: TypeAdapter[JointCard] = TypeAdapter(Annotated[JointCard, AfterValidator(_check_table)])
GAN_CARD: TypeAdapter[GanCard] = TypeAdapter(Annotated[GanCard, AfterValidator(_check_table)])


def read_card(path: Path) -> GanCard:
    """Read the card of a generator.

    Raises:
        BundleError: It is missing, damaged or of another schema.
    """
    text, raw = read_json(path, cure=CURE)
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if version != SCHEMA_VERSION:
        raise BundleError(
            f"{path}: schema_version is {str(version)[:40]}, but this version reads {SCHEMA_VERSION}. {CURE}"
        )
    card: GanCard = check_card(GAN_CARD, text, path, cure=CURE)
    return card
