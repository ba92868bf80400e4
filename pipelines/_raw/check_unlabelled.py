"""The checks of the unlabelled images: those of any image, and that none shows what val or test shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ocrnet.config import Params
from ocrnet.raw.findings import Finding, describe
from ocrnet.raw.scan import Scan, scan_files, write_table
from ocrnet.raw.sources import RawItem, Roots
from ocrnet.raw.splits import SplitPlan
from ocrnet.raw.unlabelled import NONE_FOUND, OVERLAP, none_found_lines, overlap_lines

if TYPE_CHECKING:
    from pipelines._raw.expectations import ExpectationResult

UNLABELLED_TABLE = "unlabelled.csv"


@dataclass(frozen=True)
class UnlabelledCheck:
    """The scan of the unlabelled images, the results of its expectations, and the findings."""

    table: pd.DataFrame
    results: "list[ExpectationResult]"
    findings: list[Finding]

    def write(self, folder: Path) -> None:
        """Write the table, or remove that of an earlier run if there are no images."""
        path = folder / UNLABELLED_TABLE
        if self.table.empty:
            path.unlink(missing_ok=True)
        else:
            write_table(path, self.table)


def check_unlabelled(
    items: Sequence[RawItem], labelled: Scan, plan: SplitPlan, params: Params, *, docs: Path
) -> UnlabelledCheck:
    """Scan and check the unlabelled images; without any, nothing is read, but an arm may need them.

    Args:
        items: Unlabelled items.
        labelled: Scan of the others.
        plan: Splits of the others.
        params: Params that the images are compared with.
        docs: Folder for the Data Docs; those of the unlabelled images are in a folder below it.
    """
    lacking = [Finding(NONE_FOUND, line) for line in none_found_lines(len(items), params)]
    if not items:
        return UnlabelledCheck(labelled.table[:0], [], lacking)
    from pipelines._raw.expectations import check_table, unlabelled_expectations

    root = Path(params.data.path)
    scanned = scan_files(items, params.data, roots=Roots(root, root))
    table = labelled.table
    expectations = unlabelled_expectations(params, sorted(table["dtype"].dropna().unique()))
    results = check_table(scanned.table, expectations, docs=docs / "unlabelled")
    together = pd.concat([table, scanned.table], ignore_index=True)
    findings = [
        finding
        for code in sorted({result.code for result in results if not result.success})
        for finding in describe(
            code, [item for result in results if result.code == code for item in result.ids],
            together, params,
        )
    ]  # fmt: skip
    lines = overlap_lines(
        scanned.table,
        table.assign(split=plan.split_column(table)),
        {**labelled.thumbnails, **scanned.thumbnails},
        by_group=params.data.group_by is not None,
    )
    findings += [Finding(OVERLAP, line) for line in lines]
    return UnlabelledCheck(scanned.table, results, findings)
