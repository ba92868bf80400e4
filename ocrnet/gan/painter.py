"""The trained generator as files, and the painter that uses them.

A folder holds `generator.safetensors` (weights, spectral norm folded in) and `gan.json` (what the weights are for).
Nothing in it is pickled.
"""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ocrnet.data.manifest import ClassTable, file_sha256
from ocrnet.errors import BundleError, DataError
from ocrnet.gan.generator import Generator, draw_z, fold_spectral_norm
from ocrnet.gan.pairs import to_image
from ocrnet.gan.presets import Preset
from ocrnet.runtime import keyed_generator

WEIGHTS_FILE = "generator.safetensors"
CARD_FILE = "gan.json"
SCHEMA_VERSION = 1


class Painter:
    """Paints label maps.

    Args:
        generator: with spectral norm folded.
        class_table: the classes that the label maps name.
        sha256: of the file of the weights.
    """

    def __init__(self, generator: Generator, class_table: ClassTable, *, sha256: str) -> None:
        self.class_table = class_table
        self.sha256 = sha256
        self._generator = generator.eval().requires_grad_(requires_grad=False)
        self._device = next(generator.parameters()).device

    @torch.no_grad()
    def paint(self, label_map: npt.NDArray[np.uint8], *, seed: int) -> npt.NDArray[np.uint8]:
        """Return an image (H, W, 3) of a label map (H, W); the same to the bit for the same seed on a CPU.

        Args:
            label_map: class ids of any height and width; what is ignored is painted as the generator likes.
            seed: picks the style and the grain.

        Raises:
            DataError: the label map has an id that is neither a class nor ignored.
        """
        table = self.class_table
        ids = np.unique(label_map).tolist()
        unknown = [i for i in ids if i >= table.num_classes and i != table.ignore_index]
        if unknown:
            raise DataError(
                f"label map to paint: ids {unknown} are no class. Allowed: 0 to {table.num_classes - 1} "
                f"and {table.ignore_index} (ignored). Map the ids with data.label_map."
            )
        draws = keyed_generator("gan-paint", seed)
        size = (label_map.shape[0], label_map.shape[1])
        z = draw_z(self._generator.preset, size, count=1, generator=draws)
        labels = torch.from_numpy(label_map.astype(np.int64)).unsqueeze(0)
        return to_image(self._generator(labels.to(self._device), z.to(self._device))[0])


def save_painter(
    folder: Path, generator: Generator, *, class_table: ClassTable, preset_name: str
) -> None:
    """Write a generator to `folder`; folds its spectral norm in place."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = fold_spectral_norm(generator).state_dict()
    save_file(
        {name: value.cpu().contiguous() for name, value in weights.items()}, folder / WEIGHTS_FILE
    )
    card = {
        "schema_version": SCHEMA_VERSION,
        "preset": preset_name,
        "sizes": asdict(generator.preset),
        **asdict(class_table),
    }
    (folder / CARD_FILE).write_text(json.dumps(card, indent=1) + "\n")


def load_painter(folder: Path, *, device: str = "cpu") -> Painter:
    """Read the generator of `folder`.

    Raises:
        BundleError: a file is missing, damaged or of another schema.
    """
    card = _read_card(folder / CARD_FILE)
    path = folder / WEIGHTS_FILE
    try:
        sizes = {name: _as_tuple(value) for name, value in card["sizes"].items()}
        preset = Preset(**{field.name: sizes[field.name] for field in fields(Preset)})
        palette = tuple((int(r), int(g), int(b)) for r, g, b in card["palette"])
        table = ClassTable(tuple(card["class_names"]), palette, int(card["ignore_index"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(
            f"{folder / CARD_FILE}: {error!r} is missing or wrong. Run the stage train_gan again."
        ) from error
    generator = fold_spectral_norm(Generator(table.num_classes, preset))
    try:
        generator.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise BundleError(
            f"{path}: not the weights that {CARD_FILE} describes ({_first_line(error)}). "
            "Run the stage train_gan again."
        ) from error
    return Painter(generator.to(device), table, sha256=file_sha256(path))


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card: Any = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BundleError(
            f"{path}: cannot be read ({_first_line(error)}). Run the stage train_gan again."
        ) from error
    version = card.get("schema_version") if isinstance(card, dict) else None
    if version != SCHEMA_VERSION:
        raise BundleError(
            f"{path}: schema_version is {version!r}, this code reads {SCHEMA_VERSION}. "
            "Run the stage train_gan again."
        )
    return dict(card)


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
