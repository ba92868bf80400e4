"""Losses: each has one file and one line in `LOSSES`; sums such as "ce + 0.5*dice" are allowed.

A loss is a module that is called with full-size logits, label maps and an optional weight per image. Ignored pixels
have no effect. A batch without a valid pixel gives zero with finite gradients. A label that is neither a class nor
ignored is refused before any kernel runs. With DDP each rank gets the loss of the whole batch
(`ocrnet.distributed.ranks`).
"""

import inspect
from typing import TYPE_CHECKING, Any

from ocrnet.components import load_component
from ocrnet.losses.expression import parse_loss

if TYPE_CHECKING:
    from ocrnet.losses.base import Loss

LOSSES = {
    "ce": "ocrnet.losses.cross_entropy:CrossEntropy",
    "ohem": "ocrnet.losses.ohem:OhemCrossEntropy",
    "ohem_official": "ocrnet.losses.ohem_official:OfficialOhem",
    "dice": "ocrnet.losses.dice:Dice",
    "lovasz": "ocrnet.losses.lovasz:Lovasz",
    "focal": "ocrnet.losses.focal:Focal",
}
# A loss gets the options that its constructor names.
OPTIONS = ("class_weights", "threshold", "min_kept", "gamma")


def build_loss(text: str, *, num_classes: int, ignore_index: int, **options: Any) -> "Loss":
    """Build a loss of `LOSSES`, or a weighted sum of several.

    Args:
        text: Names joined by "+", each with an optional weight.
        num_classes: Number of classes in the logits.
        ignore_index: Label of pixels that are ignored.
        options: Options in `OPTIONS`; a loss ignores those it does not have.

    Raises:
        ParamsError: The text cannot be read or a name is unknown.
        ValueError: An option is unknown.
    """
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise ValueError(f"option {unknown[0]!r} is unknown. Known: {', '.join(OPTIONS)}.")
    given = {"num_classes": num_classes, "ignore_index": ignore_index, **options}
    terms = [(weight, _build(name, given)) for weight, name in parse_loss(text, LOSSES)]
    if len(terms) == 1 and terms[0][0] == 1:
        return terms[0][1]
    # Imported here, so that reading the names does not import torch.
    from ocrnet.losses.weighted_sum import WeightedSum

    return WeightedSum(terms)


def taken_options(text: str) -> set[str]:
    """Return the `OPTIONS` that have an effect on a loss or a sum of losses."""
    return set().union(*(_taken_by(name) for _, name in parse_loss(text, LOSSES)))


def _taken_by(name: str) -> set[str]:
    return set(OPTIONS) & set(inspect.signature(_constructor(name)).parameters)


def _build(name: str, given: dict[str, Any]) -> "Loss":
    known = {"num_classes", "ignore_index", *_taken_by(name)}
    loss: Loss = _constructor(name)(**{k: v for k, v in given.items() if k in known})
    return loss


def _constructor(name: str) -> Any:
    return load_component(LOSSES, name, key="train.loss")
