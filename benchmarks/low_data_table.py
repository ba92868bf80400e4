"""The results of `benchmarks.low_data` from the files that its cells leave: a table, and a learning curve."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from benchmarks.low_data_cells import DONE_FILE, Cell, Scored, read_scores
from ocrnet.compare import BASELINE, Comparison, compare, estimate, resampling_units
from ocrnet.data.manifest import read_manifest
from ocrnet.errors import DataError
from ocrnet.tracking import METRICS_FILE
from ocrnet.verdict import Outcome, compare_arms
from ocrnet.verdict_words import answer, difference

COPY_PASTE = "copy_paste"
GAN_NUMBERS = {
    "gan_test/mIoU": "GAN-test mIoU",
    "gan_test/real_mIoU": "on real",
    "select/pairs": "pairs",
    "select/kept": "kept",
    "select/rejected_share": "pixels rejected",
}


@dataclass(frozen=True)
class Group:
    """The models of one fraction, or of one variant at a fraction.

    Args:
        name: what the table calls it.
        models: the trained cell of each arm and seed.
        select: the cell of the selection.
    """

    name: str
    models: Mapping[tuple[str, int], Cell]
    select: Cell

    @cached_property
    def scores(self) -> dict[tuple[str, int], Scored]:
        """The scores of the models that have some.

        Raises:
            DataError: two were scored on different images.
        """
        found = {place: read_scores(cell) for place, cell in self.models.items()}
        scores = {place: scored for place, scored in found.items() if scored is not None}
        first = next(iter(scores.values()), None)
        for place, scored in scores.items():
            if first is not None and (scored.ids, scored.groups) != (first.ids, first.groups):
                raise DataError(f"{self.models[place].folder}: scored on other images than the rest.")  # fmt: skip
        return scores

    @property
    def arms(self) -> list[str]:
        """The arms, in order."""
        return list(dict.fromkeys(arm for arm, _ in self.models))

    @property
    def seeds(self) -> list[int]:
        """The seeds, in order."""
        return list(dict.fromkeys(seed for _, seed in self.models))

    @property
    def images(self) -> int | None:
        """How many training images there are, once they are prepared."""
        prepared = self.select.read("prepare")
        if not (prepared / DONE_FILE).exists():
            return None
        return len(read_manifest(prepared, split="train"))

    def stack(self, arm: str, seeds: Sequence[int]) -> np.ndarray:
        """Return the confusion matrices of an arm, by seed and test image."""
        return np.stack([self.scores[arm, seed].confusions for seed in seeds])

    def against(self, arm: str, reference: str) -> Comparison | None:
        """Compare two arms over the seeds that both have; None where there is none."""
        seeds = [s for s in self.seeds if {(arm, s), (reference, s)} <= set(self.scores)]
        if not seeds or arm == reference:
            return None
        params = self.select.params.evaluate
        return compare(
            self.stack(arm, seeds), self.stack(reference, seeds),
            groups=self.scores[arm, seeds[0]].groups, resamples=params.bootstrap,
            confidence=params.confidence, seed=params.seed, over_seeds=len(seeds) > 1,
        )  # fmt: skip

    @cached_property
    def outcome(self) -> Outcome | None:
        """What `evaluate` would say of the arms and seeds that are all done; None with fewer than two arms."""
        arms = [arm for arm in self.arms if all((arm, seed) in self.scores for seed in self.seeds)]
        if BASELINE not in arms or len(arms) < 2:
            return None
        groups = self.scores[BASELINE, self.seeds[0]].groups
        return compare_arms(
            {arm: self.stack(arm, self.seeds) for arm in arms},
            {arm: {s: self.scores[arm, s].val_miou for s in self.seeds} for arm in arms},
            groups=groups,
            params=self.select.params.evaluate,
        )


def make_table(fractions: Sequence[Group], variants: Sequence[tuple[Group, str]]) -> str:
    """Return the study as Markdown.

    Args:
        fractions: a group per fraction of the training images.
        variants: a group per variant, each with what it changes in words.

    Raises:
        DataError: no model is done.
    """
    if not any(group.scores for group in fractions):
        raise DataError("No model of the study is done. Run it without --table first.")
    parts = [_notes(fractions)]
    for group in fractions:
        parts.append(f"## {group.name}, {_images(group)}\n\n{_told(group)}{_arms_table(group)}")
    for group, words in variants:
        parts.append(f"## Variant {group.name}: {words}\n\n{_told(group)}{_arms_table(group)}")
    everything = [*fractions, *(group for group, _ in variants)]
    parts.append(f"## The GAN\n\n{_gan_table(everything)}")
    missing = [
        f"{group.name} {arm}-{seed}"
        for group in everything
        for arm, seed in group.models
        if (arm, seed) not in group.scores
    ]
    if missing:
        parts.append(f"Not done: {', '.join(missing)}.")
    return "\n\n".join(parts) + "\n"


def curve_of(fractions: Mapping[float, Group]) -> dict[str, Any]:
    """Return the learning curve: per arm and fraction the mIoU with its interval over test images, and each seed."""
    arms: dict[str, list[dict[str, Any]]] = {}
    answers = {}
    for fraction, group in fractions.items():
        if group.outcome is not None:
            answers[f"{fraction:g}"] = answer(group.outcome)
        for arm in group.arms:
            point = _point(group, arm)
            if point is not None:
                arms.setdefault(arm, []).append({"fraction": fraction, **point})
    return {"fractions": list(fractions), "arms": arms, "answers": answers}


def _point(group: Group, arm: str) -> dict[str, Any] | None:
    seeds = [seed for seed in group.seeds if (arm, seed) in group.scores]
    if not seeds:
        return None
    params, stack = group.select.params.evaluate, group.stack(arm, seeds)
    mean = estimate(
        stack, groups=group.scores[arm, seeds[0]].groups, resamples=params.bootstrap,
        confidence=params.confidence, seed=params.seed,
    ).miou  # fmt: skip
    each = {str(seed): _miou(group, arm, seed) for seed in seeds}
    return {"images": group.images, "miou": mean.value, "low": mean.low, "high": mean.high, "seeds": each}  # fmt: skip


def _arms_table(group: Group) -> str:
    rival = group.outcome.rival if group.outcome else None
    head = ["arm", "mIoU (%)", *(f"seed {seed}" for seed in group.seeds), f"less {BASELINE}"]
    references = [BASELINE]
    if COPY_PASTE in group.arms:
        head.append(f"less {COPY_PASTE}")
        references.append(COPY_PASTE)
    if rival is not None:
        head.append(f"less the best without a GAN ({rival})")
        references.append(rival)
    rows = []
    for arm in group.arms:
        each = [_miou(group, arm, seed) for seed in group.seeds if (arm, seed) in group.scores]
        mean = f"{100 * sum(each) / len(each):.2f}" if each else "-"
        seeds = [
            f"{100 * _miou(group, arm, seed):.2f}" if (arm, seed) in group.scores else "-"
            for seed in group.seeds
        ]
        gaps = [group.against(arm, reference) for reference in references]
        rows.append([arm, mean, *seeds, *(difference(gap.miou) if gap else "-" for gap in gaps)])
    return _markdown([head, *rows])


def _miou(group: Group, arm: str, seed: int) -> float:
    from ocrnet.metrics import miou

    return miou(group.scores[arm, seed].confusions.sum(axis=0))


def _told(group: Group) -> str:
    return f"{answer(group.outcome)}\n\n" if group.outcome else ""


def _images(group: Group) -> str:
    return "not prepared yet" if group.images is None else f"{group.images} training images"


def _gan_table(groups: Sequence[Group]) -> str:
    """Return the numbers of the GAN and its selection, a row per group whose selection is another."""
    found: dict[str, tuple[str, dict[str, float]]] = {}
    for group in groups:
        path = group.select.folder / METRICS_FILE
        if path.exists() and group.select.key not in found:
            found[group.select.key] = (group.name, json.loads(path.read_text()))
    if not found:
        return "Not trained."
    names = dict(GAN_NUMBERS)
    for _, metrics in found.values():
        names |= {name: name for name in metrics if _is_quality(name)}
    rows = [
        [group, *(f"{metrics[name]:.4g}" if name in metrics else "-" for name in names)]
        for group, metrics in found.values()
    ]
    return _markdown([["GAN of", *names.values()], *rows])


def _is_quality(name: str) -> bool:
    return name.startswith("quality/") and ("KID" in name or "held_out/memorisation" in name)


def _notes(groups: Sequence[Group]) -> str:
    group = next(group for group in groups if group.scores)
    params, scored = group.select.params, next(iter(group.scores.values()))
    unit, index = resampling_units(scored.groups)
    train, gan = params.train, params.train_gan
    size = "own size" if params.prepare.resize is None else "{} x {}".format(*params.prepare.resize)
    crop = "{} x {}".format(*params.data.crop_size)
    done = [
        json.loads((cell.folder / DONE_FILE).read_text())
        for one in groups
        for cell in one.models.values()
        if cell.done
    ]
    commits = sorted({str(told.get("commit", "unknown")) for told in done})
    return (
        f"{params.model.arch}, {params.model.backbone}, {train.steps} steps of {train.batch_size} crops of {crop} from "
        f"images of {size}; GAN {gan.arch} {gan.preset}, {gan.steps} steps of {gan.batch_size}; "
        f"{params.synthesize.count} pairs. Every arm has the same steps, batch size, schedule and initial weights.\n\n"
        f"{len(scored.ids)} test images. Intervals are {100 * params.evaluate.confidence:g} %, of a paired bootstrap "
        f"over the seeds and over {index.max() + 1} {unit}, {params.evaluate.bootstrap} resamples. The best arm "
        f"without a GAN is chosen by validation mIoU. Commits: {', '.join(commits)}."
    )


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = [rows[0], ["---"] + ["---:"] * (len(rows[0]) - 1), *rows[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
