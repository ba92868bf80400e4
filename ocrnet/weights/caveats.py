"""Differences between a model and the network that a file was trained in, which names and shapes do not show."""

from collections.abc import Collection, Iterator, Mapping

from torch import nn

from ocrnet.weights.formats import BACKBONE, OURS, Format

ABN_SLOPE = 0.01  # negative slope of InPlaceABN's default activation
Shapes = tuple[list[int], list[int]]  # in the file, in the model


def caveats(
    model: nn.Module, format_: Format, names: Collection[str], misshapen: Mapping[str, Shapes]
) -> Iterator[str]:
    """Yield one line for each difference between the network that a file was trained in and the model.

    Args:
        model: Model that the weights are loaded into.
        format_: Format of the file.
        names: Names of the file's entries.
        misshapen: Entries with different shapes: the shape in the file and in the model.
    """
    if misshapen:
        name, (there, here) = next(iter(misshapen.items()))
        yield (
            f"{len(misshapen)} entries have another shape and keep their values, such as {name}: {there} in the file, "
            f"{here} in the model. Check model.head_variant, model.mid_channels and model.key_channels."
        )
    yield from _norms(model, names)
    if format_ in (OURS, BACKBONE):
        return
    yield from _resizing(model, format_)
    yield from _activation(model, format_, names)
    if format_.name == "openseg":
        yield from _openseg(model, names)


def _resizing(model: nn.Module, format_: Format) -> Iterator[str]:
    here = getattr(model, "align_corners", None)
    if None not in (here, format_.align_corners) and here != format_.align_corners:
        yield (
            f"{format_.title} resizes with align_corners={format_.align_corners}, but this model with {here}. "
            f"Set model.align_corners to {str(format_.align_corners).lower()}."
        )


def _activation(model: nn.Module, format_: Format, names: Collection[str]) -> Iterator[str]:
    slope = getattr(getattr(model, "head", None), "negative_slope", None)
    there = ABN_SLOPE if in_place_abn(format_, names) else 0.0
    if slope is not None and slope != there:
        variant = "openseg_leaky" if there else "official, openseg or mmseg"
        yield (
            f"the file's head has activations with the negative slope {there:g}, but this model's have {slope:g}. "
            f"Set model.head_variant to {variant}."
        )


def _norms(model: nn.Module, names: Collection[str]) -> Iterator[str]:
    batch_norms = any(name.endswith(".running_var") for name in names)
    if batch_norms and not any(name.endswith(".running_var") for name in model.state_dict()):
        yield "the file's norms are batch norms, but this model's are not: scales are loaded, statistics are not."


def _openseg(model: nn.Module, names: Collection[str]) -> Iterator[str]:
    if not any("resinit." in name for name in names):
        yield "openseg trained it on BGR images, but this project uses RGB."
        return
    yield (
        "openseg trained its ResNets on BGR images in [0, 255] minus (103, 116, 123), but this project uses "
        "normalised RGB in [0, 1]."
    )
    pool = getattr(getattr(getattr(model, "backbone", None), "net", None), "maxpool", None)
    if isinstance(pool, nn.MaxPool2d) and not pool.ceil_mode:
        yield "openseg's pooling rounds sizes up, this model's down. Set model.backbone to deepbase_resnet50 or 101."


def in_place_abn(format_: Format, names: Collection[str]) -> bool:
    """Return whether openseg trained the head with InPlaceABN, which is norm and activation in one module."""
    return format_.name == "openseg" and any(name.endswith("f_up.1.running_var") for name in names)
