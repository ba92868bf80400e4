"""Print the verdict of the last pipeline run and where its results are: `python -m pipelines.show`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from ocrnet.config.params_file import load_params
from ocrnet.errors import DataError
from pipelines._command.arguments import Parser
from pipelines._command.exit_codes import command

EVALUATED = Path("data/evaluate")


def describe(evaluated: Path, *, model_name: str) -> str:
    """Return the verdict, the place of the report and the command that opens MLflow.

    Raises:
        DataError: `evaluate` has not run yet.
    """
    verdict = evaluated / "verdict.txt"
    if not verdict.exists():
        raise DataError(f"{verdict}: the file does not exist. Run `make repro` first.")
    return "\n".join([
        "",
        verdict.read_text().strip(),
        "",
        f"Report:  {(evaluated / 'report.html').resolve()}",
        f"MLflow:  make mlflow   then http://127.0.0.1:5000 (the model is {model_name}@challenger)",
    ])  # fmt: skip


@command("show")
def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    Parser(prog="python -m pipelines.show", description=__doc__).parse_args(argv)
    model_name = load_params(Path("params.yaml")).publish.model_name
    print(describe(EVALUATED, model_name=model_name))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
