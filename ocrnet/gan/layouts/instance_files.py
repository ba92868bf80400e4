"""The instance maps of the training images, by id."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ocrnet.data.instance_maps import INSTANCES, read_instances, read_things, thing_ids
from ocrnet.data.manifest import ClassTable
from ocrnet.gan.layouts.regions import Numbers


@dataclass(frozen=True)
class InstanceFiles:
    """The instance maps of some images.

    Args:
        things: Ids of the classes of `data.things`, whose objects have numbers; empty for a set without objects.
        paths: Path of the instance map of each image, by its id.
    """

    things: tuple[int, ...]
    paths: Mapping[str, Path]

    @classmethod
    def read(cls, prepared: Path, table: pd.DataFrame) -> "InstanceFiles":
        """Read the thing classes of a prepared set, and the paths of some rows of its manifest."""
        things = thing_ids(ClassTable.read(prepared), read_things(prepared))
        if not things:
            return cls((), {})
        rows = zip(table["id"], table[INSTANCES], strict=True)
        return cls(things, {str(name): prepared / str(path) for name, path in rows})

    def numbers(self, image_id: str) -> Numbers:
        """Return the instance map of an image."""
        return read_instances(self.paths[image_id]).astype(np.int32)
