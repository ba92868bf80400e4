"""The design `oasis`: the discriminator is a segmenter with one more class, "fake" (arXiv:2012.04781)."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ocrnet.gan.generator.presets import Preset
from ocrnet.gan.training import objectives
from ocrnet.gan.training.batches import Batch
from ocrnet.gan.training.discriminator import FAKE, Discriminator
from ocrnet.gan.training.objective import Design, Judge, Scene
from ocrnet.metrics import confusion_matrix, miou


class Oasis(Design):
    """Class-balanced cross entropy per pixel, with LabelMix; the formulas are in `objectives`."""

    def build_discriminator(self, preset: Preset) -> nn.Module:
        """Return an untrained discriminator."""
        return Discriminator(self.num_classes, preset)

    def generator_loss(
        self, judge: Judge, fakes: Float[Tensor, "B 3 H W"], scene: Scene
    ) -> Float[Tensor, ""]:
        """Return L_G."""
        framing = scene.frame()
        label_maps = framing.label(scene.label_maps)
        logits = judge(scene.show(fakes, framing))
        return objectives.class_loss(logits, label_maps, self._weights(label_maps))

    def discriminator_loss(
        self, judge: Judge, fakes: Float[Tensor, "B 3 H W"], scene: Scene
    ) -> Float[Tensor, ""]:
        """Return L_D; LabelMix mixes real and fake of one label map, so both are framed alike."""
        framing = scene.frame()
        label_maps = framing.label(scene.label_maps)
        valid = objectives.valid_pixels(label_maps, num_classes=self.num_classes)
        images, fakes = scene.show(scene.images, framing), scene.show(fakes, framing)
        parts = [images, fakes]
        mixes = scene.step % self.params.labelmix_interval == 0
        if mixes:
            chosen = objectives.draw_labelmix(
                label_maps, num_classes=self.num_classes, draws=scene.draws
            )
            parts.append(objectives.mix(images, fakes, chosen))
        logits = judge(torch.cat(parts)).chunk(len(parts))
        loss = objectives.class_loss(logits[0], label_maps, self._weights(label_maps))
        loss = loss + objectives.fake_loss(logits[1], valid)
        if mixes:
            mixed = objectives.mix(logits[0], logits[1], chosen)
            weight = self.params.labelmix_weight
            loss = loss + weight * objectives.labelmix_loss(logits[2], mixed, valid)
        return loss

    def p_fake(self, judge: Judge, batch: Batch) -> float:
        """Return the mean probability of "fake" of the pixels of real images."""
        valid = objectives.valid_pixels(batch.label_maps, num_classes=self.num_classes)
        return float(judge(batch.images).softmax(dim=1)[:, FAKE][valid].mean())

    def class_gauges(self, judge: Judge, batch: Batch) -> Mapping[str, float]:
        """Return gan/d_mIoU, of the discriminator's classes, its "fake" left out."""
        valid = objectives.valid_pixels(batch.label_maps, num_classes=self.num_classes)
        predicted = judge(batch.images)[:, FAKE + 1 :].argmax(dim=1)
        confusion = confusion_matrix(
            predicted[valid].cpu().numpy(), batch.label_maps[valid].cpu().numpy(),
            num_classes=self.num_classes, ignore_index=-1,
        )  # fmt: skip
        return {"gan/d_mIoU": float(miou(confusion))}

    def _weights(self, label_maps: Tensor) -> Tensor:
        return objectives.class_weights(
            label_maps, num_classes=self.num_classes, weight_max=self.params.class_weight_max
        )
