"""The GANs of `train_gan.arch`; one line in `DESIGNS` each, and the table costs no torch.

| design | the discriminator | its losses |
|---|---|---|
| oasis | names the class of every pixel, or calls it fake; sees the image alone | cross entropy by class, LabelMix |
| pix2pix | calls patches real or fake; sees the label map and the image | non-saturating, and L1 to the real image |

Both train the same generator, so they differ only in the discriminator and its losses.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ocrnet.gan.training.objective import Design

DESIGNS = {
    "oasis": "ocrnet.gan.training.oasis:Oasis",
    "pix2pix": "ocrnet.gan.training.pix2pix:Pix2Pix",
}


def design_class(arch: str) -> "type[Design]":
    """Return a design.

    Raises:
        ValueError: The name is unknown.
    """
    if arch not in DESIGNS:
        raise ValueError(f"train_gan.arch {arch!r} is unknown. Known: {', '.join(DESIGNS)}.")
    module, name = DESIGNS[arch].split(":")
    found: type[Design] = getattr(import_module(module), name)
    return found
