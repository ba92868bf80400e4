"""The refusal of a `folder` source whose images and label maps do not match, with the likely cause."""

from collections import Counter
from pathlib import Path

from ocrnet.raw.inventory import Inventory
from ocrnet.raw.sources.folder_sides import Side, is_read
from ocrnet.raw.sources.item_names import Key


def no_match(inventory: Inventory, images: Side, label_maps: Side) -> str:
    """Return the refusal of two sides none of whose files match."""
    suffixes = Counter(path.suffix for path in images.files.values())
    kinds = ", ".join(suffix for suffix, _ in suffixes.most_common(3))
    place = label_maps.folder.name
    found = f"E114 found {len(images.files)} images ({kinds}) and {len(label_maps.files)} masks in {place}/"
    stems = {key[-1]: key for key in images.files}
    for key, path in label_maps.files.items():
        if key[-1] in stems:
            image = images.files[stems[key[-1]]]
            folders = "/".join([place, *stems[key[-1]][:-1]])
            return (
                f"{found}, but no mask is in the subfolder of its image (image {inventory.name(image)}, mask "
                f"{inventory.name(path)}). Move each mask into the subfolder of its image: this one into {folders}/."
            )
    if label_maps.files:
        mine, theirs = next(iter(images.files))[-1], next(iter(label_maps.files))[-1]
        found += (
            f", but no mask has the stem of an image (image {mine!r}, mask {theirs!r}; data.source: by_name allows "
            "endings such as _mask)"
        )
    near = _best_match(inventory, stems, images, label_maps)
    if near is None:
        return f"{found}. No other folder under {inventory.root} has matching stems; give both the same stem."
    folder, count = near
    return f"{found}. {inventory.name(folder)}/ has {count} files with matching stems; move them to {place}/."


def _best_match(
    inventory: Inventory, stems: dict[str, Key], images: Side, label_maps: Side
) -> tuple[Path, int] | None:
    """Return the folder outside both sides with most files of the images' stems, and their number."""
    counts = Counter(
        entry.path.parent
        for entry in inventory.open_entries()
        if is_read(entry) and Path(entry.parts[-1]).stem in stems
    )
    outside = (
        (folder, count)
        for folder, count in counts.most_common()
        if not folder.is_relative_to(images.folder) and not folder.is_relative_to(label_maps.folder)
    )
    return next(outside, None)
