"""`ocrnet predict SOURCE... -o OUT`: label maps of images, folders, videos and cameras by a trained model."""

from pathlib import Path
from typing import Any

import click

from pipelines.cli.arguments import device_option, out_option

MERGES = ("softmax_mean", "logit_mean", "exp_logit_sum")
WINDOW_WEIGHTS = ("uniform", "gaussian")


class Numbers(click.ParamType[tuple[float, ...]]):
    """Numbers with commas between them."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the numbers; refuse other text."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(
                f"found {value!a}. Give numbers with commas between them, such as 0.75,1,1.25",
                param,
                ctx,
            )


@click.command(short_help="Write label maps of images, folders and videos by a trained model.")
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@out_option
@click.option(
    "--model", default="champion", show_default=True, metavar="MODEL",
    help="Folder of a bundle, exported .onnx file, champion, challenger, models:/NAME/VERSION or models:/NAME@ALIAS.",
)  # fmt: skip
@click.option(
    "--overlays",
    is_flag=True,
    help="Also write the images with the colours of the classes over them; with --objects, a colour for each object.",
)
@click.option(
    "--probabilities",
    is_flag=True,
    help="Also write the probability of each class at each pixel (npz).",
)
@click.option(
    "--objects",
    is_flag=True,
    help="Also write the objects of the thing classes, with their counts and sizes.",
)
@click.option(
    "--min-object-area", type=click.IntRange(min=1), default=1, show_default=True, metavar="PIXELS",
    help="Area of the smallest object.",
)  # fmt: skip
@click.option("--coco", is_flag=True, help="Also write all label maps as one COCO file.")
@click.option(
    "--window", nargs=2, type=int, metavar="H W",
    help="Height and width of a sliding window in pixels (default: the whole image).",
)  # fmt: skip
@click.option(
    "--overlap", type=float, default=0.33, show_default=True, metavar="SHARE",
    help="Share of a window that the next window covers again, in [0, 1).",
)  # fmt: skip
@click.option(
    "--window-weights", type=click.Choice(WINDOW_WEIGHTS), default=WINDOW_WEIGHTS[0], show_default=True,
    help="How much the pixels of a window count where windows overlap.",
)  # fmt: skip
@click.option(
    "--scales", type=Numbers(), default=(1.0,), metavar="S,S,...",
    help="Sizes at which each image is predicted, relative to its own size (default: 1).",
)  # fmt: skip
@click.option("--flip", is_flag=True, help="Also predict the mirrored image.")
@click.option(
    "--merge", type=click.Choice(MERGES), default=MERGES[0], show_default=True,
    help="Way of merging windows, scales and mirrored images.",
)  # fmt: skip
@click.option(
    "--every", type=click.IntRange(min=1), default=1, show_default=True, metavar="N",
    help="Distance of the frames of a video or camera that are predicted.",
)  # fmt: skip
@click.option(
    "--frames", type=click.IntRange(min=1), metavar="N",
    help="Most frames of each video or camera that are predicted (default: all of a video, 100 of a camera).",
)  # fmt: skip
@click.option(
    "--batch", type=click.IntRange(min=1), default=1, show_default=True, metavar="N",
    help="Most images of one size that the network gets at once.",
)  # fmt: skip
@device_option
@click.option(
    "--force",
    is_flag=True,
    help="Delete the outputs in OUT that this command wrote, and begin again.",
)
def predict(sources: tuple[str, ...], out: Path, **options: Any) -> int:
    """Write the label maps of images into the folder OUT.

    A SOURCE is an image, a folder, a pattern in quotes such as 'photos/**/*.png', a video, the number of a camera such
    as 0, or - for a list of these with one on each line of the standard input. What is done already is not done again.
    Files that cannot be read are reported at the end, with exit code 3; all others are done.
    """
    from pipelines.cli._predict_files import PredictRequest, predict_files  # torch

    predict_files(PredictRequest(sources, out, **options))
    return 0
