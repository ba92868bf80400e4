"""Quality of generated images: feature extractors, distances of sets, copies, and numbers with their conditions.

A distance between sets of images means nothing without the network that computed their features. So every number is
stored with the name and hash of its extractor, the number, resolution and split of its images, and the training images
of the generator. `record.compare_quality` refuses to compare two numbers if these differ.

The project does not use torchmetrics for this: it takes 15 s to import, its FID and KID leave a given network in
training mode, and the formulas are short.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ocrnet.errors import ParamsError
from ocrnet.errors.near_names import hint

SEGMENTER, TIMM, INCEPTION, RANDOM_CONV = "segmenter", "timm", "inception", "random-conv"
KNOWN = "segmenter, timm:NAME, timm:NAME:FILE, timm:NAME:pretrained, inception:FILE, random-conv"
DOWNLOAD = "pretrained"  # the word for timm's own weights, which are downloaded


@dataclass(frozen=True)
class ExtractorChoice:
    """The parsed value of `select.extractor`.

    Args:
        kind: One of segmenter, timm, inception and random-conv.
        model: Name of the network in timm; empty for other kinds.
        weights: Path of a file or, for `timm`, `pretrained`; empty if no weights are given.
    """

    kind: str
    model: str = ""
    weights: str = ""


def parse_extractor(text: str) -> ExtractorChoice:
    """Parse an extractor's name, without reading files or importing torch.

    Examples:
        >>> parse_extractor("timm:resnet18:weights/resnet18.safetensors")
        ExtractorChoice(kind='timm', model='resnet18', weights='weights/resnet18.safetensors')

    Raises:
        ParamsError: The name is unknown or lacks a part.
    """
    kind, _, rest = text.partition(":")
    if kind in (SEGMENTER, RANDOM_CONV) and not rest:
        return ExtractorChoice(kind)
    if kind == TIMM and rest:
        model, _, weights = rest.partition(":")
        return ExtractorChoice(kind, model, weights)
    if kind == INCEPTION and rest:
        return ExtractorChoice(kind, weights=rest)
    if kind == INCEPTION:
        raise ParamsError(
            "params.yaml: select.extractor: 'inception' names no weights, and none are downloaded. "
            "Set inception:FILE with a file of torchvision's inception_v3, or segmenter."
        )
    kinds = (SEGMENTER, TIMM, INCEPTION, RANDOM_CONV)
    meant = "" if kind in kinds else hint(kind, kinds)
    raise ParamsError(f"params.yaml: select.extractor: {text!r} is unknown.{meant} Known: {KNOWN}.")


def extractor_lines(text: str, timm_models: Collection[str]) -> list[str]:
    """Return the problems of an extractor's name, one line each.

    Args:
        text: Value of `select.extractor`.
        timm_models: Names of timm's models.
    """
    try:
        choice = parse_extractor(text)
    except ParamsError as error:
        return [str(error)]
    if choice.kind == TIMM and choice.model.split(".")[0] not in timm_models:
        meant = hint(choice.model.split(".")[0], timm_models)
        return [f"params.yaml: select.extractor: timm has no {choice.model!r}.{meant}"]
    if choice.weights not in ("", DOWNLOAD) and not Path(choice.weights).is_file():
        meant = hint(choice.weights, (DOWNLOAD,)) if choice.kind == TIMM else ""
        return [
            f"params.yaml: select.extractor: {choice.weights!r} is no file.{meant} Set the path of a weights file."
        ]
    return []
