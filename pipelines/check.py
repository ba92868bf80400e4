"""Check `params.yaml` in about a second, before DVC reads it: `python -m pipelines.check`.

`make repro` and the flows run it first, because DVC reads `seeds` and `data.path` before any stage can report what is
wrong with them. `validate` makes the checks that take longer, such as building a network.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ocrnet.config import Params
from ocrnet.config.params_file import load_params
from ocrnet.errors import DataError, ParamsError
from ocrnet.errors.near_names import hint
from ocrnet.preflight.names import check_component_names
from pipelines._command.arguments import Parser
from pipelines._command.exit_codes import command

PARAMS = Path("params.yaml")


def parser() -> argparse.ArgumentParser:
    """Return the command's parser; it has no arguments."""
    words = (__doc__ or "").partition("\n\n")[0]
    return Parser(prog="python -m pipelines.check", description=words)


def check(path: Path) -> Params:
    """Check a file of params and the names in it, and return the params.

    Raises:
        ParamsError: A key, a value or a name is wrong; the message has a line for each.
        DataError: `data.path` does not exist.
    """
    params = load_params(path)
    check_component_names(params)
    if len({type(key) for key in params.data.label_map}) > 1:
        pairs = ", ".join(f'"{key}": {name}' for key, name in params.data.label_map.items())
        raise ParamsError(
            f"{path.name}: data.label_map: its keys are numbers and text, which DVC cannot sort. Write all in quotes: "
            f"{{{pairs}}}."
        )
    raw = Path(params.data.path)
    if not raw.exists() and not _is_made_by_dvc(raw, path.with_name("dvc.yaml")):
        beside = sorted(item.name for item in raw.parent.glob("*") if item.is_dir())
        raise DataError(
            f"E114 params.yaml: data.path: {raw}: no such folder.{hint(raw.name, beside)} "
            f"{raw.parent} holds: {', '.join(beside) or 'nothing'}. Put the images there, or change data.path."
        )
    return params


def _is_made_by_dvc(path: Path, pipeline: Path) -> bool:
    """Tell whether DVC can make a path: it tracks the path or a folder above, or a stage of the user makes it."""
    tracked = (item.with_name(item.name + ".dvc") for item in (path, *path.parents) if item.name)
    if any(item.exists() for item in tracked):
        return True
    return pipeline.exists() and path.as_posix() in pipeline.read_text(encoding="utf-8")


@command("check")
def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    parser().parse_args(argv)
    check(PARAMS)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
