"""The quality of generated images, all numbers from one pass of features.

The reference is the validation split: the generator never saw it, and the test split stays unseen. Four sets are
compared with it, with the same number of images each, so that their numbers are comparable:

* synthesized: the pairs of `synthesize`, before selection;
* selected: the pairs that were kept; the set is smaller than the others if fewer pairs were kept;
* held_out: generated images of the validation label maps, so that the layouts are the same as in the reference;
* real: the training images, which show the distance of real images for this number of images.
"""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Float

from ocrnet.data.decode import read_label_map
from ocrnet.data.manifest import MANIFEST_FILE, read_manifest
from ocrnet.gan.quality.distances import fid, kid
from ocrnet.gan.quality.features import FeatureBank, FeatureSet
from ocrnet.gan.quality.gan_test import HeldOut, paint_held_out
from ocrnet.gan.quality.image_sets import ImageSets
from ocrnet.gan.quality.measured import Measure, write_quality
from ocrnet.gan.quality.memorisation import ALARM_AUC, ALARM_P, mean_pairwise, memory
from ocrnet.gan.quality.precision_recall import LEAST_VECTORS, precision_recall_density_coverage
from ocrnet.gan.quality.ssim import psnr, ssim
from ocrnet.protocols import PainterLike
from ocrnet.runtime import key_seed, layout_seed

logger = logging.getLogger(__name__)
SPLIT = "val"
STYLED_MAPS, STYLES = 8, 4  # number of label maps that get several styles, and of styles


class GanTest(NamedTuple):
    """Scores of a segmenter that was trained on real images, on the validation split.

    Args:
        painted: mIoU on generated images of the validation label maps.
        real: mIoU on the real images.
        segmenter_sha256: SHA-256 of the segmenter's weights.
    """

    painted: float
    real: float
    segmenter_sha256: str


def measure_quality(
    prepared: Path,
    synthesized: Path,
    *,
    painter: PainterLike,
    features: FeatureBank,
    gan_test: GanTest,
    seed: int,
    out: Path,
) -> dict[str, float]:
    """Write `quality.json` into `out` and return its numbers as metrics.

    The manifest in `out` lists the selected pairs.
    """
    pairs = paint_held_out(prepared, painter, seed=seed)
    held_out, paired = _look_at_generated(pairs, features)
    real = features.of_folder(prepared, split="train")
    mirrored = features.of_folder(prepared, split="train", mirrored=True)
    pairs_made = features.of_folder(synthesized)
    sets = ImageSets(
        synthesized=pairs_made,
        selected=_selected(out, pairs_made),
        held_out=held_out,
        real=real,
        seen=real.with_others(mirrored),
        reference=features.of_folder(prepared, split=SPLIT),
    )
    blank = _blank(prepared, sets, features, seed=seed)
    measures = [
        *_distances(sets, blank),
        *_memory(sets, blank),
        *_diversity(_styles(prepared, painter, seed=seed), features, sets, blank),
        *_paired(paired, blank),
        *_judged(gan_test, len(held_out), blank),
    ]
    write_quality(out, measures, generator=painter.sha256)
    _warn(measures)
    return {measure.metric: measure.value for measure in measures}


def _look_at_generated(
    pairs: Iterator[HeldOut], features: FeatureBank
) -> tuple[FeatureSet, list[tuple[float, float]]]:
    """Return the vectors of the generated images and their SSIM and PSNR to the real images."""
    paired: list[tuple[float, float]] = []

    def generated() -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
        for pair in pairs:
            paired.append((ssim(pair.real, pair.generated), psnr(pair.real, pair.generated)))
            yield pair.id, pair.generated

    return features.of_images(generated()), paired


def _selected(folder: Path, synthesized: FeatureSet) -> FeatureSet | None:
    if not (folder / MANIFEST_FILE).exists():
        return None
    return synthesized.of_ids(set(read_manifest(folder)["id"]))


def _styles(
    prepared: Path, painter: PainterLike, *, seed: int
) -> Iterator[list[npt.NDArray[np.uint8]]]:
    """Yield, for some validation label maps, generated images in several styles."""
    for index, name in enumerate(read_manifest(prepared, split=SPLIT)["label_map"][:STYLED_MAPS]):
        label_map = read_label_map(prepared / name)
        seeds = [layout_seed(key_seed("style", seed, style), index) for style in range(STYLES)]
        yield [painter.paint(label_map, seed=own) for own in seeds]


def _blank(prepared: Path, sets: ImageSets, features: FeatureBank, *, seed: int) -> Measure:
    """Return a measure with all fields but its name and value."""
    extractor = features.extractor
    sizes = sorted(sets.reference.sizes | sets.held_out.sizes | sets.synthesized.sizes)
    ends = dict.fromkeys(f"{height}x{width}" for height, width in (sizes[0], sizes[-1]))
    return Measure(
        name="", of="", value=0.0, extractor=extractor.name, extractor_sha256=extractor.sha256, resize=extractor.resize,
        n=0, reference_n=len(sets.reference), reference_sha256=_split_sha256(prepared, SPLIT),
        train_n=len(sets.real), train_sha256=_split_sha256(prepared, "train"), resolution=" to ".join(ends),
        split=SPLIT, seed=seed,
    )  # fmt: skip


