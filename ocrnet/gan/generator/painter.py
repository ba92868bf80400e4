"""The painter, which uses a trained generator, and its files.

A folder contains `generator.safetensors` (weights, spectral norm folded in) and `gan.json` (the card of the weights).
Nothing in it is pickled.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from ocrnet.bundles.weights_file import load_weights, save_weights
from ocrnet.data.files import write_whole
from ocrnet.data.manifest import ClassTable, file_sha256
from ocrnet.errors import BundleError, DataError
from ocrnet.gan.generator.card import CURE, SCHEMA_VERSION, GanCard, read_card
from ocrnet.gan.generator.holes import seen_channels
from ocrnet.gan.generator.images import Image, LabelMap, to_image, to_tensor
from ocrnet.gan.generator.network import Generator, fold_spectral_norm
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

    @property
    def fills_holes(self) -> bool:
        """Whether the generator was trained to paint holes in images."""
        return self.generator.fills_holes

    @torch.no_grad()
    def fill(
        self, image: Image, hole: npt.NDArray[np.bool_], label_map: LabelMap, *, seed: int
    ) -> Image:
        """Return an image (H, W, 3) with its hole (H, W) painted; every other pixel is kept to the bit.

        Args:
            image: Real image around the hole.
            hole: Mask of the pixels to paint.
            label_map: Class ids (H, W) of the result, inside the hole and outside.
            seed: Random seed of the style and the grain.

        Raises:
            DataError: The generator was not trained to paint holes, or the label map has an unknown id.
        """
        if not self.fills_holes:
            raise DataError(
                "hole of an image: this generator paints whole images only. Train it with train_gan.holes above 0."
            )
        self._check_ids(label_map)
        z = self._noise(label_map, seed=seed, seeds={}, before=None)
        labels = torch.from_numpy(label_map.astype(np.int64)).unsqueeze(0)
        holes = torch.from_numpy(hole)[None, None]
        seen = seen_channels(to_tensor(image).unsqueeze(0), holes)
        painted = self.generator(*(part.to(self._device) for part in (labels, z, seen)))
        return np.where(hole[..., None], to_image(painted[0]), image)

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
    save_weights(folder / WEIGHTS_FILE, fold_spectral_norm(generator).state_dict())
    card = {
        "schema_version": SCHEMA_VERSION,
        "arch": arch,
        "style": painter.style,
        "preset": preset_name,
        "sizes": asdict(generator.preset),
        **asdict(painter.class_table),
        **({"fills_holes": True} if painter.fills_holes else {}),
    }
    write_whole(folder / CARD_FILE, json.dumps(card, indent=1) + "\n")


def load_painter(folder: Path, *, device: str = "cpu") -> Painter:
    """Load the painter of `folder`.

    Raises:
        BundleError: A file is missing, damaged or of another schema.
    """
    card_path, path = folder / CARD_FILE, folder / WEIGHTS_FILE
    card = read_card(card_path)
    table = ClassTable(card.class_names, card.palette, card.ignore_index)
    try:
        generator = load_weights(path, partial(_folded, card))
    except (OSError, ValueError, RuntimeError) as error:
        raise BundleError(
            f"{path}: the weights do not match {CARD_FILE} ({_first_line(error)}). {CURE}"
        ) from error
    return Painter(generator.to(device), table, style=card.style, sha256=file_sha256(path))


def _folded(card: GanCard) -> Generator:
    generator = Generator(len(card.class_names), card.sizes, fills_holes=card.fills_holes)
    return fold_spectral_norm(generator)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
