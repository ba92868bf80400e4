"""Write a set of params into `params.yaml`: `python -m pipelines.activate camvid`.

A set is a file of `params/` with the params of one data set, as dotted keys or as blocks of a section, which are merged
key by key. All sets of the project name the same keys, so another set replaces all values of the first. All other
params are only in `params.yaml`. A key that only your own set names keeps its value when you activate another set; the
command then says so.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ocrnet.config.params_file import parse_params, read_yaml
from ocrnet.errors import ParamsError
from ocrnet.errors.near_names import hint
from pipelines._command.arguments import Parser
from pipelines._command.exit_codes import command
from pipelines._edit_params import leaves_of, put_values, write_values

SETS = Path("params")


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = Parser(
        prog="python -m pipelines.activate",
        description="Write the values of a set of params/ into params.yaml.",
    )
    known = ", ".join(known_sets(SETS))
    found.add_argument("set", metavar="SET", nargs="?", help=f"Name of the set. Known: {known}")
    return found


def known_sets(sets: Path) -> list[str]:
    """Return the names of the sets in a folder."""
    return sorted(path.stem for path in sets.glob("*.yaml"))


def activate_set(name: str, *, params: Path = Path("params.yaml"), sets: Path = SETS) -> list[str]:
    """Write the keys of a set into `params.yaml`, keeping its comments, and return the keys that changed.

    Raises:
        ParamsError: The set does not exist, one of its keys is not in `params.yaml`, or the result is not valid.
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


def kept_keys(
    name: str, *, params: Path = Path("params.yaml"), sets: Path = SETS
) -> dict[str, list[str]]:
    """Return the keys that keep the value of another set, by that set: it is active, and the new one lacks the keys.

    Args:
        name: Name of the new set, which is not active yet.
        params: Path of `params.yaml`.
        sets: Folder of the sets.
    """
    values = read_yaml(params, YAML(typ="safe"))
    own = _leaves(sets / f"{name}.yaml")
    found: dict[str, list[str]] = {}
    for other in known_sets(sets):
        leaves = _leaves(sets / f"{other}.yaml") if other != name else {}
        missing = [key for key in leaves if key not in own]
        if missing and all(_value(values, key) == value for key, value in leaves.items()):
            found[other] = missing
    return found


def _leaves(path: Path) -> dict[str, Any]:
    """Return the values of a set; none if the file cannot be used, which its own activation reports."""
    try:
        return leaves_of(read_yaml(path, YAML(typ="safe")), place=path.name)
    except (ParamsError, OSError):
        return {}


def _value(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values


@command("activate")
def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    name = parser().parse_args(argv).set
    if name is None:
        known = ", ".join(known_sets(SETS))
        raise ParamsError(f"name one set: python -m pipelines.activate SET. Known: {known}.")
    kept = kept_keys(name) if name in known_sets(SETS) else {}
    changed = activate_set(name)
    print(f"params.yaml: set {name} is active ({', '.join(changed) or 'it was already'})")
    for other, keys in kept.items():
        print(
            f"params.yaml: {', '.join(keys)} keep the values of the set {other}, since {name} does not name them. For "
            f"the values of the last commit: git checkout params.yaml, then activate {name} again."
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
