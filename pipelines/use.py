"""Put a set of params in force: `python -m pipelines.use camvid`.

A set is a file of `params/` that holds what is particular to one data set, as dotted keys. All sets that come with
the project name the same keys, so going from one to another leaves nothing of the first behind; everything else
stands in `params.yaml` alone. A key that a set of one's own names besides stays as it is when another is put in force.
"""

import sys
from pathlib import Path

from ruamel.yaml import YAML

from ocrnet.errors import OcrnetError, ParamsError
from ocrnet.params_file import parse_params
from pipelines._params import put_values, write_values

SETS = Path("params")


def use_set(name: str, *, params: Path = Path("params.yaml"), sets: Path = SETS) -> list[str]:
    """Write the keys of a set into `params.yaml`, keeping its comments, and return the keys that changed.

    Raises:
        ParamsError: there is no such set, a key of it is not in `params.yaml`, or the result is not valid.
    """
    known = sorted(path.stem for path in sets.glob("*.yaml"))
    if name not in known:
        raise ParamsError(f"{sets}: no set {name!r}. Known: {', '.join(known)}.")
    place = f"{sets / name}.yaml"
    values = YAML().load(sets / f"{name}.yaml")
    document, changed = put_values(params, values, place=place)
    parse_params(document, place=f"{place} on {params.name}")
    if changed:
        write_values(params, values, place=place)
    return changed


def main(argv: list[str]) -> int:
    """Run the command and return its exit code."""
    if len(argv) != 1:
        known = ", ".join(sorted(path.stem for path in SETS.glob("*.yaml")))
        print(f"use: name one set: python -m pipelines.use SET. Known: {known}.", file=sys.stderr)
        return 2
    try:
        changed = use_set(argv[0])
    except OcrnetError as error:
        print(f"use: {error}", file=sys.stderr)
        return error.exit_code
    print(f"params.yaml: set {argv[0]} in force ({', '.join(changed) or 'it was already'})")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
