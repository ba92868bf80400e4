"""Losses of the two networks (arXiv:2012.04781, Eq. 1-3), with ignored pixels left out of every sum.

All sums are over the images of all processes, so that each process has the loss of the whole batch.

With x a real image, t its label map, x' = G(z, t) and < > the mean over pixels that are not ignored:

    alpha_c = pixels / (K * pixels of class c), K the classes present, at most `weight_max`
    L_D     = < alpha_t CE(D(x), t) > + < CE(D(x'), fake) >  + weight * L_LM
    L_G     = < alpha_t CE(D(x'), t) >
    L_LM    = < (D(M x + (1-M) x') - (M D(x) + (1-M) D(x')))^2 >

With one class, L_G is softplus(-(logit_real - logit_fake)): the non-saturating GAN loss.

Differs from the paper: alpha is clipped, so that three pixels of a class do not dominate a batch, and
LabelMix draws one bit per class and image, independent of each other.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ocrnet.distributed.ranks import sum_over_ranks
from ocrnet.gan.training.augment import IGNORED
from ocrnet.gan.training.discriminator import FAKE
from ocrnet.gan.training.rng import BatchDraws


def valid_pixels(label_maps: Int[Tensor, "B H W"], *, num_classes: int) -> Bool[Tensor, "B H W"]:
    """Return where a label map names a class; every other id is ignored."""
    return (label_maps >= 0) & (label_maps < num_classes)


def class_weights(
    label_maps: Int[Tensor, "B H W"], *, num_classes: int, weight_max: float
) -> Float[Tensor, " K"]:
    """Return alpha, the weight of each class in this batch; 0 for a class that is absent."""
    ids = label_maps[valid_pixels(label_maps, num_classes=num_classes)]
    counts = sum_over_ranks(torch.bincount(ids, minlength=num_classes)).float()
    present = counts > 0
    weights = counts.sum() / (present.sum() * counts).clamp(min=1)
    return torch.where(present, weights.clamp(max=weight_max), 0.0)


def class_loss(
    logits: Float[Tensor, "B K1 H W"],
    label_maps: Int[Tensor, "B H W"],
    weights: Float[Tensor, " K"],
) -> Float[Tensor, ""]:
    """Return the weighted cross entropy towards each pixel's class: L_G on fakes, the first term of L_D on reals."""
    valid = valid_pixels(label_maps, num_classes=weights.numel())
    targets = torch.where(valid, label_maps + 1, IGNORED)
    fake_weight = torch.ones_like(weights[:1])  # never used: no target is FAKE
    total = F.cross_entropy(
        logits, targets, torch.cat([fake_weight, weights]), ignore_index=IGNORED, reduction="sum"
    )
    return _mean(total, valid)


def fake_loss(logits: Float[Tensor, "B K1 H W"], valid: Bool[Tensor, "B H W"]) -> Float[Tensor, ""]:
    """Return the cross entropy towards "fake": the second term of L_D."""
    targets = torch.where(valid, FAKE, IGNORED)
    total = F.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="sum")
    return _mean(total, valid)


def draw_labelmix(
    label_maps: Int[Tensor, "B H W"], *, num_classes: int, draws: BatchDraws
) -> Bool[Tensor, "B 1 H W"]:
    """Draw M: true where the mixed image is real, one fair bit per class and image.

    The ignored pixels of an image are a region of their own.
    """
    bits = draws.bits(num_classes + 1).to(label_maps.device)
    valid = valid_pixels(label_maps, num_classes=num_classes)
    regions = torch.where(valid, label_maps, num_classes)
    chosen = bits.gather(1, regions.flatten(1))
    return chosen.view_as(label_maps).unsqueeze(1)


def mix(
    real: Float[Tensor, "B C H W"],
    fake: Float[Tensor, "B C H W"],
    chosen: Bool[Tensor, "B 1 H W"],
) -> Float[Tensor, "B C H W"]:
    """Return LM: real where `chosen`, fake elsewhere; of images and of logits alike."""
    return torch.where(chosen, real, fake)


def labelmix_loss(
    mixed_logits: Float[Tensor, "B K1 H W"],
    logits_mixed: Float[Tensor, "B K1 H W"],
    valid: Bool[Tensor, "B H W"],
) -> Float[Tensor, ""]:
    """Return L_LM, the mean squared difference of D(mixed images) and mixed D(images), per valid pixel and channel."""
    squared = (mixed_logits - logits_mixed).square().mean(dim=1)
    return _mean(torch.where(valid, squared, 0.0).sum(), valid)


def _mean(total: Tensor, valid: Tensor) -> Tensor:
    """Return a sum over this process's images as a mean over the valid ones of all."""
    return sum_over_ranks(total) / sum_over_ranks(valid.sum()).clamp(min=1)
