"""LabelMix: images that are real in some classes and fake in the others (arXiv:2012.04781, Eq. 3).

The paper draws the classes of one mask per image; here each class of each image has an independent bit.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ocrnet.gan.training.gan_objective import Counted, mean_over_ranks, valid_pixels
from ocrnet.gan.training.rng import BatchRng


def draw_labelmix(
    label_maps: Int[Tensor, "B H W"], *, num_classes: int, rng: BatchRng
) -> Bool[Tensor, "B 1 H W"]:
    """Draw M: True where the mixed image is real, one fair bit per class and image.

    The ignored pixels of an image have a separate bit.
    """
    bits = rng.bits(num_classes + 1).to(label_maps.device)
    valid = valid_pixels(label_maps, num_classes=num_classes)
    regions = torch.where(valid, label_maps, num_classes)
    chosen = bits.gather(1, regions.flatten(1))
    return chosen.view_as(label_maps).unsqueeze(1)


def mix(
    real: Float[Tensor, "B C H W"],
    fake: Float[Tensor, "B C H W"],
    chosen: Bool[Tensor, "B 1 H W"],
) -> Float[Tensor, "B C H W"]:
    """Return LabelMix of images or logits: real where `chosen`, fake elsewhere."""
    return torch.where(chosen, real, fake)


def labelmix_loss(
    mixed_logits: Float[Tensor, "B K1 H W"],
    logits_mixed: Float[Tensor, "B K1 H W"],
    counted: Counted,
) -> Float[Tensor, ""]:
    """Return L_LM, the mean squared difference of D(mixed images) and mixed D(images), per pixel and channel."""
    squared = (mixed_logits - logits_mixed).square().mean(dim=1)
    return mean_over_ranks((counted * squared).sum(), counted)
