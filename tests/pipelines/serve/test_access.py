"""Who may use a server: passwords, addresses, and what `ocrnet serve` refuses to start."""

import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest

from ocrnet.errors import ParamsError
from pipelines._serve.access import Access, find_access
from pipelines.cli.app import main
from tests.limits import HANG_S

from .served import PASSWORD, ROOT, Server, ask, served


def basic(password: str, user: str = "ann") -> str:
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


@pytest.mark.parametrize(
    ("header", "allowed"),
    [
        (f"Bearer {PASSWORD}", True),
        (f"bearer {PASSWORD}", True),
        (basic(PASSWORD), True),
        (basic(PASSWORD, user=""), True),
        (None, False),
        ("", False),
        ("Bearer", False),
        ("Bearer ", False),
        (f"Bearer {PASSWORD}x", False),
        (f"Bearer {PASSWORD[:-1]}", False),
        (basic(""), False),
        (basic(PASSWORD.upper()), False),
        ("Basic !!!", False),
        ("Basic \xe9", False),
        ("Bearer \xe9", False),
        (f"Digest {PASSWORD}", False),
    ],
)
def test_only_the_password_opens(header: str | None, allowed: bool) -> None:
    assert Access(PASSWORD, loopback=False).allows(header) is allowed
    assert Access(None, loopback=True).allows(header)


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1:7860", True),
        ("127.8.0.1", True),
        ("localhost:7860", True),
        ("LOCALHOST", True),
        ("[::1]:7860", True),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example:7860", False),
        ("192.168.0.7", False),
        ("", False),
    ],
)
def test_without_a_password_only_names_of_this_machine_reach_it(host: str, own: bool) -> None:
    assert Access(None, loopback=True).is_own_name(host) is own
    assert Access(PASSWORD, loopback=False).is_own_name(host)


def test_the_password_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\nsecond line\n")
    variables = {"OCRNET_SERVE_PASSWORD": "of the environment"}
    assert find_access("0.0.0.0", file, variables) == Access(PASSWORD, loopback=False)
    assert find_access("::", None, variables) == Access("of the environment", loopback=False)
    assert find_access("127.0.0.1", None, {}) == Access(None, loopback=True)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("short\n", "found a password of 5 characters. Give 12 to 256"),
        ("", "found a password of 0 characters"),
        ("with a \x07 bell in it", "that can be printed"),
        (None, "No such file"),
    ],
)
def test_a_password_that_is_none_is_refused(
    tmp_path: Path, content: str | None, words: str
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ParamsError, match=words):
        find_access("127.0.0.1", file, {})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.com"])
def test_others_need_a_password(
    host: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OCRNET_SERVE_PASSWORD", raising=False)
    assert main(["serve", "--host", host]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ocrnet: --host: found")
    assert "Give --password-file FILE or set OCRNET_SERVE_PASSWORD" in line


def test_without_gradio_the_cure_is_told(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['gradio'] = None\n"
        "from pipelines.cli.app import main\nsys.exit(main(['serve']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=HANG_S, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "ocrnet: gradio is not installed. Run: pip install 'ocrnet[serve]'\n"


@pytest.mark.slow
def test_models_of_one_name_and_missing_ones_are_told(
    bundles: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def told(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "pipelines.cli", "serve", "--port", "0", *arguments], cwd=ROOT,
            capture_output=True, text=True, timeout=HANG_S, check=False,
        )  # fmt: skip
        return done.returncode, done.stderr.splitlines()[-1]

    model = str(bundles / "1")
    code, line = told("--model", model, "--model", f"{model}/")
    assert (code, line.partition(".")[0]) == (
        2,
        "ocrnet: --model: two models are called 'bundles/1'",
    )
    code, line = told("--model", str(tmp_path / "nothing"))
    assert code == 3
    assert "nothing/model.json: no such file" in line


@pytest.mark.slow
def test_a_port_that_is_taken_is_told(server: Server) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "serve", "--port", str(server.port)], cwd=ROOT,
        capture_output=True, text=True, timeout=HANG_S, check=False,
    )  # fmt: skip
    assert done.returncode == 75
    assert "Address already in use. Give another --port" in done.stderr


@pytest.mark.slow
def test_one_password_guards_the_page_and_the_interface(bundles: Path, tmp_path: Path) -> None:
    model = ("--model", str(bundles / "1"))
    env = {"OCRNET_SERVE_PASSWORD": PASSWORD}
    with served(tmp_path, *model, "--host", "0.0.0.0", env=env) as server:
        for target in ("/", "/models", "/config", "/gradio_api/queue/data?session_hash=x"):
            found = ask(server, "GET", target)
            assert found.status == 401
            assert found.headers["www-authenticate"].startswith("Basic")
            assert "the password is missing or wrong" in found.error
            assert ask(server, "GET", target, Authorization="Bearer wrong").status == 401
        for header in (f"Bearer {PASSWORD}", basic(PASSWORD)):
            for target in ("/", "/models", "/config"):
                assert ask(server, "GET", target, Authorization=header).status == 200
        assert ask(server, "POST", "/predict", b"x", Content_Type="image/png").status == 401
        assert ask(server, "GET", "/health").json == {"status": "ok"}
        assert PASSWORD not in server.log.read_text()
    assert not list(tmp_path.glob("ocrnet-serve-*"))
