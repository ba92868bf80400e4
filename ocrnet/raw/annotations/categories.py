"""The class of each category that annotations name."""

from collections import Counter

from ocrnet.config import DataParams
from ocrnet.errors import ParamsError
from ocrnet.errors.near_names import hint
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.label_maps import OTHER
from ocrnet.raw.tree import shown

BACKGROUND = "background"
IGNORE = "ignore"


class Categories:
    """Class ids by the names of categories; it counts the names that are no class.

    `data.label_map` names the class of a category, or `ignore`; a category without an entry is the class with its
    name, else the class of the entry `other`.

    Args:
        data: Section `data` of the params.

    Raises:
        ParamsError: No param says which class the pixels outside all annotations have.
    """

    def __init__(self, data: DataParams) -> None:
        self._ids = {name: i for i, name in enumerate(data.classes)} | {IGNORE: data.ignore_index}
        self._named = {str(name): target for name, target in data.label_map.items()}
        self._unknown: Counter[str] = Counter()
        name = data.background or (BACKGROUND if BACKGROUND in data.classes else None)
        if name is None:
            raise ParamsError(
                "params.yaml: data.background: found nothing, but pixels outside all annotations need a class. Set it "
                f"to ignore or to one of {', '.join(data.classes)}."
            )
        self.background = self._ids[name]

    def id_of(self, category: str) -> int | None:
        """Return the class id or the ignored id of a category; count it and return None if it is no class."""
        if category in self._named:
            return self._ids[self._named[category]]
        if category in self._ids and category != IGNORE:
            return self._ids[category]
        if OTHER in self._named:
            return self._ids[self._named[OTHER]]
        self._unknown[category] += 1
        return None

    def report(self, inventory: Inventory) -> None:
        """Add a finding for each category that is no class."""
        classes = [name for name in self._ids if name != IGNORE]
        for name, count in sorted(self._unknown.items()):
            inventory.find(
                "E115",
                f"the category {shown(name)!r} of {count} annotations is not in data.classes.{hint(name, classes)} Add "
                f"it there, or to data.label_map: {{{shown(name)}: CLASS}}, where CLASS is ignore or one of "
                f"{', '.join(classes)}.",
            )
