"""Quality numbers with the conditions they were measured under, and the one function that compares two."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ocrnet.errors import DataError

QUALITY_FILE = "quality.json"
SCHEMA_VERSION = 2
# What two numbers must share to be compared.
GROUNDS = (
    "name", "extractor", "extractor_sha256", "resize", "n", "reference_n", "reference_sha256", "train_n",
    "train_sha256", "resolution", "split",
)  # fmt: skip


@dataclass(frozen=True)
class Measure:
    """One number with the conditions it was measured under.

    Args:
        name: KID, FID, precision and so on.
        of: The set that was measured: synthesized, selected (those pairs of it that were kept), held_out (paintings of
            validation label maps) or real: what a perfect generator would reach. These are the training images; for
            diversity and the GAN test, the validation images.
        value: The number.
        sd: Standard deviation of the number over subsets or images, or None.
        p_value: p-value of the test behind the number, or None.
        extractor: Name of the feature extractor; empty where none was used.
        extractor_sha256: SHA-256 of the extractor's weights.
        resize: How the extractor resizes images.
        n: Number of images measured.
        reference_n: Number of real images they were compared with.
        reference_sha256: SHA-256 of the list of the reference split's images.
        train_n: Number of training images of the generator, among which memorised ones are looked for.
        train_sha256: SHA-256 of the list of the generator's training images.
        resolution: Height x width of the images, the smallest and the largest where they differ.
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
    """Return the second value less the first.

    Raises:
        DataError: The two have different metrics, extractors, numbers of images, resolutions, splits, references or
            training sets.
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
    """Write `quality.json`: the measures, and the hash of the generator that painted."""
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
            f"{path}: no quality numbers that this version reads ({error}). Run the stage select again."
        ) from None
