"""Check the tags of a version, which anyone with write access may have changed."""

import json
from collections.abc import Mapping

from ocrnet.errors import RebuildError
from pipelines import _untrusted

from .registry import EVALUATION_TAG, WEIGHTS_TAG
from .runs import KEY_TAG


def check_tags(tags: Mapping[str, str], place: str) -> None:
    """Check the tags of a version before one of them reaches git, DVC or a query.

    Raises:
        RebuildError: a tag is not what `publish` writes.
    """
    for name, value in tags.items():
        where = f"{place}: tag {name}"
        if name == "git.sha":
            commit_or_none(value, where)
        elif name == "stage":
            _untrusted.stage_name(value, where, RebuildError)
        elif name in (KEY_TAG, EVALUATION_TAG, WEIGHTS_TAG, "dvc.lock_md5"):
            _untrusted.digest(value, where, RebuildError)
        elif name == "metrics":
            _check_metrics(value, where)


def commit_or_none(value: str, where: str) -> None:
    """Check the hash of a commit; accept `none`, which `publish` writes where git names no commit."""
    if value != "none":
        _untrusted.commit_id(value, where, RebuildError)


def _check_metrics(text: str, where: str) -> None:
    try:
        loaded = json.loads(text)
    except (ValueError, RecursionError):
        loaded = None
    if not isinstance(loaded, dict) or not all(
        value is None or (isinstance(value, int | float) and not isinstance(value, bool))
        for value in loaded.values()
    ):
        raise RebuildError(
            f"{where}: found {_untrusted.shown(text)}. It is a JSON object of scores."
        )
