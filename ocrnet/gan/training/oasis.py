"""OASIS: the discriminator is a segmenter with one more class, "fake" (arXiv:2012.04781, Eq. 1-3).

Ignored pixels are not in any sum. A pixel with a weight, which a pseudo-label has, counts that much in all sums and in
the number of pixels. All sums are over the images of all processes, so that each process has the
loss of the whole batch.

With x a real image, t its label map, x' = G(z, t) and < > the mean over pixels that are not ignored:

    alpha_c = pixels / (K * pixels of class c), K the classes present, at most `weight_max`
    L_D     = < alpha_t CE(D(x), t) > + < CE(D(x'), fake) >  + weight * L_LM
    L_G     = < alpha_t CE(D(x'), t) >
    L_LM    = < (D(M x + (1-M) x') - (M D(x) + (1-M) D(x')))^2 >

With one class, L_G is softplus(-(logit_real - logit_fake)): the non-saturating GAN loss.

Differences from the paper: alpha is clipped, so that three pixels of a class do not dominate a batch. LabelMix draws
one independent bit per class and image. Where the generator paints only a hole, x' is the real image outside of it,
and the sums over x' are over the hole. L_G of holes has in addition `l1_weight` times the mean |x - x'|: the classes
alone hardly ask for the light and the tint of the surroundings.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ocrnet.distributed.ranks import sum_over_ranks
from ocrnet.gan.generator.network import one_hot
from ocrnet.gan.generator.presets import Preset
from ocrnet.gan.training.augment import IGNORED, Augmentation
from ocrnet.gan.training.batches import Batch
from ocrnet.gan.training.discriminator import FAKE, Discriminator
from ocrnet.gan.training.gan_objective import (
    PROJECTED,
    Counted,
    Discriminate,
    GanObjective,
    StepInputs,
    l1_loss,
    mean_over_ranks,
    valid_pixels,
)
from ocrnet.gan.training.labelmix import draw_labelmix, labelmix_loss, mix
from ocrnet.metrics import confusion_matrix, miou


class Oasis(GanObjective):
    """Class-balanced cross entropy per pixel, with LabelMix."""

    def build_discriminator(self, preset: Preset) -> nn.Module:
        """Return an untrained discriminator."""
        if self.params.discriminator == PROJECTED:
            # Imported here, so that a plain training does not import timm.
            from ocrnet.gan.training.projected import ProjectedDiscriminator

            return ProjectedDiscriminator(self.num_classes, preset)
        return Discriminator(self.num_classes, preset)

    def generator_loss(
        self, discriminate: Discriminate, fakes: Float[Tensor, "B 3 H W"], inputs: StepInputs
    ) -> Float[Tensor, ""]:
        """Return L_G."""
        augmentation = inputs.draw_augmentation()
        logits = discriminate(inputs.augment(fakes, augmentation))

        def loss_of(painted: Tensor) -> Tensor:
            counted = self._counted(painted, inputs, augmentation)
            return class_loss(logits, painted, self._weights(painted, counted), counted)

        loss = inputs.over_painted(augmentation, loss_of)
        if inputs.holes is None:
            return loss
        share, holes = inputs.painted()[-1]
        counted = inputs.counted(holes, num_classes=self.num_classes, augmentation=None)
        return loss + self.params.l1_weight * share * l1_loss(fakes, inputs.images, counted)

    def discriminator_loss(
        self, discriminate: Discriminate, fakes: Float[Tensor, "B 3 H W"], inputs: StepInputs
    ) -> Float[Tensor, ""]:
        """Return L_D; LabelMix mixes real and fake of one label map, so both are augmented alike."""
        augmentation = inputs.draw_augmentation()
        label_maps = augmentation.apply_to_labels(inputs.label_maps)
        counted = self._counted(label_maps, inputs, augmentation)
        images, fakes = (
            inputs.augment(inputs.images, augmentation),
            inputs.augment(fakes, augmentation),
        )
        parts = [images, fakes]
        mixes = inputs.step % self.params.labelmix_interval == 0
        if mixes:
            chosen = draw_labelmix(label_maps, num_classes=self.num_classes, rng=inputs.rng)
            parts.append(mix(images, fakes, chosen))
        logits = discriminate(torch.cat(parts)).chunk(len(parts))
        loss = class_loss(logits[0], label_maps, self._weights(label_maps, counted), counted)
        loss = loss + inputs.over_painted(
            augmentation,
            lambda painted: fake_loss(logits[1], self._counted(painted, inputs, augmentation)),
        )
        if mixes:
            mixed = mix(logits[0], logits[1], chosen)
            weight = self.params.labelmix_weight
            loss = loss + weight * labelmix_loss(logits[2], mixed, counted)
        return loss

    def p_fake(self, discriminate: Discriminate, batch: Batch) -> float:
        """Return the mean probability of "fake" over the pixels of real images."""
        valid = valid_pixels(batch.label_maps, num_classes=self.num_classes)
        return float(discriminate(batch.images).softmax(dim=1)[:, FAKE][valid].mean())

    def class_scores(self, discriminate: Discriminate, batch: Batch) -> Mapping[str, float]:
        """Return gan/d_mIoU, the mIoU of the discriminator's classes without "fake"."""
        valid = valid_pixels(batch.label_maps, num_classes=self.num_classes)
        predicted = discriminate(batch.images)[:, FAKE + 1 :].argmax(dim=1)
        confusion = confusion_matrix(
            predicted[valid].cpu().numpy(), batch.label_maps[valid].cpu().numpy(),
            num_classes=self.num_classes, ignore_index=-1,
        )  # fmt: skip
        return {"gan/d_mIoU": float(miou(confusion))}

    def _counted(
        self, label_maps: Tensor, inputs: StepInputs, augmentation: Augmentation
    ) -> Tensor:
        return inputs.counted(label_maps, num_classes=self.num_classes, augmentation=augmentation)

    def _weights(self, label_maps: Tensor, counted: Tensor) -> Tensor:
        limit = self.params.class_weight_max
        return class_weights(
            label_maps, num_classes=self.num_classes, weight_max=limit, counted=counted
        )


