"""The trained joint generator and its files: `joint.safetensors` (weights) and `joint.json` (their card)."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from ocrnet.bundles.weights_file import load_weights, save_weights
from ocrnet.config.untrusted_json import check_card, read_json
from ocrnet.data.files import write_whole
from ocrnet.data.manifest import ClassTable, file_sha256
from ocrnet.errors import BundleError
from ocrnet.gan.generator.card import CURE, JOINT_CARD, SCHEMA_VERSION, JointCard
from ocrnet.gan.generator.images import Image, LabelMap, to_image
from ocrnet.gan.generator.joint_network import JointGenerator
from ocrnet.runtime import keyed_generator

WEIGHTS_FILE = "joint.safetensors"
CARD_FILE = "joint.json"


class JointDrawer:
    """Draws images with their label maps.

    Args:
        generator: Trained joint generator.
        class_table: Classes of the label maps.
        sha256: SHA-256 of the weights file.
    """

    def __init__(
        self, generator: JointGenerator, class_table: ClassTable, *, sha256: str = ""
    ) -> None:
        self.class_table = class_table
        self.sha256 = sha256
        self.generator = generator.eval()
        self._device = next(generator.parameters()).device

    @torch.no_grad()
    def draw(self, shown: Sequence[int], *, seed: int) -> tuple[Image, LabelMap]:
        """Return an image (H, W, 3) and its label map (H, W), of the size that the generator was trained at.

        Args:
            shown: Ids of the classes that the image shows.
            seed: Random seed of the noise.
        """
        z = torch.randn(
            1, self.generator.preset.z_dim, generator=keyed_generator("gan-joint-draw", seed)
        )
        condition = torch.zeros(1, self.class_table.num_classes)
        condition[0, list(shown)] = 1
        image, logits = self.generator(z.to(self._device), condition.to(self._device))
        label_map: LabelMap = logits[0].argmax(dim=0).to(torch.uint8).cpu().numpy()
        return to_image(image[0]), label_map


def save_joint(folder: Path, drawer: JointDrawer) -> None:
    """Write a joint generator to `folder`."""
    generator = drawer.generator
    save_weights(folder / WEIGHTS_FILE, generator.state_dict())
    card = {
        "schema_version": SCHEMA_VERSION,
        "sizes": asdict(generator.preset),
        "size": generator.size,
        **asdict(drawer.class_table),
    }
    write_whole(folder / CARD_FILE, json.dumps(card, indent=1) + "\n")


def load_joint(folder: Path, *, device: str = "cpu") -> JointDrawer:
    """Load the joint generator of `folder`.

    Raises:
        BundleError: A file is missing, damaged or of another schema.
    """
    path = folder / WEIGHTS_FILE
    text, _ = read_json(folder / CARD_FILE, cure=CURE)
    card: JointCard = check_card(JOINT_CARD, text, folder / CARD_FILE, cure=CURE)
    try:
        generator = load_weights(path, partial(_network, card))
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise BundleError(
            f"{path}: the weights do not match {CARD_FILE} ({reason}). {CURE}"
        ) from error
    table = ClassTable(card.class_names, card.palette, card.ignore_index)
    return JointDrawer(generator.to(device), table, sha256=file_sha256(path))


def _network(card: JointCard) -> JointGenerator:
    return JointGenerator(len(card.class_names), card.sizes, card.size)
