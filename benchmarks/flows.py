"""What a stage costs as a run on a worker, phase by phase, over its plain command; and what a second worker brings.

    python -m benchmarks.flows --cells 4 --nap 15

Makes a repository of sleeping stages, a Prefect server and workers of its own in a scratch folder. Prints seconds per
stage of a run where nothing is cached and of one where all is, the phases of the former, and the time of two workers
over that of one. Ports 4391 and 5391 must be free.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.flows_phases import PHASES, phases_of
from benchmarks.flows_toy import make_toy
from pipelines._servers.access import read_access

PREFECT_PORT, MLFLOW_PORT = 4391, 5391
READY = "Ctrl-C stops both"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and return the exit code."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.flows", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--cells", type=int, default=4, help="of the matrix stage")
    parser.add_argument("--nap", type=float, default=15.0, help="seconds that each cell sleeps")
    given = parser.parse_args(argv)
    with TemporaryDirectory() as place:
        folder = Path(place)
        toy = make_toy(folder / "toy", cells=given.cells, nap=given.nap)
        environment = _environment(folder)
        os.environ.update(environment)
        ports = ["--prefect-port", str(PREFECT_PORT), "--mlflow-port", str(MLFLOW_PORT)]
        with _running(folder, "pipelines.servers", ports, READY):
            os.environ.update(read_access(folder))
            _call(toy, "-m", "pipelines.deploy", "--repository", str(toy), "--needs", "gpu:gpus=0")
            one, lines = _measure(toy, folder, slots=1, cells=given.cells, nap=given.nap)
            _call(toy, "-c", "import shutil; shutil.rmtree('.dvc/cache', ignore_errors=True)")
            two, _ = _measure(toy, folder, slots=2, cells=given.cells, nap=given.nap, cached=False)
    print("\n".join(lines))
    print(f"\nall cells on two workers / on one: {two / one:.2f} ({two:.0f} s / {one:.0f} s)")
    return 0


def _measure(
    toy: Path, folder: Path, *, slots: int, cells: int, nap: float, cached: bool = True
) -> tuple[float, list[str]]:
    """Run the toy with some workers and return the seconds from the first cell's start to the last one's end."""
    arguments, log = ["--slots", str(slots)], folder / f"work{slots}.log"
    with _running(toy, "pipelines.workers", arguments, "started!", count=3 * slots, log=log):
        run = _run(toy)
        stages = phases_of(run)
        naps = [one for one in stages if one.name.startswith("nap@")]
        span = max(one.ended for one in naps) - min(one.created for one in naps)
        if not cached:
            return span, []
        lines = ["| phase | median (s) | |", "|---|---|---|"]
        for name, words in PHASES.items():
            values = [one.phases[name] for one in stages if name in one.phases]
            lines.append(f"| {name} | {statistics.median(values):.1f} | {words} |")
        plain = statistics.median(one.phases["command"] for one in stages)
        over = statistics.median(one.seconds - one.phases["command"] for one in stages)
        words = "from its start by the parent to its end as the parent sees it"
        lines.append(f"| **over the command ({plain:.1f} s)** | **{over:.1f}** | {words} |")
        started = time.monotonic()
        _run(toy)
        seconds = time.monotonic() - started
        count = cells + 3
        lines.append(
            f"\nall {count} stages cached: {seconds:.1f} s, {seconds / count:.1f} s a stage"
        )
        return span, lines


def _run(toy: Path) -> str:
    """Run the pipeline to its end and return the id of the run."""
    from prefect.client.orchestration import get_client

    from pipelines.flows.start import start_run

    started = start_run("pipeline/main", {"repository": str(toy), "revision": "main"}, child=False)
    with get_client(sync_client=True) as client:
        while True:
            found = client.read_flow_run(started.id)
            if found.state is not None and found.state.is_final():
                break
            time.sleep(0.2)
    if not found.state.is_completed():
        raise SystemExit(
            f"benchmarks.flows: the run ended as {found.state.name}: {found.state.message}"
        )
    return str(started.id)


def _environment(folder: Path) -> dict[str, str]:
    return {
        "PREFECT_API_URL": f"http://127.0.0.1:{PREFECT_PORT}/api",
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{MLFLOW_PORT}",
        "PREFECT_HOME": str(folder / "home"),
        "OCRNET_CLONES": str(folder / "clones"),
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        "DO_NOT_TRACK": "true",
    }


@contextmanager
def _running(
    place: Path,
    module: str,
    arguments: Sequence[str],
    sign: str,
    *,
    count: int = 1,
    log: Path | None = None,
) -> Iterator[None]:
    """Run a command until the block ends, from when its log shows a sign of life so many times."""
    path = log or place / f"{module}.log"
    with path.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], cwd=place, stdout=file, stderr=file
        )
    try:
        while path.read_text().count(sign) < count:
            if process.poll() is not None:
                raise SystemExit(path.read_text())
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait()


def _call(folder: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], cwd=folder, check=True)


if __name__ == "__main__":
    sys.exit(main())
