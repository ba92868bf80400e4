"""`fetch_run` reports a wrong command line before it asks for a server; what it writes is tested with the flows."""

import pytest

from pipelines.fetch_run import main


def test_the_command_says_how_it_is_called_without_a_server(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")  # where nobody listens
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert "usage: python -m pipelines.fetch_run [-h] RUN" in capsys.readouterr().out
    for wrong, words in (
        ([], "the following arguments are required: RUN"),
        (["one", "two"], "unrecognized arguments: two"),
    ):
        assert main(wrong) == 2
        assert (
            capsys.readouterr().err
            == f"fetch_run: {words}. See: python -m pipelines.fetch_run --help\n"
        )
