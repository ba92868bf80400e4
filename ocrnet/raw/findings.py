"""Findings about a set: one line each with the code, the files and the cure.

`pipelines/validate.py` checks the table against its expectations and finds the failing rows; this file turns a code
and the failing ids into lines. It uses the words of the user's folders, so a label map is a mask here.

| code | what |
|---|---|
| E101 | a label map has an id that no class has |
| E102 | no label map has a pixel of any class but the first |
| E104 | a label map has a colour that no class has |
| E105 | label maps are JPEG, or WebP or TIFF compressed with loss |
| E106 | palettes of label maps have the same colours at different indexes |
| E107 | an image and its label map differ in size |
| E108 | an image or a label map has a rotation flag |
| E109 | images are deeper than 8 bits and no range is set |
| E110 | images have bands beyond red, green, blue and alpha |
| E111 | images have transparent pixels |
| E113 | a picture or a group is in two published splits; an image is listed twice |
| E114 | images without label maps; no images; a file that is missing or that DVC cannot store |
| E121 | a file cannot be read whole, or is of a kind that is refused |
| E122 | images of one set differ in depth |
| E123 | fewer images than `validate.min_images` |
| E124 | an image larger than `data.max_pixels` |
| E125 | more than `validate.max_ignored_share` of a label map is ignored |
| E126 | a split without images, published or drawn, or a published split that is unclear |
| E127 | a class that other splits show, but no training pixel |
| E128 | an unlabelled image that shows the picture, or is of the group, of a val or test image |
| E129 | no unlabelled image, but an arm that needs some |
| E141 | a map that numbers objects does not hold whole numbers of at most 65535 objects |
| E142 | a label map and its map of objects differ in size |
| E143 | a pixel of a thing class has no object |
| E144 | an object covers a thing class and another class |
| E145 | images without a map of objects beside images with one |

Findings about splits and about files that are not in the table come from the sources, the inventory and `splits.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ocrnet.config import Params
from ocrnet.raw.finding_lines import DESCRIBE


@dataclass(frozen=True)
class Finding:
    """A fault of the raw data, as one line that starts with its code."""

    code: str
    message: str


def describe(code: str, ids: Sequence[str], table: pd.DataFrame, params: Params) -> list[Finding]:
    """Return the findings of one code.

    Args:
        code: Code of the finding.
        ids: Ids of the failing rows; empty if the whole set fails.
        table: Table of the scan.
        params: Params that the data is compared with.
    """
    failing = table[table["id"].isin(ids)]
    return [
        Finding(code, f"{code} {line.removeprefix(code + ' ')}")
        for line in DESCRIBE[code](failing, table, params)
    ]


def cap_lines(findings: Sequence[Finding], *, per_code: int, place: str) -> list[str]:
    """Return at most `per_code` lines of each code, then the number of further lines in `place`."""
    lines: list[str] = []
    for code in dict.fromkeys(finding.code for finding in findings):
        messages = [finding.message for finding in findings if finding.code == code]
        lines += messages[:per_code]
        if len(messages) > per_code:
            lines.append(f"{code} and {len(messages) - per_code} more, listed in {place}.")
    return lines
