"""Sizes of the two networks, one line per preset."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """The sizes of a generator and its discriminator.

    Args:
        generator: Channels per resolution, coarse to fine; each but the first doubles the resolution.
        discriminator: Channels per resolution, fine to coarse; each but the first halves the resolution.
        embedding: Channels of the label-map embedding that all norms of a resolution share.
        kernel: Kernel size of the convolutions from the embedding to gamma and beta.
        z_dim: Channels of the noise z.
        grain_dim: Number of the last channels of z, which are drawn per pixel, not per image.
    """

    generator: tuple[int, ...]
    discriminator: tuple[int, ...]
    embedding: int
    kernel: int
    z_dim: int
    grain_dim: int

    @property
    def multiple(self) -> int:
        """The factor that the padded height and width of the generator are multiples of."""
        return 1 << (len(self.generator) - 1)


PRESETS: dict[str, Preset] = {
    "cpu-demo": Preset((64, 64, 32, 16), (16, 32, 64, 96), 16, 1, 16, 4),
    "small": Preset((256, 256, 256, 128, 64, 32), (32, 64, 128, 256, 256), 64, 3, 64, 8),
    "full": Preset((1024, 1024, 512, 256, 128, 64), (64, 128, 128, 256, 256, 512), 128, 3, 64, 8),
}
