"""The graph of a network by torch.export, for any batch and, if wanted, any size of image."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.export import ExportedProgram

from ocrnet.errors import ParamsError
from ocrnet.export.card import ExportCard
from ocrnet.export.network import dynamic_axes, example_input, network_of
from ocrnet.export.same_padding import symbolic_padding
from ocrnet.models.output import SegmentationModel

# Odd, unequal, and no multiple of a stride: what is right only for even sizes does not hold at its own trace.
TRACED = (107, 133)


def trace(model: SegmentationModel, card: ExportCard, *, least: int = 1) -> ExportedProgram:
    """Return the graph of a trained model, with what its card says around it.

    Args:
        model: Trained model in eval mode, on the CPU.
        card: Card of the export.
        least: Least height and width of images, in pixels.

    Raises:
        ParamsError: The network decides by the size of its images, or has an operation that cannot be traced.
    """
    images = example_input(card, card.size or TRACED)
    free = {"images": dynamic_axes(card, least=least)}
    try:
        with quiet(), symbolic_padding(), torch.no_grad():
            return torch.export.export(
                network_of(model, card), (images,), dynamic_shapes=free, strict=False
            )
    except Exception as error:  # torch.export documents no base class of its errors
        raise ParamsError(trace_words(card, error)) from error


def trace_words(card: ExportCard, error: Exception) -> str:
    """Return the message about a network that cannot be exported, in one line with its cure."""
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    if card.size is None:
        return (
            f"{card.source}: the network cannot be exported for images of any size ({reason}). Give --size H W, or "
            "another backbone."
        )
    height, width = card.size
    return (
        f"{card.source}: the network cannot be exported for images of {height} x {width} ({reason}). Give another "
        "--size, or another backbone."
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the warnings of torch's exporters, which a user can do nothing about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
