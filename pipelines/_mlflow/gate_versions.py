"""Score and time the challenger and the champion on today's test split, and ask the gate."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ocrnet.config import Params
from ocrnet.config.evaluation import MIOU
from ocrnet.errors import DataError, ParamsError

from .client import Session
from .versions import Version, fetch_bundle, stored_scores

if TYPE_CHECKING:
    from ocrnet.evaluation.scored_split import TestSplit
    from ocrnet.gate.decision import Decision
    from ocrnet.gate.gate import Candidate
    from ocrnet.inference.scoring_protocol import ScoringProtocol

TIMED_IMAGES = 4


@dataclass(frozen=True)
class Bench:
    """Data, protocol and devices for scoring and timing models.

    Args:
        session: Store that holds the models.
        split: Test split of the present prepared data.
        folder: Folder of the downloaded bundles.
        devices: Devices to time on; models are scored on the last one.
    """

    session: Session
    params: Params
    split: "TestSplit"
    protocol: "ScoringProtocol"
    folder: Path
    devices: tuple[str, ...]


def score_and_decide(
    session: Session,
    challenger: Version,
    champion: Version | None,
    *,
    params: Params,
    prepared: Path,
    device: str = "auto",
    first: bool = False,
) -> "Decision":
    """Score both models unless `evaluate` did so on today's test split, time both, and ask the gate.

    Raises:
        ParamsError: this machine lacks the device, or a first model is asked for although there is a champion.
        DataError: there is no test split, it shows no object although a score of objects decides, or the champion was
            trained on other classes.
        BundleError: a bundle cannot be downloaded or used.
    """
    from ocrnet.evaluation.object_metric import require_objects
    from ocrnet.evaluation.scored_split import read_test_split
    from ocrnet.gate.gate import decide
    from ocrnet.inference.scoring_protocol import ScoringProtocol

    devices = devices_of(device)
    split = read_test_split(prepared)
    require_objects(split, "test", params.evaluate)
    with TemporaryDirectory() as folder:
        protocol = ScoringProtocol.of(params.evaluate)
        bench = Bench(session, params, split, protocol, Path(folder), devices)
        rival = None if champion is None else _comparable(bench, champion, first=first)
        theirs = None if rival is None else _score(bench, rival)
        own = _score(bench, challenger)
        latency = _time(bench, challenger, rival)
    decision = decide(
        own[0], theirs and theirs[0],
        class_names=split.classes.class_names,
        latency={name: seconds["ratio"] for name, seconds in latency.items()},
        limits=params.promote, statistics=params.evaluate, first=first,
    )  # fmt: skip
    facts = {
        "test_sha256": split.sha256, "protocol": protocol.words, "latency_s": latency,
        "scored": {one[0].name: one[1] for one in (own, theirs) if one},
    }  # fmt: skip
    return replace(decision, figures={**decision.figures, **facts})


def devices_of(name: str) -> tuple[str, ...]:
    """Return the devices to time on: the CPU, and the CUDA device that is chosen.

    Raises:
        ParamsError: this machine lacks the device.
    """
    import torch

    known = ["auto", "cpu"]
    if torch.cuda.is_available():
        known += ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if name not in known:
        raise ParamsError(f"--device: found {name!r}. This machine has: {', '.join(known)}.")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return ("cpu",) if name == "cpu" else ("cpu", name)


def _comparable(bench: Bench, champion: Version, *, first: bool) -> Version | None:
    """Return the champion if it can be scored; None if it cannot and a first model is asked for."""
    from ocrnet.bundles.bundle import read_card

    theirs = read_card(_bundle(bench, champion)).classes.class_names
    wanted = bench.split.classes.class_names
    place = f"{champion.model} {champion.name}"
    if theirs == wanted:
        if first:
            raise ParamsError(
                f"--first: {place} is champion and can be compared with. Leave --first out."
            )
        return champion
    if first:
        return None
    raise DataError(
        f"{place}, the champion, has the classes {list(theirs)}, but the data has {list(wanted)}: they cannot be "
        "compared. Use --first to compare the challenger with the minimum scores."
    )


def _score(bench: Bench, version: Version) -> "tuple[Candidate, str]":
    """Return the scores of a version, and where they come from."""
    statistics = bench.params.evaluate
    if statistics.metric == MIOU:  # the scores of `evaluate` have no matched objects
        stored = stored_scores(bench.session, version, bench.split, bench.protocol)
        if stored is not None:
            return stored, "by evaluate, on this test split"
    from ocrnet.evaluation.prediction_counts import add_up
    from ocrnet.evaluation.scoring import count_split
    from ocrnet.gate.gate import Candidate
    from ocrnet.inference.ensemble import load_segmenters
    from ocrnet.metrics import calibration_error

    segmenter = load_segmenters(
        _bundle(bench, version), device=bench.devices[-1], protocol=bench.protocol
    )
    counts = add_up(
        count_split(
            segmenter, bench.split, place=f"{version.model} {version.name}",
            boundary_ratio=statistics.boundary_ratio, min_object_area=statistics.min_object_area,
        )
    )  # fmt: skip
    return Candidate(
        name=version.name,
        ids=tuple(bench.split.ids),
        groups=tuple(bench.split.groups),
        confusions=counts.confusions,
        calibration_error=calibration_error(counts.calibration),
        weights_sha256=segmenter.weights_sha256,
        objects=None if counts.objects is None else counts.objects.images,
    ), "now"


def _time(
    bench: Bench, challenger: Version, champion: Version | None
) -> dict[str, dict[str, float]]:
    """Time both models as they are served, on a few test images; return seconds and ratio per device.

    A first model is not timed but loaded, since one that cannot be loaded must not be promoted.
    """
    from ocrnet.gate.latency import compare_latency
    from ocrnet.inference.predict import load_segmenter

    if champion is None:
        load_segmenter(_bundle(bench, challenger))
        return {}
    rows = _spread(len(bench.split))
    images = [image for image, _ in bench.split.images(rows)]
    found: dict[str, dict[str, Any]] = {}
    for device in bench.devices:
        own, theirs = (
            load_segmenter(_bundle(bench, version), device=device)
            for version in (challenger, champion)
        )
        found[device.partition(":")[0]] = vars(compare_latency(own, theirs, images))
    return found


def _spread(count: int) -> Sequence[int]:
    """Return a few row numbers, spread evenly over `count` rows."""
    few = min(TIMED_IMAGES, count)
    return [index * count // few for index in range(few)]


def _bundle(bench: Bench, version: Version) -> Path:
    """Return the bundle of a version, downloaded once."""
    folder = bench.folder / version.number
    if (folder / "artifacts").is_dir():
        return folder / "artifacts"
    return fetch_bundle(version, folder)
