"""The models of `benchmarks.low_data` that belong together, with their scores and differences."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.study import Variant
from ocrnet.config.arms import BASELINE
from ocrnet.data.manifest import MANIFEST_FILE, read_manifest
from ocrnet.evaluation.arm_comparison import StudyResult, compare_arms
from ocrnet.evaluation.bootstrap import Comparison, compare
from ocrnet.evaluation.scoring import Cell
from ocrnet.metrics import miou


@dataclass(frozen=True)
class Group(Variant):
    """The models of one fraction, or of one variant at a fraction."""

    @property
    def arms(self) -> list[str]:
        """The arms, in order."""
        return list(dict.fromkeys(cell.arm for cell in self.models))

    @property
    def seeds(self) -> list[int]:
        """The seeds, in order."""
        return list(dict.fromkeys(cell.seed for cell in self.models))

    @property
    def images(self) -> int | None:
        """How many training images there are, once they are prepared."""
        if not (self.data / "prepare" / MANIFEST_FILE).exists():
            return None
        return len(read_manifest(self.data / "prepare", split="train"))

    def stack(self, arm: str, seeds: Sequence[int]) -> np.ndarray:
        """Return the confusion matrices of an arm, by seed and test image."""
        return np.stack([self.scores[Cell(arm, seed)].confusions for seed in seeds])

    def miou(self, arm: str, seed: int) -> float:
        """Return the test mIoU of a model."""
        return miou(self.scores[Cell(arm, seed)].confusions.sum(axis=0))

    def seeds_of(self, arm: str) -> list[int]:
        """Return the seeds of an arm that are scored."""
        return [seed for seed in self.seeds if Cell(arm, seed) in self.scores]

    def against(self, arm: str, reference: str, of: "Group | None" = None) -> Comparison | None:
        """Compare an arm with one of this or another group, over the seeds that both have; None where there is none."""
        other = of or self
        seeds = [seed for seed in self.seeds_of(arm) if seed in other.seeds_of(reference)]
        if not seeds or (other is self and arm == reference):
            return None
        params = self.params.evaluate
        return compare(
            self.stack(arm, seeds), other.stack(reference, seeds),
            groups=self.scores[Cell(arm, seeds[0])].groups, resamples=params.bootstrap,
            confidence=params.confidence, seed=params.seed, over_seeds=len(seeds) > 1,
        )  # fmt: skip

    @cached_property
    def result(self) -> StudyResult | None:
        """What `evaluate` would say of the arms and seeds that are all done; None with fewer than two arms."""
        arms = [
            arm for arm in self.arms if all(Cell(arm, seed) in self.scores for seed in self.seeds)
        ]
        if BASELINE not in arms or len(arms) < 2:
            return None
        groups = self.scores[Cell(BASELINE, self.seeds[0])].groups
        return compare_arms(
            {arm: self.stack(arm, self.seeds) for arm in arms},
            {arm: {s: self.scores[Cell(arm, s)].val_miou for s in self.seeds} for arm in arms},
            groups=groups,
            params=self.params.evaluate,
            gan_sees=self.params.train_gan.sees_unlabelled,
        )
