"""Check texts from outside before git, DVC, a shell, MLflow or the file system sees them.

Texts from outside are parameters of a flow, tags and files of the registry, commits and the command line. Each function
returns its text unchanged, or raises an error of one line with the place, the text and what is allowed.
"""

import re
import subprocess
from pathlib import Path, PurePosixPath
from typing import Any

from ocrnet.errors import OcrnetError, ParamsError
from pipelines._command.secrets import has_credentials, hide_secrets

Kind = type[OcrnetError]
LONGEST_NAME = 200
LONGEST_ADDRESS = 2000
LONGEST_SHOWN = 80
SCHEMES = ("file", "git", "http", "https", "ssh", "git+ssh", "ssh+git")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ABBREVIATED = re.compile(r"[0-9a-f]{7,64}")
_STAGE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_@+-]*")
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}")
_DIGEST = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}")
_VERSION = re.compile(r"[1-9][0-9]{0,17}")
_ALIAS = re.compile(r"@?[A-Za-z0-9_][\w.-]*", re.ASCII)
_DEVICE = re.compile(r"auto|cpu|cuda(?::[0-9]{1,3})?")
_NAME = re.compile(r"\w(?:[\w. -]*[\w-])?")
_POOL = re.compile(r"[a-z0-9][a-z0-9_-]*")
_HELPER = re.compile(r"[A-Za-z0-9+.-]+::")


def commit_id(value: Any, place: str, kind: Kind = ParamsError) -> str:
    """Return the full hash of a commit."""
    return _matched(value, _COMMIT, "the full hash of a commit: 40 or 64 digits of 0-9, a-f", place, kind)  # fmt: skip


def stage_name(value: Any, place: str, kind: Kind = ParamsError) -> str:
    """Return the name of a stage as DVC addresses it, such as `train@0`."""
    return _matched(value, _STAGE, "the name of a stage of dvc.yaml, such as train@0", place, kind)


def run_id(value: Any, place: str, kind: Kind = ParamsError) -> str:
    """Return the id of a run of MLflow."""
    return _matched(value, _RUN_ID, "the id of a run of MLflow: 32 digits of 0-9, a-f", place, kind)


def flow_run_id(value: Any, place: str, kind: Kind = ParamsError) -> str:
    """Return the id of a run of Prefect."""
    return _matched(value, _UUID, "the id of a flow run, which its page shows", place, kind)


def digest(value: Any, place: str, kind: Kind = ParamsError) -> str:
    """Return a hash of 32 or 64 digits, such as the key of a stage or the sha256 of weights."""
    return _matched(value, _DIGEST, "a hash of 32 or 64 digits of 0-9, a-f", place, kind)


def version_number(value: Any, place: str, kind: Kind = ParamsError) -> str:
    """Return the number of a version of a registered model."""
    return _matched(value, _VERSION, "the number of a version, such as 3", place, kind)


def version_or_alias(value: Any, place: str, kind: Kind = ParamsError) -> str:
    """Return the number or the alias of a version."""
    return _matched(value, _ALIAS, "a version's number or its alias, such as champion", place, kind)


def registry_name(value: Any, place: str, kind: Kind = ParamsError) -> str:
    """Return the name of a registered model or of an experiment."""
    return _matched(value, _NAME, "a name of letters, digits, spaces and . _ -", place, kind)


def pool_name(value: Any, place: str, kind: Kind = ParamsError) -> str:
    """Return the name of a pool of workers."""
    return _matched(value, _POOL, "a pool's name of a-z, 0-9, _ and -", place, kind)


def device_name(value: Any, place: str, kind: Kind = ParamsError) -> str:
    """Return the name of a device to compute on."""
    return _matched(value, _DEVICE, "auto, cpu, cuda or cuda:N", place, kind)


def text_line(value: Any, place: str, kind: Kind = ParamsError) -> str:
    """Return a text of one line from a person, such as a reason; it may be empty."""
    if value == "":
        return ""
    if (
        value == "--"
        or not isinstance(value, str)
        or not value.isprintable()
        or len(value) > LONGEST_ADDRESS
    ):
        raise _refused(value, f"one line of at most {LONGEST_ADDRESS} characters", place, kind)
    return value


def revision(value: Any, place: str = "revision", kind: Kind = ParamsError) -> str:
    """Return the name of a branch or a tag, or the hash of a commit, which may be abbreviated."""
    allowed = "a branch, a tag or the hash of a commit"
    text = _printable(value, allowed, place, kind)
    if _ABBREVIATED.fullmatch(text):
        return text
    if text.startswith("-") or not _is_ref(f"refs/heads/{text}"):
        raise _refused(text, allowed, place, kind)
    return text


