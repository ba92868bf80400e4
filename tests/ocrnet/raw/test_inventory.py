"""Nothing vanishes: what is read and what is named with a reason are all files that there are."""

import os
import signal
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocrnet.errors import DataError
from ocrnet.raw.inventory import Inventory
from ocrnet.raw.scan import read_table, scan, write_table
from ocrnet.raw.sources import Roots, find_items
from ocrnet.raw.tree import shown
from tests.ocrnet.raw.odd_trees import Odd, odd_things, write_tree
from tests.ocrnet.raw.raw_sets import (
    find_set,
    make_params,
    noise,
    save,
    stripes,
    write_lists,
    write_pairs,
)


@pytest.fixture(autouse=True)
def alarm() -> Iterator[None]:
    """End a test that waits for a pipe."""
    signal.alarm(300)
    yield
    signal.alarm(0)


def names_on_disk(root: Path) -> list[str]:
    """Return all that is no plain folder, as the summary writes it; links are not followed."""
    found = []
    for folder, folders, files in os.walk(os.fsencode(root)):
        linked = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        paths = [os.path.join(folder, name) for name in [*files, *linked]]
        found += [os.path.relpath(path, os.fsencode(root)) for path in paths]
    return sorted(shown(os.fsdecode(name)) for name in found)


BASES = {
    "nothing": "folder",
    "plain": "folder",
    "listed": "folder",
    "folders": "folder",
    "camvid": "camvid",
}


def write_base(root: Path, base: str) -> None:
    """Write a good set, or nothing."""
    if base in ("plain", "listed"):
        stems = write_pairs(root)
        if base == "listed":
            write_lists(root, stems)
    elif base != "nothing":
        for i, split in enumerate(("train", "val", "test")):
            image, label_map = (
                (f"{split}/k.png", f"{split}annot/k.png")
                if base == "camvid"
                else (f"images/{split}/k.png", f"masks/{split}/k.png")
            )
            image, label_map = (
                image.replace("/k.", f"/k_{i}."),
                label_map.replace("/k.", f"/k_{i}."),
            )
            save(root / image, noise(i))
            save(root / label_map, stripes())
            if base == "camvid":
                (root / f"{split}.txt").write_text(
                    f"/SegNet/CamVid/{image} /SegNet/CamVid/{label_map}\r\n"
                )


@given(things=odd_things(), base=st.sampled_from(sorted(BASES)))
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_what_is_read_and_what_is_named_are_all_files(things: list[Odd], base: str) -> None:
    """Whatever lies there; no image that is left out of a set that passes has a label map without the other half."""
    with TemporaryDirectory() as folder:
        root = Path(folder, "raw")
        write_base(root, base)
        write_tree(root, things)
        params = make_params(path=str(root), source=BASES[base])
        inventory = Inventory(root)
        items, lines = [], inventory.findings
        try:
            items = find_items(params, root / "work", inventory)
        except DataError as error:
            lines = str(error).splitlines()
            inventory.leave_rest("not looked at")
        assert all(line.startswith("E1") for line in lines)
        inventory.check_balance()
        told = [*inventory.used, *inventory.left]
        assert sorted(inventory.name(path) for path in told) == names_on_disk(root)
        lines = inventory.lines()
        assert {f"  {inventory.name(path)}" for path in inventory.left} <= set(lines)
        assert all("\n" not in line and "\r" not in line for line in lines)
        read = {path for item in items for path in (item.image, item.label_map) if path}
        assert read <= set(inventory.used)
        assert len({item.id for item in items}) == len(items)
        if items:
            table = scan(items, params.data, roots=Roots(root, root))
            write_table(Path(folder, "table.csv"), table)
            again = read_table(Path(folder, "table.csv"), params.data)
            assert again["image"].tolist() == table["image"].tolist()


def told(root: Path, source: str = "folder") -> str:
    """Return all findings of a set."""
    with pytest.raises(DataError) as caught:
        find_set(make_params(path=str(root), source=source))
    return str(caught.value)


@pytest.mark.parametrize("place", ["images", "images/b"])
def test_a_linked_folder_of_the_set_is_refused_by_name(tmp_path: Path, place: str) -> None:
    """DVC hashes nothing behind it, so a change there would run no stage."""
    write_pairs(tmp_path / "raw")
    write_pairs(tmp_path / "other")
    if place == "images":
        (tmp_path / "raw" / "images").rename(tmp_path / "elsewhere")
    (tmp_path / "raw" / place).symlink_to(tmp_path / "other" / "images")
    assert f"E114 {place} is a link to a folder" in told(tmp_path / "raw")


