"""Where commands look for servers, what workers clone, and by what they hand outputs over."""

import os
import subprocess
from pathlib import Path

import pytest

from ocrnet.errors import ServerError
from pipelines._repository.clones import CACHE_VARIABLE
from pipelines._servers.access import (
    MLFLOW,
    MLFLOW_PASSWORD,
    PREFECT_API,
    PREFECT_PASSWORD,
    write_access,
)
from pipelines._servers.local import (
    check_prefect,
    repository_of,
    set_local_servers,
    share_cache_of,
)

from .local_servers import HOST, free_port


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (PREFECT_API, MLFLOW, CACHE_VARIABLE):
        monkeypatch.setenv(name, "")  # restored afterwards, whatever the code under test sets
        monkeypatch.delenv(name)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    return tmp_path


def test_without_a_word_of_others_the_servers_are_those_of_this_machine(checkout: Path) -> None:
    assert set_local_servers()
    assert os.environ[PREFECT_API] == "http://127.0.0.1:4200/api"
    os.environ[PREFECT_API] = "https://team.example/api"
    assert not set_local_servers()
    assert os.environ[PREFECT_API] == "https://team.example/api"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_server_is_local_by_its_host_however_it_was_named(checkout: Path, host: str) -> None:
    os.environ[PREFECT_API] = f"http://{host}:4200/api"
    assert set_local_servers()


def test_a_password_goes_to_the_address_that_it_is_of_and_to_no_other(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(checkout)
    written = write_access(4301, 5301)
    for name in written:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    assert write_access(4302, 5302)[PREFECT_PASSWORD] == written[PREFECT_PASSWORD], (
        "workers hold it"
    )
    os.environ[PREFECT_API] = "http://localhost:4301/api"  # another server, by now
    set_local_servers()
    assert PREFECT_PASSWORD not in os.environ
    assert os.environ[MLFLOW] == "http://127.0.0.1:5302"
    assert os.environ[MLFLOW_PASSWORD] == written[MLFLOW_PASSWORD]
    os.environ[PREFECT_API] = "http://localhost:4302/api"
    set_local_servers()
    assert os.environ[PREFECT_PASSWORD] == written[PREFECT_PASSWORD]


def test_one_server_alone_keeps_the_address_of_the_other(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(checkout)
    write_access(4301, 5301)
    assert write_access(None, 5302)[PREFECT_API] == "http://127.0.0.1:4301/api"
    assert write_access(4302, None)[MLFLOW] == "http://127.0.0.1:5302"


def test_a_server_that_is_not_there_is_told_with_the_cure(checkout: Path) -> None:
    os.environ[PREFECT_API] = f"http://{HOST}:{free_port()}/api"
    with pytest.raises(ServerError, match=r"refused\. Start `python -m pipelines\.servers`"):
        check_prefect()


def test_one_machine_clones_the_checkout_and_a_team_its_origin(checkout: Path) -> None:
    assert repository_of(checkout, local=False) == str(checkout)  # there is no origin
    origin = "https://git.example/team.git"
    subprocess.run(["git", "-C", str(checkout), "remote", "add", "origin", origin], check=True)
    assert repository_of(checkout, local=False) == origin
    assert repository_of(checkout, local=True) == str(checkout)


def test_workers_share_the_cache_of_a_checkout_without_a_remote_alone(checkout: Path) -> None:
    share_cache_of(checkout)
    assert os.environ.pop(CACHE_VARIABLE) == str(checkout / ".dvc" / "cache")
    (checkout / ".dvc" / "config.local").write_text("[core]\n    remote = team\n")
    share_cache_of(checkout)
    assert CACHE_VARIABLE not in os.environ


def test_a_cache_that_was_named_stays(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, "/srv/cache")
    share_cache_of(checkout)
    assert os.environ[CACHE_VARIABLE] == "/srv/cache"
