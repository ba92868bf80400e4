"""Take what a run of the pipeline made: `python -m pipelines.take RUN` writes its `dvc.lock`.

`dvc pull` then brings the outputs.
"""

import sys
from pathlib import Path

from ocrnet.errors import OcrnetError
from pipelines._local import check_prefect, set_local_servers

LOCK_FILE = Path("dvc.lock")


def main(argv: list[str]) -> int:
    """Run the command and return its exit code."""
    if len(argv) != 1:
        print("take: name one run: python -m pipelines.take RUN", file=sys.stderr)
        return 2
    set_local_servers()
    try:
        check_prefect()
        from pipelines.flows.pools import read_lock

        text = read_lock(argv[0])
    except OcrnetError as error:
        print(f"take: {error}", file=sys.stderr)
        return error.exit_code
    partial = LOCK_FILE.with_suffix(".partial")
    partial.write_text(text)
    partial.replace(LOCK_FILE)
    print(
        "dvc.lock is that of the run. `dvc pull` brings its outputs, or `dvc checkout` where you share its cache."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
