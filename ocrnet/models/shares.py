"""Shared features: with `model.instances: attention`, a quarter of the channels of each level is for detection.

The semantic heads read the rest. Without, they read all channels.
"""

from torch import Tensor

from ocrnet.models.backbones import Backbone, JoinedBackbone, Levels

ATTENTION = "attention"  # a value of `model.instances`
QUARTER = 4


class SemanticShare:
    """The channels that the semantic heads read.

    Args:
        backbone: Backbone.
        instances: Name in `ocrnet.models.INSTANCES`.

    Attributes:
        channels: Channels of each level of the main head.
        aux_channels: Channels of the auxiliary head; a map that it alone reads is not shared.
    """

    def __init__(self, backbone: Backbone, instances: str) -> None:
        self._is_part = instances == ATTENTION
        every = level_channels(backbone)
        taken = [detection_channels(count) if self._is_part else 0 for count in every]
        self.channels = tuple(count - less for count, less in zip(every, taken, strict=True))
        is_joined = isinstance(backbone, JoinedBackbone)
        self.aux_channels = sum(self.channels) if is_joined else backbone.aux_channels

    def __call__(self, levels: Levels) -> Levels:
        """Return the channels of the semantic heads."""
        if not self._is_part:
            return levels
        own = [level[:, detection_channels(level.shape[1]) :] for level in levels.main]
        return Levels(own if levels.aux is levels.main else levels.aux, own)


def detection_share(levels: list[Tensor]) -> list[Tensor]:
    """Return the channels of detection, level by level."""
    return [level[:, : detection_channels(level.shape[1])] for level in levels]


def detection_channels(count: int) -> int:
    """Return how many of the channels of a level are for detection."""
    return max(1, count // QUARTER)


def level_channels(backbone: Backbone) -> tuple[int, ...]:
    """Return the channels of each level that the main head reads."""
    found: tuple[int, ...] = getattr(backbone, "channels", (backbone.main_channels,))
    return found
