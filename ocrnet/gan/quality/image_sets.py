"""The sets of images whose features are compared."""

from dataclasses import dataclass

from ocrnet.gan.quality.features import FeatureSet


@dataclass(frozen=True)
class ImageSets:
    """The feature vectors that are compared.

    Args:
        synthesized: Vectors of the pairs.
        selected: Vectors of the pairs that were kept; None before selection.
        held_out: Vectors of the generated images of the validation label maps.
        real: Vectors of the training images.
        seen: Vectors of the training images and their mirror images; a generator may repeat either.
        reference: Vectors of the validation images.
    """

    synthesized: FeatureSet
    selected: FeatureSet | None
    held_out: FeatureSet
    real: FeatureSet
    seen: FeatureSet
    reference: FeatureSet

    def painted(self) -> dict[str, FeatureSet]:
        """Return the sets of generated images by name."""
        return {"synthesized": self.synthesized, "held_out": self.held_out}
