"""Stage `publish`: send every run that MLflow does not hold yet and register the challenger; nothing twice.

Run by DVC at the end of every `dvc repro` (`always_changed`), or by hand after a tracking server was away.
"""

import sys

from ocrnet.errors import OcrnetError
from pipelines._mlflow.send import publish


def main() -> int:
    """Publish and return the exit code."""
    try:
        return publish()
    except OcrnetError as error:
        for line in str(error).splitlines():
            print(f"publish: {line}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
