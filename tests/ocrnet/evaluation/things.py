"""Objects for a scored set, and counts of objects."""

from collections.abc import Sequence
from pathlib import Path

from ocrnet.data.csv_tables import write_csv_table
from ocrnet.data.decode import read_label_map
from ocrnet.data.instance_maps import write_instances, write_things
from ocrnet.data.manifest import file_sha256, read_manifest
from ocrnet.objects.matching import ObjectCounts
from ocrnet.objects.object_map import components
from tests.ocrnet.objects.test_scores import compared, row


def add_things(
    prepared: Path, names: Sequence[str] = ("dent", "rust"), ids: tuple[int, ...] = (1, 2)
) -> None:
    """Make each component of some classes of a prepared set an object."""
    table = read_manifest(prepared)
    (prepared / "instances").mkdir()
    hashes = []
    for name in table["id"]:
        path = prepared / "instances" / f"{name}.png"
        write_instances(
            path,
            components(read_label_map(prepared / "label_maps" / f"{name}.png"), ids).numbers,
        )
        hashes.append(file_sha256(path))
    table = table.assign(instances=[f"instances/{name}.png" for name in table["id"]])
    write_csv_table(prepared / "manifest.csv", table.assign(instances_sha256=hashes))
    write_things(prepared, names)


def half_found(count: int, found: int) -> list[ObjectCounts]:
    """Return images of one object each, of which the first `found` are found exactly."""
    true, none = row(1, 1, 0, classes=[1]), row(0, 0, 0, classes=[])
    return [compared(true if i < found else none, true) for i in range(count)]
