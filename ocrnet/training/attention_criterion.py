"""The training loss of `model.instances: attention`: the true middles are the queries.

    L = heat_weight * heat + box_weight * box + mask_weight * mask        (ocrnet/losses/detection.py)

A query is that of the cell at the middle of a true object, and its neighbourhood is that of the true box. A mask is
compared at a grid of points, so its memory depends on the number of objects and not on the size of the image.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ocrnet.config import TrainParams
from ocrnet.losses.base import Weights, Whole, on_pixels, ratio_over_ranks
from ocrnet.losses.detection import box_losses, heat_loss, mask_losses
from ocrnet.losses.instances import UNKNOWN
from ocrnet.losses.object_targets import (
    ObjectTargets,
    at_most,
    heat_targets,
    object_targets,
    one_per_cell,
)
from ocrnet.models.attention_heads import (
    ENLARGED,
    ObjectMaps,
    box_sides,
    mask_logits,
    object_maps,
)
from ocrnet.models.output import SegmenterOutput

POINTS = 24  # a side of a neighbourhood
MOST_MASKS = 64  # of an image


class AttentionCriterion(nn.Module):
    """The weighted loss of heat, boxes and masks.

    Args:
        params: Params of the training.
        ignore_index: Label of pixels that are ignored.
    """

    def __init__(self, params: TrainParams, *, ignore_index: int) -> None:
        super().__init__()
        self.weights = (params.heat_weight, params.box_weight, params.mask_weight)
        self.sigma = params.centre_sigma
        self.ignore_index = ignore_index

    def forward(
        self,
        output: SegmenterOutput,
        label_maps: Int[Tensor, "B H W"],
        numbers: Int[Tensor, "B H W"] | None,
        *,
        align_corners: bool,
        sample_weights: Weights,
        whole: Whole | None = None,
    ) -> Float[Tensor, ""]:
        """Return the loss of a batch, or what a part adds to the loss of a whole batch.

        Args:
            output: Output of a model with attention heads.
            label_maps: Class ids.
            numbers: Number of the object at each pixel, 0 for none, -1 where objects are not known.
            align_corners: No effect: the maps are not resized.
            sample_weights: Weight of each image or of each pixel.
            whole: Batch that the output is a part of; None if it is the batch.
        """
        assert output.instances is not None
        assert numbers is not None
        maps = object_maps(output.instances.float())
        grid = (maps.heat.shape[-2], maps.heat.shape[-1])
        found = object_targets(numbers, label_maps, sample_weights, grid)
        alone, queried = _chosen(found)
        valid = (label_maps != self.ignore_index) & (numbers != UNKNOWN)
        sums = (
            self._heat(maps.heat, found, valid * on_pixels(sample_weights)),
            _boxes(maps.sides, alone, valid),
            _masks(maps, queried, numbers, valid),
        )
        if whole is not None:
            assert whole.numbers is not None
            found = object_targets(whole.numbers, whole.label_maps, whole.sample_weights, grid)
            alone, queried = _chosen(found)
        totals = [part.weights.sum() for part in (found, alone, queried)]
        parts = [ratio_over_ranks(one, total) for one, total in zip(sums, totals, strict=True)]
        return torch.stack([w * part for w, part in zip(self.weights, parts, strict=True)]).sum()

    def _heat(
        self,
        logits: Float[Tensor, "B K h w"],
        found: ObjectTargets,
        weights: Float[Tensor, "B H W"],
    ) -> Float[Tensor, ""]:
        count, classes, height, width = logits.shape
        rows, columns = weights.shape[-2:]
        targets = heat_targets(
            found, (count, classes, height, width), cell=(rows / height, columns / width), sigma=self.sigma
        )  # fmt: skip
        at = F.interpolate(weights.float()[:, None], size=(height, width), mode="nearest-exact")
        return heat_loss(logits, targets, at[:, 0])


def _chosen(found: ObjectTargets) -> tuple[ObjectTargets, ObjectTargets]:
    """Return the objects with a box, and those with a mask."""
    alone = one_per_cell(found)
    return alone, at_most(alone, MOST_MASKS)


def _boxes(
    sides: Float[Tensor, "B 4 h w"], found: ObjectTargets, valid: Bool[Tensor, "B H W"]
) -> Float[Tensor, ""]:
    row, column = found.cells.unbind(dim=1)
    size = torch.tensor(valid.shape[-2:], device=sides.device)
    grid = torch.tensor(sides.shape[-2:], device=sides.device)
    middles = (found.cells + 0.5) * size / grid - 0.5
    lengths = box_sides(sides[found.images, :, row, column])
    boxes = torch.cat([middles - lengths[:, :2], middles + lengths[:, 2:]], dim=1)
    return (box_losses(boxes, found.boxes) * found.weights).sum()


def _masks(
    maps: ObjectMaps,
    found: ObjectTargets,
    numbers: Int[Tensor, "B H W"],
    valid: Bool[Tensor, "B H W"],
) -> Float[Tensor, ""]:
    """Return the weighted sum of the losses of the masks at the points of their neighbourhoods."""
    size = torch.tensor(numbers.shape[-2:], device=numbers.device)
    steps = torch.linspace(-ENLARGED, ENLARGED, POINTS, device=numbers.device)
    places = torch.stack(torch.meshgrid(steps, steps, indexing="ij"))  # 2 R R
    middles = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    halves = (found.boxes[:, 2:] - found.boxes[:, :2]) / 2
    # Whole pixels, so that a point has the label of the pixel that it lies on.
    points = torch.round(middles[..., None, None] + places * halves[..., None, None])  # N 2 R R
    places = (points - middles[..., None, None]) / halves[..., None, None]
    inside = ((points >= 0) & (points < size.view(1, 2, 1, 1))).all(dim=1)
    row, column = torch.minimum(points.clamp(min=0), size.view(1, 2, 1, 1) - 1).long().unbind(dim=1)
    image = found.images[:, None, None]
    targets = (numbers[image, row, column] == found.numbers[:, None, None]).float()
    counted = (inside & valid[image, row, column]).float()
    queries = maps.queries[found.images, :, found.cells[:, 0], found.cells[:, 1]]
    logits = mask_logits(queries, _sampled(maps.keys, found.images, points, size), places)
    return (mask_losses(logits, targets, counted) * found.weights).sum()


def _sampled(
    keys: Float[Tensor, "B E h w"],
    images: Int[Tensor, " N"],
    points: Float[Tensor, "N 2 R R"],
    size: Int[Tensor, " 2"],
) -> Float[Tensor, "N E R R"]:
    """Return the keys at points of an image, bilinearly."""
    shares = (
        (2 * (points + 0.5) / size.view(1, 2, 1, 1) - 1).flip(1).permute(0, 2, 3, 1)
    )  # N R R xy
    parts = []
    for image in range(len(keys)):
        own = shares[images == image].flatten(0, 1)[None]  # 1 N*R R 2
        found = F.grid_sample(
            keys[image][None], own, mode="bilinear", padding_mode="border", align_corners=False
        )
        parts.append(found[0].reshape(len(found[0]), -1, POINTS, POINTS).transpose(0, 1))
    return torch.cat(parts)
