"""Put a set of params in force: `python -m pipelines.use camvid`.

A set is a file of `params/` that holds what is particular to one data set, as dotted keys or as blocks of a section,
which are merged key by key. All sets that come with the project name the same keys, so going from one to another leaves
nothing of the first behind; everything else stands in `params.yaml` alone. A key that a set of one's own names besides
stays as it is when another is put in force.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ruamel.yaml import YAML

from ocrnet.config.params_file import parse_params, read_yaml
from ocrnet.errors import ParamsError
from ocrnet.errors.near_names import hint
from pipelines._command.arguments import Parser
from pipelines._command.run import command
from pipelines._params import put_values, write_values

SETS = Path("params")


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = Parser(
        prog="python -m pipelines.use", description="Put a set of params/ in force in params.yaml."
    )
    known = ", ".join(known_sets(SETS))
    found.add_argument("set", metavar="SET", nargs="?", help=f"Name of the set. Known: {known}")
    return found


def known_sets(sets: Path) -> list[str]:
    """Return the names of the sets in a folder."""
    return sorted(path.stem for path in sets.glob("*.yaml"))


def use_set(name: str, *, params: Path = Path("params.yaml"), sets: Path = SETS) -> list[str]:
    """Write the keys of a set into `params.yaml`, keeping its comments, and return the keys that changed.

    Raises:
        ParamsError: the set does not exist, one of its keys is not in `params.yaml`, or the result is not valid.
    """
    known = known_sets(sets)
    if name not in known:
        raise ParamsError(f"{sets}: no set {name!r}.{hint(name, known)} Known: {', '.join(known)}.")
    place = f"{sets / name}.yaml"
    values = read_yaml(sets / f"{name}.yaml", YAML())
    document, changed = put_values(params, values, place=place)
    parse_params(document, place=f"{place} on {params.name}")
    if changed:
        write_values(params, values, place=place)
    return changed


@command("use")
def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    name = parser().parse_args(argv).set
    if name is None:
        known = ", ".join(known_sets(SETS))
        raise ParamsError(f"name one set: python -m pipelines.use SET. Known: {known}.")
    changed = use_set(name)
    print(f"params.yaml: set {name} in force ({', '.join(changed) or 'it was already'})")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
