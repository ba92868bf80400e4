"""Quality numbers with the conditions of their measurement, and the only function that compares two of them."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ocrnet.errors import DataError

QUALITY_FILE = "quality.json"
SCHEMA_VERSION = 2
# The fields that must be equal for a comparison of two numbers.
GROUNDS = (
    "name", "extractor", "extractor_sha256", "resize", "n", "reference_n", "reference_sha256", "train_n",
    "train_sha256", "resolution", "split",
)  # fmt: skip


@dataclass(frozen=True)
class Measure:
    """One number with the conditions of its measurement.

    Args:
        name: KID, FID, precision and so on.
        of: The set that was measured: synthesized, selected (the pairs that were kept), held_out (generated images of
            validation label maps) or real (the score of a perfect generator; the training images or, for diversity
            and GAN-test, the validation images).
        value: The number.
        sd: Standard deviation of the number over subsets or images, or None.
        p_value: p-value of the test behind the number, or None.
        extractor: Name of the feature extractor; empty if none was used.
        extractor_sha256: SHA-256 of the extractor's weights.
        resize: How the extractor resizes images.
        n: Number of images that were measured.
        reference_n: Number of real images that they were compared with.
        reference_sha256: SHA-256 of the list of the reference split's images.
        train_n: Number of training images of the generator, in the search for memorised images.
        train_sha256: SHA-256 of the list of the generator's training images.
        resolution: Height x width of the images in pixels; the smallest and the largest if they differ.
        split: Split of the reference images.
        seed: Random seed of subsets and styles.
    """

    name: str
    of: str
    value: float
    extractor: str
    extractor_sha256: str
    resize: str
    n: int
    reference_n: int
    reference_sha256: str
    train_n: int
    train_sha256: str
    resolution: str
    split: str
    seed: int
    sd: float | None = None
    p_value: float | None = None

    @property
    def metric(self) -> str:
        """The name in `metrics.json`: `quality/KID[segmenter]`, `quality/held_out/KID[segmenter]`."""
        place = "" if self.of == "synthesized" else f"{self.of}/"
        seen_by = f"[{self.extractor}]" if self.extractor else ""
        return f"quality/{place}{self.name}{seen_by}"


def compare_quality(first: Measure, second: Measure) -> float:
    """Return the second value minus the first.

    Raises:
        DataError: The metrics, extractors, numbers of images, resolutions, splits, references or training sets differ.
    """
    differing = [key for key in GROUNDS if getattr(first, key) != getattr(second, key)]
    if differing:
        key = differing[0]
        raise DataError(
            f"{first.metric} and {second.metric} cannot be compared: {key} is {getattr(first, key)!r} and "
            f"{getattr(second, key)!r}. Measure both with the same {', '.join(differing)}."
        )
    return second.value - first.value


def write_quality(folder: Path, measures: Sequence[Measure], *, generator: str) -> None:
    """Write `quality.json`: the measures and the SHA-256 of the generator."""
    values = {
        "schema_version": SCHEMA_VERSION,
        "generator": generator,
        "measures": [asdict(measure) for measure in measures],
    }
    (folder / QUALITY_FILE).write_text(json.dumps(values, indent=1, allow_nan=False) + "\n")


def read_quality(folder: Path) -> list[Measure]:
    """Read the measures of a folder.

    Raises:
        DataError: The file is missing or has another schema.
    """
    path = folder / QUALITY_FILE
    try:
        raw = json.loads(path.read_text())
        if raw["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"schema_version is {raw['schema_version']!r}")
        names = [field.name for field in fields(Measure)]
        return [Measure(**{name: entry[name] for name in names}) for entry in raw["measures"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: the file is missing or this version cannot read it ({error}). Run the stage select again."
        ) from error
