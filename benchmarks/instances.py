"""Peak memory and time of a prediction with and without instance heads: `python -m benchmarks.instances`.

The semantic model gives the probabilities of an image; the others also find its objects. Weights are random, and so are
the objects: for memory, the heat of the heads is set to start at 1/2, so that very many peaks are kept. Processor time
is a ratio to two networks that share nothing: a semantic model, and backbone and heads of another one.
"""

import argparse
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from benchmarks.measure import compare, peak_memory_of
from ocrnet.bundles.bundle import build_model
from ocrnet.bundles.card import ModelCard
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
    parser.add_argument("--rounds", type=int, default=5, help="Predictions that are timed")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    image = np.random.default_rng(0).integers(0, 256, (*given.size, 3), dtype=np.uint8)
    print("| model.instances | peak memory MiB | ratio | time over that of two networks |")
    print("|---|---|---|---|")
    semantic = 0.0
    for kind in INSTANCES:
        predict = prediction(given.arch, given.backbone, kind, image)
        predict()  # what the first call keeps is not its own
        memory = peak_memory_of(predict, device=torch.device("cpu"))
        semantic = memory if kind == NO_HEADS else semantic
        time = "-" if kind == NO_HEADS else f"{time_over_two(given, kind, image):.2f}"
        print(f"| {kind} | {memory:.0f} | {memory / semantic:.2f} | {time} |", flush=True)


def time_over_two(given: argparse.Namespace, kind: str, image: np.ndarray) -> float:
    """Return the time of a prediction with objects, over that of a semantic model and a model of objects in turn."""
    joint, second = (segmenter_of(given.arch, given.backbone, kind) for _ in range(2))
    semantic = segmenter_of(given.arch, given.backbone, NO_HEADS)
    ways = {
        "two": lambda: find_objects(second, image, semantic.probabilities(image), (1,)),
        "one": lambda: find_objects(joint, image, joint.probabilities(image), (1,)),
    }
    return compare(ways, rounds=given.rounds, device=torch.device("cpu"))["one"].time


def segmenter_of(arch: str, backbone: str, kind: str, *, many_peaks: bool = False) -> Segmenter:
    """Return a segmenter with random weights; `many_peaks` lets attention heads find an object nearly everywhere."""
    torch.manual_seed(0)
    options = {"backbone": backbone, "mid_channels": 256, "key_channels": 128, "instances": kind}
    card = ModelCard(arch, options, CLASSES, things=CLASSES.class_names[1:])
    model = build_model(card).eval()
    heads = getattr(model, "instance_heads", None)
    if many_peaks and isinstance(heads, AttentionHeads):
        last = heads.heat[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.zeros_(last.bias)
    return Segmenter(model, card)


def prediction(arch: str, backbone: str, kind: str, image: np.ndarray) -> Callable[[], object]:
    """Return a prediction by a model with random weights: probabilities, and objects if it has heads for them."""
    segmenter = segmenter_of(arch, backbone, kind, many_peaks=True)

    def predict() -> object:
        probabilities = segmenter.probabilities(image)
        return None if kind == NO_HEADS else find_objects(segmenter, image, probabilities, (1,))

    return predict


if __name__ == "__main__":
    main()
