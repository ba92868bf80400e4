"""Keep a git tag with the `dvc.lock` of each registered version: `dvc gc --all-tags` keeps all files that it names."""

import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from ocrnet.errors import RebuildError
from pipelines._repository.git import git, run_git

PREFIX = "registered/"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_WHO = {
    f"GIT_{who}_{what}": text
    for who in ("AUTHOR", "COMMITTER")
    for what, text in (("NAME", "ocrnet"), ("EMAIL", "ocrnet@localhost"))
}


def tag_name(model: str, version: str) -> str:
    """Return the tag of a version.

    Examples:
        >>> tag_name("a.b", "3")
        'registered/a%2Eb/3'
    """
    return f"{PREFIX}{quote(model, safe='').replace('.', '%2E')}/{int(version)}"


def has_commit(root: Path, commit: str) -> bool:
    """Tell whether a repository has a commit; False for a text that is not the name of one."""
    if not _COMMIT.fullmatch(commit):
        return False
    done = run_git(root, "cat-file", "-e", f"{commit}^{{commit}}")
    return done.returncode == 0


def keep_version(root: Path, tag: str, base: str, files: Mapping[str, bytes]) -> None:
    """Tag a commit with the files added to it; keep an equal tag as it is.

    Args:
        root: Root folder of the repository.
        tag: Name of the tag, from `tag_name`.
        base: Commit at which the version was made.
        files: Contents of the version's `dvc.lock` and `params.yaml`, by name.

    Raises:
        RebuildError: The repository does not have the commit.
        DataError: Git failed.
    """
    if not has_commit(root, base):
        raise RebuildError(
            f"{tag}: this repository has no commit {base[:64]}. Fetch that commit first."
        )
    when = git(root, "log", "-1", "--format=%cI", base)
    dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
    with TemporaryDirectory() as folder:
        own = {**_WHO, **dates, "GIT_INDEX_FILE": str(Path(folder, "index"))}
        git(root, "read-tree", base, **own)
        for name, content in files.items():
            file = Path(folder, "file")
            file.write_bytes(content)
            blob = git(root, "hash-object", "-w", "--no-filters", "--", str(file), **own)
            git(root, "update-index", "--add", "--cacheinfo", f"100644,{blob},{name}", **own)
        tree = git(root, "write-tree", **own)
        words = f"What {tag.removeprefix(PREFIX)} was made of"
        commit = git(root, "commit-tree", tree, "-p", base, "-m", words, **own)
    git(root, "update-ref", f"refs/tags/{tag}", commit)


def kept_tags(root: Path) -> list[str]:
    """Return the tags of versions in a repository."""
    found = git(root, "for-each-ref", "--format=%(refname)", f"refs/tags/{PREFIX}").splitlines()
    return [name.removeprefix("refs/tags/") for name in found]


def model_of(tag: str) -> str:
    """Return the model of a tag, quoted as in the tag.

    Examples:
        >>> model_of("registered/a%2Eb/3")
        'a%2Eb'
    """
    return tag.removeprefix(PREFIX).rpartition("/")[0]


def drop_others(root: Path, tags: set[str]) -> list[str]:
    """Delete the tags of versions that no longer exist, and return them."""
    gone = [tag for tag in kept_tags(root) if tag not in tags]
    for tag in gone:
        git(root, "update-ref", "-d", f"refs/tags/{tag}")
    return gone
