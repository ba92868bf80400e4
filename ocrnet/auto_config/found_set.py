"""A set as it is found: its source, files, classes and facts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ocrnet.auto_config.categories import choose_categories, cityscapes_classes, cocostuff_classes
from ocrnet.auto_config.class_table import read_class_table
from ocrnet.auto_config.classes import ClassChoice, choose_classes
from ocrnet.auto_config.facts import DataFacts, read_facts
from ocrnet.auto_config.label_values import FileValues, read_label_values, totals
from ocrnet.auto_config.layout import DEMO
from ocrnet.auto_config.unlabelled_folder import find_unlabelled_folder
from ocrnet.config import Params
from ocrnet.config.base import PILLOW_PIXELS
from ocrnet.config.params_file import parse_params
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.label_maps import DRAWN_SOURCES, label_rules
from ocrnet.raw.scan import Scan, scan_files
from ocrnet.raw.sources import RawItem, Roots, category_names, find_items, raw_roots

UNKNOWN = ["background", "object"]  # classes until the label maps were read


@dataclass(frozen=True)
class FoundSet:
    """A set whose files were read once.

    Args:
        table: Table of the scan.
        inventory: Inventory of the raw folder, with its findings.
        roots: Folders that the table's paths are relative to.
        classes: Classes of the label maps.
        facts: Facts for the rules.
        scan: Scan whose table this is.
        unlabelled: Images without a label map.
    """

    table: pd.DataFrame
    inventory: Inventory
    roots: Roots
    classes: ClassChoice
    facts: DataFacts
    scan: Scan
    unlabelled: tuple[RawItem, ...] = ()


def find_set(
    base: Mapping[str, Any],
    source: str,
    path: str,
    *,
    work: Path,
    known: Sequence[ClassChoice] = (),
) -> FoundSet:
    """Read all files of a set once and find its classes and facts.

    Args:
        base: Content of a valid `params.yaml`, for all sections but `data`.
        source: Name of the source.
        path: Value of `data.path`.
        work: Folder for files that the source renders, which does not exist yet.
        known: Classes of known sets of this source; the first that has all raw values is used.

    Raises:
        DataError: The files form no set, or their label maps show no classes.
    """
    named = _named_classes(source, Path(path))
    folder = None if source == DEMO else find_unlabelled_folder(Path(path))
    base = _reading_all(base, None if folder is None else folder[0])
    first = named or (known[0] if known else ClassChoice(tuple(UNKNOWN), {}, "auto", ""))
    inventory = Inventory(Path(path))
    found = find_items(_params(base, source, path, first), work, inventory)
    items = [item for item in found if not item.is_unlabelled]
    unlabelled = tuple(item for item in found if item.is_unlabelled)
    values = read_label_values([item.label_map for item in items if item.label_map is not None])
    fitting = [
        choice for choice in known if _knows_all(_params(base, source, path, choice), values)
    ]
    table_of_classes = read_class_table(Path(path)) if source != DEMO else []
    classes = named or (fitting[0] if fitting else choose_classes(values, table_of_classes))
    params = _params(base, source, path, classes)
    roots = raw_roots(source, Path(path), work)
    scanned = scan_files(items, params.data, roots=roots)
    facts = read_facts(scanned.table, params, classes, root=roots.label_maps)
    lacking = len(unlabelled) - (0 if folder is None else folder[1])
    facts = replace(facts, unlabelled=folder, lacking=lacking)
    return FoundSet(scanned.table, inventory, roots, classes, facts, scanned, unlabelled)


def _reading_all(base: Mapping[str, Any], unlabelled: str | None) -> dict[str, Any]:
    """Return the content of params that refuse no image for its missing label map, and no missing split."""
    data = {**base["data"], "unlabelled": unlabelled, "without_label_map": "unlabelled"}
    prepare = {**base["prepare"], "missing_splits": "from_train"}
    return {**base, "data": data, "prepare": prepare}


def _named_classes(source: str, root: Path) -> ClassChoice | None:
    """Return the classes that annotations name, or those of a published set; None where only values are known.

    Raises:
        DataError: The names are no names of classes.
    """
    if source == "cityscapes":
        return cityscapes_classes(root)
    if source == "cocostuff":
        return cocostuff_classes()
    return (
        choose_categories(category_names(source, root), root) if source in DRAWN_SOURCES else None
    )


def _params(base: Mapping[str, Any], source: str, path: str, choice: ClassChoice) -> Params:
    """Return params that read every file that can be read."""
    data = {
        **base["data"], "source": source, "path": path, "classes": list(choice.classes), "label_map": choice.label_map,
        "palette": choice.palette, "exif": "apply", "value_range": None, "group_by": None, "max_pixels": PILLOW_PIXELS,
    }  # fmt: skip
    return parse_params({**base, "data": data})


def _knows_all(params: Params, values: Sequence[FileValues]) -> bool:
    rules = label_rules(params.data)
    return all(rules.class_of(value) is not None for value in totals(values))
