"""The training loss of `model.instances: attention`: the true middles are the queries.

    L = heat_weight * heat + box_weight * box + mask_weight * mask        (ocrnet/losses/detection.py)

A query is that of the cell at the middle of a true object, and its neighbourhood is that of the true box. A mask is
compared at a grid of points, so its memory depends on the number of objects and not on the size of the image.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from ocrnet.losses.base import Whole, on_pixels, ratio_over_ranks
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
from ocrnet.training.head_criterion import HeadCriterion

POINTS = 24  # a side of a neighbourhood
MOST_MASKS = 64  # of an image


class AttentionCriterion(HeadCriterion):
    """The weighted loss of heat, boxes and masks."""

    weight_names = ("heat_weight", "box_weight", "mask_weight")

    def parts(
        self, maps: Float[Tensor, "B D h w"], part: Whole, batch: Whole, *, align_corners: bool
    ) -> list[Float[Tensor, ""]]:
        """Return the losses of heat, boxes and masks; the maps are not resized."""
        assert part.numbers is not None
        heads = object_maps(maps.float())
        grid = (heads.heat.shape[-2], heads.heat.shape[-1])
        found, alone, queried = _chosen(part, grid)
        valid = (part.label_maps != self.ignore_index) & (part.numbers != UNKNOWN)
        sums = (
            self._heat(heads.heat, found, valid * on_pixels(part.sample_weights)),
            _boxes(heads.sides, alone, valid),
            _masks(heads, queried, part.numbers, valid),
        )
        every = (found, alone, queried) if batch is part else _chosen(batch, grid)
        totals = [one.weights.sum() for one in every]
        return [ratio_over_ranks(one, total) for one, total in zip(sums, totals, strict=True)]

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


def _chosen(
    batch: Whole, grid: tuple[int, int]
) -> tuple[ObjectTargets, ObjectTargets, ObjectTargets]:
    """Return all objects, those with a box, and those with a mask."""
    assert batch.numbers is not None
    found = object_targets(batch.numbers, batch.label_maps, batch.sample_weights, grid)
    alone = one_per_cell(found)
    return found, alone, at_most(alone, MOST_MASKS)


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
