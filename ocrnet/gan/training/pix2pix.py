"""pix2pix: a conditional PatchGAN and L1 (arXiv:1611.07004), written from the formulas.

With x a real image, t its label map, x' = G(z, t), < > the mean over patches that are not all ignored and
<< >> the mean over the channels of pixels that are not ignored:

    L_D = < softplus(-D(t, x)) > + < softplus(D(t, x')) >
    L_G = < softplus(-D(t, x')) > + weight * << |x - x'| >>

Differences from the paper: the generator is that of `oasis`, with noise z and a label map that modulates every layer
(the norms of the paper's U-Net wash out the label of a large region, and its noise is dropout). The discriminator has
spectral norm, not batch norm. Ignored pixels are blank in real and fake images, so that they do not affect the loss.
Where the generator paints only a hole, x' is the real image outside of it, and its patches are those that show the
hole.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ocrnet.config import TrainGanParams
from ocrnet.gan.generator.layers import SLOPE, normed_conv
from ocrnet.gan.generator.network import one_hot
from ocrnet.gan.generator.presets import PRESETS, Preset
from ocrnet.gan.training.augment import Augmentation
from ocrnet.gan.training.batches import Batch
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

# Levels of the preset's discriminator that are used; all but the last halve the resolution.
LEVELS = slice(1, 5)


def cell_side(preset: Preset) -> int:
    """Return the height and width in pixels of the cell that one logit belongs to."""
    return 1 << (len(preset.discriminator[LEVELS]) - 1)


class PatchDiscriminator(nn.Module):
    """Network from label map and image of any height and width to one logit per patch, above 0 for "real".

    A patch is 26 pixels wide with three levels and 54 with four; there is one per cell of 4 or 8 pixels.

    Args:
        num_classes: Number of classes K, without the ignored id.
        preset: Sizes of the network.
    """

    def __init__(self, num_classes: int, preset: Preset) -> None:
        super().__init__()
        self.num_classes = num_classes
        channels = preset.discriminator[LEVELS]
        self.cell = cell_side(preset)
        inputs = (num_classes + 3, *channels[:-1])
        last = len(channels) - 1
        self.convs = nn.ModuleList(
            normed_conv(c_in, c_out, 3) if i == last else normed_conv(c_in, c_out, 4, stride=2)
            for i, (c_in, c_out) in enumerate(zip(inputs, channels, strict=True))
        )
        self.to_logits = normed_conv(channels[-1], 1, 3)

    def forward(
        self, images: Float[Tensor, "B 3 H W"], label_maps: Int[Tensor, "B H W"]
    ) -> Float[Tensor, "B h w"]:
        """Return one logit per cell, including cells that are partly outside the image.

        Args:
            images: Images in [-1, 1].
            label_maps: Class ids; any other id is ignored, and the image is blank there.
        """
        labels = one_hot(label_maps, num_classes=self.num_classes)
        feats = torch.cat([labels, images * labels.sum(dim=1, keepdim=True)], dim=1)
        feats = _fill(feats, self.cell)
        for conv in self.convs:
            feats = F.leaky_relu(conv(feats), SLOPE)
        logits: Tensor = self.to_logits(feats)
        return logits.squeeze(1).float()


def valid_cells(
    label_maps: Int[Tensor, "B H W"], *, num_classes: int, cell: int
) -> Bool[Tensor, "B h w"]:
    """Return the mask of the cells with a pixel that is not ignored."""
    return counted_cells(valid_pixels(label_maps, num_classes=num_classes), cell=cell) > 0


def counted_cells(counted: Counted, *, cell: int) -> Float[Tensor, "B h w"]:
    """Return the largest weight of the pixels of each cell; 0 if all are ignored."""
    largest: Tensor = F.max_pool2d(_fill(counted.float().unsqueeze(1), cell), cell)
    return largest.squeeze(1)


def patch_loss(logits: Float[Tensor, "B h w"], cells: Counted, *, real: bool) -> Float[Tensor, ""]:
    """Return the mean cross entropy of cells that count with "real" or "fake", over the images of all processes."""
    losses = F.softplus(-logits if real else logits)
    return mean_over_ranks((cells * losses).sum(), cells)


class Pix2Pix(GanObjective):
    """A conditional PatchGAN with L1.

    Args:
        num_classes: Number of classes K, without the ignored id.
        params: Params of the training.
    """

    def __init__(self, num_classes: int, params: TrainGanParams) -> None:
        super().__init__(num_classes, params)
        self._cell = cell_side(PRESETS[params.preset])

    def build_discriminator(self, preset: Preset) -> nn.Module:
        """Return an untrained discriminator."""
        if self.params.discriminator == PROJECTED:
            # Imported here, so that a plain training does not import timm.
            from ocrnet.gan.training.projected import ProjectedPatchDiscriminator

            return ProjectedPatchDiscriminator(self.num_classes, preset, cell=self._cell)
        return PatchDiscriminator(self.num_classes, preset)

    def generator_loss(
        self, discriminate: Discriminate, fakes: Float[Tensor, "B 3 H W"], inputs: StepInputs
    ) -> Float[Tensor, ""]:
        """Return L_G; L1 compares images as they are, before augmentation."""
        augmentation = inputs.draw_augmentation()
        label_maps = augmentation.apply_to_labels(inputs.label_maps)
        logits = discriminate(inputs.augment(fakes, augmentation), label_maps)
        l1 = torch.stack([
            share * l1_loss(fakes, inputs.images, inputs.counted(part, num_classes=self.num_classes, augmentation=None))
            for share, part in inputs.painted()
        ]).sum()  # fmt: skip
        adversarial = inputs.over_painted(
            augmentation,
            lambda painted: patch_loss(
                logits, self._counted_cells(painted, inputs, augmentation), real=True
            ),
        )
        return adversarial + self.params.l1_weight * l1

    def discriminator_loss(
        self, discriminate: Discriminate, fakes: Float[Tensor, "B 3 H W"], inputs: StepInputs
    ) -> Float[Tensor, ""]:
        """Return L_D."""
        augmentation = inputs.draw_augmentation()
        label_maps = augmentation.apply_to_labels(inputs.label_maps)
        both = torch.cat(
            [inputs.augment(inputs.images, augmentation), inputs.augment(fakes, augmentation)]
        )
        logits_real, logits_fake = discriminate(both, label_maps.repeat(2, 1, 1)).chunk(2)
        cells = self._counted_cells(label_maps, inputs, augmentation)
        loss = patch_loss(logits_real, cells, real=True)
        return loss + inputs.over_painted(
            augmentation,
            lambda painted: patch_loss(
                logits_fake, self._counted_cells(painted, inputs, augmentation), real=False
            ),
        )

    def p_fake(self, discriminate: Discriminate, batch: Batch) -> float:
        """Return the mean probability of "fake" over the patches of real pairs."""
        logits = discriminate(batch.images, batch.label_maps)
        return float(torch.sigmoid(-logits)[self._cells(batch.label_maps)].mean())

    def _counted_cells(
        self, label_maps: Tensor, inputs: StepInputs, augmentation: Augmentation
    ) -> Tensor:
        if inputs.weights is None:
            return self._cells(label_maps)
        counted = inputs.counted(
            label_maps, num_classes=self.num_classes, augmentation=augmentation
        )
        return counted_cells(counted, cell=self._cell)

    def _cells(self, label_maps: Tensor) -> Tensor:
        return valid_cells(label_maps, num_classes=self.num_classes, cell=self._cell)


def _fill(values: Tensor, cell: int) -> Tensor:
    """Pad with ignored pixels to a multiple of the cell size."""
    H, W = values.shape[2:]
    return F.pad(values, (0, -W % cell, 0, -H % cell))
