"""The file of a set: YAML with a comment above each key."""

import json
import re
import textwrap
from collections.abc import Sequence
from typing import Any

from ocrnet.auto_config.choice import Choice

WIDTH = 120
_PLAIN = re.compile(r"/?[A-Za-z][A-Za-z0-9_./-]*")  # text that needs no quotes
_RESERVED = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def set_text(head: Sequence[str], choices: Sequence[Choice]) -> str:
    """Return the text of a set's file.

    Args:
        head: Paragraphs of the comment at the top.
        choices: Choices of the set; each becomes a comment and a line.
    """
    lines = [line for paragraph in head for line in _comment(paragraph)]
    section = ""
    for choice in choices:
        if choice.key.partition(".")[0] != section:
            section = choice.key.partition(".")[0]
            lines.append("")
        lines += _comment(choice.reason)
        lines.append(f"{choice.key}: {flow(choice.value)}".rstrip())
    return "\n".join(lines) + "\n"


def flow(value: Any) -> str:
    """Return a value on one line of YAML: JSON, but with plain ids as keys and nothing for None."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _RESERVED:
        return value
    return json.dumps(value, ensure_ascii=False)


def _key(key: Any) -> str:
    return str(key) if isinstance(key, int) else flow(key)


def _comment(paragraph: str) -> list[str]:
    return [
        f"# {line}"
        for line in textwrap.wrap(
            paragraph, WIDTH - 2, break_long_words=False, break_on_hyphens=False
        )
    ]
