"""A file that a disk damaged, in the checkout and in DVC's cache: found, named, and cured by what is told."""

import re
import subprocess
from pathlib import Path

import pytest

from pipelines._dvc_files.damaged_outputs import damage_of
from pipelines._dvc_files.lock import Entry, file_hash

from .flows.toy import Toy, make_toy

pytestmark = pytest.mark.tools
GRAPH = """
stages:
  job:
    cmd: python job.py data/job 1 0
    deps: [job.py]
    outs: [data/job]
"""


def overwrite(path: Path) -> None:
    """Change a byte as a disk does, whatever rights the file has."""
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(0o444)


def entry(toy: Toy) -> Entry:
    found = re.search(r"md5: (\w+\.dir)", (toy.checkout / "dvc.lock").read_text())
    assert found
    return Entry("job", "key", Path("data/job"), found[1])


def cure(toy: Toy, words: str) -> None:
    """Run what a message says."""
    commands = re.search(r"Run: (.*?)(?: \(or|$)", words)
    assert commands, words
    done = subprocess.run(
        ["bash", "-ec", commands[1]], cwd=toy.checkout, env=toy.environment, capture_output=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_damage_is_named_with_a_cure_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = make_toy(tmp_path, GRAPH)
    toy.run("dvc", "repro", "-q")
    monkeypatch.chdir(toy.checkout)
    assert damage_of(entry(toy)) is None
    out = Path("data/job/args.txt")
    md5 = file_hash(out, "md5")
    made = Path(".dvc/cache/files/md5", md5[:2], md5[2:])

    overwrite(out)
    by_hand = damage_of(entry(toy))
    assert by_hand
    assert str(out) in by_hand
    assert str(made) not in by_hand

    overwrite(made)
    words = damage_of(entry(toy))
    assert words
    assert str(out) in words
    assert str(made) in words
    cure(toy, words)
    assert damage_of(entry(toy)) is None
    assert file_hash(made, "md5") == md5

    overwrite(out)
    again = damage_of(entry(toy))
    assert again
    cure(toy, again)
    assert damage_of(entry(toy)) is None
