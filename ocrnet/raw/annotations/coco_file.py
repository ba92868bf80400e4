"""A file of COCO: images, categories and annotations, as instances, stuff or panoptic segments.

https://cocodataset.org/#format-data
"""

from collections import defaultdict
from typing import Any

from pydantic import Field

from ocrnet.errors import DataError
from ocrnet.raw.annotations.json_files import Part, parse_part
from ocrnet.raw.annotations.rasterize import Region, Runs, Size

Id = int | str
KEYS = {"images", "annotations", "categories"}


class CocoImage(Part):
    """An image; tools leave its size out."""

    id: Id
    file_name: str = Field(min_length=1)
    width: int | None = Field(default=None, ge=1)
    height: int | None = Field(default=None, ge=1)

    @property
    def size(self) -> Size | None:
        """The size (height, width); None if the file does not give it."""
        return None if self.height is None or self.width is None else (self.height, self.width)


class _Category(Part):
    id: Id
    name: str


class Segment(Part):
    """A segment of a panoptic picture."""

    id: int = Field(ge=0, lt=1 << 24)
    category_id: Id
    iscrowd: int = 0


class _Object(Part):
    image_id: Id
    category_id: Id
    segmentation: Any = None
    iscrowd: int = 0


class _Panoptic(Part):
    image_id: Id
    file_name: str = Field(min_length=1)
    segments_info: list[Segment]


class _CodedRuns(Part):
    counts: list[int] | str
    size: tuple[int, int]


class _File(Part):
    images: list[CocoImage]
    categories: list[_Category]
    annotations: list[dict[str, Any]]


class CocoFile:
    """The content of a file.

    Args:
        content: JSON of the file.
        place: Name of the file in messages.

    Attributes:
        place: Name of the file in messages.
        images: Images in the order of the file.
        boxes: Number of objects that have no outline.
        small: Number of outlines with fewer than three points, which cover nothing.

    Raises:
        DataError: (E116) A value is missing or of another type, or an id means two things or nothing.
    """

    def __init__(self, content: Any, place: str) -> None:
        found = parse_part(_File, content, place)
        self.place, self.images = place, found.images
        self.boxes = self.small = 0
        self._names = {one.id: one.name for one in found.categories}
        self._ids = {one.id for one in found.images}
        for word, given, ids in (
            ("images", found.images, self._ids),
            ("categories", found.categories, set(self._names)),
        ):
            if len(ids) < len(given):
                raise DataError(f"E116 {place}: two {word} have one id. Give each its own.")
        self._used: set[Id] = set()
        self._regions: dict[Id, list[Region]] = defaultdict(list)
        self._panoptic: dict[Id, _Panoptic] = {}
        for number, annotation in enumerate(found.annotations):
            self._add(annotation, f"{place}: annotations.{number}")

    @property
    def used_categories(self) -> list[str]:
        """The names of the categories that have an annotation, in the order of the file."""
        return [name for number, name in self._names.items() if number in self._used]

    def regions_of(self, image: CocoImage) -> list[Region]:
        """Return the regions of an image, in the order of the file."""
        return self._regions[image.id]

    def panoptic_of(self, image: CocoImage) -> tuple[str, list[tuple[Segment, str]]] | None:
        """Return the name of the image's panoptic picture, and its segments with their categories; None without."""
        found = self._panoptic.get(image.id)
        if found is None:
            return None
        return found.file_name, [(one, self._names[one.category_id]) for one in found.segments_info]

    def _add(self, annotation: dict[str, Any], place: str) -> None:
        if "segments_info" in annotation:
            panoptic = parse_part(_Panoptic, annotation, place)
            for segment in panoptic.segments_info:
                self._check_category(segment.category_id, place)
            self._panoptic[panoptic.image_id] = panoptic
            return
        one = parse_part(_Object, annotation, place)
        self._check_category(one.category_id, place)
        if one.image_id not in self._ids:
            raise DataError(f"E116 {place}: no image has the id {one.image_id!r}. Export it again.")
        region = self._region(one, place)
        if region is None:
            self.boxes += 1
        else:
            self._regions[one.image_id].append(region)

    def _check_category(self, category: Id, place: str) -> None:
        if category not in self._names:
            raise DataError(f"E116 {place}: no category has the id {category!r}. Export it again.")
        self._used.add(category)

    def _region(self, one: _Object, place: str) -> Region | None:
        """Return the region of an object, or None if the object has no outline."""
        name, is_crowd = self._names[one.category_id], bool(one.iscrowd)
        given = one.segmentation
        if isinstance(given, dict):
            coded = parse_part(_CodedRuns, given, f"{place}.segmentation")
            counts = coded.counts if isinstance(coded.counts, str) else tuple(coded.counts)
            return Region(name, runs=Runs(counts, coded.size), is_crowd=is_crowd)
        outlines = _outlines(given, f"{place}.segmentation")
        if not outlines:
            return None
        self.small += sum(len(outline) < 6 for outline in outlines)
        return Region(name, outlines, is_crowd=is_crowd)


class _Outlines(Part):
    outlines: list[list[float]]


def _outlines(given: Any, place: str) -> tuple[tuple[float, ...], ...]:
    """Return outlines from a list of lists of coordinates; some tools write one list, or lists of points."""
    lists = given or []
    if lists and all(isinstance(one, int | float) for one in lists):
        lists = [lists]
    flat = [
        [value for point in one for value in point] if one and isinstance(one[0], list) else one
        for one in lists
    ]
    found = parse_part(_Outlines, {"outlines": flat}, place).outlines
    odd = next((one for one in found if len(one) % 2), None)
    if odd is not None:
        raise DataError(
            f"E116 {place}: found {len(odd)} coordinates, expected x and y of each point. Export it again."
        )
    return tuple(tuple(one) for one in found if one)
