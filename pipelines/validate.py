"""Scan the raw images and label maps into one table and hold it against the expectations.

Also checks all component names of the params, builds the networks that they name, and holds the crops against the
images, so that no stage fails for a typing error an hour later. Data Docs lie in `.state/validate/docs`: their pages
hold times.
"""

import json
import logging
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ocrnet.config import Params
from ocrnet.errors import DataError
from ocrnet.names import check_component_names
from pipelines._stage import STATE, Stage, run_stage

if TYPE_CHECKING:
    import pandas as pd

    from ocrnet.data.findings import Finding
    from pipelines._expectations import Outcome

logger = logging.getLogger(__name__)
SHOWN = 5  # findings of a code on the screen


def validate(stage: Stage) -> None:
    """Scan, check and write what was found.

    Raises:
        DataError: the data cannot be used; a line per finding.
        ParamsError: the params name what there is not, or do not fit the data.
        BundleError: a file of weights that they name cannot be used.
    """
    params = stage.params
    check_component_names(params)
    from ocrnet.data.duplicates import contradiction_lines
    from ocrnet.data.findings import Finding, cap_lines
    from ocrnet.data.label_maps import label_rules
    from ocrnet.data.scan import scan, write_table
    from ocrnet.data.sources import load_source, raw_root
    from ocrnet.data.splits import plan_splits
    from ocrnet.data.summary import first_class_note, summarize

    label_rules(params.data)  # wrong keys are told before any file is read
    work = stage.out / "raw"
    shutil.rmtree(work, ignore_errors=True)
    try:
        items = load_source(params.data.source)(params, work)
    except DataError as error:  # no set at all, so there is nothing to tabulate
        (stage.out / "summary.txt").write_text(f"Raw data refused.\n\n{error}\n")
        raise
    from pipelines._expectations import check_table  # 8 s; what is wrong above is told before

    table = scan(items, params.data, root=raw_root(params, work))
    outcomes = check_table(table, params, docs=STATE / "validate" / "docs")
    plan = plan_splits(table, params)
    findings = _findings(outcomes, table, stage)
    findings += [Finding(line.split()[0], line) for line in plan.refusals]
    notes = [*plan.notes, *contradiction_lines(table), *_group_note(table, stage)]
    write_table(stage.out / "table.csv", table)
    (stage.out / "summary.txt").write_text(
        summarize(table, findings, params, plan=plan, notes=notes)
    )
    _write_outcomes(stage.out / "validation.json", outcomes, findings)
    if note := first_class_note(table, params):
        logger.warning("validate: %s", note)
    logger.info("validate: %d images, %d findings", len(table), len(findings))
    for note in notes[:SHOWN]:
        logger.warning("validate: %s", note)
    if len(notes) > SHOWN:
        place = (stage.out / "summary.txt").as_posix()
        logger.warning("validate: %d more notes in %s", len(notes) - SHOWN, place)
    if findings:
        place = (stage.out / "summary.txt").as_posix()
        raise DataError("\n".join(cap_lines(findings, per_code=SHOWN, place=place)))
    _try_params(table, stage.params)


def _try_params(table: "pd.DataFrame", params: Params) -> None:
    """Hold the params against data that is good: crops against sizes, networks against both."""
    from ocrnet.data.fit import check_crops, seen_sizes

    raw = zip(table["height"].astype(int), table["width"].astype(int), strict=True)
    sizes = seen_sizes(params, raw)
    check_crops(params, sizes)
    from ocrnet.trial import try_extractor, try_segmenter  # torch and timm: ten seconds

    try_segmenter(params, sizes)
    try_extractor(params)


def _findings(outcomes: "list[Outcome]", table: "pd.DataFrame", stage: Stage) -> "list[Finding]":
    from ocrnet.data.findings import describe

    failed = [outcome for outcome in outcomes if not outcome.success]
    findings: list[Finding] = []
    for code in sorted({outcome.code for outcome in failed}):
        ids = sorted({item for outcome in failed if outcome.code == code for item in outcome.ids})
        findings += describe(code, ids, table, stage.params)
    return findings


def _group_note(table: "pd.DataFrame", stage: Stage) -> list[str]:
    """Return a note where names tell of images that belong together and no params do."""
    if stage.params.data.group_by is not None or list(table["group"]) != list(table["id"]):
        return []
    from ocrnet.data.group_names import suggest_group_by

    found = suggest_group_by(list(table["id"]))
    if found is None:
        return []
    one, other = found.examples
    return [
        f"Warning: by their names {one} and {other} show one object or scene, and images of one object in two splits "
        f"make scores too good. Set data.group_by: '{found.pattern}' if it is so."
    ]


def _write_outcomes(path: Path, outcomes: "list[Outcome]", findings: "list[Finding]") -> None:
    content = {
        "success": not findings,
        "findings": [asdict(finding) for finding in findings],
        "expectations": [asdict(outcome) for outcome in outcomes],
    }
    path.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(
        run_stage(
            validate,
            "validate",
            uses=(
                "data",
                "demo",
                "validate",
                "prepare.resize",
                "prepare.val_share",
                "prepare.test_share",
                "prepare.split_seed",
                "model",
                "train.loss",
                "train.scale_range",
                "train_gan.arch",
                "train_gan.preset",
                "train_gan.batch_size",
                "train_gan.crop_size",
                "synthesize.operations",
                "select.extractor",
                "retrain.arms",
            ),
        )
    )
