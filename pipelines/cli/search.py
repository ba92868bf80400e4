"""`ocrnet search -n N KEY=RANGE...`: search for better params by validation scores."""

import click

from pipelines.cli.arguments import SetName


@click.command(short_help="Search for better params by validation scores.")
@click.argument("space", nargs=-1, required=True, metavar="KEY=RANGE...")
@click.option(
    "-n", "--trials", type=click.IntRange(1, 100_000), default=20, show_default=True, metavar="N",
    help="Number of trials, with those of earlier calls.",
)  # fmt: skip
@click.option(
    "--name", type=SetName(), default="search", show_default=True, metavar="NAME",
    help="Name of the search and of the set with the best values.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace params/NAME.yaml if it exists.")
@click.option(
    "--prune/--no-prune", default=True, show_default=True,
    help="End a training whose validations are below the median of the other trials.",
)  # fmt: skip
def search(space: tuple[str, ...], trials: int, name: str, force: bool, prune: bool) -> int:
    """Train with several values of the params and write the best ones as params/NAME.yaml.

    RANGE is LOW..HIGH, such as train.lr=1e-4..1e-2, or A|B|C in quotes, such as "train.loss=ce|ohem". Positive numbers
    with a point or an exponent whose ends differ by a factor of ten or more are drawn by their logarithms. The same
    command continues a search that was stopped.
    """
    from pipelines._search.search import SearchRequest  # optuna
    from pipelines._search.search import search as run

    run(SearchRequest(space, trials, name, force=force, prune=prune))
    return 0
