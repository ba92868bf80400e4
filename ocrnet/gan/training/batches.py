"""Batches of real images with their label maps; each pair depends only on the seed and its position in the training."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ocrnet.data.decode import read_image, read_label_map
from ocrnet.data.manifest import ClassTable, pixel_columns, read_manifest
from ocrnet.data.pixel_weights import FULL_WEIGHT, PIXEL_WEIGHTS, read_pixel_weights
from ocrnet.distributed.ranks import rank, world_size
from ocrnet.errors import DataError
from ocrnet.gan.generator.images import Image, LabelMap, to_tensor
from ocrnet.gan.training.augment import crop_pair, flip_pair
from ocrnet.gan.training.holes import draw_hole
from ocrnet.runtime import key_seed

CACHE_BYTES = 2**30


@dataclass(frozen=True)
class Batch:
    """Real images in [-1, 1], their label maps and ids.

    Args:
        ids: Ids of the images.
        images: Images in [-1, 1].
        label_maps: Class ids of their pixels.
        weights: Weights of the pixels in the losses; None if all have 1.
        holes: Masks of the pixels that the generator paints, all of an image that it paints whole; None if it paints
            no holes.
    """

    ids: tuple[str, ...]
    images: Float[Tensor, "B 3 H W"]
    label_maps: Int[Tensor, "B H W"]
    weights: Float[Tensor, "B H W"] | None = None
    holes: Bool[Tensor, "B 1 H W"] | None = None

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device."""
        weights = None if self.weights is None else self.weights.to(device)
        holes = None if self.holes is None else self.holes.to(device)
        return Batch(self.ids, self.images.to(device), self.label_maps.to(device), weights, holes)


