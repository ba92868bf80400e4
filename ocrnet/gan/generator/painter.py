"""The trained generator as files, and the painter that uses them.

A folder contains `generator.safetensors` (weights, spectral norm folded in) and `gan.json` (the card of the weights).
Nothing in it is pickled. A card without `arch` is from an older version: `oasis` with a style per image.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from pydantic import AfterValidator, Field, TypeAdapter
from safetensors.torch import save_file
from torch import Tensor

from ocrnet.bundles.tensors import kind_differs, read_finite, read_header
from ocrnet.config.untrusted_json import STRICT, check_card, read_json
from ocrnet.data.files import whole_file, write_whole
from ocrnet.data.manifest import Channel, ClassTable, check_classes, file_sha256
from ocrnet.errors import BundleError, DataError
from ocrnet.gan import GANS
from ocrnet.gan.generator.images import Image, LabelMap, to_image
from ocrnet.gan.generator.network import Generator, fold_spectral_norm
from ocrnet.gan.generator.presets import Preset
from ocrnet.gan.generator.styles import (
    IMAGE,
    Component,
    find_components,
    noise_of_components,
    noise_of_image,
    trace_components,
)

WEIGHTS_FILE = "generator.safetensors"
CARD_FILE = "gan.json"
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


def _check_table(card: "GanCard") -> "GanCard":
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


GAN_CARD: TypeAdapter[GanCard] = TypeAdapter(Annotated[GanCard, AfterValidator(_check_table)])


class Painter:
    """Synthesizes images of label maps.

    Args:
        generator: Trained generator.
        class_table: Classes of the label maps.
        style: Unit that has a separate style: image or component.
        sha256: SHA-256 of the weights file.
    """

    def __init__(
        self, generator: Generator, class_table: ClassTable, *, style: str = IMAGE, sha256: str = ""
    ) -> None:
        self.class_table = class_table
        self.style = style
        self.sha256 = sha256
        self.generator = generator.eval().requires_grad_(requires_grad=False)
        self._device = next(generator.parameters()).device

    @torch.no_grad()
    def paint(
        self, label_map: LabelMap, *, seed: int, seeds: Mapping[Component, int] | None = None,
        before: LabelMap | None = None,
    ) -> Image:  # fmt: skip
        """Return an image (H, W, 3) of a label map (H, W); bit-identical for equal seeds on a CPU.

        Args:
            label_map: Class ids of any height and width; the generator chooses what to show on ignored pixels.
            seed: Random seed of the style and the grain.
            seeds: Random seeds of the styles of some components in place of `seed`, where components have styles. With
                `before`, a component that existed before the edit has its name of that time.
            before: Label map before it was edited. A component keeps its style even if the edit moved its anchor; a new
                component has a new style.

        Raises:
            DataError: The label map has an id that is neither a class nor ignored; `seeds` names a component that does
                not exist, or the painter has a style per image; `before` has another size.
        """
        self._check_ids(label_map)
        z = self._noise(label_map, seed=seed, seeds=seeds or {}, before=before)
        labels = torch.from_numpy(label_map.astype(np.int64)).unsqueeze(0)
        return to_image(self.generator(labels.to(self._device), z.to(self._device))[0])

    def components(self, label_map: LabelMap) -> list[Component]:
        """Return the components of a label map; each has a style if the styles are per component."""
        return self._find(label_map)[1]

    def _noise(
        self, label_map: LabelMap, *, seed: int, seeds: Mapping[Component, int],
        before: LabelMap | None,
    ) -> Float[Tensor, "1 Z H W"]:  # fmt: skip
        if self.style == IMAGE:
            if seeds:
                raise DataError(
                    "seeds of components: this generator has one style per image. Train it with "
                    "train_gan.style component."
                )
            size = (label_map.shape[0], label_map.shape[1])
            return noise_of_image(self.generator.preset, size, seed=seed)
        numbers, components = self._find(label_map)
        allowed = components
        if before is not None:
            if before.shape != label_map.shape:
                raise DataError(
                    f"edited label map: its size is {label_map.shape}, but before the edit it was {before.shape}. "
                    "Use label maps of one size."
                )
            known = self._find(before)
            components = trace_components(numbers, components, known)
            allowed = [
                *components,
                *known[1],
            ]  # the seed of a component that the edit removed is unused
        missing = sorted(set(seeds) - set(allowed))
        if missing:
            raise DataError(
                f"seeds of components: {missing[0]} is not in the label map. "
                f"Known: {', '.join(map(str, components[:8]))}."
            )
        preset = self.generator.preset
        return noise_of_components(preset, numbers, components, seed=seed, seeds=seeds)

    def _find(self, label_map: LabelMap) -> tuple[npt.NDArray[np.int64], list[Component]]:
        return find_components(label_map, num_classes=self.class_table.num_classes)

    def _check_ids(self, label_map: LabelMap) -> None:
        table = self.class_table
        ids = np.unique(label_map).tolist()
        unknown = [i for i in ids if i >= table.num_classes and i != table.ignore_index]
        if unknown:
            raise DataError(
                f"label map for the GAN: ids {unknown} are not classes. Allowed: 0 to {table.num_classes - 1} "
                f"and {table.ignore_index} (ignored). Map the ids with data.label_map."
            )


def save_painter(folder: Path, painter: Painter, *, arch: str, preset_name: str) -> None:
    """Write a painter to `folder`; folds its generator's spectral norm in place.

    Args:
        folder: Output folder, created if it is missing.
        painter: Painter to save.
        arch: Name of its GAN in `GANS`.
        preset_name: Name of the generator's preset, for people who read the card.
    """
    generator = painter.generator
    weights = fold_spectral_norm(generator).state_dict()
    with whole_file(folder / WEIGHTS_FILE) as partial:
        save_file({name: value.cpu().contiguous() for name, value in weights.items()}, partial)
    card = {
        "schema_version": SCHEMA_VERSION,
        "arch": arch,
        "style": painter.style,
        "preset": preset_name,
        "sizes": asdict(generator.preset),
        **asdict(painter.class_table),
    }
    write_whole(folder / CARD_FILE, json.dumps(card, indent=1) + "\n")


def load_painter(folder: Path, *, device: str = "cpu") -> Painter:
    """Load the painter of `folder`.

    Raises:
        BundleError: A file is missing, damaged or of another schema.
    """
    card_path, path = folder / CARD_FILE, folder / WEIGHTS_FILE
    card = _read_card(card_path)
    table = ClassTable(card.class_names, card.palette, card.ignore_index)
    try:
        found = read_header(path)
        with torch.device("meta"):
            wanted = fold_spectral_norm(Generator(table.num_classes, card.sizes)).state_dict()
        differs = kind_differs(wanted, found)
        if differs:
            raise ValueError(differs)
        weights = read_finite(path)
        generator = fold_spectral_norm(Generator(table.num_classes, card.sizes))
        generator.load_state_dict(weights)
    except (OSError, ValueError, RuntimeError) as error:
        raise BundleError(
            f"{path}: the weights do not match {CARD_FILE} ({_first_line(error)}). {CURE}"
        ) from error
    return Painter(generator.to(device), table, style=card.style, sha256=file_sha256(path))


def _read_card(path: Path) -> GanCard:
    text, raw = read_json(path, cure=CURE)
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if version != SCHEMA_VERSION:
        raise BundleError(
            f"{path}: schema_version is {str(version)[:40]}, but this version reads {SCHEMA_VERSION}. {CURE}"
        )
    card: GanCard = check_card(GAN_CARD, text, path, cure=CURE)
    return card


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
