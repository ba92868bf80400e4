"""What a search prints: its progress on standard error, its result on standard output."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from pipelines._search.results import FAILED, PRUNED, Result, Summary


def tell(line: str) -> None:
    """Print a line of progress."""
    click.echo(f"search: {line}", err=True)


def values_in_words(values: Mapping[str, Any]) -> str:
    """Return the values of a trial in one line."""
    return ", ".join(f"{key} {value}" for key, value in values.items())


def tell_result(summary: Summary, best: Result, target: Path, page: Path) -> None:
    """Print the best trial, what it is compared with, and the next commands.

    Args:
        summary: Search that is over.
        best: Its best trial.
        target: Path of the set that was written.
        page: Path of the page that was written.
    """
    click.echo(
        f"Best of {len(summary.results)} trials ({summary.count(PRUNED)} pruned, {summary.count(FAILED)} failed): "
        f"trial {best.number}, validation mIoU {best.miou:.4f}: {values_in_words(best.values)}"
    )
    start = summary.of_start
    if start is not None and start.miou is not None:
        click.echo(
            f"The params that the search started from (trial {start.number}): {start.miou:.4f}"
        )
    for key, share in summary.importance.items():
        click.echo(f"Importance of {key}: {100 * share:.0f} %")
    click.echo(f"Wrote {target} and {page}.")
    click.echo(
        f"The whole pipeline with these values, up to the test scores: make repro SET={target.stem}"
    )
    click.echo(f"Only to set them: make activate SET={target.stem}")
