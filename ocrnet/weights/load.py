"""Loading of a file's weights into a model: everything is checked before any weight is changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from ocrnet.errors import BundleError
from ocrnet.weights import conversions
from ocrnet.weights.caveats import caveats
from ocrnet.weights.conversions import COUNTER, Converted
from ocrnet.weights.files import read_tensors
from ocrnet.weights.formats import OURS, Format, bare_names, recognise
from ocrnet.weights.naming import Naming, backbone_prefix
from ocrnet.weights.report import LoadReport

LEAST_MATCHED = 0.95  # share of the backbone's entries; below it the file is for another network
# The last convolutions of all architectures, the only entries whose shape depends on the number of classes.
CLASSIFIERS = (
    "aux_head.3",
    "aux_head.4",
    "head.classify",
    "head.4",
    "decoder.classify",
    "classify",
)


def load_weights(model: nn.Module, path: Path | str) -> LoadReport:
    """Load a model's weights from a file of any supported program.

    Args:
        model: Model of `build_segmenter`; unchanged if an error is raised.
        path: Path of a .pth or .safetensors file of the official HRNet-OCR, openseg, mmsegmentation or NVIDIA, a
            backbone's file, or a bundle's folder or weights.

    Returns:
        Report of loaded, renamed, converted, left out, missing and unexpected entries.

    Raises:
        BundleError: The file cannot be read, or has less than 95% of the backbone's entries.
    """
    return load_state(model, read_tensors(Path(path)), source=str(path))


def load_state(model: nn.Module, tensors: Mapping[str, Tensor], *, source: str) -> LoadReport:
    """Load a model's weights from a state dict of any supported program.

    Args:
        model: Model of `build_segmenter`; unchanged if an error is raised.
        tensors: State dict of the file.
        source: Name of the source in the report and in errors.

    Raises:
        BundleError: The state dict has less than 95% of the backbone's entries.
    """
    own = model.state_dict()
    placed = _place(bare_names(tensors), own)
    fitting = {
        name: value
        for name, value in placed.values.items()
        if name in own and own[name].shape == value.shape
    }
    _check_backbone(placed, fitting, own, source)
    report = _report(model, placed, fitting, source)
    model.load_state_dict({**own, **fitting})
    return report


@dataclass(frozen=True)
class _Placed:
    """A file's entries under our names.

    Args:
        format: Format of the file.
        names: Names in the file, bare.
        values: Converted values, by our names.
        theirs: Name in the file, by our name.
        converted: Pairs (our name, conversion).
    """

    format: Format
    names: tuple[str, ...]
    values: dict[str, Tensor]
    theirs: dict[str, str]
    converted: Converted


def _place(tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> _Placed:
    """Rename and convert a file's entries for a model whose state dict is `own`."""
    format_ = recognise(tensors, own)
    gammas: set[str] = set()
    if format_.inplace_abn:
        tensors, gammas = conversions.effective_gammas(tensors)
    naming = Naming(format_, tensors, own)
    theirs = {ours: name for name in tensors if (ours := naming.ours(name)) is not None}
    values = {ours: tensors[name] for ours, name in theirs.items()}
    converted = [(ours, conversions.GAMMA) for ours, name in theirs.items() if name in gammas]
    if format_ is not OURS:
        values, folded = conversions.fold_biases(values, own)
        values, zeroed = conversions.zero_biases(values, own)
        converted += [*folded, *zeroed]
    return _Placed(format_, tuple(tensors), values, theirs, converted)


def _check_backbone(
    placed: _Placed, fitting: Mapping[str, Tensor], own: Mapping[str, Tensor], source: str
) -> None:
    prefix = backbone_prefix(own)
    wanted = [name for name in own if name.startswith(prefix) and _counts(name)]
    missing = [name for name in wanted if name not in fitting]
    matched = len(wanted) - len(missing)
    if matched >= LEAST_MATCHED * len(wanted):
        return
    first = missing[0]
    there = placed.values.get(first)
    how = (
        "" if there is None else f" (shape {list(there.shape)}, expected {list(own[first].shape)})"
    )
    raise BundleError(
        f"{source}: found {matched} of {len(wanted)} entries of the backbone, at least {LEAST_MATCHED:.0%} are "
        f"needed. It looks like {placed.format.title}; the first missing entry is {first}{how}. Build the model "
        "with the backbone of the file."
    )


def _report(
    model: nn.Module, placed: _Placed, fitting: Mapping[str, Tensor], source: str
) -> LoadReport:
    own = {name: value for name, value in model.state_dict().items() if _counts(name)}
    strays = {name: value for name, value in placed.values.items() if name not in fitting}
    left_out = tuple(n for n in own if n in strays and _other_classes(n, strays[n], own[n]))
    homeless = {name for name in placed.theirs if name in strays and name not in own}
    unexpected = set(placed.names).difference(placed.theirs.values())
    unexpected |= {placed.theirs[name] for name in homeless}
    misshapen = {
        name: (list(strays[name].shape), list(own[name].shape))
        for name in own
        if name in strays and name not in left_out
    }
    return LoadReport(
        path=source,
        format=placed.format.name,
        total=len(own),
        loaded=tuple(name for name in own if name in fitting),
        renamed=tuple(
            (theirs, name)
            for name, theirs in placed.theirs.items()
            if name in fitting and theirs != name and _counts(name)
        ),
        converted=tuple((name, how) for name, how in placed.converted if name in fitting),
        left_out=left_out,
        missing=tuple(name for name in own if name not in fitting and name not in left_out),
        unexpected=tuple(name for name in placed.names if name in unexpected and _counts(name)),
        warnings=tuple(caveats(model, placed.format, placed.names, misshapen)),
    )


def _counts(name: str) -> bool:
    """Return whether an entry is no counter of batches, which does not affect the output."""
    return not name.endswith(COUNTER)


def _other_classes(name: str, there: Tensor, here: Tensor) -> bool:
    """Return whether an entry belongs to a classifier that differs only in the number of classes."""
    return name.rpartition(".")[0] in CLASSIFIERS and there.shape[1:] == here.shape[1:]
