"""Scoring of one bundle, or of several as an ensemble, independent of the comparison of arms."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from ocrnet.bundles.bundle import read_card
from ocrnet.evaluation.bootstrap import Estimate, Interval, estimate
from ocrnet.evaluation.intervals import shortage_words
from ocrnet.evaluation.object_bootstrap import Ends, estimate_counts
from ocrnet.evaluation.object_text import finite, object_lines
from ocrnet.evaluation.prediction_counts import Counts, ImageCounts, add_up, summarize
from ocrnet.evaluation.scored_split import TestSplit, read_test_split
from ocrnet.evaluation.scoring import count_split
from ocrnet.evaluation.unit_scores import resampling_units
from ocrnet.evaluation.verdict_text import percent
from ocrnet.inference.ensemble import load_segmenters
from ocrnet.inference.scoring_protocol import ScoringProtocol
from ocrnet.objects.curves import unit_counts
from ocrnet.protocols import SegmenterLike

# Independent of `params.yaml`, so that the scores of any two bundles can be compared.
RESAMPLES = 2000
SEED = 0
CONFIDENCE = 0.95
BOUNDARY_RATIO = 0.02  # width of the boundary band / diagonal of the image
FURTHER = ("precision", "recall", "dice")  # scores of each class beside its IoU


@dataclass(frozen=True)
class BundleScores:
    """Scores of some bundles on a split.

    Args:
        facts: Bundles, split and protocol.
        summary: Every score; None if it is not defined.
        estimate: The IoUs with their intervals.
        objects: PQ and AP50 with their intervals; None without thing classes.
    """

    facts: dict[str, Any]
    summary: dict[str, Any]
    estimate: Estimate
    objects: dict[str, Ends] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the content for a JSON file; it does not depend on the number of processes."""
        found = self.estimate
        intervals = {} if self.objects is None else {"object_intervals": finite(self.objects)}
        return {
            **self.facts,
            "bootstrap": {
                "resamples": RESAMPLES, "seed": SEED, "confidence": found.confidence,
                "unit": found.unit, "units": found.units, "least_units": found.least,
            },
            **self.summary,
            "miou": _interval(found.miou),
            "iou": [_interval(one) for one in found.per_class],
            **intervals,
        }  # fmt: skip

    def to_text(self) -> str:
        """Return the scores as a text table."""
        found, facts = self.estimate, self.facts
        bundles = [bundle["folder"] for bundle in facts["bundles"]]
        names = [*facts["class_names"], "mean"]
        shares = [*facts["pixel_shares"], None]
        edges = [*self.summary["boundary_iou"], self.summary["boundary_miou"]]
        further = [[*self.summary[key], None] for key in FURTHER]
        width = max(len(name) for name in ["class", *names])
        lines = [
            f"{' + '.join(bundles)} on {facts['images']} {facts['split']} images",
            f"protocol: {facts['protocol']['words']}",
            "",
            f"{'class':{width}}  {'pixels':>7}  {'IoU':>7}  {'interval':16}  {'boundary IoU':>12}"
            + "".join(f"  {key:>9}" for key in FURTHER),
        ]
        for name, share, one, edge, *others in zip(
            names, shares, [*found.per_class, found.miou], edges, *further, strict=True
        ):
            pixels = "" if share is None else percent(share)
            lines.append(
                f"{name:{width}}  {pixels:>7}  {percent(one.value):>7}  {_ends(one, found.unit):16}  {_share(edge):>12}"
                + "".join("" if name == "mean" else f"  {_share(other):>9}" for other in others)
            )
        return "\n".join([*lines, "", *self._notes(), *self._objects()])

    def _objects(self) -> list[str]:
        if self.objects is None:
            return []
        return ["", *object_lines(self.summary["objects"], self.objects, self.facts["things"])]

    def _notes(self) -> list[str]:
        found, scores = self.estimate, self.summary
        basis = (
            f"{100 * found.confidence:g} % interval, bootstrap over {found.units} {found.unit}, "
            f"{RESAMPLES} resamples"
        )
        if found.too_few:
            basis = shortage_words(found.units, found.unit, found.least)
        return [
            f"pixel accuracy {_share(scores['accuracy'])}, mean accuracy {_share(scores['mean_accuracy'])}, "
            f"calibration error {_share(scores['calibration_error'])}",
            f"mIoU over {found.classes} of {len(found.per_class)} classes; {basis}",
        ]


