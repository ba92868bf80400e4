"""The text of `train.loss`: names of losses joined by "+", each with an optional weight."""

import re
from collections.abc import Collection

from ocrnet.errors import ParamsError
from ocrnet.errors.near_names import hint

TERM = re.compile(
    r"(?:(?P<weight>(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?)\s*\*\s*)?(?P<name>[a-z]\w*)", re.ASCII
)


def parse_loss(text: str, known: Collection[str]) -> list[tuple[float, str]]:
    """Return the weights and names of a sum such as "ce + 0.5*dice".

    Raises:
        ParamsError: The text is not such a sum, a name is unknown, or a weight is not finite and above 0.
    """
    return [_term(part.strip(), text, known) for part in text.split("+")]


def _term(part: str, text: str, known: Collection[str]) -> tuple[float, str]:
    found = TERM.fullmatch(part)
    names = ", ".join(known)
    if found is None:
        raise ParamsError(
            f"params.yaml: train.loss: {part!r} in {text!r} is neither a loss nor weight*loss. Known: {names}. "
            'Join losses by +, such as "ce + 0.5*dice".'
        )
    if found["name"] not in known:
        meant = hint(found["name"], known)
        raise ParamsError(
            f"params.yaml: train.loss: {found['name']!r} is unknown.{meant} Known: {names}."
        )
    weight = float(found["weight"] or "1")
    if weight == 0 or weight == float("inf"):
        raise ParamsError(
            f"params.yaml: train.loss: the weight of {part!r} is {weight:g}. "
            "Set a finite weight above 0, or remove the loss."
        )
    return weight, found["name"]
