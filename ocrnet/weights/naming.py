"""Our name of each entry of a recognised file."""

from collections.abc import Collection, Mapping

from ocrnet.models.layers import flat_name, flat_name_of_level
from ocrnet.weights.formats import OURS, Format

# The three convolutions and norms of a deep stem, as timm numbers them.
DEEP_STEM = ("conv1.0", "conv1.1", "conv1.3", "conv1.4", "conv1.6", "bn1")
BY_NAME = ("conv1", "bn1", "conv2", "bn2", "conv3", "bn3")
BY_INDEX = ("stem.0", "stem.1", "stem.3", "stem.4", "stem.6", "stem.7")


class Naming:
    """The names of one file in one model.

    Args:
        format_: Format of the file.
        names: All names in the file, bare.
        own: All names in the model.
    """

    def __init__(self, format_: Format, names: Collection[str], own: Collection[str]) -> None:
        self._format = format_
        self.backbone = backbone_prefix(own)
        inside = [name.removeprefix(self.backbone) for name in own if self._is_ours(name)]
        self._by_flat_name = {flat_name_of_level(name): name for name in inside}
        # The names of a backbone alone may be bare or have the prefix of whole models.
        bare = not any(name.startswith(format_.backbone) for name in names)
        self._prefix = "" if bare else format_.backbone
        self._stem = _stem({name.removeprefix(self._prefix) for name in names}, inside)

    def ours(self, name: str) -> str | None:
        """Return our name of an entry, or None if it cannot have one. The model need not have an entry of this name."""
        if self._format is OURS:
            return name
        module, _, leaf = name.rpartition(".")
        if module in self._format.modules:
            return f"{self._format.modules[module]}.{leaf}"
        if not name.startswith(self._prefix):
            return None
        module, _, leaf = name.removeprefix(self._prefix).rpartition(".")
        # A weight of the whole network, such as the positions of a transformer, has no module.
        inside = f"{self._stem.get(module, module)}.{leaf}" if module else leaf
        return self.backbone + self._by_flat_name.get(flat_name(inside), inside)

    def _is_ours(self, name: str) -> bool:
        return bool(self.backbone) and name.startswith(self.backbone)


def backbone_prefix(own: Collection[str]) -> str:
    """Return the prefix of a model's backbone entries; empty if it has no backbone."""
    for prefix in ("backbone.net.", "backbone."):
        if any(name.startswith(prefix) for name in own):
            return prefix
    return ""


def _stem(theirs: Collection[str], ours: Collection[str]) -> Mapping[str, str]:
    """Return our names of the modules of a ResNet's stem."""
    if "resinit.conv3.weight" in theirs:  # openseg, deep
        return dict(zip((f"resinit.{name}" for name in BY_NAME), DEEP_STEM, strict=True))
    if "resinit.conv1.weight" in theirs:  # openseg, one 7x7
        return {"resinit.conv1": "conv1", "resinit.bn1": "bn1"}
    if "stem.0.weight" in theirs and "conv1.0.weight" in ours:  # mmseg's ResNetV1c
        return dict(zip(BY_INDEX, DEEP_STEM, strict=True))
    if (
        "conv3.weight" in theirs and "conv1.0.weight" in ours
    ):  # ImageNet files that openseg starts from
        return dict(zip(BY_NAME, DEEP_STEM, strict=True))
    return {}
