"""What `pipelines.deploy` refuses before it makes anything."""

import pytest

from ocrnet.errors import ParamsError
from pipelines._servers.access import MLFLOW, PREFECT_API
from pipelines.deploy import main, read_requirements
from pipelines.flows.cron import next_run, nightly_schedule, watch_schedule

POOLS = ["cpu", "gpu"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("gqu:gpus=0", "gqu.*cpu, gpu, pipelines"),
        ("gpu:gpus=abc", "--needs gpu:gpus=abc.*'abc'"),
        ("gpu:gpus=nan", "'nan'"),
        ("gpu:gpus=inf", "'inf'"),
        ("gpu:gpus=-1", "'-1'"),
        ("gpu:gpus=0.5", "whole number"),
        ("gpu:gpus", "gpus.*''"),
        ("gpu:gpus=1,gpus=2", "gpus is given twice"),
        ("gpu:vram=8", "'vram'"),
        ("", "has no pool ''"),
    ],
)
def test_a_requirement_that_means_nothing_is_refused(text: str, told: str) -> None:
    with pytest.raises(ParamsError, match=told):
        read_requirements(POOLS, [text])


def test_a_pool_is_given_once_and_a_gpu_pool_requires_a_gpu_by_default() -> None:
    assert read_requirements(POOLS, []) == {"gpu": {"gpus": 1.0}}
    assert read_requirements(POOLS, ["gpu:gpus=0", "pipelines:cpus=2"]) == {
        "gpu": {"gpus": 0.0},
        "pipelines": {"cpus": 2.0},
    }
    with pytest.raises(ParamsError, match="gpu is given twice"):
        read_requirements(POOLS, ["gpu:gpus=0", "gpu:gpus=2"])


@pytest.mark.parametrize(
    "cron", ["every night", "0 25 * * *", "R 3 * * *", "0 3 * *", "0 0 31 2 *"]
)
def test_times_that_never_occur_are_refused(cron: str) -> None:
    with pytest.raises(ParamsError, match="--nightly"):
        nightly_schedule(cron)


def test_times_are_of_utc_or_of_the_zone_that_is_named() -> None:
    assert nightly_schedule("0 3 * * *").timezone == "UTC"
    found = nightly_schedule("0 3 * * *", "Asia/Tokyo")
    assert (found.timezone, found.active) == ("Asia/Tokyo", True)
    due = next_run("0 3 * * *", "Asia/Tokyo")
    assert due.hour == 3
    assert due.astimezone().utctimetuple().tm_hour == 18
    assert not nightly_schedule("").active


def test_an_unknown_zone_is_refused_with_a_similar_one() -> None:
    with pytest.raises(ParamsError, match="Europe/Berlin"):
        nightly_schedule("0 3 * * *", "Europe/Berln")


def test_checks_are_seconds_apart_or_off() -> None:
    assert watch_schedule(600).active
    assert not watch_schedule(0).active
    with pytest.raises(ParamsError, match="--watch -5"):
        watch_schedule(-5)


@pytest.mark.parametrize(
    "arguments", [["--watch", "-5"], ["--nightly", "every night"], ["--timezone", "Europe/Berlin"]]
)
def test_it_ends_in_one_line_before_a_server_is_asked(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(PREFECT_API, "http://127.0.0.1:1/api")
    monkeypatch.setenv(MLFLOW, "http://127.0.0.1:1")
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert arguments[0] in told
