"""Peak memory of a prediction with and without instance heads: `python -m benchmarks.instances`.

The semantic model gives the probabilities of an image; the others also find its objects. Weights are random, and so are
the objects: the heat of the heads is set to start at 1/2, so that very many peaks are kept.
"""

import argparse
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from benchmarks.measure import peak_memory_of
from ocrnet.bundles.bundle import ModelCard, build_model
from ocrnet.data.manifest import ClassTable
from ocrnet.inference.predict import Segmenter
from ocrnet.models import INSTANCES, NO_HEADS
from ocrnet.models.attention_heads import AttentionHeads
from ocrnet.objects.grouping import find_objects

CLASSES = ClassTable(("ground", "cell"), ((0, 0, 0), (255, 0, 0)))


def main() -> None:
    """Measure each kind of heads and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", default="ocr_cascade")
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--size", type=int, nargs=2, default=(1024, 1024), metavar=("H", "W"))
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    image = np.random.default_rng(0).integers(0, 256, (*given.size, 3), dtype=np.uint8)
    print("| model.instances | peak memory MiB | ratio |")
    print("|---|---|---|")
    semantic = 0.0
    for kind in INSTANCES:
        predict = prediction(given.arch, given.backbone, kind, image)
        predict()  # what the first call keeps is not its own
        memory = peak_memory_of(predict, device=torch.device("cpu"))
        semantic = memory if kind == NO_HEADS else semantic
        print(f"| {kind} | {memory:.0f} | {memory / semantic:.2f} |", flush=True)


def prediction(arch: str, backbone: str, kind: str, image: np.ndarray) -> Callable[[], object]:
    """Return a prediction by a model with random weights: probabilities, and objects if it has heads for them."""
    torch.manual_seed(0)
    options = {"backbone": backbone, "mid_channels": 256, "key_channels": 128, "instances": kind}
    card = ModelCard(arch, options, CLASSES, things=CLASSES.class_names[1:])
    model = build_model(card).eval()
    heads = getattr(model, "instance_heads", None)
    if isinstance(heads, AttentionHeads):
        last = heads.heat[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.zeros_(last.bias)
    segmenter = Segmenter(model, card)

    def predict() -> object:
        probabilities = segmenter.probabilities(image)
        return None if kind == NO_HEADS else find_objects(segmenter, image, probabilities, (1,))

    return predict


if __name__ == "__main__":
    main()
