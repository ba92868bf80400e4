"""What a registered version was made of outlives `dvc gc`, with the real git and DVC."""

from pathlib import Path

import pytest

from ocrnet.errors import RebuildError
from pipelines._mlflow.address import StoreAddress
from pipelines._repository.registered_tags import PREFIX, drop_others, keep_version, tag_name
from pipelines.gc import check_registry

from .flows.toy import CELLS, PARAMS, Toy, make_toy

pytestmark = pytest.mark.tools
SAFE = ("dvc", "gc", "-q", "--workspace", "--all-branches", "--all-tags", "--force")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """A checkout that trained for a version which was registered, and then with other params."""
    params = PARAMS.replace("[0, 1]", "[0]").replace("steps: 2", "steps: 1")
    toy = make_toy(tmp_path_factory.mktemp("gc"), CELLS, params)
    toy.run("dvc", "repro", "-q", "evaluate")
    held = {name: (toy.checkout / name).read_bytes() for name in ("dvc.lock", "params.yaml")}
    base = toy.run("git", "rev-parse", "HEAD").strip()
    keep_version(toy.checkout, tag_name("toy", "1"), base, held)
    (toy.checkout / "params.yaml").write_text(PARAMS.replace("[0, 1]", "[7]"))
    toy.run("dvc", "repro", "-q", "evaluate")
    return toy


def commit_of(toy: Toy, tag: str) -> str:
    return toy.run("git", "rev-parse", f"refs/tags/{tag}").strip()


def test_a_version_that_is_kept_comes_back_after_the_safe_gc(toy: Toy) -> None:
    tag = tag_name("toy", "1")
    toy.run(*SAFE)
    clone = toy.root / "rebuilt"
    toy.run("git", "clone", "-q", str(toy.checkout), str(clone))
    toy.run("git", "checkout", "-q", tag, cwd=clone)
    toy.run("dvc", "cache", "dir", "-q", "--local", str(toy.checkout / ".dvc/cache"), cwd=clone)
    toy.run("dvc", "checkout", "-q", cwd=clone)
    assert (clone / "data/train/0/args.txt").read_text() == "data/train/0 1 0.1"
    assert (toy.checkout / "data/train/7/args.txt").exists()


def test_a_tag_is_the_same_where_nothing_changed_and_the_checkout_is_untouched(toy: Toy) -> None:
    tag, before = tag_name("toy", "1"), toy.run("git", "status", "--porcelain")
    first = commit_of(toy, tag)
    names = ("dvc.lock", "params.yaml")
    held = {name: toy.run("git", "show", f"{tag}:{name}").encode() for name in names}
    base = toy.run("git", "rev-parse", f"{tag}^").strip()
    keep_version(toy.checkout, tag, base, held)
    assert commit_of(toy, tag) == first
    assert toy.run("git", "status", "--porcelain") == before


def test_tags_of_versions_that_are_gone_go_too(toy: Toy) -> None:
    base = toy.run("git", "rev-parse", "HEAD").strip()
    keep_version(toy.checkout, tag_name("toy", "2"), base, {"dvc.lock": b"schema: '2.0'\n"})
    toy.run("git", "tag", "mine")
    assert drop_others(toy.checkout, {tag_name("toy", "1")}) == [f"{PREFIX}toy/2"]
    assert "mine" in toy.run("git", "tag").split()


@pytest.mark.parametrize("base", ["--upload-pack=touch x", "HEAD", "0" * 40, "", "a" * 39])
def test_what_is_no_commit_of_this_repository_is_refused(toy: Toy, base: str) -> None:
    with pytest.raises(RebuildError, match="no commit"):
        keep_version(toy.checkout, tag_name("toy", "3"), base, {})


def test_a_gc_without_tags_deletes_it(toy: Toy, tmp_path: Path) -> None:
    """As docs/flows.md warns."""
    toy.run("dvc", "gc", "-q", "--workspace", "--force")
    late, cache = tmp_path / "late", str(toy.checkout / ".dvc/cache")
    toy.run("git", "clone", "-q", "-b", tag_name("toy", "1"), str(toy.checkout), str(late))
    toy.run("dvc", "cache", "dir", "-q", "--local", cache, cwd=late)
    assert toy.attempt("dvc", "checkout", "-q", cwd=late).returncode != 0


def test_a_registry_without_a_model_that_tags_keep_is_refused() -> None:
    """It is probably another registry, such as the local file where a server was meant."""
    other = StoreAddress("sqlite:///none.db", "none.db")
    kept = [tag_name("toy", "1"), tag_name("toy", "2")]
    for held in ([], [tag_name("another", "1")]):
        with pytest.raises(RebuildError, match=r"none\.db: .*toy.*MLFLOW_TRACKING_URI"):
            check_registry(other, held, kept)
    check_registry(other, kept[:1], kept)  # a version that was deleted there
    check_registry(other, [], [])
