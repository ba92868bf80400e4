"""The Great Expectations suite over the scan's table; only validate imports it.

Each expectation has a finding code. The suite decides which rows fail; the texts for a code are
in `ocrnet/raw/findings.py`.
"""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Set before the import, when older releases read it.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.checkpoint import UpdateDataDocsAction
from great_expectations.data_context.types.base import ProgressBarsConfig

from ocrnet.config import Params
from ocrnet.data.stored_labels import LOSSY

for name in ("great_expectations", "great_expectations.data_context.types.base"):
    logging.getLogger(name).setLevel(logging.WARNING)

Expectations = list[
    tuple[str, Any]
]  # codes of findings, and the expectations whose failure they mean


@dataclass(frozen=True)
class ExpectationResult:
    """What one expectation found.

    Args:
        code: Code of the finding that a failure means.
        expectation: Type and arguments of the expectation, as text.
        ids: Ids of the rows that fail; empty if the table as a whole fails.
    """

    code: str
    expectation: str
    success: bool
    ids: tuple[str, ...]


def raw_expectations(params: Params, table: pd.DataFrame) -> Expectations:
    """Return the expectations of images with label maps, which these params ask for."""
    of_objects = _objects(table) if params.data.things else []
    return [
        *_files(params),
        *_images(params),
        *_labels(table),
        *_splits(params, table),
        *of_objects,
    ]


def unlabelled_expectations(params: Params, depths: list[str]) -> Expectations:
    """Return the expectations of images without label maps.

    Args:
        params: Params that set the expectations.
        depths: Value types of the labelled images.
    """
    alike = gxe.ExpectColumnValuesToBeInSet(column="dtype", value_set=depths)
    return [*_images(params), *([("E122", alike)] if depths else [])]


def _files(params: Params) -> Expectations:
    limits = params.validate_
    expectations = [
        ("E123", gxe.ExpectTableRowCountToBeBetween(min_value=limits.min_images)),
        ("E121", gxe.ExpectColumnValuesToBeNull(column="label_error")),
        ("E122", gxe.ExpectColumnUniqueValueCountToBeBetween(column="dtype", max_value=1)),
        ("E114", gxe.ExpectColumnValuesToNotBeNull(column="label_map")),
        *(
            ("E107", gxe.ExpectColumnPairValuesToBeEqual(
                column_A=side, column_B=f"label_{side}", ignore_row_if="either_value_is_missing"
            ))
            for side in ("height", "width")
        ),
        ("E125", gxe.ExpectColumnValuesToBeBetween(
            column="ignored_share", max_value=limits.max_ignored_share
        )),
    ]  # fmt: skip
    if params.data.exif == "error":
        upright = gxe.ExpectColumnValuesToBeInSet(column="label_orientation", value_set=[1.0])
        expectations.append(("E108", upright))
    return expectations


def _images(params: Params) -> Expectations:
    expectations = [
        ("E121", gxe.ExpectColumnValuesToBeNull(column="image_error")),
        ("E124", gxe.ExpectColumnValuesToBeBetween(column="pixels", max_value=params.data.max_pixels)),
    ]  # fmt: skip
    if params.data.exif == "error":
        upright = gxe.ExpectColumnValuesToBeInSet(column="orientation", value_set=[1.0])
        expectations.append(("E108", upright))
    if params.data.extra_bands == "error":
        expectations.append(
            ("E110", gxe.ExpectColumnValuesToBeBetween(column="extra_bands", max_value=0))
        )
    if params.data.alpha == "error":
        opaque = gxe.ExpectColumnValuesToBeBetween(column="transparent_px", max_value=0)
        expectations.append(("E111", opaque))
    if params.data.value_range is None:
        eight_bit = gxe.ExpectColumnValuesToBeInSet(column="dtype", value_set=["uint8"])
        expectations.append(("E109", eight_bit))
    return expectations


def _labels(table: pd.DataFrame) -> Expectations:
    expectations = [
        ("E105", gxe.ExpectColumnValuesToNotBeInSet(column="label_format", value_set=LOSSY)),
        ("E106", gxe.ExpectColumnValuesToBeBetween(column="palette_apart", max_value=0)),
        ("E101", gxe.ExpectColumnValuesToBeBetween(column="unknown_ids", max_value=0)),
        ("E104", gxe.ExpectColumnValuesToBeBetween(column="unknown_colours", max_value=0)),
    ]
    if table["other_pixels"].notna().any():  # if no label map was read, E114 or E121 report it
        learnable = gxe.ExpectColumnMaxToBeBetween(column="other_pixels", min_value=1)
        expectations.append(("E102", learnable))
    return expectations


