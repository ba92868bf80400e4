"""Bring stages of a work folder up to date: `python -m pipelines._dvc.run_stages LOCKS STAGE ...`.

DVC runs what has changed and restores what its run cache holds. Where several processes of a study need one stage with
equal inputs, one runs it: the others wait, and find the result in the run cache.
"""

import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipelines._command.lock import locked


def run_stages(targets: Sequence[str], locks: Path) -> None:
    """Bring stages and all that they depend on up to date, one target after the other."""
    from pipelines._dvc.graph import read_graph
    from pipelines._dvc.outputs import check_out_outputs
    from pipelines._dvc.process import open_repo
    from pipelines._dvc.run_cache import read_key

    with open_repo(level=logging.WARNING) as repo:
        nodes = {node.name: node for node in read_graph(repo, targets)}
        check_out_outputs(
            repo, [name for name, node in nodes.items() if not node.command]
        )  # tracked raw data
        with repo.lock:  # one pass: each call of `reproduce` reads all files of DVC again
            if not any(stage.changed() for stage in repo.index.graph if stage.addressing in nodes):
                return
        for name in in_order(targets, {name: node.upstream for name, node in nodes.items()}):
            if nodes[name].command:
                with locked(locks / f"{name}-{read_key(repo, name)[:16]}"):
                    repo.reproduce(name, single_item=True)


def in_order(targets: Sequence[str], upstream: Mapping[str, Sequence[str]]) -> list[str]:
    """Return targets with what they depend on, each after what it depends on and as late as the targets allow.

    Examples:
        >>> in_order(["b", "d"], {"a": [], "b": ["a"], "c": [], "d": ["a", "c"]})
        ['a', 'b', 'c', 'd']
    """
    found: dict[str, None] = {}
    for name in targets:
        found |= dict.fromkeys([*in_order(upstream[name], upstream), name])
    return list(found)


def main() -> int:
    """Run the command and return the exit code: that of the stage that failed."""
    from dvc.exceptions import DvcException

    from pipelines._dvc.process import MACHINE, exit_code_of
    from pipelines._dvc.run_one_stage import end_with_parent

    end_with_parent()
    locks, *targets = sys.argv[1:]
    try:
        run_stages(targets, Path(locks))
    except DvcException as error:
        print(f"study: {' '.join(str(error).split())}", file=sys.stderr)
        return exit_code_of(error) or MACHINE
    return 0


if __name__ == "__main__":
    sys.exit(main())
