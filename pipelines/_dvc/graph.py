"""The graph of `dvc.yaml` as DVC reads it, with the cells of its matrices.

`python -m pipelines._dvc.graph` prints a stage per line, as JSON.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import networkx as nx
from dvc.exceptions import DvcException
from dvc.repo import Repo

from ocrnet.errors import OcrnetError, ParamsError
from pipelines._dvc_files.lock_check import GRAPH_FILE, Templates
from pipelines._untrusted import pool_name, shown, stage_name

DEFAULT_POOL = "cpu"


@dataclass(frozen=True)
class Node:
    """A stage, or raw data that a `.dvc` file tracks.

    Args:
        name: Name of the stage in DVC, such as `train@0`.
        upstream: Names of the nodes whose outputs the stage reads.
        pool: Name of the pool that runs it.
        small: Whether the run of the pipeline executes the stage itself.
        always: Whether the stage runs every time and has no output.
        command: Command of the stage; empty for raw data.
        desc: Description of the stage, in a sentence.
    """

    name: str
    upstream: tuple[str, ...]
    pool: str
    small: bool
    always: bool
    command: str
    desc: str


def read_graph(repo: Repo, targets: Sequence[str] = ()) -> list[Node]:
    """Return the targets and all nodes that they depend on, in topological order; without targets, all nodes.

    Raises:
        ParamsError: A target is not in `dvc.yaml`, that file is wrong, or a param puts more than a plain word into a
            command.
    """
    try:
        graph = repo.index.graph
        for stage in graph.nodes:
            check_stage(repo, stage)
        wanted = [stage for target in targets for stage in repo.stage.collect(target)]
    except DvcException as error:
        raise ParamsError(f"dvc.yaml: {' '.join(str(error).split())}") from error
    kept = set(graph.nodes)
    if targets:
        kept = set(wanted).union(*(nx.descendants(graph, stage) for stage in wanted))
    order = nx.dfs_postorder_nodes(graph.subgraph(kept))
    return [_node(stage, graph) for stage in order]


def check_stage(repo: Repo, stage: Any) -> None:
    """Compare a stage, with the params filled in, with its template in `dvc.yaml`, before a shell gets its command.

    Raises:
        ParamsError: Its name or command contradicts `dvc.yaml`, or it writes outside the repository.
    """
    if not stage.cmd:
        return  # raw data, which a `.dvc` file tracks
    root = Path(repo.root_dir).resolve()
    stage_name(stage.name or stage.addressing, GRAPH_FILE)
    Templates.read(Path(stage.path)).check_command(stage.name, stage.cmd)
    for out in stage.outs:
        path = Path(out.fs_path).resolve()
        if out.protocol != "local" or root not in path.parents:
            raise ParamsError(
                f"{GRAPH_FILE}: {stage.name}: writes {shown(str(out))}, which is outside the repository. "
                "Write below the repository's folder."
            )


def _node(stage: Any, graph: "nx.DiGraph[Any]") -> Node:
    meta = stage.meta if isinstance(stage.meta, Mapping) else {}
    command = stage.cmd if isinstance(stage.cmd, str) else "\n".join(stage.cmd or [])
    return Node(
        name=stage.addressing,
        upstream=tuple(sorted(other.addressing for other in graph.successors(stage))),
        pool=pool_name(
            meta.get("pool", DEFAULT_POOL), f"{GRAPH_FILE}: {stage.addressing}: meta.pool"
        ),
        small=bool(meta.get("small", False)),
        always=bool(stage.always_changed),
        command=command,
        desc=stage.desc or "",
    )


def main() -> int:
    """Print the graph of this folder and return the exit code."""
    try:
        with Repo(".") as repo:
            for node in read_graph(repo):
                print(json.dumps(asdict(node)))
    except (OcrnetError, DvcException) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
