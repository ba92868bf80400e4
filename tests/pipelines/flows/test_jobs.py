"""What a worker starts is this project's, whatever a run, a deployment or a pool on the server says."""

from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.types.entrypoint import EntrypointType

from ocrnet.errors import ParamsError
from pipelines.flows.drift_flow import drift
from pipelines.flows.jobs import ENGINE, ENTRYPOINTS, FixedJob
from pipelines.flows.pipeline import pipeline
from pipelines.flows.promotion_flows import promote, rollback
from pipelines.flows.stage import stage
from pipelines.flows.watch import watch


def prepare(
    job: FixedJob, entrypoint: str = "pipelines.flows.stage.stage", **deployment: Any
) -> FixedJob:
    """Prepare a job as a worker does."""
    given = {"entrypoint": entrypoint, **deployment}
    run = FlowRun(id=uuid4(), flow_id=uuid4(), name="run")
    job.prepare_for_flow_run(
        run, DeploymentResponse(id=uuid4(), flow_id=uuid4(), name="gpu", **given)
    )
    return job


def test_the_flows_that_are_deployed_are_those_that_a_worker_starts() -> None:
    flows: tuple[Any, ...] = (pipeline, stage, watch, promote, rollback, drift)
    made = {
        flow.to_deployment("x", entrypoint_type=EntrypointType.MODULE_PATH).entrypoint
        for flow in flows
    }
    assert made == ENTRYPOINTS


def test_a_job_as_deploy_makes_it_runs_the_engine() -> None:
    assert prepare(FixedJob(command=ENGINE)).command == ENGINE


@pytest.mark.parametrize(
    ("job", "deployment", "place"),
    [
        ({"command": "touch PWNED"}, {}, "command"),
        ({"command": f"{ENGINE}; touch PWNED"}, {}, "command"),
        ({"working_dir": "/"}, {}, "working_dir"),
        ({"env": {"PYTHONPATH": "/tmp/evil"}}, {}, "env"),
        (
            {},
            {"pull_steps": [{"prefect.deployments.steps.run_shell_script": {"script": "x"}}]},
            "pull_steps",
        ),
        ({}, {"entrypoint": "os.system"}, "entrypoint"),
        ({}, {"entrypoint": "/tmp/evil.py:flow"}, "entrypoint"),
        ({}, {"entrypoint": None}, "entrypoint"),
    ],
)
def test_what_the_server_adds_is_refused_in_one_line(
    job: dict[str, Any], deployment: dict[str, Any], place: str
) -> None:
    with pytest.raises(ParamsError, match=f"{place}.*pipelines.deploy") as caught:
        prepare(FixedJob(**{"command": ENGINE, **job}), **deployment)
    assert "\n" not in str(caught.value)
