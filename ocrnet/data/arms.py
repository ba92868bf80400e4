"""The arms of `retrain`: which extra data joins the real training split.

One line per arm: the folder of its manifest, beside `data/prepare`. `real_twice` adds the real data once more:
at equal steps it shows what the mixing alone does.
"""

from pathlib import Path

ARMS = {
    "gan": "select",
    "gan_unselected": "synthesize/gan",
    "copy_paste": "synthesize/copy_paste",
    "real_twice": "prepare",
}


def extra_folder(arm: str, data: Path) -> Path:
    """Return the manifest folder of an arm's extra data."""
    return data / ARMS[arm]
