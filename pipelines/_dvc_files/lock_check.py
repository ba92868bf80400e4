"""Check a `dvc.lock` from outside, and the commands that params make, against the `dvc.yaml` of a commit.

DVC passes a command to a shell and writes to the paths of the outputs. So a command must be that of `dvc.yaml` with
plain words in place of `${...}`, and an entry of `dvc.lock` must name the command and the outputs of its stage.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml  # type: ignore[import-untyped, unused-ignore]  # mlflow and DVC need it anyway
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ocrnet.errors import ParamsError
from pipelines._untrusted import Kind, any_path, relative_path, shown, stage_name

GRAPH_FILE = "dvc.yaml"
# No character that a shell acts on, and no option; a number may be negative.
_WORD = r"(?:-?[0-9][A-Za-z0-9_.+]*(?:-[0-9]+)?|[A-Za-z0-9_@%+=:,./][A-Za-z0-9_@%+=:,./-]*)"
_PATH_WORD = r"(?!\.\.?(?:/|$))[A-Za-z0-9_@%+=:,.][A-Za-z0-9_@%+=:,.-]*"
_OPEN = re.compile(r"(?<!\\)\$\{[^}]*\}")
_SafePath = Annotated[str, AfterValidator(lambda text: relative_path(text, "path"))]


class _Dep(BaseModel):
    """A dependency, which may be outside the repository; fields of a cloud (`version_id`) are refused."""

    model_config = ConfigDict(extra="forbid")

    path: Annotated[str, AfterValidator(lambda text: any_path(text, "path"))]
    hash: Literal["md5", "md5-dos2unix"] = "md5"
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}(\.dir)?$")] | None = None
    size: Annotated[int, Field(ge=0)] | None = None
    nfiles: Annotated[int, Field(ge=0)] | None = None
    isexec: bool | None = None


class _Out(_Dep):
    """An output, which must be in the repository."""

    path: _SafePath


class _Entry(BaseModel):
    """A stage of `dvc.lock`."""

    model_config = ConfigDict(extra="forbid")

    cmd: str | list[str]
    deps: list[_Dep] = []
    params: dict[str, dict[str, Any]] = {}
    outs: list[_Out] = []


class _LockFile(BaseModel):
    """The whole of `dvc.lock`."""

    model_config = ConfigDict(extra="forbid")

    schema_: Literal["2.0"] = Field(default="2.0", alias="schema")
    stages: dict[
        Annotated[str, AfterValidator(lambda text: stage_name(text, "stage"))], _Entry
    ] = {}


def check_lock(content: bytes | str, place: str, kind: Kind = ParamsError) -> dict[str, Any]:
    """Parse a `dvc.lock` from outside and return its stages, with every scalar as text.

    Raises:
        OcrnetError: An error of `kind`, if the content is not what DVC writes for a local pipeline.
    """
    try:
        loaded = yaml.load(content, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))
        stages = _LockFile.model_validate(loaded, strict=False).stages
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(
            str(part) for part in first["loc"] if not str(part).startswith("function-")
        )
        words = first["msg"].removeprefix("Value error, ")
        raise kind(f"{place}: {shown(where)[1:-1]}: {' '.join(words.split())}") from None
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError, ValueError) as error:
        raise kind(f"{place}: not the YAML of a dvc.lock: {shown(' '.join(str(error).split()))}") from None  # fmt: skip
    found: dict[str, Any] = (loaded or {}).get("stages") or {}
    return {name: found[name] for name in stages}


class Templates:
    """The commands and paths of the stages of `dvc.yaml`, with `${...}` left open.

    Args:
        stages: Entries of the stages in `dvc.yaml`, by their name without a cell.
    """

    def __init__(self, stages: Mapping[str, Any]) -> None:
        self._stages = stages

    @classmethod
    def read(cls, path: Path, kind: Kind = ParamsError) -> "Templates":
        """Read `dvc.yaml`.

        Raises:
            OcrnetError: An error of `kind`, if the file is missing or is not a mapping of stages.
        """
        try:
            loaded = yaml.load(path.read_bytes(), getattr(yaml, "CBaseLoader", yaml.BaseLoader))
        except (OSError, yaml.YAMLError, RecursionError, UnicodeDecodeError) as error:
            raise kind(f"{path.name}: cannot be read: {' '.join(str(error).split())[:200]}") from error  # fmt: skip
        stages = loaded.get("stages") if isinstance(loaded, dict) else None
        if not isinstance(stages, dict):
            raise kind(f"{path.name}: found no stages. Write them under the key stages.")
        return cls(stages)

    def check_stage(self, name: str, kind: Kind = ParamsError) -> None:
        """Refuse a name that no stage has.

        Raises:
            OcrnetError: An error of `kind`, if the check fails.
        """
        self._of(name, kind)

    def check_command(self, name: str, command: Any, kind: Kind = ParamsError) -> None:
        """Refuse a command other than that of the stage with plain words filled in.

        Raises:
            OcrnetError: An error of `kind`, if the check fails.
        """
        templates = self._of(name, kind).get("cmd", "")
        wanted = templates if isinstance(templates, list) else [templates]
        found = command if isinstance(command, list) else [command]
        if len(wanted) == len(found) and all(map(_is_filled, wanted, found)):
            return
        raise kind(
            f"{name}: the command would be {shown(found[0] if len(found) == 1 else found)}. dvc.yaml says "
            f"{shown(templates)}, and a param may only put a plain word into it: letters, digits and "
            "_ @ % + = : , . / -. Correct that param."
        )

    def check_outs(self, name: str, paths: Sequence[str], kind: Kind) -> None:
        """Refuse paths other than the outputs of the stage.

        Raises:
            OcrnetError: An error of `kind`, if the check fails.
        """
        for path in paths:
            if not self._names(name, "outs", path, kind):
                raise kind(
                    f"{name}: it writes {shown(path)}, which is not one of its outs in dvc.yaml."
                )

    def foreign_deps(self, name: str, paths: list[str], kind: Kind) -> list[str]:
        """Return the paths that are not among the dependencies of the stage in `dvc.yaml`."""
        return [path for path in paths if not self._names(name, "deps", path, kind)]

    def check_entries(self, stages: Mapping[str, Any], kind: Kind = ParamsError) -> None:
        """Refuse entries of `dvc.lock` with other stages, commands or outputs than `dvc.yaml`.

        Raises:
            OcrnetError: An error of `kind`, if the check fails.
        """
        for name, entry in stages.items():
            self.check_command(name, entry["cmd"], kind)
            self.check_outs(name, [out["path"] for out in entry.get("outs", [])], kind)

    def _names(self, stage: str, key: str, path: str, kind: Kind) -> bool:
        listed = self._of(stage, kind).get(key, [])
        names = [next(iter(item)) if isinstance(item, dict) else str(item) for item in listed]
        return any(
            _pattern(name, _PATH_WORD if key == "outs" else ".+").fullmatch(path) for name in names
        )

    def _of(self, name: str, kind: Kind) -> Mapping[str, Any]:
        found = self._stages.get(stage_name(name, "dvc.yaml", kind).partition("@")[0])
        if not isinstance(found, dict):
            known = ", ".join(sorted(map(str, self._stages)))
            raise kind(f"{shown(name)}: dvc.yaml has no such stage. Its stages: {known}.")
        inner = found.get("do", found)
        return inner if isinstance(inner, dict) else {}


def _is_filled(template: Any, command: Any) -> bool:
    if not isinstance(command, str):
        return False
    text = str(template)
    if text != text.strip():  # a text of several lines in dvc.yaml ends with a newline
        text, command = text.strip(), command.strip(" \n")
    return _pattern(text, _WORD).fullmatch(command) is not None


def _pattern(template: str, word: str) -> "re.Pattern[str]":
    literals = [re.escape(part.replace("\\${", "${")) for part in _OPEN.split(template)]
    return re.compile(word.join(literals))
