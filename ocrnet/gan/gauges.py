"""Numbers that tell while a GAN trains whether it overfits, collapses or learns the classes."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from ocrnet.gan.discriminator import FAKE, Discriminator
from ocrnet.gan.generator import Generator, draw_z
from ocrnet.gan.objectives import valid_pixels
from ocrnet.gan.pairs import Batch
from ocrnet.metrics import confusion_matrix, miou
from ocrnet.runtime import keyed_generator

MIN_DIVERSITY = 0.005  # mean absolute difference on [0, 1] below which two styles count as one


@torch.no_grad()
def measure(
    generator: Generator, discriminator: Discriminator, *, train: Batch, val: Batch
) -> Mapping[str, float]:
    """Measure a GAN on real pairs that it trained on and on real pairs that it never saw.

    Returns:
        gan/p_fake_train, gan/p_fake_val: how fake the discriminator finds real images. It overfits as the second
            leaves the first behind.
        gan/d_mIoU: of the discriminator's classes on held-out real images, its "fake" left out.
        gan/diversity: the mean absolute difference, on [0, 1], of two paintings of one held-out label map. At 0 the
            generator has collapsed to one style.
    """
    was_training = discriminator.training
    discriminator.eval()
    device = next(discriminator.parameters()).device
    scores = {
        f"gan/p_fake_{name}": _p_fake(discriminator(batch.images.to(device)), batch)
        for name, batch in (("train", train), ("val", val))
    }
    scores["gan/d_mIoU"] = _d_miou(discriminator(val.images.to(device)), val)
    scores["gan/diversity"] = diversity(generator, val)
    discriminator.train(was_training)
    return scores


@torch.no_grad()
def diversity(generator: Generator, batch: Batch) -> float:
    """Return the mean absolute difference, on [0, 1], of two paintings of each label map that differ in z alone."""
    device = next(generator.parameters()).device
    B, H, W = batch.label_maps.shape
    first, second = (
        generator(
            batch.label_maps.to(device),
            draw_z(generator.preset, (H, W), count=B, generator=keyed_generator("gan-gauge", i)).to(
                device
            ),
        )
        for i in range(2)
    )
    return float((first - second).abs().mean() / 2)


def _p_fake(logits: Float[Tensor, "B K1 H W"], batch: Batch) -> float:
    valid = valid_pixels(batch.label_maps, num_classes=logits.shape[1] - 1).to(logits.device)
    return float(logits.softmax(dim=1)[:, FAKE][valid].mean())


def _d_miou(logits: Float[Tensor, "B K1 H W"], batch: Batch) -> float:
    num_classes = logits.shape[1] - 1
    valid = valid_pixels(batch.label_maps, num_classes=num_classes)
    predicted = logits[:, FAKE + 1 :].argmax(dim=1).cpu()
    confusion = confusion_matrix(
        predicted[valid].numpy(),
        batch.label_maps[valid].numpy(),
        num_classes=num_classes,
        ignore_index=-1,
    )
    return float(miou(confusion))
