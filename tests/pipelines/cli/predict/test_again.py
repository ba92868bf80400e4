"""`ocrnet predict` in a folder that has outputs: what is done is not done again, and what is another's stays."""

import errno
from pathlib import Path

import pytest
from PIL import Image

from ocrnet.predict_files import outputs
from ocrnet.predict_files.journal import names_in
from pipelines._command.lock import locked
from pipelines.cli import _predict_files
from tests.ocrnet.raw.raw_sets import noise

from .command import SIZE, changed, label_maps, predict


def test_a_second_run_predicts_only_what_is_new_changed_or_lost(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(photos, "photos/*/*") == 0
    before = changed()
    assert predict(photos, "photos/*/*") == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("out: 3 done before by ")
    assert changed() == before
    Image.fromarray(noise(9, (*SIZE, 3))).save("photos/a/x.png")
    Path("out/label_maps/b/x.png").unlink()
    assert predict(photos, "photos/*/*") == 0
    assert "2 predicted, 1 done before" in capsys.readouterr().out
    after = changed()
    again = [path for path in sorted(before) if after[path] != before[path]]
    assert again == [Path("out/label_maps/a/x.png"), Path("out/label_maps/b/x.png")]
    assert len(Path("out/areas.csv").read_text().splitlines()) == 1 + 3
    assert predict(photos, "photos/*/*", "--overlays") == 0
    assert "3 predicted" in capsys.readouterr().out


def test_probabilities_of_an_image_that_changed_do_not_stay(photos: Path) -> None:
    assert predict(photos, "photos/a", "photos/b", "--probabilities") == 0
    Image.fromarray(noise(9, (*SIZE, 3))).save("photos/a/x.png")
    assert predict(photos, "photos/a", "photos/b") == 0
    left = sorted(path.as_posix() for path in Path("out/probabilities").rglob("*.npz"))
    assert left == ["out/probabilities/b/x.npz", "out/probabilities/b/y.npz"]


def test_probabilities_of_an_image_that_did_not_change_stay(photos: Path) -> None:
    assert predict(photos, "photos/a", "--probabilities") == 0
    assert predict(photos, "photos/a", "--overlays") == 0
    assert Path("out/overlays/x.png").is_file()
    assert Path("out/probabilities/x.npz").is_file()


@pytest.mark.parametrize("batch", ["1", "2"])
def test_a_full_disk_ends_the_run(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], batch: str
) -> None:
    """The same would become of every other image, and a later run goes on."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(outputs, "png_rows", fail)
    assert predict(photos, "photos/a", "photos/b", "--batch", batch) == 75
    (line,) = capsys.readouterr().err.splitlines()
    assert "No space left on device" in line


def test_outputs_of_another_model_or_other_options_are_not_mixed(
    photos: Path, bundles: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(photos, "photos/a") == 0
    before = changed()
    for model, options, words in (
        (bundles / "2", (), "made with weights_sha256"),
        (photos, ("--flip",), "made with protocol"),
    ):
        assert predict(model, "photos/b", *options) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line
        assert line.endswith("Choose another folder, or begin again with --force.")
    assert changed() == before
    assert predict(bundles / "2", "photos/b", "--force") == 0
    assert list(label_maps()) == ["x.png", "y.png"]
    assert not Path("out/label_maps/a").exists()


def test_two_runs_do_not_write_to_one_folder(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both would call their image x, and the label map of one would be lost."""
    assert predict(photos, "photos/a") == 0
    before = changed()
    for force in ((), ("--force",)):
        with locked(Path("out/.lock")):
            assert predict(photos, "photos/b", *force) == 2
        assert "out: another run writes there" in capsys.readouterr().err
    assert changed() == before
    assert predict(photos, "photos/b") == 0


def test_names_that_another_run_gave_in_the_meantime_are_not_given_again(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(photos, "photos/a") == 0
    old = iter([dict[str, str]()])  # from before the other run
    monkeypatch.setattr(_predict_files, "names_in", lambda out: next(old, names_in(out)))
    before = changed()
    assert predict(photos, "photos/b/x.png") == 2
    assert "another run has just written there" in capsys.readouterr().err
    assert changed() == before


def test_files_of_someone_else_are_left_alone(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("out/label_maps").mkdir(parents=True)
    Path("out/label_maps/x.png").write_text("mine")
    for force in ((), ("--force",)):
        assert predict(photos, "photos/a", *force) == 2
        assert "out/label_maps: exists, but not from this command" in capsys.readouterr().err
    assert Path("out/label_maps/x.png").read_text() == "mine"
