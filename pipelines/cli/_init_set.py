"""The work of `ocrnet init`: find, choose, check, time, write."""

import os
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
import pandas as pd

from ocrnet.auto_config.choice import Choice, to_values
from ocrnet.auto_config.classes import ClassChoice
from ocrnet.auto_config.facts import DataFacts
from ocrnet.auto_config.found_set import FoundSet, find_set
from ocrnet.auto_config.layout import DEMO, detect_source
from ocrnet.auto_config.machine import read_machine
from ocrnet.auto_config.rules import Plan, choose_params, layout_choices
from ocrnet.auto_config.set_file import set_text
from ocrnet.auto_config.set_header import head_words, time_words
from ocrnet.config import Params
from ocrnet.config.params_file import load_params, parse_params
from ocrnet.data.files import write_whole
from ocrnet.errors import DataError, OcrnetError, ParamsError
from ocrnet.raw.findings import Finding, cap_lines
from ocrnet.raw.groups import group_of
from pipelines._edit_params import leaves_of, put_values
from pipelines.activate import SETS
from pipelines.cli.arguments import SET_NAME

if TYPE_CHECKING:
    from pipelines._raw.check import RawCheck

PARAMS = Path("params.yaml")
FINDINGS = Path(".state/init/findings.txt")
SHOWN = 5  # findings of each code, and notes


@dataclass(frozen=True)
class InitRequest:
    """What the user wants.

    Args:
        path: Folder of the images, or the word demo.
        name: Name of the set; None: that of the folder.
        source: Name of the source; None: by the folder's layout.
        force: Whether an existing file may be replaced.
        with_timing: Whether a few steps of both trainings run.
    """

    path: Path
    name: str | None
    source: str | None
    force: bool
    with_timing: bool


def init_set(request: InitRequest) -> Path:
    """Write the set that a request asks for, tell the user what was found, and return the file.

    Raises:
        ParamsError: The name is taken or cannot be used, or there is no `params.yaml`.
        DataError: The images or label maps cannot be used; a line per finding.
    """
    base = load_params(PARAMS).model_dump(mode="json", by_alias=True)
    source = request.source or detect_source(request.path)
    name = request.name or _name_of(request.path)
    target = SETS / f"{name}.yaml"
    if target.exists() and not request.force:
        raise ParamsError(
            f"{target} exists. Choose another name with --name, or replace the file with --force."
        )
    place = "data/raw/demo" if source == DEMO else _data_path(request.path)
    with tempfile.TemporaryDirectory(prefix="ocrnet-init-") as folder:
        work = Path(folder)
        _tell(f"reading {place} ...")
        found = find_set(base, source, place, work=work / "raw", known=_known_classes(source))
        plan = Plan(name, place, found.facts, found.classes, read_machine())
        _tell("choosing and checking the params ...")
        choices, params, spent = _checked_choices(plan, found, work)
        expected = _time_words(params, work / "prepared", spent) if request.with_timing else None
    head = head_words(name, str(request.path), plan, expected)
    write_whole(target, set_text(head, choices))
    _tell_result(target, head, name)
    return target


def _checked_choices(plan: Plan, found: FoundSet, work: Path) -> tuple[list[Choice], Params, float]:
    """Return the choices, the params and the seconds of the checks, which are those of `validate` and `prepare`."""
    from ocrnet.auto_config.memory import step_memory  # torch
    from ocrnet.gan.layouts.catalog import Catalog
    from ocrnet.preflight.later_stages import check_outlook
    from ocrnet.preflight.names import check_component_names
    from ocrnet.raw.prepare import prepare
    from pipelines._raw.check import check_scan, try_params

    start = time.perf_counter()
    choices = choose_params(plan, lambda values: step_memory(_params(values)))
    params = _params(to_values(choices))
    check_component_names(params)
    table = _grouped(found.table, params)
    checked = check_scan(table, params, found.inventory, docs=work / "docs")
    without = _unlabelled_findings(found, checked, params, work)
    if without and found.facts.lacking and not found.facts.held_out and not checked.findings:
        facts = replace(found.facts, held_out=True)  # they are left out instead
        return _checked_choices(replace(plan, facts=facts), _without_lacking(found, facts), work)
    for note in checked.notes[:SHOWN]:
        _tell(f"note: {note}")
    if checked.findings or without:
        _refuse([*checked.findings, *without])
    try_params(table, params)
    prepared = work / "prepared"
    prepare(table, params, roots=found.roots, out=prepared)
    choices += layout_choices(has_things=bool(Catalog(prepared).thing_classes()))
    params = _params(to_values(choices))
    check_outlook(prepared, params)
    order = list(params.model_dump(by_alias=True))
    choices.sort(key=lambda choice: order.index(choice.key.partition(".")[0]))
    return choices, params, time.perf_counter() - start


