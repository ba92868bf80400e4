"""The text of `train.loss`: names of losses joined by "+", each with an optional weight."""

import math
import re

from ocrnet.errors import ParamsError

TERM = re.compile(r"(?:(?P<weight>[0-9.][0-9.e-]*)\s*\*\s*)?(?P<name>[A-Za-z]\w*)", re.ASCII)


def parse_loss(text: str) -> list[tuple[float, str]]:
    """Return the weights and names of a sum such as "ce + 0.5*dice".

    Raises:
        ParamsError: the text is no such sum, or a weight is not above 0.
    """
    return [_term(part.strip(), text) for part in text.split("+")]


def _term(part: str, text: str) -> tuple[float, str]:
    found = TERM.fullmatch(part)
    weight = _number(found["weight"] or "1") if found else 0.0
    if found is None or not 0 < weight < math.inf:
        raise ParamsError(
            f"params.yaml: train.loss: {part!r} in {text!r} is neither a loss nor weight*loss with a weight above 0. "
            'Write names joined by +, as in "ce + 0.5*dice".'
        )
    return weight, found["name"]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
