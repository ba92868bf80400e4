"""Tiny trained-like models for exports, and their files."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.ocr import randomize_norms
from ocrnet.bundles.bundle import build_model, save_bundle
from ocrnet.bundles.card import ModelCard
from ocrnet.export.card import ExportCard
from ocrnet.inference.predict import Segmenter
from ocrnet.models.output import SegmentationModel
from tests.ocrnet.conftest import CLASSES

UNET = {
    "backbone": "resnet18",
    "mid_channels": 8,
}  # it has no backbone, and is traced in a few seconds


def build(card: ModelCard, *, seed: int = 0) -> SegmentationModel:
    """Return a network whose norms have statistics of their own, as after a training."""
    torch.manual_seed(seed)
    model = build_model(card)
    randomize_norms(model)
    return model.eval()


def write_unet(folder: Path, *, seed: int = 0, **card: Any) -> Path:
    """Write a bundle whose classes are equally likely on average, so that they vary with the pixels."""
    found = ModelCard("unet", UNET, CLASSES, **card)
    model = build(found, seed=seed)
    image = np.random.default_rng(seed).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    weights = model.state_dict()
    mean = Segmenter(model, found).scores(image).mean(dim=(0, 2, 3))
    save_bundle(folder, found, {**weights, "classify.bias": weights["classify.bias"] - mean})
    return folder


def card_of(card: ModelCard, **options: Any) -> ExportCard:
    """Return the card of an export of a network."""
    return ExportCard(
        arch=card.arch, classes=card.classes, mean=card.mean, std=card.std, decoding=card.decoding,
        source="test", weights_sha256="0" * 64, **options,
    )  # fmt: skip