def _unlabelled_findings(
    found: FoundSet, checked: "RawCheck", params: Params, work: Path
) -> list[Finding]:
    """Return the findings of the images without label maps, as `validate` tells them."""
    from pipelines._raw.check_unlabelled import check_unlabelled

    if not found.unlabelled or checked.findings:
        return []
    labelled = found.scan._replace(table=_grouped(found.table, params))
    docs = work / "docs"
    return check_unlabelled(found.unlabelled, labelled, checked.plan, params, docs=docs).findings


def _without_lacking(found: FoundSet, facts: DataFacts) -> FoundSet:
    """Return a set without the images of the source that have no label map; those of the folder stay."""
    folder = facts.unlabelled
    root = found.inventory.root / (folder[0] if folder else "")
    kept = tuple(item for item in found.unlabelled if folder and item.image.is_relative_to(root))
    return replace(found, facts=facts, unlabelled=kept)


def _refuse(findings: Sequence[Finding]) -> NoReturn:
    """Raise the findings, a line each, and write all of them into a file."""
    write_whole(FINDINGS, "".join(f"{finding.message}\n" for finding in findings))
    raise DataError("\n".join(cap_lines(findings, per_code=SHOWN, place=FINDINGS.as_posix())))


def _params(values: Mapping[str, Any]) -> Params:
    document, _ = put_values(PARAMS, dict(values), place="the new set")
    return parse_params(document, place="the new set")


def _grouped(table: pd.DataFrame, params: Params) -> pd.DataFrame:
    """Return the table of a scan with the groups by `data.group_by`, which was not known to the scan."""
    pattern = params.data.group_by
    if pattern is None:
        return table
    return table.assign(group=[group_of(item, pattern) for item in table["id"]])


def _known_classes(source: str) -> list[ClassChoice]:
    """Return the classes that other sets of a source name; those of a folder say nothing about another folder."""
    if source == "folder":
        return []
    found = []
    for path in sorted(SETS.glob("*.yaml")):
        with suppress(OcrnetError, KeyError):
            params = parse_params(
                put_values(PARAMS, _read(path), place=path.name)[0], place=path.name
            )
            data = params.data
            if data.source == source:
                reason = f"The source {source} has these classes ({path})."
                found.append(ClassChoice(data.classes, dict(data.label_map), data.palette, reason))
    return found


def _read(path: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML

    from ocrnet.config.params_file import read_yaml

    return leaves_of(read_yaml(path, YAML(typ="safe")), place=path.name)


def _time_words(params: Params, prepared: Path, spent: float) -> str:
    from ocrnet.auto_config.timing import measure_steps
    from ocrnet.data.manifest import read_manifest

    _tell("timing a few steps of both trainings (--no-timing leaves this out) ...")
    times = measure_steps(prepared, params)
    images = {split: len(read_manifest(prepared, split=split)) for split in ("val", "test")}
    return time_words(
        params, times, val_images=images["val"], test_images=images["test"], spent_s=spent
    )


def _name_of(path: Path) -> str:
    """Return a name for the set: that of the folder, in characters that a model's name may have."""
    text = re.sub(r"[^a-z0-9_-]+", "-", path.resolve().name.lower()).strip("-_")[:64]
    if not SET_NAME.fullmatch(text):
        raise ParamsError(
            f"{path}: the folder's name gives no name for the set. Choose one with --name."
        )
    return text


def _data_path(path: Path) -> str:
    """Return the path of the folder, relative if it is below the working folder."""
    full, here = Path(os.path.abspath(path)), Path.cwd()  # unlike absolute(), it resolves ..
    return full.relative_to(here).as_posix() if full.is_relative_to(here) else full.as_posix()


def _tell(line: str) -> None:
    click.echo(f"init: {line}", err=True)


def _tell_result(target: Path, head: Sequence[str], name: str) -> None:
    for paragraph in head[1:-1]:
        click.echo(paragraph)
    click.echo(f"Wrote {target}. Read it, then: make repro SET={name}")
    click.echo(f"Or a first model without the GAN: make activate SET={name} && dvc repro train")
    click.echo(
        "It predicts your images by: ocrnet predict FOLDER -o out --model data/train/0 --overlays"
    )
