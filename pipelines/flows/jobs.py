"""Start a process for a run: always by the same command, whatever the server asks for.

A run, its deployment and its pool may each name a command, a folder, variables and steps to run first, and anyone with
access to the server can change all three. A worker starts only this project's flows, with its own environment.
"""

from typing import TYPE_CHECKING, Any

from prefect.workers.process import ProcessJobConfiguration

from ocrnet.errors import ParamsError
from pipelines._untrusted import shown

if TYPE_CHECKING:
    from prefect.client.schemas.responses import DeploymentResponse

# Without a command, the worker starts one interpreter to look for the flow and then another to run it.
ENGINE = "python -m prefect.engine"
ENTRYPOINTS = frozenset(
    {
        "pipelines.flows.pipeline.pipeline", "pipelines.flows.stage.stage", "pipelines.flows.watch.watch",
        "pipelines.flows.promotion_flows.promote", "pipelines.flows.promotion_flows.rollback",
        "pipelines.flows.drift_flow.drift",
    }
)  # fmt: skip
CURE = "Run `python -m pipelines.deploy` again, and start the run without job variables."


class FixedJob(ProcessJobConfiguration):
    """A job whose command is this project's."""

    def prepare_for_flow_run(
        self,
        flow_run: Any,
        deployment: "DeploymentResponse | None" = None,
        *rest: Any,
        **named: Any,
    ) -> None:
        """Refuse additions of the server, then prepare the job as Prefect does.

        Raises:
            ParamsError: The run, its deployment or its pool asks for anything but one of this project's flows.
        """
        given = {
            "command": self.command not in (None, ENGINE) and self.command,
            "working_dir": self.working_dir,
            "env": self.env,
            "pull_steps": deployment is not None and deployment.pull_steps,
        }
        for name, value in given.items():
            if value:
                raise ParamsError(
                    f"job variables: {name}: found {shown(value)}. Job variables are not allowed. {CURE}"
                )
        entrypoint = None if deployment is None else deployment.entrypoint
        if entrypoint not in ENTRYPOINTS:
            raise ParamsError(
                f"deployment: found the entrypoint {shown(entrypoint)}. Only this project's flows are allowed. {CURE}"
            )
        super().prepare_for_flow_run(flow_run, deployment, *rest, **named)
