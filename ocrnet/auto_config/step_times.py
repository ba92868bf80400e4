"""The seconds of a run, from those of its parts."""

from dataclasses import dataclass

from ocrnet.config import Params


@dataclass(frozen=True)
class StepTimes:
    """Seconds of the parts of a run.

    Args:
        train_s: Seconds of a step of the segmenter.
        gan_s: Seconds of a step of the GAN.
        score_s: Seconds of the scoring of one image.
    """

    train_s: float
    gan_s: float
    score_s: float

    def training_s(self, params: Params, val_images: int) -> float:
        """Return the seconds of one training of the segmenter."""
        validations = -(-params.train.steps // params.train.val_interval)
        return params.train.steps * self.train_s + validations * val_images * self.score_s

    def run_s(self, params: Params, *, val_images: int, test_images: int) -> float:
        """Return the seconds of the trainings of a whole run, with the scoring of the test images.

        Args:
            params: Params of the run.
            val_images: Number of validation images.
            test_images: Number of test images.
        """
        trainings = len(params.seeds) * (1 + len(params.retrain.arms))
        scored = trainings * test_images + 2 * params.synthesize.count
        return (
            trainings * self.training_s(params, val_images)
            + params.train_gan.steps * self.gan_s
            + scored * self.score_s
        )
