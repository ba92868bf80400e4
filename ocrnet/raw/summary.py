"""The summary of the scan in plain text, for a person."""

import json
from collections import Counter
from collections.abc import Sequence

import pandas as pd

from ocrnet.config import Params
from ocrnet.data.manifest import SPLITS, pixel_columns
from ocrnet.raw.findings import Finding
from ocrnet.raw.label_maps import LabelRules, label_rules, parse_raw_value
from ocrnet.raw.splits import SplitPlan, plan_splits

MAX_ROWS = 40  # raw values listed


def summarize(
    table: pd.DataFrame,
    findings: Sequence[Finding],
    params: Params,
    *,
    plan: SplitPlan | None = None,
    notes: Sequence[str] = (),
    unlabelled: pd.DataFrame | None = None,
) -> str:
    """Return the summary: decision, findings and notes first, then the contents of the set.

    Args:
        table: Table of the scan.
        findings: Findings of all checks.
        params: Params that the data was compared with.
        plan: Plan of the splits; by default the result of `plan_splits`.
        notes: Remarks for the user, one line each.
        unlabelled: Scan of the unlabelled images; None if there are none.
    """
    plan = plan or plan_splits(table, params)
    verdict = "passed" if not findings else f"refused, {len(findings)} findings"
    lines = [
        f"Raw data of source {params.data.source}: {len(table)} images, {verdict}.",
        "Paths are relative to data.path, or to data/validate/raw where the source draws its images.",
        "",
    ]
    for finding in findings:
        lines.append(finding.message)
    lines += notes
    if findings or notes:
        lines.append("")
    divided = table.assign(split=plan.split_column(table), group=plan.groups)
    sections = (
        _contents(table, params), _splits(divided, table), _values(table, params), _classes(divided, params),
    )  # fmt: skip
    for section in sections:
        lines += [*section, ""]
    if unlabelled is not None and len(unlabelled):
        lines += [*_unlabelled(unlabelled), ""]
    return "\n".join(lines).rstrip() + "\n"


def _contents(table: pd.DataFrame, params: Params) -> list[str]:
    readable = table[table["kind"].notna()]
    sizes = Counter(
        f"{height:.0f} x {width:.0f}"
        for height, width in zip(readable["height"], readable["width"], strict=True)
    )
    copies = table[table["copy_of"] != ""]
    lines = [
        f"Images: {_counts(readable['kind'])}; {_counts(readable['image_format'])}.",
        f"Sizes (height x width): {_top(sizes)}.",
        f"Label maps: {_counts(table['label_format'].dropna())}.",
        f"Pictures with duplicates: {copies['copy_of'].nunique()}.",
    ]
    rotated = int((readable["orientation"] != 1).sum())
    if rotated:
        lines.append(f"Images with a rotation flag: {rotated}; data.exif is {params.data.exif}.")
    lines += _beyond_rgb(readable, params)
    if readable["kind"].nunique() > 1:
        lines.append("Note: gray and colour images are mixed; gray ones become RGB.")
    return lines


def _unlabelled(table: pd.DataFrame) -> list[str]:
    readable = table[table["kind"].notna()]
    sizes = Counter(
        f"{height:.0f} x {width:.0f}"
        for height, width in zip(readable["height"], readable["width"], strict=True)
    )
    return [
        f"Unlabelled images: {len(table)}, for training alone; {_counts(readable['kind'])}.",
        f"Their sizes (height x width): {_top(sizes)}.",
    ]


def first_class_note(table: pd.DataFrame, params: Params) -> str:
    """Return a line if no pixel is of the first class, as in label maps whose ids start at 1."""
    classes = params.data.classes
    if not (table[pixel_columns(classes)[0]].sum() == 0 and table["other_pixels"].sum() > 0):
        return ""
    line = f"the whole set has no pixel of the first class {classes[0]!r}."
    values = {key for text in table["values"].dropna() for key in json.loads(text)}
    if values & {str(i) for i in range(1, len(classes))}:
        counted = ", ".join(f"{i}: {name}" for i, name in enumerate(classes, start=1))
        line += f" If the ids start at 1, set data.label_map: {{{counted}}}."
    return line


def _beyond_rgb(readable: pd.DataFrame, params: Params) -> list[str]:
    """Return lines about the bands of images beyond red, green and blue, and their use."""
    lines = []
    for count, rows in readable[readable["extra_bands"] > 0].groupby("bands"):
        used = 1 if rows["kind"].str.endswith("gray").all() else 3
        lines.append(
            f"Images with {count:.0f} bands: {len(rows)}; {used} of them are used; data.extra_bands is "
            f"{params.data.extra_bands}."
        )
    if clear := int((readable["transparent_px"] > 0).sum()):
        lines.append(f"Images with transparent pixels: {clear}; data.alpha is {params.data.alpha}.")
    opaque = int(((readable["has_alpha"] > 0) & (readable["transparent_px"] == 0)).sum())
    if opaque:
        lines.append(f"Images with alpha that is opaque everywhere: {opaque}; it is dropped.")
    return lines


def _splits(divided: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    head = "Published splits:"
    if table["split"].isna().all():
        groups = divided["group"].nunique()
        head = f"Splits: none published; prepare divides {groups} groups by prepare.split_seed."
    rows = [
        f"  {name:<6} {len(rows):>6} images {rows['group'].nunique():>6} groups"
        for name, rows in divided.groupby("split")
    ]
    return [head, *rows]


def _values(table: pd.DataFrame, params: Params) -> list[str]:
    rules = label_rules(params.data)
    totals: Counter[str] = Counter()
    for text in table["values"].dropna():
        totals.update(json.loads(text))
    lines = ["Raw value -> class, pixels:"]
    for value, count in totals.most_common(MAX_ROWS):
        lines.append(f"  {value:>11} -> {_class_name(value, rules, params):<20} {count:>12}")
    if len(totals) > MAX_ROWS:
        lines.append(f"  and {len(totals) - MAX_ROWS} more values")
    return lines


def _classes(table: pd.DataFrame, params: Params) -> list[str]:
    columns = pixel_columns(params.data.classes)
    total = max(float(table[columns].to_numpy(na_value=0).sum()), 1.0)
    splits = [name for name in SPLITS if name in set(table["split"])]
    each = ", ".join(f"of {name}" for name in splits)
    lines = [f"Class, share of labelled pixels, images that have it{f' ({each})' if each else ''}:"]
    for name, column in zip(params.data.classes, columns, strict=True):
        share, images = table[column].sum() / total, int((table[column] > 0).sum())
        note = "   Note: no pixel in the whole set" if images == 0 else ""
        found = [int((table.loc[table["split"] == split, column] > 0).sum()) for split in splits]
        by_split = f" ({', '.join(map(str, found))})" if found else ""
        lines.append(f"  {name:<20} {share:8.4f} {images:>7}{by_split}{note}")
    return lines


def _class_name(text: str, rules: LabelRules, params: Params) -> str:
    class_id = rules.class_of(parse_raw_value(text))
    if class_id is None:
        return "(unknown)"
    return "ignore" if class_id == rules.ignore_index else params.data.classes[class_id]


def _counts(values: "pd.Series[str]") -> str:
    return _top(Counter(values.tolist()))


def _top(counts: Counter[str]) -> str:
    names = [f"{count} {name}" for name, count in counts.most_common(5)]
    more = [f"{len(counts) - 5} other"] if len(counts) > 5 else []
    return ", ".join([*names, *more]) or "none"
