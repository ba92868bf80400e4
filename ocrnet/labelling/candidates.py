"""The unlabelled images to choose from: those of the prepared set, or files that the user names."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ocrnet.data.unlabelled import FOLDER, has_unlabelled, read_unlabelled_manifest
from ocrnet.errors import DataError
from ocrnet.predict_files.sources import Source


@dataclass(frozen=True)
class Candidate:
    """An unlabelled image.

    Args:
        path: Path of the file.
        name: Name of its outputs: a relative path without an ending.
        raw_image: Its raw file, relative to its raw folder; empty if the file is itself raw.
    """

    path: Path
    name: str
    raw_image: str = ""


def prepared_candidates(prepared: Path) -> list[Candidate]:
    """Return the unlabelled images of a prepared set, sorted by id.

    Raises:
        DataError: The set has none.
    """
    if not has_unlabelled(prepared):
        raise DataError(
            f"{prepared / FOLDER}: the set has no unlabelled images. Name a folder of images as SOURCE, or set "
            "data.unlabelled and run the pipeline."
        )
    table = read_unlabelled_manifest(prepared)
    return [
        Candidate(prepared / FOLDER / row["image"], str(row["id"]), str(row["raw_image"]))
        for row in table.to_dict("records")
    ]


def candidates_of_files(sources: Sequence[Source]) -> list[Candidate]:
    """Return files as unlabelled images.

    Raises:
        DataError: A file is a video.
    """
    videos = [one for one in sources if one.is_video]
    if videos:
        raise DataError(f"{videos[0].path}: a video is not labelled. Give frames of it as images.")
    return [Candidate(one.path, one.name) for one in sources]
