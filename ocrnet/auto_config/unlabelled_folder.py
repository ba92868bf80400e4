"""The folder of unlabelled images in a set, by its name."""

from collections import Counter
from pathlib import Path

from ocrnet.data.headers import EXTENSIONS
from ocrnet.raw.inventory import Inventory

BEGINNINGS = (
    "unlabel",
    "without_label",
    "no_label",
)  # unlabelled, unlabeled, unlabelled_images, unlabeled2017


def find_unlabelled_folder(root: Path) -> tuple[str, int] | None:
    """Return the folder below a raw folder that is called after unlabelled images, and the number of its images.

    Args:
        root: Raw folder.

    Returns:
        The one with the most images; None if there is none.
    """
    found: Counter[str] = Counter()
    for entry in Inventory(root).open_entries():
        if entry.path.suffix.lower() not in EXTENSIONS:
            continue
        for depth, part in enumerate(entry.parts[:-1]):
            if part.casefold().startswith(BEGINNINGS):
                found["/".join(entry.parts[: depth + 1])] += 1
                break
    return found.most_common(1)[0] if found else None
