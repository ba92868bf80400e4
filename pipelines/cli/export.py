"""`ocrnet export MODEL -o OUT`: a trained model as one file for other programs."""

from pathlib import Path
from typing import Any

import click

from pipelines.cli.arguments import SafePath

FORMATS = ("onnx", "torch_export")
LEAST_SIDE = 64  # that of ocrnet.models.output, which imports torch


@click.command(
    short_help="Write a trained model as ONNX or torch.export, and hold it against the model."
)
@click.argument("model", metavar="MODEL")
@click.option(
    "-o", "--out", type=SafePath(), required=True, metavar="OUT",
    help="File (.onnx or .pt2), or folder for model.onnx or model.pt2.",
)  # fmt: skip
@click.option(
    "--format", "kind", type=click.Choice(FORMATS), default=FORMATS[0], show_default=True,
    help="Kind of file.",
)  # fmt: skip
@click.option(
    "--raw", is_flag=True, help="Take normalised images and give logits: without pre- and post-processing.",
)  # fmt: skip
@click.option(
    "--layout", type=click.Choice(("nhwc", "nchw")), default="nhwc", show_default=True,
    help="Order of the axes of the pixels: N H W 3 or N 3 H W.",
)  # fmt: skip
@click.option(
    "--probabilities", is_flag=True, help="Also give the probability of each class at each pixel.",
)  # fmt: skip
@click.option(
    "--objects", is_flag=True, help="Also give the maps of model.instances, from which objects are decoded.",
)  # fmt: skip
@click.option(
    "--size", nargs=2, type=click.IntRange(min=LEAST_SIDE), metavar="H W",
    help="The one size of images in pixels (default: any size).",
)  # fmt: skip
@click.option("--int8", is_flag=True, help="Also write the file with convolutions in 8 bits.")
@click.option(
    "--opset", type=click.IntRange(18, 23), default=18, show_default=True, metavar="N",
    help="Version of the operators of ONNX.",
)  # fmt: skip
@click.option(
    "--images", type=SafePath(), default="data/prepare", show_default=True, metavar="FOLDER",
    help="Images to compare on: a prepared set, whose validation images are taken, or any images.",
)  # fmt: skip
@click.option(
    "--register/--no-register", default=True, show_default=True,
    help="Store the file with the model's version in MLflow, if it is a registered one.",
)  # fmt: skip
def export(model: str, out: Path, **options: Any) -> int:
    """Write MODEL as a file for other programs, and hold it against the model.

    MODEL is a folder of a bundle, champion, challenger, models:/NAME/VERSION or models:/NAME@ALIAS. The file takes RGB
    pixels and gives label maps. The exit code is 4 if it does not give the class of the model at 99.9 % of the pixels,
    or if the 8-bit file loses more than half a point of mIoU.
    """
    from pipelines.cli._export_model import ExportRequest, export_model  # torch

    export_model(ExportRequest(model, out, **options))
    return 0
