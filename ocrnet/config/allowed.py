"""The text for messages about the values that each key of `params.yaml` may have."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from ocrnet.config import Params

BOUNDS = (
    ("exclusiveMinimum", "above"),
    ("minimum", "at least"),
    ("exclusiveMaximum", "below"),
    ("maximum", "at most"),
)
KINDS = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "empty",
    "number": "a number",
    "object": "a mapping",
    "string": "text",
}


def allowed_words(key: str) -> str:
    """Return the text for the allowed values of a key, by its dotted name.

    Examples:
        >>> allowed_words("model.dropout")
        'a number, at least 0, below 1'
        >>> allowed_words("evaluate.window")
        'a list of 2, or empty'
    """
    section, _, leaf = key.rpartition(".")
    schema = _schema()
    if not section and "$ref" in schema["properties"][leaf]:
        return f"a section with {', '.join(_target(schema['properties'][leaf])['required'])}"
    holder = _target(schema["properties"][section]) if section else schema
    return _words(holder["properties"][leaf])


@cache
def _schema() -> dict[str, Any]:
    return Params.model_json_schema()


def _target(reference: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = _schema()["$defs"][reference["$ref"].rpartition("/")[2]]
    return found


def _words(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return ", or ".join(_words(choice) for choice in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    kind = KINDS[schema["type"]]
    if "maxItems" in schema:
        kind = f"{kind} of {schema['maxItems']}"
    limits = [f"{word} {_short(schema[name])}" for name, word in BOUNDS if name in schema]
    return ", ".join([kind, *limits])


def _short(bound: int | float) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"
