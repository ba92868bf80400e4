"""Batches of whole images with their label maps, at the size that the joint generator draws."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ocrnet.config import TrainGanParams
from ocrnet.data.pixel_weights import FULL_WEIGHT
from ocrnet.gan.generator.images import Image, LabelMap, to_tensor
from ocrnet.gan.training.batches import Pairs
from ocrnet.gan.training.mixed_batches import MixedPairs
from ocrnet.runtime import key_seed

CACHED = 2048  # resized images


@dataclass(frozen=True)
class JointBatch:
    """Real images with their label maps.

    Args:
        ids: Ids of the images.
        images: Images in [-1, 1].
        maps: Label maps as one channel per class.
        weights: Weights of the pixels of the label maps in [0, 1]; 0 where the label map is left out.
        conditions: 1 for each class that a pixel with a weight above 0 shows, else 0.
    """

    ids: tuple[str, ...]
    images: Float[Tensor, "B 3 H W"]
    maps: Float[Tensor, "B K H W"]
    weights: Float[Tensor, "B 1 H W"]
    conditions: Float[Tensor, "B K"]

    def to(self, device: torch.device) -> "JointBatch":
        """Return the batch on a device."""
        parts = (self.images, self.maps, self.weights, self.conditions)
        return JointBatch(self.ids, *(part.to(device) for part in parts))


class WholePairs:
    """The pairs that the joint generator learns from, in the order of the painter's (see `MixedPairs`).

    Args:
        labelled: Labelled pairs.
        pseudo: Unlabelled images with pseudo-labels; None if the GAN sees labelled images alone.
        params: Params of the training.
    """

    def __init__(self, labelled: Pairs, pseudo: Pairs | None, params: TrainGanParams) -> None:
        self._mixed = MixedPairs(labelled, pseudo, params)
        self._params = params
        self._num_classes = labelled.class_table.num_classes
        self._resized = lru_cache(maxsize=CACHED)(self._resize)

    def batch(self, step: int) -> JointBatch:
        """Return the whole batch of a step, counted from 0."""
        params = self._params
        ids: list[str] = []
        images, classes, weights = [], [], []
        for pairs, positions in self._mixed.positions(step, range(params.batch_size)):
            for position in positions:
                index = pairs.index_at(position, params.seed)
                key = key_seed("gan-joint-flip", params.seed, step, len(ids))
                order = -1 if params.flip and key % 2 else 1
                image, class_ids, of_pixel = (
                    part[:, ::order] for part in self._resized(pairs, index)
                )
                ids.append(pairs.ids[index])
                images.append(to_tensor(image))
                classes.append(torch.from_numpy(class_ids.astype(np.int64)))
                weights.append(torch.from_numpy(of_pixel.copy()))
        maps = torch.nn.functional.one_hot(torch.stack(classes), self._num_classes)
        return joint_batch(
            tuple(ids),
            torch.stack(images),
            maps.movedim(-1, 1).float(),
            torch.stack(weights)[:, None],
        )

    def _resize(self, pairs: Pairs, index: int) -> "tuple[Image, LabelMap, np.ndarray]":
        """Return image, class ids and weights of the pixels of a pair, at the size of the joint generator."""
        image, label_map = pairs.read_weighed(index)
        weights = (label_map < self._num_classes).astype(np.float32)
        if image.shape[2] > 3:
            weights *= image[..., 3].astype(np.float32) / FULL_WEIGHT
        resized = _to_size(np.ascontiguousarray(image[..., :3]), self._params.joint_size)
        shares = [
            _to_size(weights * (label_map == class_id), self._params.joint_size)
            for class_id in range(self._num_classes)
        ]
        class_ids = np.argmax(shares, axis=0).astype(np.uint8)
        return resized, class_ids, _to_size(weights, self._params.joint_size)


def joint_batch(
    ids: tuple[str, ...], images: Tensor, maps: Tensor, weights: Float[Tensor, "B 1 H W"]
) -> JointBatch:
    """Return a batch whose conditions are the classes of the pixels with a weight above 0."""
    conditions = (maps * (weights > 0)).amax(dim=(2, 3))
    return JointBatch(ids, images, maps, weights, conditions)


def _to_size(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(cv2.resize(values, (size[1], size[0]), interpolation=cv2.INTER_AREA))
