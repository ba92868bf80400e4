"""Start a run of a deployment from within a flow, without waiting for it."""

from collections.abc import Mapping
from typing import Any, cast

from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment


def start_run(
    deployment: str, parameters: Mapping[str, Any], *, name: str | None = None, child: bool = True
) -> FlowRun:
    """Start a run of a deployment.

    Args:
        deployment: Names of flow and deployment: `flow/name`.
        parameters: Parameters of the flow.
        name: Name of the run; by default Prefect makes one up.
        child: Whether the run is a child of the run that starts it and is cancelled with it.

    Raises:
        ObjectNotFound: The server does not have the deployment.
    """
    found = run_deployment(
        deployment, parameters=dict(parameters), timeout=0, flow_run_name=name, as_subflow=child
    )
    return cast(FlowRun, found)  # a coroutine only where an event loop runs
