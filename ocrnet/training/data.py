"""The training and validation data of a segmenter."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

from ocrnet.config import Params
from ocrnet.data.instance_maps import read_things
from ocrnet.data.manifest import ClassTable
from ocrnet.training.batches import TrainBatch, train_batches
from ocrnet.training.dataset import ImageFolder
from ocrnet.training.transforms import TrainTransform
from ocrnet.training.unlabelled_batches import UnlabelledBatch, unlabelled_batches
from ocrnet.training.unlabelled_images import UnlabelledImages


@dataclass(frozen=True)
class TrainingData:
    """The images of one training, with their label maps.

    Args:
        classes: Names, palette and ignored id.
        real: Real training split.
        val: Real validation split.
        extra: Training split of the extra data, or None.
        things: Names of the classes whose objects are told apart.
        unlabelled: Unlabelled images that the training sees, or None.
        pseudo: Unlabelled images with pseudo-labels that are fixed before the training, or None.
    """

    classes: ClassTable
    real: ImageFolder
    val: ImageFolder
    extra: ImageFolder | None = None
    things: tuple[str, ...] = ()
    unlabelled: UnlabelledImages | None = None
    pseudo: ImageFolder | None = None

    @property
    def streams(self) -> list[ImageFolder]:
        """The real images and, after them, all kinds of pairs."""
        return [self.real, *(pairs for pairs in (self.extra, self.pseudo) if pairs is not None)]

    @classmethod
    def read(
        cls,
        prepared: Path,
        *,
        extra: Path | None = None,
        pseudo: Path | None = None,
        unlabelled: bool = False,
    ) -> "TrainingData":
        """Read the real data, the training split of other manifest folders, and the unlabelled images if asked to.

        Raises:
            DataError: A manifest is missing or wrong, a split is empty, or there are no unlabelled images.
        """
        return cls(
            classes=ClassTable.read(prepared),
            real=ImageFolder.read(prepared, split="train"),
            val=ImageFolder.read(prepared, split="val"),
            extra=None if extra is None else ImageFolder.read(extra, split="train"),
            things=read_things(prepared),
            unlabelled=UnlabelledImages.read(prepared) if unlabelled else None,
            pseudo=None if pseudo is None else ImageFolder.read(pseudo, split="train"),
        )

    def batches(self, params: Params, *, seed: int, first: int = 0) -> Iterator[TrainBatch]:
        """Return the batches of a training or, with several processes, this process's share of them.

        Args:
            params: Params of all stages.
            seed: Random seed of the training run.
            first: Step of the first batch, counted from 0.
        """
        recipe = params.train
        transform = TrainTransform(
            recipe, crop_size=params.data.crop_size, ignore_index=self.classes.ignore_index
        )
        return train_batches(
            self.streams,
            transform,
            recipe=recipe,
            mix=params.retrain,  # has no effect without extra data
            seed=seed,
            first=first,
            instances=params.model.instances != "none",
        )

    def unlabelled_batches(
        self, params: Params, *, seed: int, first: int = 0
    ) -> Iterator[UnlabelledBatch | None]:
        """Return the batches of unlabelled images like `batches`; None for every step without unlabelled images."""
        if self.unlabelled is None:
            return repeat(None)
        return unlabelled_batches(self.unlabelled, params, seed=seed, first=first)
