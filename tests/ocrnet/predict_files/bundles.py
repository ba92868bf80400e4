"""Tiny bundles whose label maps show all classes."""

from pathlib import Path

import numpy as np
import torch

from ocrnet.bundles.bundle import build_model, save_bundle
from ocrnet.bundles.card import ModelCard
from ocrnet.inference.predict import Segmenter
from tests.ocrnet.conftest import CLASSES

OPTIONS = {"backbone": "mobilenetv3_small_050", "mid_channels": 16, "key_channels": 8}


def write_varied_bundle(folder: Path, *, seed: int) -> Path:
    """Write an untrained model whose classes are equally likely on average, so that they vary with the pixels."""
    card = ModelCard("ocrnet", OPTIONS, CLASSES)
    torch.manual_seed(seed)
    model = build_model(card)
    image = np.random.default_rng(seed).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    mean = Segmenter(model, card).scores(image).mean(dim=(0, 2, 3))
    weights = build_model(card).state_dict() | model.state_dict()
    weights["head.classify.bias"] = weights["head.classify.bias"] - mean
    save_bundle(folder, card, weights)
    return folder
