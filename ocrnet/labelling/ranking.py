"""The order in which unlabelled images are labelled: uncertain ones first, unlike each other and the labelled ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from ocrnet.data.decode import read_image
from ocrnet.data.manifest import read_manifest
from ocrnet.errors import DataError
from ocrnet.errors.machine import is_of_machine
from ocrnet.labelling.candidates import Candidate
from ocrnet.labelling.diversity import k_center, standardise
from ocrnet.labelling.panel import Panel
from ocrnet.labelling.uncertainty import (
    ImageUncertainty,
    balanced_uncertainty,
    measure_uncertainty,
)

Progress = Callable[[int, int], None]
Read = Callable[[Path], UInt8[np.ndarray, "H W 3"]]


@dataclass(frozen=True)
class Measured:
    """The measured images.

    Args:
        candidates: Images that can be read.
        uncertainty: Uncertainty of each.
        vectors: Feature vector of each.
        faults: A message for each image that cannot be read.
    """

    candidates: list[Candidate]
    uncertainty: list[ImageUncertainty]
    vectors: list[Float[np.ndarray, " D"]]
    faults: list[str]


@dataclass(frozen=True)
class Ranked:
    """An image to label.

    Args:
        candidate: Image.
        score: Uncertainty times distance, by which it was chosen.
        uncertainty: Disagreement of the members, with rare classes counted up.
        distance: Distance to the nearest image that is labelled or stands before it.
        entropy: Mean entropy of the members' mean, in [0, 1].
        shares: Share of each class in the predicted label map.
    """

    candidate: Candidate
    score: float
    uncertainty: float
    distance: float
    entropy: float
    shares: tuple[float, ...]


def labelled_vectors(
    panel: Panel, prepared: Path, progress: Progress = lambda done, of: None
) -> Float[np.ndarray, "M D"]:
    """Return the feature vectors of the training images of a prepared set.

    Raises:
        DataError: The set is missing, or it has no training image.
        BundleError: The architecture of a model has no known encoder.
    """
    table = read_manifest(prepared, split="train")
    if table.empty:
        raise DataError(f"{prepared}: the manifest has no train image. Label at least one.")
    vectors = []
    for index, name in enumerate(table["image"]):
        vectors.append(panel.features(read_image(prepared / name)))
        progress(index + 1, len(table))
    return np.array(vectors)


def measure_candidates(
    panel: Panel,
    candidates: Sequence[Candidate],
    read: Read,
    progress: Progress = lambda done, of: None,
) -> Measured:
    """Measure unlabelled images; those that cannot be read are left out, with a message.

    Args:
        panel: Models that judge the images.
        candidates: Images.
        read: Function that decodes a file.
        progress: Function that gets the number of images done and the number of all.

    Raises:
        DataError: No image can be read.
    """
    measured = Measured([], [], [], [])
    for index, candidate in enumerate(candidates):
        try:
            image = panel.prepared(read(candidate.path))
        except DataError as error:
            if is_of_machine(error):
                raise
            measured.faults.append(str(error))
        else:
            measured.candidates.append(candidate)
            measured.uncertainty.append(measure_uncertainty(panel.members(image)))
            measured.vectors.append(panel.features(image))
        progress(index + 1, len(candidates))
    if not measured.candidates:
        raise DataError("\n".join(measured.faults))
    return measured


def rank(measured: Measured, labelled: Float[np.ndarray, "M D"], *, count: int) -> list[Ranked]:
    """Return the images to label, the first one first.

    Args:
        measured: Measured images.
        labelled: Feature vectors of the labelled images.
        count: Number of images; all, if there are no more.
    """
    weights = balanced_uncertainty(measured.uncertainty)
    points, others = standardise(np.array(measured.vectors), labelled)
    return [
        Ranked(
            measured.candidates[pick.place],
            pick.score,
            float(weights[pick.place]),
            pick.distance,
            measured.uncertainty[pick.place].entropy,
            tuple(measured.uncertainty[pick.place].shares.tolist()),
        )
        for pick in k_center(points, others, weights, count=count)
    ]
