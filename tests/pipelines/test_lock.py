"""The lock of a work folder."""

from pathlib import Path

import pytest

from ocrnet.errors import ParamsError
from pipelines._command.exit_codes import report_error
from pipelines._command.lock import locked


def test_a_second_holder_is_refused_in_one_line_and_the_next_one_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "lock"
    with (
        locked(path),
        pytest.raises(ParamsError) as refused,
        locked(path, busy="search mine: another process runs it."),
    ):
        pytest.fail("two processes hold one lock")
    # The system's own error must not be told in its place.
    assert report_error(refused.value, "ocrnet") == 2
    assert capsys.readouterr().err == "ocrnet: search mine: another process runs it.\n"
    with locked(path, busy="busy"):
        pass
