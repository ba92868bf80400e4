"""Run one stage and transfer its outputs: `python -m pipelines._dvc.run_one_stage STAGE`.

It checks out the inputs of the stage as in `dvc.lock`, and sends the outputs to the run cache, also to that of the
remote if there is one. It ends with the exit code of the stage's command, or with 70 if the machine failed.
"""

import os
import signal
import sys
from pathlib import Path
from types import FrameType

from dvc.exceptions import DvcException
from dvc.repo import Repo

from ocrnet.errors import OcrnetError, ParamsError
from pipelines._dvc.checkpoints import mirror_checkpoints
from pipelines._dvc.graph import check_stage
from pipelines._dvc.outputs import check_out_outputs, remove_stale_outputs
from pipelines._dvc.process import MACHINE, exit_code_of, open_repo
from pipelines._dvc.prune import prune
from pipelines._dvc.run_cache import has_remote
from pipelines._dvc.stage_shell import lease_to
from pipelines._untrusted import stage_name


def lease(repo: Repo, name: str) -> None:
    """Run a stage unless it is in the run cache, and send its outputs."""
    (stage,) = repo.stage.collect(stage_name(name, "stage"))
    check_stage(repo, stage)
    graph = repo.index.graph
    check_out_outputs(repo, (other.addressing for other in graph.successors(stage)))
    remove_stale_outputs(repo, stage)
    lease_to(name, Path(repo.root_dir))
    with mirror_checkpoints(Path(repo.root_dir), name):
        repo.reproduce(name, single_item=True, pull=has_remote(repo))
    if has_remote(repo) and not stage.always_changed:
        (stage,) = repo.stage.collect(name)
        print(f"sending the outputs of {name}", flush=True)
        repo.push(targets=[name])
        repo.stage_cache.send_entries(stage)


def end_with_parent() -> None:
    """End the whole process group on SIGTERM, and when the parent process has ended."""

    def end(signum: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(os.getpgid(0), signal.SIGTERM)
        signal.signal(signal.SIGALRM, lambda *_: os.killpg(os.getpgid(0), signal.SIGKILL))
        signal.alarm(10)
        raise SystemExit(128 + signum)

    if os.getpgid(0) != os.getpid():
        return  # started by hand: the group is the shell's
    signal.signal(signal.SIGTERM, end)
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def main() -> int:
    """Run the command and return its exit code."""
    end_with_parent()
    name = sys.argv[1]
    try:
        with open_repo() as repo:
            if name == "--prune":
                print(f"pruned {prune(repo)} old entries of the run cache")
                return 0
            lease(repo, name)
    except ParamsError as error:  # it fails in the same way on every machine
        print(f"{name}: {error}", file=sys.stderr)
        return error.exit_code
    except OcrnetError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return MACHINE
    except DvcException as error:
        code = exit_code_of(error)
        if code is None:
            print(f"{name}: DVC: {' '.join(str(error).split())}", file=sys.stderr)
            return MACHINE
        print(f"{name}: the command ended with exit code {code}", file=sys.stderr)
        return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
