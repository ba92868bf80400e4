"""The images that an export is held against its model on: the validation images of a set, or those of a folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ocrnet.data.decode import resize_image
from ocrnet.data.headers import EXTENSIONS
from ocrnet.data.manifest import MANIFEST_FILE, ClassTable
from ocrnet.errors import DataError
from ocrnet.evaluation.scored_split import TestSplit, read_test_split
from ocrnet.export.comparison import Sample


class Samples:
    """Images that are read when they are used.

    Args:
        count: Number of images.
        read: Function of an index that reads one.
        size: Height and width that images are resized to, in pixels; the label map of one of another size is left out.
            None: sizes stay.
    """

    def __init__(
        self, count: int, read: Callable[[int], Sample], *, size: tuple[int, int] | None = None
    ) -> None:
        self._count, self._read, self._size = count, read, size

    def __len__(self) -> int:
        """Return the number of images."""
        return self._count

    def __iter__(self) -> Iterator[Sample]:
        """Read all images, one after the other."""
        return map(self.read, range(self._count))

    def read(self, index: int) -> Sample:
        """Read an image, and its label map if there is one.

        Raises:
            DataError: A file cannot be decoded.
        """
        sample = self._read(index)
        if self._size is None or sample.image.shape[:2] == self._size:
            return sample
        return Sample(resize_image(sample.image, self._size))

    def spread(self, count: int) -> list[Sample]:
        """Read so many images, or all, at equal distances from the first to the last."""
        places = np.linspace(0, self._count - 1, min(count, self._count))
        return [self.read(round(place)) for place in places]


def read_samples(
    folder: Path,
    classes: ClassTable,
    decode: Callable[[Path], npt.NDArray[np.uint8]],
    *,
    size: tuple[int, int] | None,
) -> Samples:
    """Find the images of a folder: the validation split of a prepared set, or all images in it.

    Args:
        folder: Folder with a manifest, or with images and no label maps.
        classes: Class table of the model.
        decode: Function that decodes and resizes a raw image as `prepare` did for the model.
        size: Height and width that images are resized to, in pixels; None: sizes stay.

    Raises:
        DataError: There is no image, or the set has other classes than the model.
    """
    if (folder / MANIFEST_FILE).is_file():
        split = read_test_split(folder, split="val")
        split.classes.require_same(
            classes, place=folder.as_posix(), other="the model", cure="Give other images with --images."
        )  # fmt: skip
        return Samples(len(split), lambda index: _row(split, index), size=size)
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS)
    if not files:
        raise DataError(
            f"{folder}: neither a prepared set nor a folder with images. Run `dvc repro prepare`, or give a folder "
            "with --images."
        )
    return Samples(len(files), lambda index: Sample(decode(files[index])), size=size)


def _row(split: TestSplit, index: int) -> Sample:
    ((image, label_map),) = split.images([index])
    return Sample(image, label_map)
