"""The design `pix2pix`: a conditional PatchGAN and L1 (arXiv:1611.07004), written from the formulas.

With x a real image, t its label map, x' = G(z, t), < > the mean over patches that are not all ignored and
<< >> the mean over the channels of pixels that are not ignored:

    L_D = < softplus(-D(t, x)) > + < softplus(D(t, x')) >
    L_G = < softplus(-D(t, x')) > + weight * << |x - x'| >>

Differs from the paper: the generator is the one of `oasis`, whose label map modulates every layer (the norms of a U-Net
wash out the label of a large region, and its noise is dropout), fed with z; the discriminator has spectral
norm in place of batch norm; ignored pixels are blank to it in real and fake alike, so that they change no loss.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ocrnet.config import TrainGanParams
from ocrnet.distributed.ranks import sum_over_ranks
from ocrnet.gan.generator.layers import SLOPE, normed_conv
from ocrnet.gan.generator.network import one_hot
from ocrnet.gan.generator.presets import PRESETS, Preset
from ocrnet.gan.training.batches import Batch
from ocrnet.gan.training.objective import Design, Judge, Scene
from ocrnet.gan.training.objectives import valid_pixels

LEVELS = slice(
    1, 5
)  # of the preset's discriminator; all of these but the last halve the resolution


def cell_side(preset: Preset) -> int:
    """Return the height and width in pixels of the cell of one logit."""
    return 1 << (len(preset.discriminator[LEVELS]) - 1)


class PatchDiscriminator(nn.Module):
    """Label map and image to a logit per patch, above 0 for "real"; for any height and width.

    A patch is 26 pixels wide with three levels and 54 with four; there is one per cell of 4 or 8 pixels each way.

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
        """Return logits, one per cell; a cell that leaves the image counts too.

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
    """Return which cells have a pixel that is not ignored."""
    valid = valid_pixels(label_maps, num_classes=num_classes).float().unsqueeze(1)
    return F.max_pool2d(_fill(valid, cell), cell).squeeze(1) > 0


def patch_loss(
    logits: Float[Tensor, "B h w"], cells: Bool[Tensor, "B h w"], *, real: bool
) -> Float[Tensor, ""]:
    """Return the mean cross entropy of valid cells towards "real" or "fake", over the images of all processes."""
    losses = F.softplus(-logits if real else logits)
    total = torch.where(cells, losses, 0.0).sum()
    return sum_over_ranks(total) / sum_over_ranks(cells.sum()).clamp(min=1)


def l1_loss(
    fakes: Float[Tensor, "B C H W"], images: Float[Tensor, "B C H W"], valid: Bool[Tensor, "B H W"]
) -> Float[Tensor, ""]:
    """Return the mean absolute difference of valid pixels, over the images of all processes."""
    differences = torch.where(valid, (fakes - images).abs().mean(dim=1), 0.0)
    return sum_over_ranks(differences.sum()) / sum_over_ranks(valid.sum()).clamp(min=1)


class Pix2Pix(Design):
    """A conditional PatchGAN with L1.

    Args:
        num_classes: Number of classes K, without the ignored id.
        params: Parameters of the training.
    """

    def __init__(self, num_classes: int, params: TrainGanParams) -> None:
        super().__init__(num_classes, params)
        self._cell = cell_side(PRESETS[params.preset])

    def build_discriminator(self, preset: Preset) -> nn.Module:
        """Return an untrained discriminator."""
        return PatchDiscriminator(self.num_classes, preset)

    def generator_loss(
        self, judge: Judge, fakes: Float[Tensor, "B 3 H W"], scene: Scene
    ) -> Float[Tensor, ""]:
        """Return L_G; L1 compares images as they are, before the discriminator's framing and colours."""
        framing = scene.frame()
        label_maps = framing.label(scene.label_maps)
        logits = judge(scene.show(fakes, framing), label_maps)
        valid = valid_pixels(scene.label_maps, num_classes=self.num_classes)
        l1 = l1_loss(fakes, scene.images, valid)
        return patch_loss(logits, self._cells(label_maps), real=True) + self.params.l1_weight * l1

    def discriminator_loss(
        self, judge: Judge, fakes: Float[Tensor, "B 3 H W"], scene: Scene
    ) -> Float[Tensor, ""]:
        """Return L_D."""
        framing = scene.frame()
        label_maps = framing.label(scene.label_maps)
        shown = torch.cat([scene.show(scene.images, framing), scene.show(fakes, framing)])
        logits_real, logits_fake = judge(shown, label_maps.repeat(2, 1, 1)).chunk(2)
        cells = self._cells(label_maps)
        loss = patch_loss(logits_real, cells, real=True)
        return loss + patch_loss(logits_fake, cells, real=False)

    def p_fake(self, judge: Judge, batch: Batch) -> float:
        """Return the mean probability of "fake" of the patches of real pairs."""
        logits = judge(batch.images, batch.label_maps)
        return float(torch.sigmoid(-logits)[self._cells(batch.label_maps)].mean())

    def _cells(self, label_maps: Tensor) -> Tensor:
        return valid_cells(label_maps, num_classes=self.num_classes, cell=self._cell)


def _fill(values: Tensor, cell: int) -> Tensor:
    """Fill up to whole cells with pixels that are ignored."""
    H, W = values.shape[2:]
    return F.pad(values, (0, -W % cell, 0, -H % cell))