def _splits(params: Params, table: pd.DataFrame) -> Expectations:
    expectations: Expectations = [
        ("E113", gxe.ExpectColumnValuesToBeBetween(column="group_elsewhere", max_value=0))
    ]
    if not params.data.allow_duplicates:
        copies = gxe.ExpectColumnValuesToBeBetween(column="copies_elsewhere", max_value=0)
        expectations.append(("E113", copies))
    if table["split"].notna().any():
        splits = gxe.ExpectColumnDistinctValuesToEqualSet(
            column="split", value_set=["train", "val", "test"]
        )
        expectations.append(("E126", splits))
    return expectations


def _objects(table: pd.DataFrame) -> Expectations:
    """Return what maps that number objects must keep; without any, objects are connected components."""
    if not table["instances"].notna().any():
        return []
    return [
        ("E145", gxe.ExpectColumnValuesToNotBeNull(column="instances")),
        ("E141", gxe.ExpectColumnValuesToBeNull(column="instances_error")),
        *(
            ("E142", gxe.ExpectColumnPairValuesToBeEqual(
                column_A=f"instances_{side}", column_B=f"label_{side}",
                ignore_row_if="either_value_is_missing",
            ))
            for side in ("height", "width")
        ),
        ("E143", gxe.ExpectColumnValuesToBeBetween(column="unnumbered_px", max_value=0)),
        ("E144", gxe.ExpectColumnValuesToBeBetween(column="mixed_objects", max_value=0)),
    ]  # fmt: skip


def check_table(
    table: pd.DataFrame, expectations: Expectations, *, docs: Path
) -> list[ExpectationResult]:
    """Run expectations as a checkpoint, write its Data Docs and return what each expectation found.

    Args:
        table: Table of the scan.
        expectations: Expectations of the table, with their codes.
        docs: Folder of the Data Docs.

    Raises:
        RuntimeError: An expectation could not be computed. Great Expectations reports that as a
            failure of the data, which it is not.
    """
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_or_update_pandas("raw").add_dataframe_asset("table")
    suite = gx.ExpectationSuite(name="raw")
    for code, expectation in expectations:
        expectation.meta = {"code": code}
        suite.add_expectation(expectation)
    definition = gx.ValidationDefinition(
        name="raw",
        data=asset.add_batch_definition_whole_dataframe("all"),
        suite=context.suites.add(suite),
    )
    context.add_data_docs_site("validate", _docs_site(docs))
    checkpoint = context.checkpoints.add(
        gx.Checkpoint(
            name="raw",
            validation_definitions=[context.validation_definitions.add(definition)],
            actions=[UpdateDataDocsAction(name="docs", site_names=["validate"])],
            result_format={
                "result_format": "COMPLETE",
                "unexpected_index_column_names": ["id"],
            },
        )
    )
    result = checkpoint.run(batch_parameters={"dataframe": table})
    (run,) = result.run_results.values()
    return sorted(map(_result_of, run.results), key=lambda result: result.expectation)


def _docs_site(docs: Path) -> dict[str, Any]:
    return {
        "class_name": "SiteBuilder",
        "store_backend": {
            "class_name": "TupleFilesystemStoreBackend",
            "base_directory": str(docs.absolute()),
        },
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }


def _result_of(result: Any) -> ExpectationResult:
    config = result.expectation_config
    _raise_exception(config.type, result.exception_info)
    kwargs = {name: value for name, value in sorted(config.kwargs.items()) if name != "batch_id"}
    rows = result.result.get("unexpected_index_list") or []
    return ExpectationResult(
        code=config.meta["code"],
        expectation=f"{config.type}({', '.join(f'{k}={v!r}' for k, v in kwargs.items())})",
        success=bool(result.success),
        ids=tuple(sorted(str(row["id"]) for row in rows)),
    )


def _raise_exception(name: str, info: dict[str, Any]) -> None:
    # One entry if the expectation itself failed, otherwise one per metric.
    for entry in [info] if "raised_exception" in info else info.values():
        if entry["raised_exception"]:
            raise RuntimeError(f"{name} could not be computed: {entry['exception_traceback']}")
