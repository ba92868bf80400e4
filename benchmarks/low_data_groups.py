"""The models of `benchmarks.low_data` that belong together, with their scores and differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.low_data_cells import DONE_FILE, Cell, commits_of
from benchmarks.low_data_scores import Scored, read_scores
from ocrnet.config.arms import BASELINE
from ocrnet.data.manifest import read_manifest
from ocrnet.errors import DataError
from ocrnet.evaluation.bootstrap import Comparison, compare
from ocrnet.evaluation.study import Outcome, compare_arms
from ocrnet.metrics import miou


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
    def commits(self) -> set[str]:
        """The commits of the code that its numbers come from: of all its cells, and of what scored them."""
        cells = [self.select, *self.models.values()]
        scored = {one.commit for one in self.scores.values() if one.commit}
        return scored.union(*map(commits_of, cells))

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

    def miou(self, arm: str, seed: int) -> float:
        """Return the test mIoU of a model."""
        return miou(self.scores[arm, seed].confusions.sum(axis=0))

    def seeds_of(self, arm: str) -> list[int]:
        """Return the seeds of an arm that are scored."""
        return [seed for seed in self.seeds if (arm, seed) in self.scores]

    def against(self, arm: str, reference: str, of: "Group | None" = None) -> Comparison | None:
        """Compare an arm with one of this or another group, over the seeds that both have; None where there is none."""
        other = of or self
        seeds = [seed for seed in self.seeds_of(arm) if seed in other.seeds_of(reference)]
        if not seeds or (other is self and arm == reference):
            return None
        params = self.select.params.evaluate
        return compare(
            self.stack(arm, seeds), other.stack(reference, seeds),
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
