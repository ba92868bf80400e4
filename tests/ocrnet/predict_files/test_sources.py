"""What a SOURCE stands for, and the names of the outputs: no two files share one."""

import os
from pathlib import Path

import pytest

from ocrnet.errors import DataError
from ocrnet.predict_files.journal import stamp_of
from ocrnet.predict_files.sources import Source, find_sources

OUT = Path("out")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in (
        "photos/a/x.png", "photos/b/x.PNG", "photos/b/x.jpg", "photos/b/clip.mp4", "photos/notes.txt",
        "photos/.thumbs/x.png", "photos/b/.hidden.png", "out/label_maps/a/x.png", "other/x.png",
    ):  # fmt: skip
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"")
    return tmp_path


def names(sources: list[Source]) -> dict[str, str]:
    return {source.path.as_posix(): source.name for source in sources}


def test_a_folder_stands_for_the_pictures_below_it(tree: Path) -> None:
    assert names(find_sources(["photos"], out=OUT)) == {
        "photos/a/x.png": "a/x",
        "photos/b/clip.mp4": "b/clip.mp4",
        "photos/b/x.PNG": "b/x",
        "photos/b/x.jpg": "b/x.jpg",
    }


def test_the_folder_of_the_outputs_is_not_looked_at(tree: Path) -> None:
    for given in (".", "**/*.png", str(tree)):
        found = find_sources([given], out=OUT)
        assert not [source for source in found if "label_maps" in source.path.as_posix()]
        assert {"photos/a/x", "other/x"} <= {source.name for source in found}


@pytest.mark.parametrize("out", [".", "photos", "photos/a"])
def test_images_beside_the_outputs_are_found(tree: Path, out: str) -> None:
    """Someone may want the label maps next to the images."""
    Path(out, "label_maps").mkdir(exist_ok=True)
    Path(out, "label_maps", "x.png").write_bytes(b"")
    assert set(names(find_sources(["photos"], out=Path(out)))) == {
        "photos/a/x.png", "photos/b/clip.mp4", "photos/b/x.PNG", "photos/b/x.jpg",
    }  # fmt: skip


def test_files_of_one_name_in_two_folders_keep_their_folders(tree: Path) -> None:
    found = names(find_sources(["photos/a/x.png", "other/x.png"], out=OUT))
    assert found == {"photos/a/x.png": "photos/a/x", "other/x.png": "other/x"}


def test_a_file_that_is_named_twice_is_predicted_once(tree: Path) -> None:
    given = ["photos", "photos/a/x.png", "photos/a/../a/x.png", os.path.abspath("photos/a/x.png")]
    assert len(find_sources(given, out=OUT)) == 4


def test_a_number_is_a_camera_once_and_a_file_of_that_name_goes_before(tree: Path) -> None:
    found = find_sources(["1", "01", "photos/a", "2"], out=OUT)
    assert [(source.name, source.key, source.camera) for source in found[1:]] == [
        ("camera-1", "camera-1", 1), ("camera-2", "camera-2", 2),
    ]  # fmt: skip
    assert [source.is_video for source in found] == [False, True, True]
    assert [source.name for source in find_sources(["1", "1"], out=OUT)] == ["camera-1"]
    Path("1").write_bytes(b"")
    Path("camera-2.png").write_bytes(b"")
    found = find_sources(["1", "2", "camera-2.png", "123"], out=OUT)
    assert [(source.name, source.camera) for source in found] == [
        ("1", None), ("camera-2.png", None), ("123", None), ("camera-2", 2),
    ]  # fmt: skip


def test_a_list_on_standard_input_has_files_folders_and_patterns(tree: Path) -> None:
    listed = ["photos/a/x.png\n", "\n", "other\r\n", "photos/b/*.jpg"]
    found = find_sources(["-"], out=OUT, listed=listed)
    assert set(names(found)) == {"photos/a/x.png", "other/x.png", "photos/b/x.jpg"}
    with pytest.raises(DataError, match="standard input names no file"):
        find_sources(["-"], out=OUT, listed=["\n"])


def test_names_of_earlier_runs_stay_and_are_not_given_away(tree: Path) -> None:
    (first,) = find_sources(["photos/a/x.png"], out=OUT)
    assert first.name == "x"
    found = names(find_sources(["photos/a", "other"], out=OUT, known={first.key: first.name}))
    assert found == {"photos/a/x.png": "x", "other/x.png": "other/x"}
    # Alone, the other file would be called x, too.
    (other,) = find_sources(["other/x.png"], out=OUT, known={first.key: first.name})
    assert other.name == "x.png"


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tree: Path) -> None:
    Path("part[1].png").write_bytes(b"")
    assert names(find_sources(["part[1].png"], out=OUT)) == {"part[1].png": "part[1]"}


@pytest.mark.parametrize("given", ["empty", "photos/*.tif"])
def test_a_source_without_images_is_refused_at_once(tree: Path, given: str) -> None:
    Path("empty").mkdir()
    with pytest.raises(DataError, match=r"no image.*Known endings: \.png"):
        find_sources(["photos", given], out=OUT)


@pytest.mark.parametrize("given", ["null\0.png", "x" * 5000, "\udcff.png", "a\nb.png"])
def test_a_text_that_is_no_path_is_a_file_that_is_not_there(tree: Path, given: str) -> None:
    (source,) = find_sources([given], out=OUT)
    assert stamp_of(source.path) == (0, 0)


def test_a_missing_file_is_a_source_and_fails_on_its_turn(tree: Path) -> None:
    assert set(names(find_sources(["gone.png", "other"], out=OUT))) == {"gone.png", "other/x.png"}