def branch_name(value: Any, place: str = "branch", kind: Kind = ParamsError) -> str:
    """Return a valid name for a new branch; refuse one that git would read as something else."""
    allowed = (
        "the name of a branch that `git check-ref-format --branch` accepts, such as runs/today"
    )
    text = _printable(value, allowed, place, kind)
    if text.startswith(("-", "refs/", "@")) or text == "HEAD" or _ABBREVIATED.fullmatch(text):
        raise _refused(text, allowed, place, kind)
    if not _is_ref(f"refs/heads/{text}"):
        raise _refused(text, allowed, place, kind)
    return text


def repository(value: Any, place: str = "repository", kind: Kind = ParamsError) -> str:
    """Return the address of a git repository, or the path of one.

    It refuses options, transports that run a command (`ext::`), and hosts that a program would read as an option.
    """
    allowed = f"a path, HOST:PATH, or an address that begins with {', '.join(SCHEMES[:5])}://"
    text = _printable(value, allowed, place, kind, longest=LONGEST_ADDRESS)
    if text.startswith("-") or _HELPER.match(text):
        raise _refused(text, allowed, place, kind)
    scheme, separator, rest = text.partition("://")
    if separator and scheme not in SCHEMES:
        raise _refused(text, allowed, place, kind)
    if separator:
        host = rest.partition("/")[0]
    else:
        before = text.partition("/")[0]
        host = before.partition(":")[0] if ":" in before else ""
    if any(part.startswith("-") for part in (host, *host.split("@"))):
        raise _refused(text, allowed, place, kind)
    return text


def stored_repository(value: Any, place: str = "repository", kind: Kind = ParamsError) -> str:
    """Return an address of a repository that Prefect has stored; refuse one with credentials."""
    text = repository(value, place, kind)
    if has_credentials(text):
        raise kind(
            f"{place}: {hide_secrets(text)}: the address holds a password or a token, which Prefect stores and shows. "
            "Remove it, change that password, and give the new one to git on the workers: docs/flows.md, Credentials."
        )
    return text


def any_path(value: Any, place: str, kind: Kind = ParamsError) -> str:
    """Return any path that no program reads as an option."""
    allowed = "a path of one line, without a leading -"
    text = _printable(value, allowed, place, kind, longest=LONGEST_ADDRESS)
    if text.startswith("-"):
        raise _refused(text, allowed, place, kind)
    return text


def relative_path(value: Any, place: str, kind: Kind = ParamsError) -> str:
    """Return a relative path that stays within its folder."""
    allowed = "a path within the repository, without a leading / or - and without .."
    text = _printable(value, allowed, place, kind, longest=LONGEST_ADDRESS)
    path = PurePosixPath(text)
    if (
        path.is_absolute()
        or text[0] in "-~"
        or "\\" in text
        or ".." in path.parts
        or not path.parts
    ):
        raise _refused(text, allowed, place, kind)
    return text


def own_file(root: Path, name: str, kind: Kind = ParamsError) -> Path:
    """Return a file of a clone that may be written: neither it nor a folder above it may link to a place outside."""
    path = root / name
    for part in (path, *path.parents):
        if part == root:
            return path
        if part.is_symlink():
            raise kind(
                f"{part.relative_to(root)}: found a symbolic link in this commit. Commit a file."
            )
    raise kind(f"{name}: this path is outside {root}.")


def shown(value: Any) -> str:
    """Return a value for a message: one short line without secrets."""
    text = hide_secrets(value if isinstance(value, str) else repr(value))
    return repr(text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}...")


def _matched(value: Any, pattern: "re.Pattern[str]", allowed: str, place: str, kind: Kind) -> str:
    text = _printable(value, allowed, place, kind)
    if not pattern.fullmatch(text):
        raise _refused(text, allowed, place, kind)
    return text


def _printable(
    value: Any, allowed: str, place: str, kind: Kind, *, longest: int = LONGEST_NAME
) -> str:
    if not isinstance(value, str) or not value or not value.isprintable() or len(value) > longest:
        raise _refused(value, allowed, place, kind)
    return value


def _refused(value: Any, allowed: str, place: str, kind: Kind) -> OcrnetError:
    return kind(f"{place}: found {shown(value)}. Give {allowed}.")


def _is_ref(name: str) -> bool:
    """Ask git whether a name is valid; it begins with `refs/`, so that git does not read it as an option."""
    done = subprocess.run(
        ["git", "check-ref-format", name], capture_output=True, check=False, timeout=60
    )
    return done.returncode == 0
