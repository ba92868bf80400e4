"""An exported file against its model: equal pixels, mIoU where there are label maps, maps of the heads, and latency."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from ocrnet import metrics
from ocrnet.data.manifest import ClassTable
from ocrnet.models.output import LEAST_SIDE
from ocrnet.objects.grouping import Detector, InstanceMapper

LEAST_EQUAL = 0.999  # share of pixels
MOST_LOST = 0.005  # mIoU that 8 bits may lose
MOST_OFF = 0.001  # difference of a value of the instance heads, as a share of the largest one
CROPS = ((1, 0), (0, 3), (5, 7))  # rows and columns that are cut off
ROUNDS = 5


@runtime_checkable
class LabelMapper(Protocol):
    """What gives the label map of a prepared image."""

    def label_map(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return the class ids (H, W) of an RGB image (H, W, 3)."""
        ...


@runtime_checkable
class MapGiver(Protocol):
    """What gives the maps of the instance heads as they are in an exported file."""

    def head_maps(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32] | None:
        """Return the maps (D, h, w) for an RGB image (H, W, 3); None without instance heads."""
        ...


@dataclass(frozen=True)
class Sample:
    """A prepared image.

    Args:
        image: RGB pixels (H, W, 3).
        label_map: Class ids (H, W); None where there are none.
    """

    image: npt.NDArray[np.uint8]
    label_map: npt.NDArray[np.uint8] | None = None


@dataclass
class Agreement:
    """How far two models agree.

    Args:
        images: Number of compared label maps.
        pixels: Number of their pixels.
        equal: Number of pixels with the same class.
        miou: mIoU of the model and of the file, in [0, 1]; None without label maps.
        off: Largest difference of the maps of the instance heads, as a share of their largest value in the image; None
            where the file has no such maps.
    """

    images: int = 0
    pixels: int = 0
    equal: int = 0
    miou: tuple[float, float] | None = None
    off: float | None = None

    def add(
        self, model: LabelMapper, file: LabelMapper, image: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        """Compare two models on an image, and return the label maps of both."""
        pair = model.label_map(image), file.label_map(image)
        self.images += 1
        self.pixels += pair[0].size
        self.equal += int((pair[0] == pair[1]).sum())
        maps = head_maps(file, image)
        if maps is not None:
            self.off = max(self.off or 0.0, _difference(head_maps(model, image), maps))
        return pair

    @property
    def has_good_maps(self) -> bool:
        """Whether the maps of the instance heads are those of the model, if the file has any."""
        return self.off is None or self.off <= MOST_OFF

    @property
    def share(self) -> float:
        """Share of pixels with the same class, in [0, 1]."""
        return self.equal / self.pixels

    def is_good(self, *, is_int8: bool) -> bool:
        """Tell whether the file may stand for the model.

        A file in float32 must give the same class at 99.9 % of pixels. A file in 8 bits may lose 0.5 points of mIoU;
        without label maps it is held to the same share. Maps of instance heads may differ by a thousandth.
        """
        if not self.has_good_maps:
            return False
        if is_int8 and self.miou is not None:
            return self.miou[1] >= self.miou[0] - MOST_LOST
        return self.share >= LEAST_EQUAL


def compare(
    model: LabelMapper,
    file: LabelMapper,
    samples: Iterable[Sample],
    classes: ClassTable,
    *,
    odd: Iterable[Sample] = (),
) -> Agreement:
    """Compare the label maps of a model and of its exported file.

    Args:
        model: Model in torch.
        file: Exported file.
        samples: Images, one or more.
        classes: Class table of both.
        odd: Images that are also compared without some of their last rows and columns.
    """
    found = Agreement()
    confusions = [np.zeros((classes.num_classes,) * 2, np.int64) for _ in range(2)]
    labelled = True
    for sample in samples:
        pair = found.add(model, file, sample.image)
        if sample.label_map is None:
            labelled = False
            continue
        for confusion, predicted in zip(confusions, pair, strict=True):
            confusion += metrics.confusion_matrix(
                predicted, sample.label_map, num_classes=classes.num_classes,
                ignore_index=classes.ignore_index,
            )  # fmt: skip
    if labelled:
        first, second = (metrics.miou(confusion) for confusion in confusions)
        found.miou = first, second
    for image in _odd_sizes(odd):
        found.add(model, file, image)
    return found


def head_maps(model: object, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32] | None:
    """Return the maps of a model's instance heads as an exported file has them; None without such heads."""
    size = (image.shape[0], image.shape[1])
    if isinstance(model, MapGiver):
        return model.head_maps(image)
    detections = model.detections(image, size) if isinstance(model, Detector) else None
    if detections is not None:
        return detections.maps
    return model.instance_maps(image, size) if isinstance(model, InstanceMapper) else None


def _difference(wanted: npt.NDArray[np.float32] | None, found: npt.NDArray[np.float32]) -> float:
    """Return the largest difference as a share of the largest wanted value; infinite for another shape or a nan."""
    if wanted is None or wanted.shape != found.shape:
        return math.inf
    largest = float(np.abs(wanted - found).max()) / max(float(np.abs(wanted).max()), 1e-12)
    return largest if math.isfinite(largest) else math.inf


def _odd_sizes(samples: Iterable[Sample]) -> Iterator[npt.NDArray[np.uint8]]:
    for sample in samples:
        height, width = sample.image.shape[:2]
        for rows, columns in CROPS:
            if min(height - rows, width - columns) >= LEAST_SIDE:
                yield np.ascontiguousarray(sample.image[: height - rows, : width - columns])


def time_models(
    models: Mapping[str, LabelMapper], samples: Iterable[Sample], *, rounds: int = ROUNDS
) -> dict[str, float]:
    """Return the median seconds that each model takes for an image.

    The models take turns on each image, in an order that changes from round to round, so that other load on the machine
    affects all of them.

    Args:
        models: Models by their names.
        samples: Images.
        rounds: Number of calls for each model and image.
    """
    names = list(models)
    times: dict[str, list[float]] = {name: [] for name in names}
    for sample in samples:
        for name in names:
            models[name].label_map(sample.image)
        for turn in range(rounds):
            first = turn % len(names)
            for name in (*names[first:], *names[:first]):
                start = perf_counter()
                models[name].label_map(sample.image)
                times[name].append(perf_counter() - start)
    return {name: median(values) for name, values in times.items()}
