"""The work of `validate`: scan the raw data, check it against the expectations, and report in `data/validate`."""

import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pandas as pd

from ocrnet.config import Params
from ocrnet.errors import DataError
from ocrnet.preflight.sizes import check_crops, seen_sizes
from ocrnet.raw.duplicates import contradiction_lines
from ocrnet.raw.findings import Finding, cap_lines, describe
from ocrnet.raw.groups import suggest_group_by
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.label_maps import label_rules
from ocrnet.raw.scan import scan_files, write_table
from ocrnet.raw.sources import RawItem, find_items, raw_roots
from ocrnet.raw.splits import UNLEARNED, SplitPlan, plan_splits
from ocrnet.raw.summary import first_class_note, summarize
from pipelines._raw.check_unlabelled import check_unlabelled
from pipelines._stage.fingerprint import STATE
from pipelines._stage.stage import Stage

if TYPE_CHECKING:
    from pipelines._raw.expectations import ExpectationResult

logger = logging.getLogger(__name__)
SHOWN = 5  # the number of findings of each code, and of notes, on the screen


@dataclass(frozen=True)
class RawCheck:
    """What the checks of a scan found: results of the expectations, the plan of the splits, findings, notes."""

    results: "list[ExpectationResult]"
    plan: SplitPlan
    findings: list[Finding]
    notes: list[str]


def check_raw_data(stage: Stage) -> pd.DataFrame:
    """Write `table.csv`, `validation.json` and `summary.txt`, and return the table of the raw files.

    Raises:
        DataError: The data cannot be used; the message has a line per finding.
        ParamsError: Keys of `data.label_map` are wrong.
    """
    params = stage.params
    label_rules(params.data)  # report wrong keys before any file is read
    work = stage.out / "raw"
    shutil.rmtree(work, ignore_errors=True)
    inventory = Inventory(Path(params.data.path))
    items = _find_items(stage, work, inventory)
    scanned = scan_files(
        [item for item in items if not item.is_unlabelled],
        params.data,
        roots=raw_roots(params.data.source, inventory.root, work),
    )
    table = scanned.table
    docs = STATE / "validate" / "docs"
    checked = check_scan(table, params, inventory, docs=docs)
    beside = check_unlabelled(
        [item for item in items if item.is_unlabelled], scanned, checked.plan, params, docs=docs
    )
    findings, notes = [*checked.findings, *beside.findings], checked.notes
    write_table(stage.out / "table.csv", table)
    beside.write(stage.out)
    text = summarize(
        table, findings, params, plan=checked.plan, notes=notes, unlabelled=beside.table
    )
    account = "\n".join(inventory.lines())
    (stage.out / "summary.txt").write_text(f"{text}\n{account}\n")
    _write_results(stage.out / "validation.json", [*checked.results, *beside.results], findings)
    logger.info("validate: %d images, %d findings", len(table), len(findings))
    if len(beside.table):
        logger.info("validate: %d unlabelled images", len(beside.table))
    _warn(notes, stage)
    if findings:
        _refuse(stage, findings)
    return table


def check_scan(
    table: pd.DataFrame, params: Params, inventory: Inventory, *, docs: Path
) -> RawCheck:
    """Check the table of the raw files against the expectations, and plan the splits.

    Args:
        table: Table of the scan.
        params: Params that the data is compared with.
        inventory: Inventory of the raw folder, with its findings.
        docs: Folder for the Data Docs.
    """
    from pipelines._raw.expectations import (  # 8 s: earlier errors first
        check_table,
        raw_expectations,
    )

    results = check_table(table, raw_expectations(params, table), docs=docs)
    plan = plan_splits(table, params)
    findings = [*_named(inventory.findings), *_failed(results, table, params)]
    notes = _notes(() if findings else plan.notes, table, params)
    # The classes of a split are unknown while label maps are wrong.
    findings += _named(
        [line for line in plan.refusals if not (findings and line.startswith(UNLEARNED))]
    )
    findings.sort(key=lambda finding: finding.code)  # stable: findings of one code keep their order
    return RawCheck(results, plan, findings, notes)


def try_params(table: pd.DataFrame, params: Params) -> None:
    """Try the params on valid data: crops on the sizes, networks on both.

    Raises:
        ParamsError: The params name something that does not exist, or do not fit the data.
        BundleError: A file of weights in the params cannot be used.
    """
    raw = zip(table["height"].astype(int), table["width"].astype(int), strict=True)
    sizes = seen_sizes(params, raw)
    check_crops(params, sizes)
    from ocrnet.preflight.networks import (  # torch and timm: ten seconds
        try_extractor,
        try_segmenter,
    )

    try_segmenter(params, sizes)
    try_extractor(params)


def _find_items(stage: Stage, work: Path, inventory: Inventory) -> list[RawItem]:
    """Return the items that the source finds.

    Raises:
        DataError: The files do not form a set; the summary lists what was found so far.
    """
    try:
        return find_items(stage.params, work, inventory)
    except DataError as error:
        inventory.leave_rest("not checked, because the set was refused before")
        findings = _named(str(error).splitlines())
        messages = [finding.message for finding in findings]
        text = "\n".join(["Raw data refused.", "", *messages, "", *inventory.lines()])
        (stage.out / "summary.txt").write_text(text + "\n")
        _refuse(stage, findings)


def _named(lines: Sequence[str]) -> list[Finding]:
    """Turn lines that begin with their code into findings."""
    return [Finding(line.split()[0], line) for line in lines]


def _failed(
    results: "list[ExpectationResult]", table: pd.DataFrame, params: Params
) -> list[Finding]:
    """Return the findings of the expectations that failed."""
    failed = [result for result in results if not result.success]
    findings: list[Finding] = []
    for code in sorted({result.code for result in failed}):
        ids = sorted({item for result in failed if result.code == code for item in result.ids})
        findings += describe(code, ids, table, params)
    return findings


def _notes(of_splits: Sequence[str], table: pd.DataFrame, params: Params) -> list[str]:
    """Return notes for the user; none of them refuses the set."""
    first = first_class_note(table, params)
    return [
        *([first] if first else []),
        *of_splits,
        *contradiction_lines(table),
        *_group_note(table, params),
    ]


def _group_note(table: pd.DataFrame, params: Params) -> list[str]:
    """Return a note if the names, but not the params, group images that belong together."""
    if params.data.group_by is not None or list(table["group"]) != list(table["id"]):
        return []
    found = suggest_group_by(list(table["id"]))
    if found is None:
        return []
    one, other = found.examples
    return [
        f"Warning: the names of {one} and {other} suggest one object or scene. Images of one object in two splits "
        f"make scores too good. If the names are right, set data.group_by: '{found.pattern}'."
    ]


def _warn(notes: Sequence[str], stage: Stage) -> None:
    for note in notes[:SHOWN]:
        logger.warning("validate: %s", note)
    if len(notes) > SHOWN:
        place = (stage.out / "summary.txt").as_posix()
        logger.warning("validate: %d more notes in %s", len(notes) - SHOWN, place)


def _refuse(stage: Stage, findings: list[Finding]) -> NoReturn:
    """Raise the findings, a line each."""
    place = (stage.out / "summary.txt").as_posix()
    raise DataError("\n".join(cap_lines(findings, per_code=SHOWN, place=place)))


def _write_results(path: Path, results: "list[ExpectationResult]", findings: list[Finding]) -> None:
    content = {
        "success": not findings,
        "findings": [asdict(finding) for finding in findings],
        "expectations": [asdict(result) for result in results],
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
