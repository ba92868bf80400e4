"""PQ and AP50 of a model on the validation images, during its training."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ocrnet.distributed.ranks import copy_from_first, rank
from ocrnet.models.attention_heads import Detections
from ocrnet.models.folded_heads import fold_heads
from ocrnet.models.head_maps import detection_maps, offset_maps
from ocrnet.models.last_pass import keep_maps
from ocrnet.models.output import SegmentationModel, full_size_logits, normalise
from ocrnet.objects.curves import unit_counts
from ocrnet.objects.grouping import find_objects
from ocrnet.objects.matching import ObjectCounts, compare_objects
from ocrnet.objects.object_map import instances
from ocrnet.objects.set_scores import OBJECT_SCORES, set_scores
from ocrnet.training.dataset import ImageFolder


class _Network:
    """A network that gives the maps of its instance heads, as `find_objects` asks for them."""

    def __init__(
        self,
        model: SegmentationModel,
        mean: Float[Tensor, "1 3 1 1"],
        std: Float[Tensor, "1 3 1 1"],
    ) -> None:
        self._model = keep_maps(fold_heads(model.eval()))
        self._mean, self._std = mean, std

    def probabilities(self, image: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "K H W"]:
        """Return the probability of each class at each pixel."""
        logits = full_size_logits(self._model, self._normalised(image))
        found: Float[np.ndarray, "K H W"] = logits[0].softmax(dim=0).cpu().numpy()
        return found

    def instance_maps(
        self, image: UInt8[np.ndarray, "H W 3"], size: tuple[int, int]
    ) -> Float[np.ndarray, "3 H2 W2"] | None:
        """Return heat of a centre and way to the centre; None without such heads."""
        return offset_maps(self._model, self._normalised(image), size)

    def detections(
        self, image: UInt8[np.ndarray, "H W 3"], size: tuple[int, int]
    ) -> Detections | None:
        """Return the maps of attention heads; None without them."""
        return detection_maps(self._model, self._normalised(image), size)

    def _normalised(self, image: UInt8[np.ndarray, "H W 3"]) -> Float[Tensor, "1 3 H W"]:
        pixels = torch.from_numpy(image).to(self._mean.device).permute(2, 0, 1)[None]
        return normalise(pixels, mean=self._mean, std=self._std)


def score_objects(
    model: SegmentationModel,
    folder: ImageFolder,
    *,
    things: Sequence[int],
    ignore_index: int,
    mean: Float[Tensor, "1 3 1 1"],
    std: Float[Tensor, "1 3 1 1"],
) -> dict[str, float]:
    """Return PQ and AP50 over a folder with instance maps; see `match_objects`.

    Of several processes, the first one scores all images, and each returns its scores: rounding on another device may
    make another validation the best one, and then the processes would end at different steps.
    """
    values = torch.zeros(len(OBJECT_SCORES), device=mean.device)
    if rank() == 0:
        matched = match_objects(
            model, folder, things=things, ignore_index=ignore_index, mean=mean, std=std
        )
        found = set_scores(unit_counts(matched), np.ones((1, len(matched))))[0]
        values = torch.tensor(found, device=mean.device)
    return dict(zip(OBJECT_SCORES, _of_first(values.double()), strict=True))


def _of_first(values: Float[Tensor, " N"]) -> list[float]:
    """Return the values of the first process, in each."""
    copy_from_first([values])
    return [float(value) for value in values.tolist()]


@torch.inference_mode()
def match_objects(
    model: SegmentationModel,
    folder: ImageFolder,
    *,
    things: Sequence[int],
    ignore_index: int,
    mean: Float[Tensor, "1 3 1 1"],
    std: Float[Tensor, "1 3 1 1"],
) -> list[ObjectCounts]:
    """Return the matched objects of each image of a folder with instance maps; leaves the model in eval mode.

    Objects of any area count.

    Args:
        model: Segmenter.
        folder: Images.
        things: Ids of the thing classes.
        ignore_index: Label of pixels that are ignored.
        mean: Mean that images are normalised with.
        std: Standard deviation that images are normalised with.
    """
    network = _Network(model, mean, std)
    matched = []
    for index in range(len(folder)):
        item, numbers = folder.item(index), folder.numbers(index)
        assert numbers is not None
        found = find_objects(network, item.image, network.probabilities(item.image), things)
        true = instances(numbers, item.label_map, things)
        ignored = item.label_map == ignore_index
        matched.append(compare_objects(found, true, ignored=ignored, things=things))
    return matched
