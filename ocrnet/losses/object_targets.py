"""What the heads of `model.instances: attention` should give: middles, boxes and classes of the visible objects.

Places are in pixels, whole numbers at the middle of a pixel; the cell i of a grid lies at (i + 1/2) * side - 1/2. An
object belongs to the cell at the middle of its box. If several have one cell, its box and mask are those of the
smallest, and its heat is that of each.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor

from ocrnet.losses.base import Weights, on_pixels

_AT_ONCE = 32  # objects


class ObjectTargets(NamedTuple):
    """The objects of a batch, image by image.

    Args:
        images: Index of the image.
        numbers: Number in the instance map.
        class_ids: Class id.
        boxes: Top, left, bottom and right side, in pixels.
        cells: Row and column of the cell.
        weights: Weight in the loss.
    """

    images: Int[Tensor, " N"]
    numbers: Int[Tensor, " N"]
    class_ids: Int[Tensor, " N"]
    boxes: Float[Tensor, "N 4"]
    cells: Int[Tensor, "N 2"]
    weights: Float[Tensor, " N"]

    def at(self, index: Tensor) -> "ObjectTargets":
        """Return some of the objects."""
        return ObjectTargets(*(part[index] for part in self))


def object_targets(
    numbers: Integer[Tensor, "B H W"],
    label_maps: Int[Tensor, "B H W"],
    sample_weights: Weights,
    grid: tuple[int, int],
) -> ObjectTargets:
    """Return the objects of instance maps.

    Args:
        numbers: Number of the object at each pixel, 0 for none, -1 where objects are not known.
        label_maps: Class ids.
        sample_weights: Weight of each image or of each pixel; that of an object is the largest of its pixels.
        grid: (height, width) of the maps in cells.
    """
    inside = numbers > 0
    image, row, column = torch.nonzero(inside, as_tuple=True)
    base = int(numbers.max().clamp(min=0)) + 1
    found, index = torch.unique(image * base + numbers[inside].long(), return_inverse=True)

    def most(values: Tensor) -> Tensor:
        start = torch.full((len(found),), -1e9, device=values.device)
        return start.scatter_reduce(0, index, values.float(), "amax")

    top, left, bottom, right = -most(-row), -most(-column), most(row), most(column)
    middles = torch.stack([(top + bottom) / 2, (left + right) / 2], dim=1)
    size = torch.tensor([*grid], device=numbers.device)
    pixels = torch.tensor(numbers.shape[-2:], device=numbers.device)
    cells = torch.floor((middles + 0.5) * size / pixels).long()
    weights = on_pixels(sample_weights).float().expand(numbers.shape)
    return ObjectTargets(
        images=found // base,
        numbers=found % base,
        class_ids=most(label_maps[inside]).long(),
        boxes=torch.stack([top - 0.5, left - 0.5, bottom + 0.5, right + 0.5], dim=1),
        cells=torch.minimum(cells, size - 1),
        weights=most(weights[inside]),
    )


def one_per_cell(targets: ObjectTargets) -> ObjectTargets:
    """Return the smallest object, by its box, of each cell; of equal ones the first."""
    height, width = (targets.boxes[:, 2:] - targets.boxes[:, :2]).unbind(dim=1)
    order = torch.argsort(height * width, stable=True)
    ranks = torch.empty_like(order)
    ranks[order] = torch.arange(len(order), device=order.device)
    cells = torch.cat([targets.images[:, None], targets.cells], dim=1)
    _, index = torch.unique(cells, dim=0, return_inverse=True)
    least = torch.full_like(order, len(order)).scatter_reduce(0, index, ranks, "amin")
    return targets.at(torch.nonzero(ranks == least[index])[:, 0])


def at_most(targets: ObjectTargets, count: int) -> ObjectTargets:
    """Return all objects of an image that has at most `count`, and evenly taken ones of the others."""
    kept = []
    for image in torch.unique(targets.images):
        own = torch.nonzero(targets.images == image)[:, 0]
        taken = torch.arange(min(len(own), count), device=own.device)
        kept.append(own[taken * len(own) // max(len(taken), 1)])
    return targets.at(torch.cat(kept)) if kept else targets


def heat_targets(
    targets: ObjectTargets,
    shape: tuple[int, int, int, int],
    *,
    cell: tuple[float, float],
    sigma: float,
) -> Float[Tensor, "B K h w"]:
    """Return 1 at the cell of each object and a Gaussian around it, in the map of its class.

    Args:
        targets: Objects.
        shape: Images, classes, rows and columns.
        cell: Height and width of a cell in pixels.
        sigma: Standard deviation in pixels.
    """
    heat = torch.zeros(shape, device=targets.boxes.device)
    rows = torch.arange(shape[2], device=heat.device) * cell[0]
    columns = torch.arange(shape[3], device=heat.device) * cell[1]
    maps = targets.images * shape[1] + targets.class_ids
    for one in torch.unique(maps).tolist():
        own = heat[one // shape[1], one % shape[1]]
        middles = targets.cells[maps == one] * torch.tensor(cell, device=heat.device)
        for few in torch.split(middles, _AT_ONCE):
            down = torch.exp(-((rows - few[:, :1]) ** 2) / (2 * sigma**2))
            right = torch.exp(-((columns - few[:, 1:]) ** 2) / (2 * sigma**2))
            own.copy_(torch.maximum(own, (down[:, :, None] * right[:, None]).amax(dim=0)))
    return heat
