"""The results of `benchmarks.low_data` from the scores of its models, as a table."""

from collections.abc import Sequence

from benchmarks.low_data_gan import gan_section
from benchmarks.low_data_groups import Group
from benchmarks.markdown import markdown_table
from ocrnet.config.arms import BASELINE
from ocrnet.errors import DataError
from ocrnet.evaluation.intervals import least_units, shortage_words
from ocrnet.evaluation.scoring import Cell
from ocrnet.evaluation.unit_scores import resampling_units
from ocrnet.evaluation.verdict_text import answer, difference

COPY_PASTE = "copy_paste"


def make_table(fractions: Sequence[Group], variants: Sequence[tuple[Group, str]]) -> str:
    """Return the study as Markdown.

    Args:
        fractions: a group per fraction of the training images.
        variants: a group per variant, each with what it changes in words.

    Raises:
        DataError: no model is done.
    """
    if not any(group.scores for group in fractions):
        raise DataError("No model of the study is done. Run it without --table first.")
    everything = [*fractions, *(group for group, _ in variants)]
    parts = [_notes(fractions, sorted({group.commit for group in everything if group.scores}))]
    for group in fractions:
        parts.append(f"## {group.name}, {_images(group)}\n\n{_told(group)}{_arms_table(group)}")
    for group, words in variants:
        parts.append(f"## Variant {group.name}: {words}\n\n{_told(group)}{_arms_table(group)}")
    parts += _more_images(fractions)
    parts.append(f"## The GAN\n\n{gan_section(everything)}")
    missing = [
        f"{group.name} {cell.name}"
        for group in everything
        for cell in group.models
        if cell not in group.scores
    ]
    if missing:
        parts.append(f"Not done: {', '.join(missing)}.")
    return "\n\n".join(parts) + "\n"


def _arms_table(group: Group) -> str:
    rival = group.result.best_non_gan if group.result else None
    head = ["arm", "mIoU (%)", *(f"seed {seed}" for seed in group.seeds), f"minus {BASELINE}"]
    references = [BASELINE]
    if COPY_PASTE in group.arms:
        head.append(f"minus {COPY_PASTE}")
        references.append(COPY_PASTE)
    if rival is not None:
        head.append(f"minus the best without a GAN ({rival})")
        references.append(rival)
    rows = []
    for arm in filter(group.seeds_of, group.arms):
        each = [group.miou(arm, seed) for seed in group.seeds_of(arm)]
        mean = f"{100 * sum(each) / len(each):.2f}"
        seeds = [
            f"{100 * group.miou(arm, seed):.2f}" if Cell(arm, seed) in group.scores else "-"
            for seed in group.seeds
        ]
        gaps = [group.against(arm, reference) for reference in references]
        told = [difference(gap.miou, gap.unit) if gap else "-" for gap in gaps]
        rows.append([arm, mean, *seeds, *told])
    return markdown_table([head, *rows])


def _told(group: Group) -> str:
    return f"{answer(group.result)}\n\n" if group.result else ""


def _images(group: Group) -> str:
    return "not prepared yet" if group.images is None else f"{group.images} training images"


def _more_images(fractions: Sequence[Group]) -> list[str]:
    """Return what real images in place of pairs gave, at the same steps: no pairs drawn from them can give more."""
    first, *more = sorted(fractions, key=lambda group: group.params.prepare.train_fraction)
    rows = []
    for group in more:
        gap = group.against(BASELINE, BASELINE, of=first)
        if gap is not None:
            rows.append([group.name, _images(group), difference(gap.miou, gap.unit)])
    if not rows:
        return []
    head = [BASELINE, "", f"minus {BASELINE} of {first.name}"]
    return [f"## More real images\n\n{markdown_table([head, *rows])}"]


def _notes(groups: Sequence[Group], commits: Sequence[str]) -> str:
    group = next(group for group in groups if group.scores)
    params, scored = group.params, next(iter(group.scores.values()))
    unit, index = resampling_units(scored.groups)
    units, least = int(index.max()) + 1, least_units(params.evaluate.confidence)
    basis = f"over {units} {unit}, {params.evaluate.bootstrap} resamples, widened by the spread of the seeds"
    if units < least:
        basis = f"but {shortage_words(units, unit, least)}"
    train, gan = params.train, params.train_gan
    size = "own size" if params.prepare.resize is None else "{} x {}".format(*params.prepare.resize)
    crop = "{} x {}".format(*params.data.crop_size)
    return (
        f"{params.model.arch}, {params.model.backbone}, {train.steps} steps of {train.batch_size} crops of {crop} from "
        f"images of {size}; GAN {gan.arch} {gan.preset}, {gan.steps} steps of {gan.batch_size}; "
        f"{params.synthesize.count} pairs. Every arm has the same steps, batch size, schedule and initial weights.\n\n"
        f"{len(scored.ids)} test images. Intervals are {100 * params.evaluate.confidence:g} %, of a paired bootstrap "
        f"{basis}. The best arm without a GAN is that with the highest mean on the test images. "
        f"Commits: {', '.join(commits)}."
    )
