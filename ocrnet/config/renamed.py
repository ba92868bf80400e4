"""Renamed params: a message about an old name has the new name."""

from collections.abc import Mapping

# Dotted name of earlier versions -> dotted name of this one.
RENAMED: Mapping[str, str] = {
    "model.form": "model.head_variant",
    "select.near_copy": "select.near_duplicate",
    "validate.max_pixels": "data.max_pixels",
}


def renamed_words(key: str) -> str | None:
    """Return the message with the new name of a key, or None if the key was never renamed.

    Examples:
        >>> renamed_words("model.form")
        'is now named model.head_variant. Rename the key; its values mean the same.'
    """
    new = RENAMED.get(key)
    if new is None:
        return None
    cure = "Rename the key" if key.rpartition(".")[0] == new.rpartition(".")[0] else "Move the key"
    return f"is now named {new}. {cure}; its values mean the same."


def old_name(key: str) -> str | None:
    """Return the name of a key in earlier versions, or None if it had no other name."""
    return next((old for old, new in RENAMED.items() if new == key), None)