def _split_sha256(prepared: Path, split: str) -> str:
    table = read_manifest(prepared, split=split)
    return f"{key_seed(*table['id'], *table['image_sha256']):016x}"


def _distances(sets: ImageSets, blank: Measure) -> Iterator[Measure]:
    measured = {**sets.painted(), "real": sets.real}
    count = min(len(sets.reference), *(len(found) for found in measured.values()))
    if count < LEAST_VECTORS:
        logger.warning(
            "select: %d images in the smallest set are too few for KID, FID and coverage; %d are needed",
            count, LEAST_VECTORS,
        )  # fmt: skip
        return
    for of, found in measured.items():
        yield from _distances_of(found, of, sets.reference, replace(blank, of=of, n=count))
    if sets.selected is None:
        return
    own = replace(blank, of="selected", n=min(count, len(sets.selected)))
    if own.n < LEAST_VECTORS:
        logger.warning(
            "select: %d selected pairs are too few for their KID, FID and coverage; %d are needed", own.n, LEAST_VECTORS
        )  # fmt: skip
        return
    # Drawn like the synthesized images: if no pair was dropped, the numbers are equal.
    yield from _distances_of(sets.selected, "synthesized", sets.reference, own)


def _distances_of(
    found: FeatureSet, name: str, reference: FeatureSet, blank: Measure
) -> Iterator[Measure]:
    """Yield the distances of `blank.n` images from as many reference images; the name seeds the draw."""
    own = replace(blank, reference_n=blank.n)
    real = _draw(reference, own.n, own.seed, "reference")
    drawn = _draw(found, own.n, own.seed, name)
    mean, sd = kid(real, drawn, seed=key_seed("kid", own.seed))
    yield replace(own, name="KID", value=mean, sd=sd)
    yield replace(own, name="FID", value=fid(real, drawn))
    for metric, share in precision_recall_density_coverage(real, drawn).items():
        yield replace(own, name=metric, value=share)


def _draw(found: FeatureSet, count: int, seed: int, name: str) -> Float[np.ndarray, "N D"]:
    rng = np.random.default_rng(key_seed("quality", seed, name))
    return np.asarray(found.vectors[np.sort(rng.choice(len(found), count, replace=False))])


def _memory(sets: ImageSets, blank: Measure) -> Iterator[Measure]:
    for of, found in sets.painted().items():
        auc, p_value = memory(found, sets.reference, sets.seen)
        yield replace(
            blank, name="memorisation_auc", of=of, n=len(found), value=auc, p_value=p_value
        )


def _diversity(
    styles: Iterator[list[npt.NDArray[np.uint8]]],
    features: FeatureBank,
    sets: ImageSets,
    blank: Measure,
) -> Iterator[Measure]:
    """Yield the mean pairwise distance of generated images of one label map, and of real images."""
    spreads, count = [], 0
    for generated in styles:
        found = features.of_images((str(i), image) for i, image in enumerate(generated))
        spreads.append(mean_pairwise(found.vectors))
        count += len(found)
    own = replace(blank, name="diversity")
    mean, deviation = float(np.mean(spreads)), float(np.std(spreads))
    yield replace(own, of="held_out", n=count, value=mean, sd=deviation)
    spread = mean_pairwise(sets.reference.vectors)
    yield replace(own, of="real", n=len(sets.reference), value=spread)


def _paired(scores: list[tuple[float, float]], blank: Measure) -> Iterator[Measure]:
    """Yield the mean SSIM and PSNR, which use no extractor."""
    own = replace(
        blank, of="held_out", n=len(scores), extractor="", extractor_sha256="", resize="none"
    )
    for name, column in zip(("SSIM", "PSNR"), np.array(scores).T, strict=True):
        yield replace(own, name=name, value=float(column.mean()), sd=float(column.std()))


def _judged(gan_test: GanTest, count: int, blank: Measure) -> Iterator[Measure]:
    """Yield the mIoU of the segmenter on generated images of the validation label maps and on the real images."""
    own = replace(
        blank, name="GAN_test_mIoU", n=count, extractor="segmenter", extractor_sha256=gan_test.segmenter_sha256,
        resize="none",
    )  # fmt: skip
    yield replace(own, of="held_out", value=gan_test.painted)
    yield replace(own, of="real", value=gan_test.real)


def _warn(measures: list[Measure]) -> None:
    for measure in measures:
        alarming = (measure.name, measure.of) == ("memorisation_auc", "held_out")
        sure = measure.p_value is not None and measure.p_value <= ALARM_P
        if alarming and measure.value > ALARM_AUC and sure:
            logger.warning(
                "select: with probability %.2f (p %.3g) a generated image of a held-out label map is nearer to the "
                "training images than a real held-out image is; above %.1f the generator repeats its training images: "
                "look at neighbours.jpg",
                measure.value, measure.p_value, ALARM_AUC,
            )  # fmt: skip
