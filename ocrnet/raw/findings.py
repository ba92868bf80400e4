"""Findings about a set in words: one line each with its code, the files and what to do.

`pipelines/validate.py` checks the table against its expectations and finds the failing rows; this file turns a code
and the failing ids into lines. It uses the words of the user's folders, so a label map is a mask here.

| code | what |
|---|---|
| E101 | a label map has an id that no class has |
| E102 | no label map has a pixel of any class but the first |
| E104 | a label map has a colour that no class has |
| E105 | label maps are JPEG, or WebP or TIFF compressed with loss |
| E106 | palettes of label maps have the same colours at different indexes |
| E107 | image and label map differ in size |
| E108 | an image or a label map has a rotation flag |
| E109 | images are deeper than 8 bits and no range is set |
| E110 | images have bands beyond red, green, blue and alpha |
| E111 | images have transparent pixels |
| E113 | a picture or a group is in two published splits; an image is listed twice |
| E114 | images without label maps; no images; a file that is lost or that DVC cannot keep |
| E121 | a file cannot be read whole, or is of a kind that is refused |
| E122 | images of different depth in one set |
| E123 | fewer images than `validate.min_images` |
| E124 | an image larger than `data.max_pixels` |
| E125 | a label map ignored beyond `validate.max_ignored_share` |
| E126 | a split without images, published or drawn, or one whose publication is unclear |
| E127 | a class that no training pixel shows, though other splits do |

Lines about files that are no rows of the table, and about splits, come from the sources, the inventory and `splits.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ocrnet.config import Params
from ocrnet.raw.finding_lines import DESCRIBE


@dataclass(frozen=True)
class Finding:
    """One problem, in one line that starts with its code."""

    code: str
    message: str


def describe(code: str, ids: Sequence[str], table: pd.DataFrame, params: Params) -> list[Finding]:
    """Return the findings of one code.

    Args:
        code: Code of the finding.
        ids: Ids of the failing rows; empty if the set as a whole fails.
        table: Table of the scan.
        params: Parameters that the data is compared with.
    """
    failing = table[table["id"].isin(ids)]
    return [
        Finding(code, f"{code} {line.removeprefix(code + ' ')}")
        for line in DESCRIBE[code](failing, table, params)
    ]


def cap_lines(findings: Sequence[Finding], *, per_code: int, place: str) -> list[str]:
    """Return at most `per_code` lines of each code, then how many more are in `place`."""
    lines: list[str] = []
    for code in dict.fromkeys(finding.code for finding in findings):
        messages = [finding.message for finding in findings if finding.code == code]
        lines += messages[:per_code]
        if len(messages) > per_code:
            lines.append(f"{code} and {len(messages) - per_code} more, listed in {place}.")
    return lines