def class_weights(
    label_maps: Int[Tensor, "B H W"], *, num_classes: int, weight_max: float, counted: Counted | None = None
) -> Float[Tensor, " K"]:  # fmt: skip
    """Return alpha, the weight of each class in this batch; 0 for a class that is absent.

    Args:
        label_maps: Label maps of the batch.
        num_classes: Number of classes K, without the ignored id.
        weight_max: Largest weight.
        counted: Weight of each pixel, or a mask; by default each pixel with a class counts 1.
    """
    if counted is None or counted.dtype == torch.bool:
        ids = label_maps[valid_pixels(label_maps, num_classes=num_classes)]
        found = torch.bincount(ids, minlength=num_classes)
    else:  # a weighted bincount adds up in no fixed order on a GPU
        shown = one_hot(label_maps, num_classes=num_classes)
        found = (shown * counted.unsqueeze(1)).sum(dim=(0, 2, 3))
    counts = sum_over_ranks(found).float()
    present = counts > 0
    weights = counts.sum() / torch.where(present, present.sum() * counts, 1.0)
    return torch.where(present, weights.clamp(max=weight_max), 0.0)


def class_loss(
    logits: Float[Tensor, "B K1 H W"],
    label_maps: Int[Tensor, "B H W"],
    weights: Float[Tensor, " K"],
    counted: Counted | None = None,
) -> Float[Tensor, ""]:
    """Return the weighted cross entropy with each pixel's class: L_G on fakes, the first term of L_D on real images.

    Args:
        logits: Logits of the discriminator.
        label_maps: Label maps.
        weights: Weight of each class.
        counted: Weight of each pixel, or a mask; by default each pixel with a class counts 1.
    """
    valid = valid_pixels(label_maps, num_classes=weights.numel())
    targets = torch.where(valid, label_maps + 1, IGNORED)
    fake_weight = torch.ones_like(weights[:1])  # never used: no target is FAKE
    by_class = torch.cat([fake_weight, weights])
    return _mean_cross_entropy(logits, targets, valid if counted is None else counted, by_class)


def fake_loss(logits: Float[Tensor, "B K1 H W"], counted: Counted) -> Float[Tensor, ""]:
    """Return the cross entropy with "fake": the second term of L_D."""
    return _mean_cross_entropy(logits, torch.where(counted > 0, FAKE, IGNORED), counted)


def _mean_cross_entropy(
    logits: Tensor, targets: Tensor, counted: Tensor, by_class: Tensor | None = None
) -> Tensor:
    weighs = counted.dtype != torch.bool
    losses = F.cross_entropy(
        logits, targets, by_class, ignore_index=IGNORED, reduction="none" if weighs else "sum"
    )
    return mean_over_ranks((counted * losses).sum() if weighs else losses, counted)
