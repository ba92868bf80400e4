"""The GANs of `benchmarks.low_data`: how their pairs were judged, and the quality of their images.

Every fraction has a baseline of its own, which judges its GAN and, unless `select.extractor` says otherwise, is what
looks at its images. So each row says whose numbers it holds, and `compare_quality` decides which are set against each
other.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from benchmarks.low_data_groups import Group
from benchmarks.markdown import markdown_table
from ocrnet.config.arms import BASELINE
from ocrnet.errors import DataError
from ocrnet.gan.quality.measured import QUALITY_FILE, Measure, compare_quality, read_quality
from ocrnet.record import METRICS_FILE

MODEL_FILE = "model.json"  # of a bundle; the module that names it imports torch
NUMBERS = {
    "gan_test/mIoU": "GAN-test mIoU",
    "gan_test/real_mIoU": "on real",
    "select/pairs": "pairs",
    "select/kept": "kept",
    "select/rejected_share": "pixels rejected",
}
SHOWN = {("KID", "synthesized"), ("KID", "held_out"), ("KID", "real"), ("memorisation_auc", "held_out")}  # fmt: skip
JUDGES = "GAN-test, on real and pixels rejected are by the row's judge; those of different judges are not compared."
GROUNDS = (
    "Rows of one number are compared where their ground is one: the same extractor, N, real images, resolution and "
    "split. Rows of different ground are not; another baseline is another extractor. The last column is the value "
    "minus that of the first row of the ground."
)


class Seen(NamedTuple):
    """A number of the quality of a GAN's images, and the group that has this GAN."""

    group: str
    measure: Measure


def gan_section(groups: Iterable[Group]) -> str:
    """Return two tables with a row per selection: by the judge, and by the extractor."""
    found: dict[bytes, Group] = {}
    for group in groups:
        files = [group.data / "select" / name for name in (METRICS_FILE, QUALITY_FILE)]
        if files[0].exists():  # variants that share a selection have equal files
            content = b"".join(path.read_bytes() for path in files if path.exists())
            found.setdefault(content, group)
    if not found:
        return "Not trained."
    seen, older = _read(found.values())
    parts = [_judged(found.values()), JUDGES]
    if seen:
        parts += [_quality(seen), GROUNDS]
    if older:
        parts.append(f"Of older code, whose quality numbers are not shown: {', '.join(older)}.")
    return "\n\n".join(parts)


def _read(groups: Iterable[Group]) -> tuple[dict[tuple[str, str], list[Seen]], list[str]]:
    """Return what is shown of the quality by name and images, and the groups whose numbers this code cannot read."""
    seen: dict[tuple[str, str], list[Seen]] = {}
    older = []
    for group in groups:
        try:
            measures = read_quality(group.data / "select")
        except DataError:
            older.append(group.name)
            continue
        for measure in measures:
            key = (measure.name, measure.of)
            if key in SHOWN:
                seen.setdefault(key, []).append(Seen(group.name, measure))
    return seen, older


def _judged(groups: Iterable[Group]) -> str:
    rows = [["GAN of", "judge", *NUMBERS.values()]]
    for group in groups:
        metrics = json.loads((group.data / "select" / METRICS_FILE).read_text())
        numbers = [f"{metrics[name]:.4g}" if name in metrics else "-" for name in NUMBERS]
        rows.append([group.name, _judge(group), *numbers])
    return markdown_table(rows, left=2)


def _judge(group: Group) -> str:
    """Return the model that judges a group's pairs, with the hash of its weights."""
    seed = group.params.seeds[0]
    card = group.data / "train" / str(seed) / MODEL_FILE
    weights = json.loads(card.read_text())["weights_sha256"][:8] if card.exists() else "unknown"
    return f"{BASELINE}-{seed} {weights}"


def _quality(seen: Mapping[tuple[str, str], Sequence[Seen]]) -> str:
    """Return a row per number and selection, those of one ground below each other."""
    rows = [
        ["number", "images", "ground", "GAN of", "seen by", "N", "real N", "value", "minus first"]
    ]
    for (name, of), found in seen.items():
        for place, ground in enumerate(_grounds(found), start=1):
            rows += [[name, of, str(place), *_row(one, ground[0])] for one in ground]
    return markdown_table(rows, left=5)


def _row(seen: Seen, first: Seen) -> list[str]:
    measure = seen.measure
    by = f"{measure.extractor} {measure.extractor_sha256[:8]}"
    gap = "-"
    if seen is not first:
        gap = f"{compare_quality(first.measure, measure):+.4g} ({first.group})"
    value = f"{measure.value:.4g}"
    return [seen.group, by, str(measure.n), str(measure.reference_n), value, gap]


def _grounds(seen: Sequence[Seen]) -> list[list[Seen]]:
    """Return the numbers by the ground that they stand on."""
    grounds: list[list[Seen]] = []
    for one in seen:
        for ground in grounds:
            if _comparable(ground[0].measure, one.measure):
                ground.append(one)
                break
        else:
            grounds.append([one])
    return grounds


def _comparable(first: Measure, second: Measure) -> bool:
    try:
        compare_quality(first, second)
    except DataError:
        return False
    return True
