"""Compare the time of a training step of both forms of a backbone: `python -m benchmarks.strides [BACKBONE ...]`.

The forms take turns in one process, so that a busy machine slows both alike. The time is that of the processor, for
OCRNet with 128 channels on a batch of 8 crops of 144x192.
"""

import argparse
import statistics
import time

import torch

from ocrnet.models import build_segmenter
from ocrnet.models.output import SegmentationModel

FORMS = ("8", "pyramid")  # every backbone here has both
BACKBONES = ("tf_efficientnet_lite0", "resnet18", "convnext_atto", "mobilenetv4_conv_small")
BATCH = (8, 3, 144, 192)


def main() -> None:
    """Print a line for each backbone."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.strides", description=__doc__)
    parser.add_argument(
        "backbones", nargs="*", default=BACKBONES, metavar="BACKBONE", help="Names of timm models"
    )
    parser.add_argument("--steps", type=int, default=5, help="Number of timed steps of each form")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for backbone in given.backbones:
        models = {
            stride: build_segmenter(
                "ocrnet",
                backbone=backbone,
                num_classes=11,
                mid_channels=128,
                key_channels=64,
                stride=stride,
            )
            for stride in FORMS
        }
        seconds: dict[str, list[float]] = {stride: [] for stride in FORMS}
        for _ in range(given.steps + 1):
            for stride, model in models.items():
                seconds[stride].append(time_step(model))
        medians = {stride: statistics.median(found[1:]) for stride, found in seconds.items()}
        ratio = medians["pyramid"] / medians["8"]
        print(
            f"{backbone}: stride 8 {medians['8']:.2f} s, pyramid {medians['pyramid']:.2f} s, ratio {ratio:.2f}",
            flush=True,
        )


def time_step(model: SegmentationModel) -> float:
    """Return the processor seconds of a forward and a backward pass."""
    images = torch.randn(BATCH)
    begin = time.process_time()
    output = model(images)
    loss = output.logits.square().mean()
    if output.aux_logits is not None:
        loss = loss + output.aux_logits.square().mean()
    loss.backward()
    model.zero_grad(set_to_none=True)
    return time.process_time() - begin


if __name__ == "__main__":
    main()
