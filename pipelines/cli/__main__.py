"""`python -m pipelines.cli` is the command `ocrnet`."""

import sys

from pipelines.cli.app import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