class Pairs:
    """The real pairs of one split of a prepared set, or of another manifest folder.

    Args:
        folder: Folder of the manifest.
        split: Either train or val.
        key: Words that the random numbers of the batches depend on, so that two sets have different ones.

    Raises:
        DataError: The split is empty.
    """

    def __init__(self, folder: Path, split: str, *, key: tuple[str, ...] = ()) -> None:
        table = read_manifest(folder, split=split)
        if table.empty:
            raise DataError(
                f"{folder}: split {split} has no image, but the GAN needs train and val images. Add some."
            )
        self.class_table = ClassTable.read(folder)
        self._shows = table[pixel_columns(self.class_table.class_names)].to_numpy() > 0
        self.ids: list[str] = table["id"].tolist()
        self._files = [
            (folder / image, folder / label_map)
            for image, label_map in zip(table["image"], table["label_map"], strict=True)
        ]
        self._weight_files = [folder / path for path in table.get(PIXEL_WEIGHTS, [])]
        self._key = key
        self._cache: dict[int, tuple[Image, LabelMap]] = {}
        self._room = CACHE_BYTES

    def __len__(self) -> int:
        return len(self.ids)

    def read(self, index: int) -> tuple[Image, LabelMap]:
        """Return a pair, from the cache of a gigabyte if it is there."""
        if index in self._cache:
            return self._cache[index]
        image_path, label_path = self._files[index]
        pair = read_image(image_path), read_label_map(label_path)
        self._room -= pair[0].nbytes + pair[1].nbytes
        if self._room > 0:
            self._cache[index] = pair
        return pair

    def batch(
        self, step: int, *, seed: int, count: int, size: tuple[int, int], flip: bool,
        rare_crops: float, holes: float = 0.0,
    ) -> Batch:  # fmt: skip
        """Return the batch of a step or, with several processes, this process's share of it.

        Args:
            step: Step, counted from 0.
            seed: Random seed; the batch depends on seed and step alone.
            count: Number of pairs, over all processes.
            size: Height and width of the windows in pixels.
            flip: Whether each pair is mirrored left to right with probability 0.5.
            rare_crops: Share of windows that show a pixel of an evenly drawn class, from an image that shows the class.
                The other windows are anywhere, and use every image once before any image twice.
            holes: Share of the images that get a hole; with 0 the batch has no holes.
        """
        places = range(step * count + rank(), (step + 1) * count, world_size())
        return self.draw(
            places, seed=seed, size=size, flip=flip, rare_crops=rare_crops, holes=holes
        )

    def draw(
        self, positions: Iterable[int], *, seed: int, size: tuple[int, int], flip: bool,
        rare_crops: float, holes: float = 0.0,
    ) -> Batch:  # fmt: skip
        """Return the pairs of some positions in the training, changed as in `batch`."""
        indices, pairs, masks = [], [], []
        for position in positions:
            rng = np.random.default_rng(key_seed("gan-batch", *self._key, seed, position))
            index, wanted = self.index_at(position, seed), None
            if rng.random() < rare_crops:
                wanted = int(rng.choice(np.flatnonzero(self._shows.any(axis=0))))
                index = int(rng.choice(np.flatnonzero(self._shows[:, wanted])))
            pair = crop_pair(
                *self.read_weighed(index), size=size, ignore_index=self.class_table.ignore_index, rng=rng,
                wanted=wanted,
            )  # fmt: skip
            indices.append(index)
            pairs.append(flip_pair(*pair) if flip and rng.random() < 0.5 else pair)
            if holes > 0:
                masks.append(
                    self._hole(
                        pairs[-1][1], holes, key_seed("gan-hole", *self._key, seed, position)
                    )
                )
        batch = self._stack(indices, pairs)
        return replace(batch, holes=torch.stack(masks)) if masks else batch

    def _hole(self, label_map: LabelMap, share: float, seed: int) -> Bool[Tensor, "1 H W"]:
        """Draw the hole of a window, which is the whole window unless it is among the share that gets one."""
        rng = np.random.default_rng(seed)
        if rng.random() >= share:
            return torch.ones(1, *label_map.shape, dtype=torch.bool)
        hole = draw_hole(label_map, num_classes=self.class_table.num_classes, rng=rng)
        return torch.from_numpy(hole).unsqueeze(0)

    def windows(self, count: int, *, size: tuple[int, int]) -> Batch:
        """Return one window each of `count` images spread over the split; every call returns the same windows."""
        rng = np.random.default_rng(0)
        indices = np.linspace(0, len(self) - 1, min(count, len(self))).round().astype(int).tolist()
        ignore_index = self.class_table.ignore_index
        pairs = [
            crop_pair(*self.read_weighed(i), size=size, ignore_index=ignore_index, rng=rng)
            for i in indices
        ]
        return self._stack(indices, pairs)

    def index_at(self, position: int, seed: int) -> int:
        """Return the index of the pair at a position in shuffled epochs."""
        epoch, place = divmod(position, len(self))
        key = key_seed("gan-order", *self._key, seed, epoch)
        return int(np.random.default_rng(key).permutation(len(self))[place])

    def read_weighed(self, index: int) -> tuple[Image, LabelMap]:
        """Return a pair; weights of pixels, if there are any, are a fourth channel, so that a crop moves them, too."""
        image, label_map = self.read(index)
        if self._weight_files:
            image = np.dstack([image, read_pixel_weights(self._weight_files[index])])
        return image, label_map

    def _stack(self, indices: Sequence[int], pairs: Sequence[tuple[Image, LabelMap]]) -> Batch:
        images = torch.stack([to_tensor(image[..., :3]) for image, _ in pairs])
        label_maps = torch.stack(
            [torch.from_numpy(label_map.astype(np.int64)) for _, label_map in pairs]
        )
        weights = None
        if self._weight_files:
            raw = torch.stack([torch.from_numpy(image[..., 3].copy()) for image, _ in pairs])
            weights = raw.float() / FULL_WEIGHT
            label_maps = torch.where(weights > 0, label_maps, self.class_table.ignore_index)
        return Batch(tuple(self.ids[index] for index in indices), images, label_maps, weights)