def test_links_to_files_and_a_linked_raw_folder_are_read(tmp_path: Path) -> None:
    write_pairs(tmp_path / "there", 3)
    (tmp_path / "raw").symlink_to("there")
    image = tmp_path / "there" / "images" / "a0.png"
    image.rename(tmp_path / "elsewhere.png").rename(tmp_path / "moved.png")
    image.symlink_to(tmp_path / "moved.png")
    assert len(find_set(make_params(path=str(tmp_path / "raw")))) == 3


def test_a_pair_that_is_lost_to_its_type_is_a_finding_and_another_file_is_named(
    tmp_path: Path,
) -> None:
    write_pairs(tmp_path, 6)
    for path in ("images/a1.png", "masks/a2.png"):
        (tmp_path / path).rename((tmp_path / path).with_suffix(".gif"))
    (tmp_path / "images" / "a3.json").write_text("{}")  # beside a3.png: nothing is lost
    (tmp_path / "masks" / "a9.png").write_bytes((tmp_path / "masks" / "a3.png").read_bytes())
    inventory = Inventory(tmp_path)
    find_items(make_params(path=str(tmp_path)), tmp_path / "work", inventory)
    lost = [line for line in inventory.findings if line.startswith("E114")]
    assert len(lost) == len(inventory.findings) == 2
    assert "images/a1.gif" in lost[0]
    assert "masks/a2.gif" in lost[1]
    assert {inventory.name(path) for path in inventory.left} == {
        "images/a1.gif", "masks/a1.png", "masks/a2.gif", "images/a3.json", "masks/a9.png",
    }  # fmt: skip


def test_hidden_folders_and_those_of_tools_are_no_data(tmp_path: Path) -> None:
    stems = write_pairs(tmp_path)
    for folder in (".ipynb_checkpoints", "@eaDir", "__MACOSX"):
        save(tmp_path / "images" / folder / "a0.png", noise(9))
        save(tmp_path / "masks" / folder / "a0.png", stripes())
    assert [item.id for item in find_set(make_params(path=str(tmp_path)))] == stems


def test_what_dvc_cannot_keep_is_a_finding_wherever_it_lies(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    os.mkfifo(tmp_path / "images" / "z.png")
    (tmp_path / "broken").symlink_to("nowhere")
    os.close(os.open(os.fsencode(tmp_path) + b"/\xff.md", os.O_CREAT))
    lines = told(tmp_path).splitlines()
    assert [(line.split()[0], line.split()[1]) for line in lines] == [
        ("E121", "broken"), ("E114", "images/z.png"), ("E114", "\\xff.md:"),
    ]  # fmt: skip


def test_names_match_however_they_are_composed_and_two_that_differ_by_that_alone_are_named(
    tmp_path: Path,
) -> None:
    composed, decomposed = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    save(tmp_path / "images" / f"{composed}.png", noise(0))
    save(tmp_path / "masks" / f"{decomposed}.png", stripes())
    (item,) = find_set(make_params(path=str(tmp_path)))
    assert item.id == composed
    assert item.label_map == tmp_path / "masks" / f"{decomposed}.png"
    save(tmp_path / "images" / f"{decomposed}.png", noise(1))
    assert "e\\u0301" in told(tmp_path)
    assert "normalisation" in told(tmp_path)


def test_ids_that_collide_after_joining_name_both_files(tmp_path: Path) -> None:
    for i, name in enumerate(("a/b-c", "a-b/c", "d/x", "e/x")):
        save(tmp_path / "images" / f"{name}.png", noise(i))
        save(tmp_path / "masks" / f"{name}.png", stripes())
    text = told(tmp_path)
    assert text.startswith("E114")
    assert "images/a/b-c.png" in text
    assert "images/a-b/c.png" in text
    assert "'a-b-c'" in text


def test_an_id_that_no_file_name_holds_is_refused(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    for folder in ("x" * 200, "y" * 200):
        save(tmp_path / "images" / folder / f"{'z' * 100}.png", noise(len(folder)))
        save(tmp_path / "masks" / folder / f"{'z' * 100}.png", stripes())
    assert "its id has 301 bytes" in told(tmp_path)
