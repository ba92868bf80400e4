"""Stage `pseudo_label@SEED`: the baseline labels the unlabelled images, for the arms with `self_training` and the GAN.

If no arm of `retrain.arms` has it and `train_gan.pairs` does not name its pairs, or the set has no unlabelled image,
the stage loads no model and writes a manifest without pairs, which is always the same, so that no other arm depends on
what it would have written.
"""

import sys
from pathlib import Path

from ocrnet.config import Params
from ocrnet.config.arms import uses_pseudo_labels
from pipelines._stage.stage import Stage, run_stage

PREPARED = Path("data/prepare")


def pseudo_label(stage: Stage) -> None:
    """Label the images for the trainings of one seed."""
    from ocrnet.data.manifest import ClassTable
    from ocrnet.data.pseudo_shares import PAIRS
    from ocrnet.self_training.pairs import write_no_pairs

    ClassTable.read(
        PREPARED
    )  # a set that is not prepared is an error, also where nothing is to be labelled
    if not is_needed(stage.params, PREPARED):
        write_no_pairs(stage.out / PAIRS)
        return
    recorder = stage.start_record()
    from ocrnet.inference.ensemble import load_segmenters
    from ocrnet.inference.scoring_protocol import ScoringProtocol
    from ocrnet.runtime import pick_device
    from ocrnet.self_training.label_images import label_images

    own, scoring = stage.params.pseudo_label, stage.params.evaluate
    # Views that disagree lower the confidence only in a mean of probabilities.
    protocol = ScoringProtocol(
        scoring.window,
        scoring.overlap,
        own.scales,
        own.flip,
        merge="softmax_mean",
        window_weights=scoring.window_weights,
    )
    (seed,) = stage.cell
    segmenter = load_segmenters(
        *baselines(stage.params, int(seed)), device=str(pick_device()), protocol=protocol
    )
    label_images(PREPARED, own, segmenter=segmenter, out=stage.out, recorder=recorder)


def is_needed(params: Params, prepared: Path) -> bool:
    """Return whether an arm or the GAN asks for pseudo-labels and the set has unlabelled images."""
    from ocrnet.data.unlabelled import has_unlabelled

    asked = params.train_gan.sees_unlabelled or any(map(uses_pseudo_labels, params.retrain.arms))
    return asked and has_unlabelled(prepared)


def baselines(params: Params, seed: int) -> list[Path]:
    """Return the folders of the baselines that label for one seed."""
    seeds = params.seeds if params.pseudo_label.ensemble else (seed,)
    return [Path("data/train", str(one)) for one in seeds]


if __name__ == "__main__":
    sys.exit(run_stage(pseudo_label, "pseudo_label"))
