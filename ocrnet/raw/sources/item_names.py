"""The ids of items by the paths of their images."""

from collections.abc import Iterable

Key = tuple[str, ...]  # path of an image below a folder, without the extension


def item_names(keys: Iterable[Key]) -> dict[Key, str]:
    """Return the id of each image: its stem, or its whole path where stems repeat.

    Examples:
        >>> item_names([("one", "a"), ("two", "a")])
        {('one', 'a'): 'one-a', ('two', 'a'): 'two-a'}
    """
    kept = list(keys)
    repeated = len({key[-1] for key in kept}) < len(kept)
    return {key: "-".join(key) if repeated else key[-1] for key in kept}