def score_bundles(
    folders: Sequence[Path],
    prepared: Path,
    *,
    split: str = "test",
    protocol: ScoringProtocol,
    device: str = "cpu",
    processes: int = 1,
    min_object_area: int = 1,
) -> BundleScores:
    """Score one bundle, or several together, on a split of prepared data.

    Args:
        folders: Folders of the bundles.
        prepared: Folder that `prepare` wrote.
        split: One of train, val and test.
        protocol: Protocol of views and merging.
        device: Device that the networks run on.
        processes: Number of processes that share the images. Each has one thread, so the result does not depend on it.
        min_object_area: Pixels of the smallest predicted object that counts, if the set has thing classes.

    Raises:
        BundleError: A bundle is missing or damaged, or was trained on other classes.
        DataError: The split has nothing to score.
    """
    cards = [
        read_card(folder) for folder in folders
    ]  # report a wrong path before any process starts
    images = read_test_split(prepared, split=split)
    load = partial(load_segmenters, *folders, device=device, protocol=protocol)
    place = " + ".join(folder.as_posix() for folder in folders)
    counts = count_in_processes(
        load, images, place=place, processes=processes, min_object_area=min_object_area
    )
    truth = counts.confusions.sum(axis=(0, 2))
    facts = {
        "bundles": [
            {"folder": folder.as_posix(), "arch": card.arch, "weights_sha256": card.weights_sha256}
            for folder, card in zip(folders, cards, strict=True)
        ],
        "split": split,
        "images": len(images),
        "protocol": {"words": protocol.words, **asdict(protocol)},
        "class_names": list(images.classes.class_names),
        "pixel_shares": [float(share) for share in truth / max(truth.sum(), 1)],
        "boundary_ratio": BOUNDARY_RATIO,
    }
    if images.things:
        facts |= {"things": list(images.things), "min_object_area": min_object_area}
    found = estimate(
        counts.confusions[None],
        groups=images.groups,
        resamples=RESAMPLES,
        confidence=CONFIDENCE,
        seed=SEED,
    )
    return BundleScores(facts, summarize(counts), found, _object_intervals(counts, images))


def _object_intervals(counts: Counts, images: TestSplit) -> dict[str, Ends] | None:
    if counts.objects is None:
        return None
    units = unit_counts(counts.objects.images, resampling_units(images.groups)[1])
    return estimate_counts(units, resamples=RESAMPLES, confidence=CONFIDENCE, seed=SEED)


def count_in_processes(
    load: Callable[[], SegmenterLike],
    split: TestSplit,
    *,
    place: str,
    processes: int,
    min_object_area: int = 1,
) -> Counts:
    """Count every image of a split, in this process or in several, each with its own copy of the model.

    Args:
        load: Function that loads the model; it must be picklable for more than one process.
        split: Split to count.
        place: Name of the model in messages.
        processes: Number of processes; no more are started than there are images.
        min_object_area: Pixels of the smallest predicted object that counts.
    """
    count = min(processes, len(split))
    if count == 1:
        return add_up(
            _count_rows(
                range(len(split)), load=load, split=split, place=place, min_area=min_object_area
            )
        )
    shares = [range(first, len(split), count) for first in range(count)]
    work = partial(_count_rows, load=load, split=split, place=place, min_area=min_object_area)
    # Spawned: a forked process cannot use CUDA, and it may inherit locks whose threads do not exist in it.
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        parts = list(pool.map(work, shares))
    return add_up([parts[index % count][index // count] for index in range(len(split))])


def _count_rows(
    rows: range, *, load: Callable[[], SegmenterLike], split: TestSplit, place: str, min_area: int
) -> list[ImageCounts]:
    with _one_thread():
        return count_split(
            load(), split, place=place, boundary_ratio=BOUNDARY_RATIO, rows=rows,
            min_object_area=min_area,
        )  # fmt: skip


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Run torch on one thread: the number of threads changes the order of sums, and with it the last digits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _interval(one: Interval) -> dict[str, float | None]:
    return {name: None if value != value else value for name, value in asdict(one).items()}


def _ends(one: Interval, unit: str) -> str:
    if one.low != one.low:
        return f"too few {unit}" if one.value == one.value else ""
    return f"[{100 * one.low:.1f}, {100 * one.high:.1f}]"


def _share(value: float | None) -> str:
    return percent(float("nan") if value is None else value)
