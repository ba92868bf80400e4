"""A value that was chosen for a key of the params, with its reason."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Choice:
    """The value of one key.

    Args:
        key: Dotted name of the key.
        value: Value as YAML holds it: text, numbers, lists of them, a mapping, or None for an empty key.
        reason: Reason for the value, as sentences.
    """

    key: str
    value: Any
    reason: str


def to_values(choices: "list[Choice]") -> dict[str, Any]:
    """Return the values by their dotted keys."""
    return {choice.key: choice.value for choice in choices}
