"""The rules for class names, which become columns, metrics and captions."""

from collections.abc import Sequence

from ocrnet.errors.mlflow_names import metric_name

MOST_CLASSES = 255
LONGEST_NAME = 100  # characters


def check_class_names(names: Sequence[str]) -> None:
    """Refuse class names that a later stage cannot use.

    Raises:
        ValueError: There are too few or too many names, or a name is a duplicate or not allowed.
    """
    if len(names) == 1:
        raise ValueError(
            f"found one class, {names[0]!r}: all other pixels also need a class. Add a background class: "
            f"[background, {names[0]}]."
        )
    if not 2 <= len(names) <= MOST_CLASSES:
        raise ValueError(f"found {len(names)} classes, allowed are 2 to {MOST_CLASSES}.")
    if len(set(names)) != len(names):
        raise ValueError(f"classes has a duplicate name: {list(names)}. Make each name unique.")
    for name in names:
        if fault := _fault(name):
            raise ValueError(f"classes has the name {name!r}{fault}")
    shown: dict[str, str] = {}
    for name in names:
        other = shown.setdefault(metric_name(name), name)
        if other != name:
            raise ValueError(
                f"classes has the names {other!r} and {name!r}, which become one metric in MLflow, "
                f"{metric_name(name)!r}. Rename one."
            )


def _fault(name: str) -> str | None:
    if name == "ignore":
        return ", which is reserved for ignored pixels. Rename it."
    if name != name.strip() or not name.isprintable() or not 1 <= len(name) <= LONGEST_NAME:
        return f". Use 1 to {LONGEST_NAME} printable characters, without spaces at the ends."
    if {".", ".."} & set(name.split("/")):
        return ", which MLflow reads as a path. Rename it."
    return None
