"""The shell by which DVC starts the command of a stage: it refuses every stage but the leased one.

DVC runs commands as `$SHELL -c COMMAND` and names the stage in `DVC_STAGE`. The guard is a script of its own, since
`SHELL` is one program without arguments.
"""

import os
import sys
from pathlib import Path

LEASE_VARIABLE = "OCRNET_LEASED_STAGE"
REFUSED = 86  # the exit code of a stage that was not leased
NOBODY = "-"  # leases no stage

# The kernel ends the command with its parent process: an orphan would keep the GPU.
_SCRIPT = """#!{python} -SE
import ctypes, os, signal, sys
stage, leased = os.environ.get("DVC_STAGE", ""), os.environ.get("{lease}", "")
if stage != leased:
    if leased != "{nobody}":
        print(f"refusing to run {{stage}}: this worker is leased for {{leased}}", file=sys.stderr)
    sys.exit({refused})
parent = os.getppid()
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)
os.execv("/bin/sh", ["/bin/sh", *sys.argv[1:]])
"""


def lease_to(stage: str, folder: Path) -> None:
    """Allow the DVC of this process to run one stage only; `NOBODY` allows none."""
    script = folder / ".dvc" / "tmp" / "guard"
    script.parent.mkdir(parents=True, exist_ok=True)
    text = _SCRIPT.format(
        python=sys.executable, lease=LEASE_VARIABLE, refused=REFUSED, nobody=NOBODY
    )
    partial = script.with_suffix(f".{os.getpid()}")
    partial.write_text(text)
    partial.chmod(0o755)
    partial.replace(script)
    os.environ["SHELL"] = str(script)
    os.environ[LEASE_VARIABLE] = stage
